"""What single providers refuse, beside what every strict server does, as parts for their rows.

Each is a function from a request's body to its broken rules, in the words of the provider where
they are known (docs/providers.md, claude_proxy/profiles/profile.py name the threads).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Rule = Callable[[Json], Iterator[str]]


def known(*names: str) -> Rule:
    """No other fields than these."""
    return lambda body: (f"unknown field {name}" for name in body if name not in names)


def without(*names: str) -> Rule:
    return lambda body: (f"{name} is not supported" for name in names if name in body)


def needs(**fields: Any) -> Rule:
    return lambda body: (
        f"{name} must be {value!r}" for name, value in fields.items() if body.get(name) != value
    )


def at_most(name: str, most: int) -> Rule:
    """A number, or the entries of a list."""

    def rule(body: Json) -> Iterator[str]:
        value = body.get(name, 0)
        if (len(value) if isinstance(value, list) else value) > most:
            yield f"{name}: maximum is {most}"

    return rule


def one_of(name: str, *values: Any) -> Rule:
    """The field is one of these, or is not there."""

    def rule(body: Json) -> Iterator[str]:
        if name in body and body[name] not in values:
            yield f"{name}: input should be one of {values}"

    return rule


def exclusive(*names: str) -> Rule:
    def rule(body: Json) -> Iterator[str]:
        if len(body.keys() & set(names)) > 1:
            yield f"cannot specify both {' and '.join(names)}"

    return rule


def fields_of(role: str, *names: str) -> Rule:
    """Messages of the role have no other fields."""

    def rule(body: Json) -> Iterator[str]:
        for index, message in enumerate(body["messages"]):
            if message["role"] == role:
                for name in message.keys() - set(names):
                    yield f"property 'messages.{index}.{name}' is unsupported"

    return rule


PLAIN_ASSISTANT = fields_of("assistant", "role", "content", "tool_calls")
"""No reasoning in the history."""


def system_first(body: Json) -> Iterator[str]:
    if any(message["role"] == "system" for message in body["messages"][1:]):
        yield "System message must be at the beginning."


def text_only(body: Json) -> Iterator[str]:
    """A model without eyes."""
    for index, message in enumerate(body["messages"]):
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] != "text":
                yield f"messages[{index}]: unknown variant `{part['type']}`, expected `text`"


def inlined_images(body: Json) -> Iterator[str]:
    """Nothing is fetched for the user."""
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url" and not part["image_url"]["url"].startswith("data:"):
                yield "invalid image input"


def string_content(body: Json) -> Iterator[str]:
    """Also beside calls."""
    for index, message in enumerate(body["messages"]):
        if message["content"] is None:
            yield f"invalid message content type: <nil> (messages.{index})"


def nine_character_ids(body: Json) -> Iterator[str]:
    """Mistral's code 3280."""
    for message in body["messages"]:
        ids = [call["id"] for call in message.get("tool_calls", ())]
        for id in [*ids, message.get("tool_call_id", "a" * 9)]:
            if not re.fullmatch("[a-zA-Z0-9]{9}", id):
                yield f"Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."


def no_user_after_tool(body: Json) -> Iterator[str]:
    """Mistral's code 3230."""
    roles = [message["role"] for message in body["messages"]]
    if ("tool", "user") in zip(roles, roles[1:], strict=False):
        yield "Unexpected role 'user' after role 'tool'"


def names_start_with_a_letter(body: Json) -> Iterator[str]:
    for tool in body.get("tools", ()):
        if not re.fullmatch(r"[A-Za-z_][\w.:-]{0,63}", tool["function"]["name"]):
            yield "Invalid function name. Must start with a letter or an underscore."


