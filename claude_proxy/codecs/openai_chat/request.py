"""Anthropic Messages request → Chat Completions request.

Pure: equal requests give equal bytes, and the request stays as it is. What Chat Completions
cannot carry is told to the model in words or goes to `on_drop`; nothing unknown is forwarded.
Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.openai_chat.blocks import render
from claude_proxy.codecs.openai_chat.content import texts_of
from claude_proxy.codecs.openai_chat.context import Context, Notes, kept
from claude_proxy.codecs.openai_chat.effort import encode_effort
from claude_proxy.codecs.openai_chat.history import encode_messages
from claude_proxy.codecs.openai_chat.names import named_tools, wire_names
from claude_proxy.codecs.openai_chat.schema import is_strict
from claude_proxy.codecs.openai_chat.tools import encode_tool_choice, encode_tools
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest
from claude_proxy.types.openai import ChatMessage

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

USER_ID_LENGTH = 64


def tool_names(request: MessagesRequest, *, profile: Profile) -> dict[str, str]:
    """Wire name → original name of the tools that had to be renamed, for decoding the answer."""
    names = wire_names(named_tools({**request}), profile.tool_name_length)
    return {wire: original for original, wire in names.items()}


def encode_request(
    request: MessagesRequest,
    *,
    profile: Profile,
    on_drop: OnDrop = ignore_drop,
    renamed: Mapping[str, str] | None = None,
) -> Json:
    """The Chat Completions body of a checked Messages request.

    `request["model"]` is the upstream's model name already; `renamed` is what `tool_names`
    gives, for callers who have it already. Raises `RequestError` (400) for `thread`: its
    requests hold only what is new, so an answer would be made without the history.
    """
    body: Json = {**request}
    if body.get("thread") is not None:
        raise _thread_unsupported()
    notes = Notes(on_drop)
    _note_fields(body, notes)
    if renamed is None:
        renamed = tool_names(request, profile=profile)
    context = Context(profile, notes, {name: wire for wire, name in renamed.items()})
    functions = encode_tools(body, context)
    chat: Json = {
        "model": request["model"],
        "messages": [*_system(body, context), *encode_messages(request["messages"], context)],
    }
    if functions:
        chat["tools"] = functions
    if "tool_choice" in body:
        chat |= encode_tool_choice(body["tool_choice"], functions, context)
    chat |= encode_effort(body, context, tools=bool(functions))
    for fields, encode in _ENCODERS:
        if not fields.isdisjoint(body):
            chat |= encode(body, context)
    return chat


def _thread_unsupported() -> RequestError:
    # Only with exactly these details do the SDKs' tool runners send the whole history again.
    return RequestError(
        "thread: threads are not supported here; send the whole conversation in messages.",
        details={"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
    )


def _note_fields(body: Json, notes: Notes) -> None:
    for name, value in body.items():
        if name in CARRIED_FIELDS or value is None:
            continue
        if name == "cache_control":
            notes.once(name, name, "not part of Chat Completions")
        else:
            notes.drop(name, DROPPED_FIELDS.get(name, "not part of Chat Completions"))


def _system(body: Json, context: Context) -> list[ChatMessage]:
    """The system prompt as one message, or no message."""
    system = body.get("system")
    if not system:
        return []
    text = kept(system, "system", lambda own: _system_text(system, own), context)
    return [{"role": "system", "content": text}] if text else []


def _system_text(system: str | list[Json], context: Context) -> str:
    texts = [_without_billing(system, "system", context)] if isinstance(system, str) else []
    for index, block in enumerate(system if isinstance(system, list) else ()):
        path = f"system.{index}"
        parts = texts_of(render(block, path, context, media=False))
        texts += [_without_billing(part, path, context) for part in parts]
    return "\n\n".join(text for text in texts if text)


def _without_billing(text: str, path: str, context: Context) -> str:
    if not text.startswith(BILLING_LINE):
        return text
    context.notes.drop(path, "billing line for Anthropic")
    return text.partition("\n")[2].lstrip("\n")


def _limits(body: Json, context: Context) -> Json:
    """Where the answer ends: the token limit and the stop sequences."""
    profile, notes = context.profile, context.notes
    fields: Json = {}
    limit = body.get("max_tokens")
    if limit is not None:
        most = profile.max_output_tokens
        if most is not None and limit > most:
            notes.drop("max_tokens", f"clamped to {most}")
            limit = most
        fields[profile.max_tokens_field] = limit
    # An empty sequence would end some servers' answers before they start.
    stops = [stop for stop in dict.fromkeys(body.get("stop_sequences") or ()) if stop]
    if stops[: profile.max_stops]:
        fields["stop"] = stops[: profile.max_stops]
    if len(stops) > profile.max_stops:
        notes.drop("stop_sequences", f"this model takes {profile.max_stops}")
    return fields


def _sampling(body: Json, context: Context) -> Json:
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


def _response_format(body: Json, context: Context) -> Json:
    """`output_config.format`, or the older top-level `output_format`, as `response_format`."""
    config = body.get("output_config") or {}
    for name, value in config.items():
        if name not in ("format", "effort") and value is not None:
            context.notes.drop(f"output_config.{name}", "not part of Chat Completions")
    path, asked = "output_config.format", config.get("format")
    older = body.get("output_format")
    if older and asked:
        context.notes.drop("output_format", "output_config.format is used")
    elif older:
        path, asked = "output_format", older
    if not asked:
        return {}
    if asked.get("type") != "json_schema" or not isinstance(asked.get("schema"), dict):
        context.notes.drop(path, "unknown kind of output format")
        return {}
    strict = context.profile.strict_schemas and is_strict(asked["schema"])
    if not strict:
        context.notes.drop(path, "the schema is not enforced strictly")
    schema = {"name": "response", "schema": asked["schema"], "strict": strict}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _user(body: Json, context: Context) -> Json:
    metadata = body.get("metadata") or {}
    for name, value in metadata.items():
        if name != "user_id" and value is not None:
            context.notes.drop(f"metadata.{name}", "not part of Chat Completions")
    user, field = metadata.get("user_id"), context.profile.user_field
    if not user:
        return {}
    if field is None:
        context.notes.drop("metadata.user_id", "not accepted by this upstream")
        return {}
    return {field: _short_user(user)}


def _short_user(user: str) -> str:
    """The id itself, or its hash where it is too long or holds control characters."""
    if len(user) <= USER_ID_LENGTH and user.isprintable():
        return user
    return sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


def _stream(body: Json, context: Context) -> Json:
    stream = body.get("stream")
    if stream is None:
        return {}
    if stream and context.profile.stream_usage:
        return {"stream": True, "stream_options": {"include_usage": True}}
    return {"stream": stream}


_ENCODERS: tuple[tuple[frozenset[str], Callable[[Json, Context], Json]], ...] = (
    (frozenset({"max_tokens", "stop_sequences"}), _limits),
    (frozenset({"temperature", "top_p", "top_k"}), _sampling),
    (frozenset({"output_config", "output_format"}), _response_format),
    (frozenset({"metadata"}), _user),
    (frozenset({"stream"}), _stream),
)
"""What makes which fields, in the order in which they are written."""
