"""A client's language, as a request's way through the server needs it: one row for each.

Which one it is, path and headers tell before anything else of a request is looked at. So even the
first refusal has the shape that the client knows.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from claude_proxy.codecs import (
    OnDrop,
    RequestDecoder,
    anthropic_messages,
    openai_chat,
    openai_completions,
)
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.sse import encode_all
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.native import Dialect
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
    dialect: Dialect
    """Upstreams that are asked in it get requests as they are."""
    codec: RequestDecoder
    whole: Callable[[Message, Json, OnDrop], Json]
    """Of a message and the client's body: the whole answer."""
    encoder: Callable[[Json, OnDrop], Encode]
    """Of the client's body: what writes a stream."""
    pulse: bytes
    """What is said in a stream when there is nothing to say."""
    error_event: Callable[[ClaudeProxyError, str], bytes]
    """Of an error and the request's id: the end of a stream that has begun."""
    files: bytes = b'"document"'
    """Stands in every request with a file."""
    id_header: bytes = b""
    """The header, beside `request-id`, in which clients look for the answer's id."""


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


def _text_completion(message: Message, body: Json, on_drop: OnDrop) -> Json:
    return openai_completions.encode_response(
        message,
        created=int(time.time()),
        echo=openai_completions.echo_of(body),
        on_drop=on_drop,
    )


def _completions_encoder(body: Json, on_drop: OnDrop) -> Encode:
    encoder = openai_completions.StreamEncoder(
        created=int(time.time()),
        include_usage=openai_completions.include_usage(body),
        echo=openai_completions.echo_of(body),
        on_drop=on_drop,
    )
    return lambda events: b"".join([encoder.feed(event) for event in events])


MESSAGES = Surface(
    "messages",
    dialect="messages",
    codec=anthropic_messages,
    whole=_message,
    encoder=_messages_encoder,
    pulse=PING,
    error_event=_messages_error,
)

CHAT = Surface(
    "chat",
    dialect="chat",
    codec=openai_chat,
    whole=_completion,
    encoder=_chat_encoder,
    pulse=KEEP_ALIVE,
    error_event=_openai_error,
    files=b'"file',
    id_header=b"x-request-id",
)

COMPLETIONS = CHAT._replace(
    name="completions",
    codec=openai_completions,
    whole=_text_completion,
    encoder=_completions_encoder,
)
"""What an upstream is asked in Chat Completions where it has no Completions."""

_STARTS = (
    ("/v1/messages", MESSAGES),
    ("/v1/completions", COMPLETIONS),
    ("/openai/v1/completions", COMPLETIONS),
    ("/openai/v1/v1/completions", COMPLETIONS),
    ("/openai/", CHAT),
    *(
        (f"/v1/{name}", CHAT)
        for name in (
            *("chat/", "responses", "embeddings", "images", "audio", "moderations", "engines"),
            *("batches", "fine_tuning", "assistants", "threads", "vector_stores", "uploads"),
            *("conversations", "realtime", "evals", "videos", "edits"),
        )
    ),
)
"""Paths of OpenAI's that are not served are here as well, for the shape of the refusal."""

_SHARED = "/v1/models"
"""One path in both APIs: Anthropic's clients send `anthropic-version`."""

_DOUBLED = "/v1/v1/"


def surface_of(path: str, headers: Mapping[bytes, bytes]) -> Surface:
    """The language of a request to this path."""
    if path.startswith(_DOUBLED):
        path = path[3:]
    for start, surface in _STARTS:
        if path.startswith(start):
            return surface
    if path.startswith(_SHARED) and b"anthropic-version" not in headers:
        return CHAT
    return MESSAGES
