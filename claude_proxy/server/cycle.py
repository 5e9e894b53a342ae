"""One system call for an answer's head and the first of its body.

uvicorn writes them one after the other. For a small answer the second write costs as much as all
of its translation (docs/performance.md), and wakes the client up twice.
"""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Cycle(RequestResponseCycle):
    """uvicorn's, but that it keeps the head back until the first body message.

    uvicorn has no hook for another class, so `of` changes that of a cycle which has not begun.
    """

    _head: bytes | None

    @classmethod
    def of(cls, cycle: RequestResponseCycle) -> None:
        cycle.__class__ = cls
        # For the type checker, which does not see what the line before did.
        assert isinstance(cycle, Cycle)  # noqa: S101  # nosec B101
        cycle._head = None

    async def send(self, message: ASGISendEvent) -> None:
        if self._head is None and self.response_started:
            await super().send(message)
            return
        transport = self.transport
        first = _First(transport, self._head)
        self.transport = first  # type: ignore[assignment]
        try:
            await super().send(message)
        finally:
            self.transport = transport
            self._head = first.head
            if message["type"] == "http.response.body":
                first.flush()
                self._head = None


class _First:
    """Stands in for a transport: joins what is written first to what is written next. Mutable."""

    __slots__ = ("_transport", "head")

    def __init__(self, transport: asyncio.Transport, head: bytes | None) -> None:
        self._transport = transport
        self.head = head

    def write(self, data: bytes) -> None:
        if self.head is None:
            self.head = data
        else:
            self._transport.write(self.head + data)
            self.head = b""

    def flush(self) -> None:
        """For an answer without a body, as to HEAD."""
        if self.head:
            self._transport.write(self.head)
            self.head = b""

    def close(self) -> None:
        """The connection's own way to end, for a client that may not have sent all."""
        self.flush()
        connection: Any = self._transport.get_protocol()
        connection.finish()
