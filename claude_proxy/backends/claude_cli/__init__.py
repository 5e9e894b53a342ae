"""The Claude Code CLI of this machine as a backend: documents in, what it prints out.

`codecs/claude_cli` says what a document is and reads what comes back. Requests have the scheme of
`profiles.claude_cli.ADDRESS`; a GET asks for the list of models, which needs no process.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.backends.claude_cli.command import HOP_HEADER, Command
from claude_proxy.backends.claude_cli.pool import Bounds, Pool
from claude_proxy.backends.claude_cli.session import Session
from claude_proxy.codecs.claude_cli.words import TIERS
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.errors import UpstreamError

__all__ = ["HOP_HEADER", "Bounds", "ClaudeCli", "Command"]

VERSION_SECONDS = 30.0
"""That a version is remembered."""

_LISTED = {
    "object": "list",
    "data": [
        {"id": name, "object": "model", "created": 0, "owned_by": "claude-code-cli"}
        for name in TIERS
    ],
}


class ClaudeCli:
    """See `Backend`. Mutable: it owns the processes."""

    def __init__(self, command: Command, bounds: Bounds) -> None:
        self._bounds = bounds
        self.pool = Pool(command, bounds)
        self.attempts = self.reconnects = 0
        self._version: tuple[float, str | None] | None = None
        self._asking: asyncio.Task[str | None] | None = None

    async def send(self, request: WireRequest, /) -> WireResponse:
        """See `Backend`. A process may have to be waited for: then 429, as long as nothing has
        been answered."""
        if request.method == "GET":
            return _List()
        self.attempts += 1
        session = await self.pool.take(loads(request.body), request.client)
        return _Answer(self.pool, session, self._bounds)

    async def version(self) -> str | None:
        """The CLI's version, at most `VERSION_SECONDS` old; None where it does not run."""
        now = time.monotonic()
        if self._version is not None and now < self._version[0] + VERSION_SECONDS:
            return self._version[1]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self.pool.version())
        found = await asyncio.shield(self._asking)
        self._version = now, found
        return found

    async def aclose(self) -> None:
        if self._asking is not None:
            await self._asking
        await self.pool.aclose()


class _Answer:
    """What one process prints for one request."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({"content-type": "application/x-ndjson"})

    def __init__(self, pool: Pool, session: Session, bounds: Bounds) -> None:
        self._pool = pool
        self._session: Session | None = session
        self._line = bounds.line
        self._until = time.monotonic() + bounds.answer if bounds.answer is not None else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._session is None:
            raise StopAsyncIteration
        left = self._line if self._until is None else self._until - time.monotonic()
        try:
            async with asyncio.timeout(min(self._line, left)):
                part = await self._session.part()
        except TimeoutError:
            raise UpstreamError("The CLI did not answer in time.", status=504) from None
        except UpstreamError as error:
            self._pool.tell(self._session.process, error)
            raise
        if not part:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._pool.release(session)


class _List:
    """The names that the CLI itself gives its models."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield dumps(_LISTED)

    async def aclose(self) -> None:
        pass
