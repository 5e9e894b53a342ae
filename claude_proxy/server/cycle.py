"""One system call for an answer's head and the first of its body.

uvicorn writes them one after the other. For a small answer the second write costs as much as all
of its translation (docs/performance.md), and wakes the client up twice.
"""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

_UNUSUAL = frozenset({b"connection", b"transfer-encoding"})
_WITHOUT_BODY = (204, 304)


class Cycle(RequestResponseCycle):
    """uvicorn's, but that it keeps the head back until the first body message.

    uvicorn has no hook for another class, so `of` changes that of a cycle which has not begun.
    """

    _start: HTTPResponseStartEvent | None

    @classmethod
    def of(cls, cycle: RequestResponseCycle) -> None:
        cycle.__class__ = cls
        # For the type checker, which does not see what the line before did.
        assert isinstance(cycle, Cycle)  # noqa: S101  # nosec B101
        cycle._start = None

    async def send(self, message: ASGISendEvent) -> None:
        start = self._start
        if start is not None:
            self._start = None
            if not self._send_whole(start, message):
                await self._send_both(start, message)
        elif message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            self.response_started, self.waiting_for_100_continue = True, False
        else:
            await super().send(message)

    def _send_whole(self, start: HTTPResponseStartEvent, message: ASGISendEvent) -> bool:
        """Writes an answer that is complete, if it is a usual one: all others are uvicorn's,
        which takes three times as long."""
        if message["type"] != "http.response.body" or message.get("more_body", False):
            return False
        if self.disconnected or self.flow.write_paused or not self.keep_alive:
            return False
        body, status = message.get("body", b""), start["status"]
        headers = [*self.default_headers, *start.get("headers", ())]
        by_name = dict(headers)
        if (
            by_name.get(b"content-length") != b"%d" % len(body)
            or not _UNUSUAL.isdisjoint(by_name)
            or len(by_name) != len(headers)
            or status in _WITHOUT_BODY
            or self.scope["method"] == "HEAD"
            or HEADER_RE.search(b"".join(by_name))
            or HEADER_VALUE_RE.search(b"".join(by_name.values()))
        ):
            return False
        lines = b"\r\n".join(map(b": ".join, headers))
        self.expected_content_length, self.chunked_encoding = 0, False
        self.response_complete = True
        self.message_event.set()
        self.transport.write(b"".join((STATUS_LINE[status], lines, b"\r\n\r\n", body)))
        self.on_response()
        return True

    async def _send_both(self, start: HTTPResponseStartEvent, message: ASGISendEvent) -> None:
        transport = self.transport
        joined = _Joined(transport)
        self.transport, self.response_started = joined, False  # type: ignore[assignment]
        try:
            await super().send(start)
            await super().send(message)
        finally:
            self.transport, self.response_started = transport, True
            joined.flush()


class _Joined:
    """Stands in for a transport: writes all at once. Mutable."""

    __slots__ = ("_parts", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts = []

    def close(self) -> None:
        """The connection's own way to end, for a client that may not have sent all."""
        self.flush()
        connection: Any = self._transport.get_protocol()
        connection.finish()
