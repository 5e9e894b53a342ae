"""HTTP/1.1 towards the clients: uvicorn's httptools protocol with the guards that it lacks.

A connection is always in one phase. `Connections` looks at all of them once a second, and sets
the clock that they share, so a request pays for no timer of its own.
"""

import time
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.errors import ClaudeProxyError, RequestError
from claude_proxy.server.context import new_id
from claude_proxy.server.cycle import Cycle
from claude_proxy.server.drain import stopping
from claude_proxy.server.responses import raw_headers
from claude_proxy.server.surface import surface_of
from claude_proxy.server.upgrade import drop_wish, head_again, parser_behind
from claude_proxy.settings import Settings

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 100
MIN_BODY_RATE = 1024  # bytes a second
KEEP_ALIVE = 120
"""Seconds that an idle connection is kept. A client must be the first to give it up, else its next
request meets a closed connection; Go's pools keep theirs for 90 s, nginx's and AWS's for 60 s."""
_CROWDED_KEEP_ALIVE = 5.0
_SWEEP_SECONDS = 1.0

LINGER_SILENCE = 5.0
LINGER_SECONDS = 30.0
"""How long a client that still sends is listened to after our last word; as long as by nginx."""
_LEAST_DISCARDED = 64 << 20
_MOST_LINGERING = 16
"""Connections above the limit of connections that may linger: few, as each holds a descriptor."""

# What a connection waits for: a request's head, its body, our answer, the next request. Or it is
# given up, and whatever still comes in is thrown away: while an answer ends, or after the last.
_HEAD, _BODY, _ANSWER, _IDLE, _DEAF, _LINGER = range(6)

log = structlog.get_logger("claude_proxy.connections")


class Connections(ServerState):
    """What the connections of one server share, and the watch over them. Mutable."""

    def __init__(self, settings: Settings, *, most: int, hit: Callable[[str], None]) -> None:
        """`most` connections; `hit` is told the name of each limit that refuses somebody."""
        super().__init__()
        self.hit = hit
        self.header_timeout = settings.header_timeout
        self.body_timeout = settings.body_timeout
        self.max_discarded = max(_LEAST_DISCARDED, 2 * settings.max_body_bytes)
        self.most = most
        self.draining = False
        self.refused = 0
        self.now = self._swept = time.monotonic()
        """Coarse, as old as the last tick."""
        self._every = min(_SWEEP_SECONDS, self.header_timeout / 8, self.body_timeout / 8)

    def all(self) -> list["Protocol"]:
        return [each for each in self.connections if isinstance(each, Protocol)]

    def tick(self) -> None:
        """To be called several times a second."""
        self.now = now = time.monotonic()
        if now - self._swept < self._every:
            return
        self._swept = now
        crowded = len(self.connections) > self.most * 3 // 4
        for connection in self.all():
            connection.check(now, crowded=crowded)
        if self.refused:
            # One line for all of them: a line each would fill the disk, too.
            log.warning("connections_refused", count=self.refused, most=self.most)
            self.refused = 0