def _schemas(schema: Any) -> Iterator[Json]:
    """The schema and all schemas in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            yield from _schemas(inner)
    yield from _schemas(schema.get("items"))
    for name in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(name, ()):
            yield from _schemas(inner)


def _parameters(body: Json) -> Iterator[Json]:
    for tool in body.get("tools", ()):
        yield from _schemas(tool["function"]["parameters"])


GEMINI_KEYWORDS = {
    *("type", "format", "description", "nullable", "enum", "items", "minItems", "maxItems"),
    *("properties", "required", "minProperties", "maxProperties", "anyOf", "minimum", "maximum"),
    *("minLength", "maxLength", "pattern"),
}


def gemini_schemas(body: Json) -> Iterator[str]:
    for schema in _parameters(body):
        for keyword in schema.keys() - GEMINI_KEYWORDS:
            yield f'Unknown name "{keyword}" at tools.function_declarations: Cannot find field.'
        if isinstance(schema.get("type"), list):
            yield "type: Proto field is not repeating, cannot start list."
        if not all(isinstance(value, str) for value in schema.get("enum", ())):
            yield "enum: only strings are allowed"


def typed_unions(body: Json) -> Iterator[str]:
    """Moonshot's flavour of schemas."""
    for schema in _parameters(body):
        if "anyOf" in schema and "type" in schema:
            yield "when using anyOf, type should be defined in anyOf items instead of the parent"


def is_forced(body: Json) -> bool:
    return body.get("tool_choice", "auto") not in ("auto", "none")


def unforced_unless(*off: tuple[str, Any]) -> Rule:
    """A call can be demanded only where one of these fields turns reasoning off."""

    def rule(body: Json) -> Iterator[str]:
        if is_forced(body) and not any(body.get(name) == value for name, value in off):
            yield "tool_choice specified is incompatible with thinking enabled"

    return rule


def whole_answers_do_not_think(body: Json) -> Iterator[str]:
    """DashScope."""
    if not body.get("stream") and body.get("enable_thinking") is not False:
        yield "parameter.enable_thinking must be set to false for non-streaming calls"


def thinking_keeps(**fields: Any) -> Rule:
    """`thinking` is on or off, and if it is on it has these fields."""

    def rule(body: Json) -> Iterator[str]:
        thinking = body.get("thinking")
        if thinking is not None and thinking != {"type": "disabled"}:
            if thinking != {"type": "enabled", **fields}:
                yield f"thinking: invalid value {thinking}"

    return rule


def thinks_when_asked(**fields: Any) -> Rule:
    """One of these fields asks for reasoning; without it the conversation would lose it."""

    def rule(body: Json) -> Iterator[str]:
        if not is_forced(body) and not any(body.get(name) == fields[name] for name in fields):
            yield f"reasoning was not asked for by any of {fields}"

    return rule


def tools_are_streamed(body: Json) -> Iterator[str]:
    """GLM streams arguments only when it is told to."""
    if body.get("stream") and body.get("tools") and not body.get("tool_stream"):
        yield "tool_stream is missing"


def usage_is_asked_for(body: Json) -> Iterator[str]:
    """Without that there is none in a stream."""
    if body.get("stream") and body.get("stream_options") != {"include_usage": True}:
        yield "stream_options.include_usage is missing"


def json_is_named(body: Json) -> Iterator[str]:
    """The simple JSON mode wants the word in the prompt, and knows no schema."""
    format = body.get("response_format")
    if format is not None and format != {"type": "json_object"}:
        yield "This response_format type is unavailable now"
    if format is not None and "json" not in str(body["messages"]).lower():
        yield "Prompt must contain the word 'json' to use response_format 'json_object'."


def gemini_format(body: Json) -> Iterator[str]:
    """The schema of an answer is in the same subset."""
    asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
    for schema in _schemas(asked):
        for keyword in schema.keys() - GEMINI_KEYWORDS:
            yield f'Unknown name "{keyword}" at generation_config.response_schema.'


def gemini_thinking(body: Json) -> Iterator[str]:
    """Its own switch stands in an extra field, with nothing else, and excludes the general one."""
    if "extra_body" not in body:
        return
    config = body["extra_body"].get("google", {}).get("thinking_config", {})
    if body["extra_body"] != {"google": {"thinking_config": config}}:
        yield "Unknown name in extra_body."
    for name in config.keys() - {"include_thoughts", "thinking_level", "thinking_budget"}:
        yield f'Unknown name "{name}" in extra_body at thinking_config.'
    if "reasoning_effort" in body or {"thinking_level", "thinking_budget"} <= config.keys():
        yield "Expected one of either `reasoning_effort` or custom `thinking_config`."
    if config.get("thinking_level", "low") not in {"minimal", "low", "medium", "high"}:
        yield "Invalid value in extra_body at thinking_config.thinking_level."


def few_marks(body: Json) -> Iterator[str]:
    """Claude takes at most four marks for its prompt cache, and none without a need."""
    count = str(body).count("'cache_control'")
    if not 1 <= count <= 4:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {count}."
