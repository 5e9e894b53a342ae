"""Anthropic Messages request → Chat Completions request.

Pure: equal requests give equal bytes, and the request stays as it is. What Chat Completions
cannot carry is told to the model in words or goes to `on_drop`; nothing unknown is forwarded.
Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.context import Context, Notes, kept
from claude_proxy.codecs.openai_chat.dialects import in_dialect
from claude_proxy.codecs.openai_chat.effort import encode_effort, shown_thoughts
from claude_proxy.codecs.openai_chat.fields import (
    leave_out,
    note_fields,
    output_schema,
    refuse_thread,
    sampling,
    short_id,
    system_prompt,
    system_texts,
    token_limit,
    user_id,
)
from claude_proxy.codecs.openai_chat.history import encode_messages
from claude_proxy.codecs.openai_chat.marks import (
    content_of,
    mark_of,
    takes_marks,
    with_few_marks,
)
from claude_proxy.codecs.openai_chat.names import named_tools, wire_names
from claude_proxy.codecs.openai_chat.tools import encode_tool_choice, encode_tools, is_forced
from claude_proxy.codecs.sessions import session_key
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest
from claude_proxy.types.openai import ChatMessage


def tool_names(request: MessagesRequest, *, profile: Profile) -> dict[str, str]:
    """Wire name → original name of the tools that had to be renamed, for decoding the answer."""
    letter = profile.tool_name_start == "letter"
    names = wire_names(named_tools({**request}), profile.tool_name_length, letter=letter)
    return {wire: original for original, wire in names.items()}


def encode_request(
    request: MessagesRequest,
    *,
    profile: Profile,
    on_drop: OnDrop = ignore_drop,
    renamed: Mapping[str, str] | None = None,
    session: str = "",
    seal: Seal | None = None,
) -> Json:
    """The Chat Completions body of a checked Messages request.

    `request["model"]` is the upstream's model name already; `renamed` is what `tool_names`
    gives, for callers who have it already; `session` is the id of the client's session where
    `metadata` does not tell it. Raises `RequestError` (400) for `thread`.
    """
    body: Json = {**request}
    refuse_thread(body)
    notes = Notes(on_drop)
    note_fields(body, notes, marks=takes_marks(profile, notes))
    context = context_of(request, profile, notes, renamed, seal)
    functions = encode_tools(body, context)
    messages = _led(_system(body, context), encode_messages(request["messages"], context), profile)
    chat: Json = {"model": request["model"]}
    if functions:
        chat["tools"] = functions
    if "tool_choice" in body:
        chat |= encode_tool_choice(body["tool_choice"], functions, context)
        if not chat.get("tools"):
            chat.pop("tools", None)
    chat |= encode_effort(body, context, tools=bool(functions), forced=is_forced(chat))
    chat = shown_thoughts(chat, body, context)
    for encode in _encoders(_ENCODED.intersection(body)):
        chat |= encode(body, context)
    if context.profile.session_field and (key := session_key(body, session)):
        chat[context.profile.session_field] = key
    _finish(chat, context)
    # Last, so that what a conversation adds is added at the end of its last request's bytes.
    chat["messages"] = _instructed(messages, context.instructions)
    return with_few_marks(leave_out(chat, context), context)


def context_of(
    request: MessagesRequest,
    profile: Profile,
    notes: Notes,
    renamed: Mapping[str, str] | None,
    seal: Seal | None,
) -> Context:
    """What every part of the translation needs to know; of both of OpenAI's languages."""
    if renamed is None:
        renamed = tool_names(request, profile=profile)
    names = {name: wire for wire, name in renamed.items()}
    return Context(profile, notes, names, [], seal or Seal.plain(profile.name))


def _finish(chat: Json, context: Context) -> None:
    """What only the profile asks for, whatever the request says."""
    profile = context.profile
    if profile.whole_answers == "streamed" and not chat.get("stream"):
        chat |= _stream({"stream": True}, context)
    if profile.extra_fields:
        chat |= dict(profile.extra_fields)
    if profile.stream_fields and chat.get("stream") and "tools" in chat:
        chat |= dict(profile.stream_fields)


def _led(
    system: list[ChatMessage], messages: list[ChatMessage], profile: Profile
) -> list[ChatMessage]:
    """System prompt and conversation; its own leading system message is added to the prompt where
    the upstream takes one at the start."""
    if profile.system_messages == "first" and system and messages[0]["role"] == "system":
        return [_longer(system[0], messages[0]["content"]), *messages[1:]]
    return [*system, *messages]


