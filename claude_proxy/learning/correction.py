"""One thing about an upstream that its profile said wrong, as a value that can be kept."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from claude_proxy.profiles import Effort, Profile
from claude_proxy.types.anthropic import MessagesRequest

Value = bool | int | str | tuple[str, ...] | None

DROPPABLE = frozenset(
    {"temperature", "top_p", "top_k", "stop", "user", "metadata", "service_tier"}
    | {"stream_options", "parallel_tool_calls"}
    | {"reasoning_effort", "reasoning", "reasoning_format", "thinking", "enable_thinking"}
    | {"thinking_budget", "chat_template_kwargs", "tool_stream", "usage", "provider"}
    | {"extra_body"}
)
"""Top-level fields that a request may lose. Never the model, messages, tools or their choice:
without those it would be another request. Nor `store`, which says that nothing is to be kept."""

_MARKED = ("system", "tools", "messages.content")

PASSED_PATHS = (
    *("output_config.format", "output_config.effort", "output_config.task_budget"),
    *("output_config", "thinking.display", "thinking", "context_management", "safeguards"),
    *("temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"),
    *("inference_geo", "speed", "output_format"),
    *("tools.strict", "tools.defer_loading", "tools.input_examples"),
    *("tools.eager_input_streaming", "tools.allowed_callers"),
    *(f"{place}.cache_control.{part}" for part in ("scope", "ttl") for place in _MARKED),
    *(f"{place}.cache_control" for place in _MARKED),
    *("messages.content.caller", "messages.content.citations"),
    "cache_control",
)
"""The same for requests that are passed on in Messages, as paths (`Profile.without`); what is
inside of others stands first."""

KEYWORDS = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$ref", "$defs", "definitions", "title", "examples"}
    | {"default", "readOnly", "writeOnly", "deprecated", "nullable", "const", "enum", "format"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType"}
    | {"minItems", "maxItems", "uniqueItems", "prefixItems", "additionalItems"}
    | {"contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"}
    | {"minProperties", "maxProperties", "additionalProperties", "patternProperties"}
    | {"propertyNames", "dependentRequired", "dependentSchemas", "dependencies"}
    | {"oneOf", "allOf", "not", "if", "then", "else"}
)
"""Keywords of JSON schema that can be left out. Never `type`, `properties`, `items`, `required`
or `anyOf`: without those nothing is left that could be told."""

_BETA = re.compile(r"[a-z0-9][a-z0-9-]{2,79}")

LEAST_CAP = 256
"""A smaller limit of output tokens is no model's; some other number was read."""


COLLECTED = frozenset({"without", "without_betas", "schema_without"})
"""Fields of `Profile` to which each correction adds one thing."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A field of `Profile`, and what it is at this upstream."""

    field: str
    value: Value

    @property
    def legal(self) -> bool:
        """Whether this can be learned at all: it may come from a file that anybody can write."""
        check = _LEGAL.get(self.field)
        takes = _TYPES.get(self.field)
        return check is not None and check(self.value) and _fits(takes, self.value)

    def apply(self, profile: Profile) -> Profile:
        value: Any = self.value
        if self.field in COLLECTED:
            more: dict[str, Any] = {self.field: getattr(profile, self.field) | {value}}
            return replace(profile, **more)
        if self.field == "max_output_tokens" and not profile.cap_assumed:
            value = min(value, profile.max_output_tokens or value)
        changed = {self.field: value, **_COMPANIONS.get((self.field, None), {})}
        if isinstance(value, str):
            changed |= _COMPANIONS.get((self.field, value), {})
        return replace(profile, **{name: changed[name] for name in changed if name in _TYPES})

    @property
    def sentence(self) -> str:
        """What it does, for people: headers, logs, lists."""
        words = _SENTENCES[self.field]
        if isinstance(words, str):
            listed = ", ".join(self.value) if isinstance(self.value, tuple) else self.value
            return words.format(listed)
        return words[self.value]

    def note(self, request: MessagesRequest) -> tuple[str, str] | None:
        """Path and reason, where this changes a request in a way that the encoder does not tell."""
        if self.field == "effort_with_tools" and request.get("tools"):
            return "output_config.effort", self.sentence
        system = self.field == "system_messages" and any(
            message["role"] == "system" for message in request["messages"]
        )
        return ("messages", self.sentence) if system else None


def corrected(profile: Profile, corrections: Iterable[Correction]) -> Profile:
    """The profile with all of them, in order."""
    for correction in corrections:
        profile = correction.apply(profile)
    return profile


