"""A client's language, as a request's way through the server needs it: one row for each.

Which one it is, path and headers tell before anything else of a request is looked at. So even the
first refusal has the shape that the client knows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from claude_proxy.codecs import OnDrop, RequestDecoder, anthropic_messages, openai_chat
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.sse import encode_all
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import ErrorBody, ErrorEvent, Message, StreamEvent

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which every reader of events skips."""

Encode = Callable[[Sequence[StreamEvent]], bytes]
"""Events, as the client reads them. Made for one answer: it may remember what it has written."""


class Surface(NamedTuple):
    """Answers are made with the client's body at hand, which says what they have to look like."""

    name: str
    codec: RequestDecoder
    whole: Callable[[Message, Json, OnDrop], Json]
    """Of a message and the client's body: the whole answer."""
    encoder: Callable[[Json, OnDrop], Encode]
    """Of the client's body: what writes a stream."""
    pulse: bytes
    """What is said in a stream when there is nothing to say."""
    error_event: Callable[[ClaudeProxyError, str], bytes]
    """Of an error and the request's id: the end of a stream that has begun."""


def _message(message: Message, body: Json, on_drop: OnDrop) -> Json:
    return {**message}


def _messages_encoder(body: Json, on_drop: OnDrop) -> Encode:
    return encode_all


def _messages_error(error: ClaudeProxyError, request_id: str) -> bytes:
    told: ErrorBody = {"type": error.type, "message": error.message}
    event: ErrorEvent = {"type": "error", "error": told, "request_id": request_id}
    return encode_all([event])


def _completion(message: Message, body: Json, on_drop: OnDrop) -> Json:
    return openai_chat.encode_response(
        message,
        created=int(time.time()),
        functions=openai_chat.wants_functions(body),
        on_drop=on_drop,
    )


def _chat_encoder(body: Json, on_drop: OnDrop) -> Encode:
    encoder = openai_chat.StreamEncoder(
        created=int(time.time()),
        include_usage=openai_chat.include_usage(body),
        functions=openai_chat.wants_functions(body),
        on_drop=on_drop,
    )
    return lambda events: b"".join([encoder.feed(event) for event in events])


def _openai_error(error: ClaudeProxyError, request_id: str) -> bytes:
    return b"data: " + dumps(openai_chat.encode_error(error)[1]) + b"\n\n"


MESSAGES = Surface(
    "messages",
    codec=anthropic_messages,
    whole=_message,
    encoder=_messages_encoder,
    pulse=PING,
    error_event=_messages_error,
)

CHAT = Surface(
    "chat",
    codec=openai_chat,
    whole=_completion,
    encoder=_chat_encoder,
    pulse=KEEP_ALIVE,
    error_event=_openai_error,
)

_OPENAIS = ("/v1/chat/", "/v1/completions", "/v1/responses")
_SHARED = "/v1/models"
"""One path in both APIs: Anthropic's clients send `anthropic-version`."""


def surface_of(path: str, headers: Mapping[bytes, bytes]) -> Surface:
    """The language of a request to this path."""
    if path.startswith(_OPENAIS):
        return CHAT
    if path.startswith(_SHARED) and b"anthropic-version" not in headers:
        return CHAT
    return MESSAGES
