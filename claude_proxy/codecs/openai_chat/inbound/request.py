"""A client's Chat Completions request → Anthropic Messages request.

Pure: the body stays as it is, and equal bodies give equal requests. What Messages cannot carry is
told to the model in words, goes to `on_drop`, or is refused; nothing unknown is forwarded.
Source: https://platform.openai.com/docs/api-reference/chat/create (seen 2026-11).
"""

from collections.abc import Sequence

from claude_proxy.codecs import OnDrop, Peek, ignore_drop
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import an_object, filled, given, needed
from claude_proxy.codecs.openai_chat.inbound.conversation import decode_messages
from claude_proxy.codecs.openai_chat.inbound.effort import decode_effort
from claude_proxy.codecs.openai_chat.inbound.options import (
    note_fields,
    response_format,
    sampling,
    service_tier,
    stop_sequences,
    stream,
    token_limit,
    user_id,
)
from claude_proxy.codecs.openai_chat.inbound.tools import decode_tools, is_demanded
from claude_proxy.codecs.openai_chat.inbound.turns import plain
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam, MessagesRequest

DEFAULT_MAX_TOKENS = 32_000
"""Tokens of an answer whose request sets no limit: Messages must have one, Chat need not. It is
the least that Claude's models since version 4 can do, and what is assumed of unknown models."""

LANGUAGE = "Messages"

PEEKED = ("model", "stream")
"""The fields that `peek` looks at."""

_THINKING = ("thinking", "redacted_thinking")


def peek(body: Json, /) -> Peek:
    """What routing needs; `RequestError` when even that is not there."""
    return Peek(model=needed(body, "model", filled), stream=body.get("stream") is True)


def decode_request(
    body: Json, /, *, on_drop: OnDrop = ignore_drop, max_tokens: int = DEFAULT_MAX_TOKENS
) -> MessagesRequest:
    """The Messages request of a client's body.

    `max_tokens` is the limit where the client sets none. `RequestError` (400) names the first
    wrong field and its path; `UnsupportedContentError` what cannot be sent at all.
    """
    notes = Notes(on_drop, LANGUAGE)
    model = peek(body).model
    note_fields(body, notes)
    conversation = decode_messages(body, notes)
    limit = token_limit(body, notes, max_tokens)
    tools = decode_tools(body, notes)
    effort = decode_effort(
        body,
        notes,
        max_tokens=limit,
        unable=_unable_to_think(conversation.messages, tools),
        lost=_has_lost_thinking(conversation.messages),
    )
    form, words = response_format(body, notes)
    system = [*conversation.system, *([{"type": "text", "text": words}] if words else [])]
    thinking = (effort.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    fields: Json = {"system": plain(system)} if system else {}
    fields |= tools | effort
    if form:
        fields["output_config"] = {**effort.get("output_config", {}), **form}
    fields |= sampling(body, notes, thinking=thinking)
    fields |= stop_sequences(body, notes) | user_id(body, notes) | service_tier(body, notes)
    if mark := given(body, "cache_control", an_object):
        fields["cache_control"] = mark
    fields |= stream(body, notes)
    request: MessagesRequest = {
        "model": model,
        "max_tokens": limit,
        "messages": conversation.messages,
    }
    # The rest has the names that the shape has, but is made of parts.
    return {**request, **fields}  # type: ignore[typeddict-item]


def _unable_to_think(messages: Sequence[MessageParam], tools: Json) -> str | None:
    """Why the API would refuse a request with thinking, if it would."""
    if is_demanded(tools):
        return "Claude cannot think where a tool call is demanded"
    if messages[-1]["role"] == "assistant":
        return "Claude cannot think where its answer has begun"
    return None


def _has_lost_thinking(messages: Sequence[MessageParam]) -> bool:
    """Whether the last message holds results of calls before which no thinking is left."""
    results, before = messages[-1]["content"], messages[-2:-1]
    if isinstance(results, str) or results[0]["type"] != "tool_result":
        return False
    content = before[0]["content"]
    return not isinstance(content, list) or content[0]["type"] not in _THINKING
