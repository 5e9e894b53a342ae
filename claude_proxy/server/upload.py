"""A request's body on its way to the upstream, part by part."""

import asyncio
from typing import NoReturn, Self

from starlette.types import Message, Receive

from claude_proxy.server.body import too_large
from claude_proxy.server.context import Context
from claude_proxy.server.watch import ClientGone, Watch

_FAREWELL_SECONDS = 1.0


class Upload:
    """Iterates over a body's parts. Mutable; read once.

    Whoever else waits for the client's messages, as a `Watch` does, uses `receive`: it gives what
    comes after the body. A client that leaves in the middle, or sends more than `limit` bytes,
    interrupts `watch`, which must be set before the first part is read: the transport reads parts
    in a task of its own, where nobody would hear of an exception.
    """

    def __init__(self, context: Context, receive: Receive, *, limit: int) -> None:
        """Raises `RequestError` 413 for a body that says itself that it is too large."""
        given = context.header(b"content-length")
        self.length = int(given) if given.isascii() and given.isdigit() else None
        """Its bytes, if the client told."""
        if self.length is not None and self.length > limit:
            raise too_large(limit)
        self.expected = bool(self.length) or b"transfer-encoding" in context.headers
        """Whether there is a body at all."""
        self.watch: Watch | None = None
        self._receive = receive
        self._limit = limit
        self.size = 0
        """How much of it has come."""
        self._whole = asyncio.Event()
        if not self.expected:
            self._whole.set()

    async def receive(self) -> Message:
        """The client's next message after the body."""
        await self._whole.wait()
        return await self._receive()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._whole.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                await self._interrupt(ClientGone())
            part: bytes = message.get("body", b"")
            self.size += len(part)
            if self.size > self._limit:
                await self._interrupt(too_large(self._limit))
            if self.watch is not None:
                self.watch.accepted()  # As long as it takes more, it is not silent.
            if not message.get("more_body", False):
                self._whole.set()
            if part:
                return part
        raise StopAsyncIteration

    async def _interrupt(self, reason: BaseException) -> NoReturn:
        """Ends the request's work, and with it whoever waits for the next part."""
        if self.watch is not None:
            self.watch.interrupt(reason)
        # That cancels what waits here, unless the answer came before the body's end and the work
        # is over: then nobody but the transport's own task is left.
        await asyncio.sleep(_FAREWELL_SECONDS)
        raise ConnectionAbortedError("The client left while it sent its body.")