def _is_one_of(*values: Value) -> Callable[[Value], bool]:
    # True == 1, so the type counts too.
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def _is_number(least: int, most: int) -> Callable[[Value], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_choice_of(*words: str) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, tuple) and bool(value) and set(value) <= {*words}


def _is_beta(value: Value) -> bool:
    return isinstance(value, str) and _BETA.fullmatch(value) is not None


def _fits(type_: Any, value: Value) -> bool:
    """Whether a field of this type can have the value; what is in a tuple was looked at."""
    origin, inner = get_origin(type_), get_args(type_)
    if origin is Literal:
        return value in inner
    if origin in (Union, UnionType):
        return any(_fits(each, value) for each in inner)
    if origin is frozenset:
        return isinstance(value, str)
    return type(value) is (origin or type_)


_TYPES: Mapping[str, Any] = {field.name: field.type for field in fields(Profile)}

_LEGAL: Mapping[str, Callable[[Value], bool]] = {
    "without": _is_one_of(*DROPPABLE, *PASSED_PATHS),
    "without_betas": _is_beta,
    "schema_without": _is_one_of(*KEYWORDS),
    "max_tokens_field": _is_one_of("max_tokens", "max_completion_tokens"),
    "max_output_tokens": _is_number(LEAST_CAP, 10_000_000),
    "max_stops": _is_number(0, 64),
    "efforts": _is_choice_of(*get_args(Effort)),
    "effort_with_tools": _is_one_of("none"),
    "system_messages": _is_one_of("first"),
    "reasoning_history": _is_one_of("drop", "reasoning_content"),
    "strict_schemas": _is_one_of(False),
    "stream_usage": _is_one_of(False),
    "user_field": _is_one_of(None),
    "session_field": _is_one_of(None),
    "tool_name_length": _is_number(16, 128),
    "tool_id_length": _is_number(9, 128),
    "tool_ids": _is_one_of("alphanumeric"),
    "tool_name_start": _is_one_of("letter"),
    "tool_choices": _is_choice_of("auto", "none", "required", "named"),
    "required_word": _is_one_of("any"),
    "forced_choice": _is_one_of("plain"),
    "after_tool": _is_one_of("assistant"),
    "vision": _is_one_of("told"),
    "response_format": _is_one_of("json_object", "told"),
    "level_and_switch": _is_one_of("either"),
    "whole_answers": _is_one_of("streamed"),
}
"""The fields that can be learned, and the values that they may get."""

_COMPANIONS: Mapping[tuple[str, str | None], Mapping[str, Any]] = {
    # A limit that the upstream has named itself is no guess any more.
    ("max_output_tokens", None): {"cap_assumed": False},
    # Whoever wants reasoning back wants it on every message with calls.
    ("reasoning_history", "reasoning_content"): {"reasoning_missing": "empty"},
    # "… must be a-z, A-Z, 0-9, with a length of 9"
    ("tool_ids", "alphanumeric"): {"tool_id_length": 9},
}
"""What changes together with a field, or with one value of it."""

_SENTENCES: Mapping[str, str | Mapping[Value, str]] = {
    "without": "{} is not sent",
    "without_betas": "the beta {} is not asked for",
    "schema_without": "schemas have no {}",
    "max_tokens_field": "the limit of output tokens is sent as {}",
    "max_output_tokens": "at most {} output tokens",
    "max_stops": "at most {} stop sequences",
    "efforts": "only these levels of reasoning: {}",
    "effort_with_tools": "with tools only the effort {}",
    "system_messages": "later system messages are sent as user text",
    "reasoning_history": {
        "drop": "earlier reasoning is not sent back",
        "reasoning_content": "earlier reasoning is sent back",
    },
    "strict_schemas": "schemas are not marked strict",
    "stream_usage": "usage is not asked for in streams",
    "user_field": "no user is named",
    "session_field": "no session is named",
    "tool_name_length": "tool names of at most {} characters",
    "tool_id_length": "tool call ids of at most {} characters",
    "tool_ids": "tool call ids of nine letters and digits",
    "tool_name_start": "tool names start with a letter",
    "tool_choices": "only these choices of tools: {}",
    "required_word": "a call is demanded by the word {}",
    "forced_choice": "a call is demanded only without reasoning",
    "after_tool": "an assistant message stands between tool results and the user",
    "vision": "images are told in words",
    "response_format": {
        "json_object": "JSON is asked for, its schema told in words",
        "told": "the answer's form is told in words",
    },
    "level_and_switch": "reasoning has either a level or a switch",
    "whole_answers": "answers are asked for as streams",
}