class Protocol(HttpToolsProtocol):
    """One connection. Mutable."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        if not isinstance(server_state, Connections):
            raise TypeError("This protocol needs the server of claude_proxy.server.life.")
        self.url = b""
        self._shared = server_state
        self._phase = _HEAD
        self._since = server_state.now
        self._got = 0
        """Bytes since the head began."""
        self._whole = 0
        """How many of them belong to what is complete: the head, parts of the body."""
        self._checked = 0
        self._credit = 0.0
        self._ended = 0.0
        self._why: ClaudeProxyError | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > self._shared.most:
            self._shared.refused += 1
            self.refuse(
                stopping(
                    "This server has as many connections as it can hold. Try again.",
                    limit="connections",
                ),
                quiet=True,
            )
            if len(self.connections) > self._shared.most + _MOST_LINGERING:
                self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._phase >= _ANSWER:
            if self._phase >= _DEAF:
                self._discard(len(data))
                return
            self._phase, self._since = _HEAD, self._shared.now
            self._got = self._whole = 0
        self._got += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.refuse(self._why or RequestError("This is not a valid HTTP/1.1 request."))
            return
        if self._got - self._whole > MAX_HEAD_BYTES and self._phase <= _BODY:
            # Headers, or what chunked bodies may carry beside their data, without an end.
            self.refuse(_too_large(f"are larger than {MAX_HEAD_BYTES:,} bytes"))

    def _parse(self, data: bytes | memoryview) -> None:
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
            head = head_again(self.parser.get_http_version(), self.headers)
            self.parser = parser_behind(self)
            self.parser.feed_data(head)

    def on_headers_complete(self) -> None:
        if self._got > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._give_up(_too_large(f"are larger than {MAX_HEAD_BYTES:,} bytes"))
        if len(self.headers) > MAX_HEADERS:
            self._give_up(_too_large(f"are more than {MAX_HEADERS}"))
        if b"transfer-encoding" in dict(self.headers):
            self._check_coding()
        if self.parser.should_upgrade():
            drop_wish(self.headers)
        before = self.cycle
        super().on_headers_complete()
        shared = self._shared
        self._phase, self._since, self._credit = _BODY, shared.now, shared.body_timeout
        self._whole = self._checked = self._got
        if self.cycle is not before:
            Cycle.of(self.cycle)
            if shared.draining or self.scope["method"] == "CONNECT":
                self.cycle.keep_alive = False

    def _check_coding(self) -> None:
        for name, value in self.headers:
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                # Whoever stands in front of us may read such a body in another way.
                self._give_up(RequestError("The only transfer coding here is chunked."))

    def _give_up(self, error: ClaudeProxyError) -> None:
        # Only an exception stops the parser. One that is kept would hold this frame, and us.
        self._why = error
        raise httptools.HttpParserError(error.message)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._whole = self._got
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # The body has not come yet.
        self._phase = _IDLE if self.cycle.response_complete else _ANSWER
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """uvicorn's, without a keep-alive timer for each answer."""
        self._shared.total_requests += 1
        if self.transport.is_closing():
            return
        if self._phase == _LINGER:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._since = self._shared.now
        if self._phase == _ANSWER:
            self._phase = _IDLE

    def finish(self) -> None:
        """Closes after the last answer, but lets a client that still sends read it first.

        Many clients read when they have sent all. To bytes that nobody has read when a socket
        closes the system answers with a reset, which may cost the client the answer, too.
        """
        if self.transport.is_closing():
            return
        if self._phase in (_ANSWER, _IDLE) and not self.flow.read_paused:
            self.transport.close()
            return
        self._phase, self._got = _LINGER, 0
        self._since = self._ended = self._shared.now
        self.pipeline.clear()
        self.flow.resume_reading()
        if self.transport.can_write_eof():  # not with TLS
            self.transport.write_eof()

    def _discard(self, size: int) -> None:
        self._got += size
        self._since = self._shared.now
        if self._phase == _LINGER and self._got > self._shared.max_discarded:
            self.transport.abort()

    def _check_lingering(self, now: float, *, crowded: bool) -> None:
        limit = _CROWDED_KEEP_ALIVE if crowded else LINGER_SECONDS
        if now - self._since > LINGER_SILENCE or now - self._ended > limit:
            self.transport.abort()

    def check(self, now: float, *, crowded: bool) -> None:
        """Gives up a client that keeps us waiting, and a connection that was idle for long."""
        phase = self._phase
        if phase == _HEAD:
            limit = self._shared.header_timeout
            if now - self._since > limit:
                self._too_slow(f"The request's headers took longer than {limit:g} seconds.")
        elif phase == _BODY:
            self._check_body(now)
        elif phase == _IDLE:
            limit = _CROWDED_KEEP_ALIVE if crowded else self.timeout_keep_alive
            if now - self._since > limit:
                self.transport.close()
        elif phase == _LINGER:
            self._check_lingering(now, crowded=crowded)

    def _too_slow(self, message: str) -> None:
        if self._got:
            self.refuse(RequestError(message, status=408, limit="header_timeout"))
        else:
            self.transport.close()

    def _check_body(self, now: float) -> None:
        """A body may be `body_timeout` seconds later than its least rate makes it, at any time."""
        elapsed, self._since = now - self._since, now
        received, self._checked = self._got - self._checked, self._got
        cycle = self.cycle
        if cycle.response_complete:
            # The answer came first, as errors do. The rest is thrown away, within limits.
            if self._got > self._shared.max_discarded:
                self.transport.close()
        elif self.flow.read_paused or cycle.response_started or self.pipeline:
            return  # It is not the client that keeps us waiting.
        limit = self._shared.body_timeout
        self._credit = min(limit, self._credit - elapsed + received / MIN_BODY_RATE)
        if self._credit < 0:
            self.refuse(
                RequestError(
                    f"The request's body was {limit:g} seconds late, at {MIN_BODY_RATE:,} bytes "
                    "a second.",
                    status=408,
                    limit="body_timeout",
                )
            )

    @property
    def busy(self) -> bool:
        """Whether an answer is still to be made, or on its way to a slow client."""
        cycle, transport = self.cycle, self.transport
        return (
            self._phase == _LINGER
            or (cycle is not None and not cycle.response_complete)
            or transport.is_closing()
            or transport.get_write_buffer_size() > 0
        )

    def shutdown(self) -> None:
        """The connection ends with its running answer, which says so if it has not begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def abandon(self) -> None:
        """Closes at once, with an answer if a request was sent and none has begun."""
        if self._phase == _ANSWER:
            self._phase = _BODY  # It is to be answered, though nothing is wrong with it.
        if self._phase == _LINGER or (self.busy and not self._may_answer()):
            self.transport.abort()
            return
        if self._phase != _IDLE and self._got:
            self.refuse(stopping("This server stopped before the answer began."), quiet=True)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether bytes written now answer what is being read, and no earlier request."""
        cycle = self.cycle
        if self.transport.is_closing() or self.pipeline:
            return False
        if self._phase == _BODY:
            return not cycle.response_started
        return cycle is None or cycle.response_complete

    def refuse(self, error: ClaudeProxyError, *, quiet: bool = False) -> None:
        """Answers without the app, and closes; never into the middle of another answer."""
        may_answer, slow = self._may_answer(), error.status == 408
        self._phase = _DEAF
        if error.limit is not None:
            self._shared.hit(error.limit)
        if not quiet:
            log.info("request_refused", status=error.status, reason=error.message)
        if may_answer:
            self.transport.write(self._answer(error))
            self._leave()
        self.shutdown()
        for cycle, _ in self.pipeline:
            cycle.keep_alive = False
        if may_answer or self.cycle is None or self.cycle.response_complete:
            if slow:
                self.transport.close()  # It has had its time.
            else:
                self.finish()

    def _leave(self) -> None:
        """Tells the app, if it has begun, what it would hear if the client had gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()

    def _answer(self, error: ClaudeProxyError) -> bytes:
        path = self.url.partition(b"?")[0].decode("latin-1")
        id, surface = new_id(), surface_of(path, dict(self.headers or ()))
        status, body = surface.codec.encode_error(error, request_id=id)
        raw = dumps(body)
        lines = [
            *self.server_state.default_headers,
            *raw_headers(error.headers),
            (b"request-id", id.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(raw)).encode()),
            (b"connection", b"close"),
        ]
        head = b"".join(b"%s: %s\r\n" % line for line in lines)
        return STATUS_LINE[status] + head + b"\r\n" + raw


def _too_large(how: str) -> RequestError:
    return RequestError(f"The request's headers {how}.", status=431, limit="headers")
