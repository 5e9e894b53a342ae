"""The fields of a request that OpenAI's two languages read alike."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.blocks import render
from claude_proxy.codecs.openai_chat.content import texts_of
from claude_proxy.codecs.openai_chat.context import Context, Notes, kept
from claude_proxy.codecs.openai_chat.marks import Marked, marked
from claude_proxy.codecs.openai_chat.schema import is_strict
from claude_proxy.errors import RequestError
from claude_proxy.types import Json

CARRIED_FIELDS = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "max_tokens", "stream"}
    | {"temperature", "top_p", "top_k", "stop_sequences", "metadata", "thinking"}
    | {"output_config", "output_format"}
)
"""Fields that are carried or translated, as far as the profile allows."""

_ANTHROPIC_ONLY = "exists at Anthropic only"
_NO_SERVER_PART = "this upstream has no such server-side feature"

DROPPED_FIELDS: Mapping[str, str] = {
    "service_tier": _ANTHROPIC_ONLY,
    "container": _NO_SERVER_PART,
    "mcp_servers": "MCP servers are not connected by this upstream",
    "context_management": _NO_SERVER_PART,
    "inference_geo": _ANTHROPIC_ONLY,
    "speed": _ANTHROPIC_ONLY,
    "safeguards": "no safety evaluation is made or forged here",
    "diagnostics": _ANTHROPIC_ONLY,
    "betas": _ANTHROPIC_ONLY,
    "fallbacks": _ANTHROPIC_ONLY,
    "billing_policy": _ANTHROPIC_ONLY,
    "compaction": _NO_SERVER_PART,
    "workspace_id": _ANTHROPIC_ONLY,
    "user_profile_id": _ANTHROPIC_ONLY,
    "fallback_credit_token": _ANTHROPIC_ONLY,
}
"""Fields that are dropped with a note, and why. `cache_control` is noted once for all places;
`thread` is refused; fields not listed anywhere are dropped as unknown."""

BILLING_LINE = "x-anthropic-billing-header:"
"""Starts a line that Claude Code writes for Anthropic; it differs for each conversation and
would spoil the prompt cache of every other upstream."""

ID_LENGTH = 64


def refuse_thread(body: Json) -> None:
    """`RequestError` (400) for `thread`: its requests hold only what is new, so an answer would
    be made without the history."""
    if body.get("thread") is not None:
        # Only with exactly these details do the SDKs' tool runners send the whole history again.
        raise RequestError(
            "thread: threads are not supported here; send the whole conversation in messages.",
            details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
        )


def note_fields(body: Json, notes: Notes, *, marks: bool = False) -> None:
    """Notes what is left out; `marks` says that `cache_control` is not."""
    for name, value in body.items():
        if name in CARRIED_FIELDS or value is None or (marks and name == "cache_control"):
            continue
        if name == "cache_control":
            notes.once(name, name, notes.foreign)
        else:
            notes.drop(name, DROPPED_FIELDS.get(name, notes.foreign))


def system_prompt(body: Json, context: Context) -> str:
    """The system prompt as one text; empty for none."""
    system = body.get("system")
    if not system:
        return ""
    return kept(system, "system", lambda own: "\n\n".join(system_texts(system, own)), context)


def system_texts(system: str | list[Json], context: Context) -> list[str]:
    texts = [_without_billing(system, "system", context)] if isinstance(system, str) else []
    for index, block in enumerate(system if isinstance(system, list) else ()):
        path = f"system.{index}"
        parts = texts_of(render(block, path, context, media=False))
        texts += [_without_billing(part, path, context) for part in parts]
    return [text for text in texts if text]


def _without_billing(text: str, path: str, context: Context) -> str:
    if not text.startswith(BILLING_LINE):
        return text
    context.notes.drop(path, "billing line for Anthropic")
    rest = text.partition("\n")[2].lstrip("\n")
    return marked(rest, text.mark) if isinstance(text, Marked) else rest


def token_limit(body: Json, context: Context) -> int | None:
    """`max_tokens`, as far as the model goes; None where the request has no limit."""
    limit: int | None = body.get("max_tokens")
    most = context.profile.max_output_tokens
    if limit is None or most is None or limit <= most:
        return limit
    context.notes.drop("max_tokens", f"clamped to {most}")
    return most


def sampling(body: Json, context: Context) -> Json:
    """`temperature`, `top_p` and `top_k`, where the model takes them."""
    profile = context.profile
    accepted = {"temperature": profile.sampling, "top_p": profile.sampling, "top_k": profile.top_k}
    fields: Json = {}
    for name, takes in accepted.items():
        if body.get(name) is None:
            continue
        if takes:
            fields[name] = body[name]
        else:
            context.notes.drop(name, "not accepted by this model")
    return fields


class OutputSchema(NamedTuple):
    """The JSON schema that the answer has to follow."""

    schema: Json
    strict: bool


def output_schema(body: Json, context: Context, *, told: bool = False) -> OutputSchema | None:
    """That of `output_config.format`, or of the older top-level `output_format`.

    `told`: it is not sent as such, but told to the model.
    """
    config = body.get("output_config") or {}
    for name, value in config.items():
        if name not in ("format", "effort") and value is not None:
            context.notes.drop(f"output_config.{name}", context.notes.foreign)
    path, asked = "output_config.format", config.get("format")
    older = body.get("output_format")
    if older and asked:
        context.notes.drop("output_format", "output_config.format is used")
    elif older:
        path, asked = "output_format", older
    if not asked:
        return None
    if asked.get("type") != "json_schema" or not isinstance(asked.get("schema"), dict):
        context.notes.drop(path, "unknown kind of output format")
        return None
    strict = context.profile.strict_schemas and is_strict(asked["schema"])
    if told:
        context.notes.drop(path, "the schema is not enforced, the model is told")
    elif not strict:
        context.notes.drop(path, "the schema is not enforced strictly")
    return OutputSchema(asked["schema"], strict)


def user_id(body: Json, context: Context) -> str | None:
    """`metadata.user_id` as it came, where there is a place for it."""
    metadata = body.get("metadata") or {}
    for name, value in metadata.items():
        if name != "user_id" and value is not None:
            context.notes.drop(f"metadata.{name}", context.notes.foreign)
    user: str | None = metadata.get("user_id")
    if user and context.profile.user_field is None:
        context.notes.drop("metadata.user_id", "not accepted by this upstream")
        return None
    return user


@lru_cache(maxsize=1024)
def short_id(id: str) -> str:
    """The id itself, or its hash where it is too long or holds control characters."""
    if len(id) <= ID_LENGTH and id.isprintable():
        return id
    return sha256(id.encode("utf-8", "surrogatepass")).hexdigest()


_ASKED_AS: Mapping[str, str] = {
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "stream_options": "stream",
    "reasoning_effort": "output_config.effort",
    "reasoning": "output_config.effort",
    "response_format": "output_config.format",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
}
"""What the client calls fields that these languages call otherwise."""


def leave_out(fields: Json, context: Context) -> Json:
    """The request without what the profile says is never sent."""
    without = context.profile.without
    if not without:
        return fields
    for name in fields:
        if name in without:
            context.notes.drop(_ASKED_AS.get(name, name), f"{name} is not accepted by this model")
    return {name: value for name, value in fields.items() if name not in without}