def _instructed(messages: list[ChatMessage], instructions: list[str]) -> list[ChatMessage]:
    """The messages with more in their system prompt."""
    if not instructions:
        return messages
    first, words = messages[0], "\n\n".join(instructions)
    if first["role"] != "system":
        return [{"role": "system", "content": words}, *messages]
    return [_longer(first, words), *messages[1:]]


def _longer(message: ChatMessage, more: str | list[Json] | None) -> ChatMessage:
    """The message with more in it."""
    content = message["content"]
    if isinstance(content, str) and isinstance(more, str):
        return {**message, "content": f"{content}\n\n{more}"}
    return {**message, "content": [*_parts(content), *_parts(more)]}


def _parts(content: str | list[Json] | None) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _system(body: Json, context: Context) -> list[ChatMessage]:
    """The system prompt as one message, or no message."""
    system = body.get("system")
    if not system:
        return []
    if not takes_marks(context.profile, context.notes):
        text = system_prompt(body, context)
        return [{"role": "system", "content": text}] if text else []
    told = kept(system, "content", lambda own: content_of(system_texts(system, own), own), context)
    return [{"role": "system", "content": told}] if told else []


def _limits(body: Json, context: Context) -> Json:
    """Where the answer ends: the token limit and the stop sequences."""
    profile = context.profile
    fields: Json = {}
    limit = token_limit(body, context)
    if limit is not None:
        fields[profile.max_tokens_field] = limit
    # An empty sequence would end some servers' answers before they start.
    stops = [stop for stop in dict.fromkeys(body.get("stop_sequences") or ()) if stop]
    if stops[: profile.max_stops]:
        fields["stop"] = stops[: profile.max_stops]
    if len(stops) > profile.max_stops:
        context.notes.drop("stop_sequences", f"this model takes {profile.max_stops}")
    return fields


def _response_format(body: Json, context: Context) -> Json:
    told = context.profile.response_format != "json_schema"
    asked = output_schema(body, context, told=told)
    if asked is None:
        return {}
    if told:
        return _told_format(asked.schema, context)
    profile = context.profile
    wanted, _ = in_dialect(asked.schema, profile.schema, gone=profile.schema_without)
    schema = {"name": "response", "schema": wanted, "strict": asked.strict}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _told_format(schema: Json, context: Context) -> Json:
    context.instructions.append(
        "Answer with nothing but one JSON value that is valid under the following JSON schema, "
        f"without a code fence around it:\n{dumps_text(schema)}"
    )
    if context.profile.response_format == "told":
        return {}
    return {"response_format": {"type": "json_object"}}


def _user(body: Json, context: Context) -> Json:
    user, field = user_id(body, context), context.profile.user_field
    return {field: short_id(user)} if user and field else {}


def _stream(body: Json, context: Context) -> Json:
    stream = body.get("stream")
    if stream is None:
        return {}
    if stream and context.profile.stream_usage:
        return {"stream": True, "stream_options": {"include_usage": True}}
    return {"stream": stream}


def _automatic_mark(body: Json, context: Context) -> Json:
    """The mark of the whole request, which moves by itself to its last part."""
    if not takes_marks(context.profile, context.notes):
        return {}
    mark = mark_of(body, "", context)
    return {"cache_control": mark} if mark else {}


_ENCODERS: tuple[tuple[frozenset[str], Callable[[Json, Context], Json]], ...] = (
    (frozenset({"max_tokens", "stop_sequences"}), _limits),
    (frozenset({"temperature", "top_p", "top_k"}), sampling),
    (frozenset({"output_config", "output_format"}), _response_format),
    (frozenset({"metadata"}), _user),
    (frozenset({"stream"}), _stream),
    (frozenset({"cache_control"}), _automatic_mark),
)
"""What makes which fields, in the order in which they are written."""


_ENCODED = frozenset().union(*(fields for fields, _ in _ENCODERS))


@lru_cache(maxsize=64)
def _encoders(fields: frozenset[str]) -> list[Callable[[Json, Context], Json]]:
    """Those that have something to do for a request with these fields. Clients send the same few
    with each."""
    return [encode for own, encode in _ENCODERS if not own.isdisjoint(fields)]
