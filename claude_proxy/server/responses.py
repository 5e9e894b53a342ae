"""Answers over raw ASGI: JSON, errors in the client's own shape, and the event stream.

A stream's life: the status waits for the first meaningful event; then every upstream read is one
`send`. Nothing runs per event but the codec, and one lazy timer a stream watches for silence.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.types import Send

from claude_proxy.codecs import Decoder
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.server.redact import Redactor
from claude_proxy.server.surface import KEEP_ALIVE, Encode, Surface
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StreamEvent

if TYPE_CHECKING:
    from claude_proxy.server.context import Context

_JSON_HEADER = (b"content-type", b"application/json")
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # nginx would hold the stream back in its buffers.
    (b"x-accel-buffering", b"no"),
)

Headers = Mapping[str, str]


def raw_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Header pairs for ASGI. What is not latin-1, or has a control character, cannot leave."""
    return [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in headers.items()
        if value.isprintable() and value.isascii()
    ]


async def send_json(send: Send, status: int, body: Json, headers: Headers | None = None) -> None:
    raw = dumps(body)
    start = [_JSON_HEADER, (b"content-length", str(len(raw)).encode())]
    start += raw_headers(headers or {})
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": raw})


async def send_bytes(
    send: Send, raw: bytes, content_type: str, *, status: int = 200, headers: Headers | None = None
) -> None:
    """A whole answer that is ready as bytes."""
    start = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(raw))]
    start += raw_headers(headers or {})
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": raw})


async def send_error(
    send: Send, context: "Context", error: ClaudeProxyError, redactor: Redactor
) -> None:
    clean = clean_error(error, redactor, context)
    headers: Headers = clean.headers
    if error.status in (401, 403):
        # Claude Code retries these for three minutes unless it is told not to.
        headers = {**headers, "x-should-retry": "false"}
    if isinstance(error, UpstreamError) and error.answer:
        # Clients read the wording, so it stays as it is.
        context.keep_id(error.answer.request_id)
        raw = redactor.mask(error.answer.body, *context.keys())
        kind = error.answer.content_type
        await send_bytes(send, raw, kind, status=error.answer.status, headers=headers)
        return
    status, body = context.surface.codec.encode_error(clean, request_id=context.id)
    await send_json(send, status, body, headers)


def clean_error(
    error: ClaudeProxyError, redactor: Redactor, context: "Context"
) -> ClaudeProxyError:
    """The same error with no key in text or headers: not ours, and not the client's own."""
    keys = context.keys()
    return ClaudeProxyError(
        redactor.clean(error.message, *keys),
        status=error.status,
        type=error.type,
        details=error.details,
        headers={name: redactor.clean(value, *keys) for name, value in error.headers.items()},
        code=error.code,
        param=error.param,
    )


class Outgoing:
    """The client's end of one streamed answer. Mutable.

    `beat` is called by the timer when nothing was sent for a while: it starts the stream without
    an event, or breaks its silence.
    """

    def __init__(
        self, send: Send, raw_send: Send, headers: Headers, surface: Surface, *, pulse: bytes
    ) -> None:
        self.started = False
        self.surface = surface
        self.headers: dict[str, str] = dict(headers)
        self._send = send
        self._raw_send = raw_send
        self._pulse = pulse
        self._beating: asyncio.Task[None] | None = None
        self.first_at = 0.0
        """When the first event left, by the monotonic clock."""
        self.writing = False
        """Whether a write is on its way; for long only when the client does not read."""
        self._ended = False

    def beat(self) -> None:
        """Breaks the silence, unless something is on its way already. Does not wait."""
        if not self.writing and (self._beating is None or self._beating.done()):
            self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def _beat(self) -> None:
        if self.writing:
            return  # An event was faster.
        if self.started:
            await self._raw_send(_chunk(self._pulse, True))
            return
        opening = self._opening()
        await self._start()
        await self._raw_send(_chunk(opening, True))

    def _opening(self) -> bytes:
        """The first bytes, for a client that cannot wait longer."""
        return self._pulse

    async def fail(self, error: ClaudeProxyError, *, request_id: str) -> None:
        """Ends a started stream with its one error event."""
        await self._body(self.surface.error_event(error, request_id), more=False)

    async def aclose(self) -> None:
        """Waits for a ping that is still on its way; for use when the answer is over."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    async def _start(self) -> None:
        self.started = True
        headers = [*_STREAM_HEADERS, *raw_headers(self.headers)]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _body(self, data: bytes, *, more: bool) -> None:
        if self._ended:
            return  # Whoever was interrupted in its last write comes here again.
        self.writing = True
        try:
            if self._beating is not None:
                # A ping may be waiting for a slow client; bytes must leave in order.
                await asyncio.wait((self._beating,))
                self._beating = None
            self._ended = not more
            await self._raw_send(_chunk(data, more))
        finally:
            self.writing = False


class EventStream(Outgoing):
    """Of events; `write` feeds it, and ends it with the last ones; `fail` ends it with an error.

    Until something is worth showing, events are held back, so that an upstream that fails at
    once still gets its real HTTP status.
    """

    def __init__(
        self,
        send: Send,
        raw_send: Send,
        decoder: Decoder,
        headers: Headers,
        surface: Surface,
        encode: Encode,
    ) -> None:
        super().__init__(send, raw_send, headers, surface, pulse=surface.pulse)
        self._decoder = decoder
        self._encode = encode
        self._held: list[StreamEvent] = []

    async def write(self, events: Sequence[StreamEvent], *, last: bool = False) -> None:
        """Sends events, or holds them; `last` ends the answer with them."""
        if not self.started:
            self._held += events
            if not last and not worth_showing(self._held):
                return
            events, self._held = self._held, []
            self.writing = True
            await self._start()
        if events or last:
            self.first_at = self.first_at or time.monotonic()
            await self._body(self._encode(events), more=not last)

    def _opening(self) -> bytes:
        held, self._held = self._held, []
        return self._encode([*self._decoder.open(), *held])


class PassedStream(Outgoing):
    """Of bytes that pass by as they are. They come as whole events, so a comment may always
    stand between them."""

    def __init__(self, send: Send, raw_send: Send, headers: Headers, surface: Surface) -> None:
        super().__init__(send, raw_send, headers, surface, pulse=KEEP_ALIVE)

    async def write(self, events: bytes, *, last: bool = False) -> None:
        if not self.started:
            self.writing = True
            await self._start()
        await self._body(events, more=not last)


def _chunk(data: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def worth_showing(events: Sequence[StreamEvent]) -> bool:
    """Whether there is content, a tool, an error or the end, not `message_start` alone."""
    return any(event["type"] != "message_start" for event in events)
