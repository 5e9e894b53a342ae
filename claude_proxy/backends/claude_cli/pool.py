"""The processes of the CLI: at most so many, and some of them kept warm between requests."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import structlog

from claude_proxy.backends.claude_cli.command import Command, read_version
from claude_proxy.backends.claude_cli.process import Process
from claude_proxy.backends.claude_cli.session import Session
from claude_proxy.codecs.claude_cli.errors import clean
from claude_proxy.codecs.claude_cli.talk import Asked
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.types import Json

_VERSION_SECONDS = 5.0

log = structlog.get_logger("claude_proxy.claude_cli")


class Bounds(NamedTuple):
    """How many processes there may be, and how long things may take, in seconds."""

    processes: int = 10
    wait: float = 30.0
    """For a process when all are taken."""
    start: float = 60.0
    """Until a process is ready and has read the conversation."""
    idle: float = 300.0
    """That a process is kept for the next request."""
    line: float = 300.0
    """Without a line while it answers."""
    answer: float | None = None
    """For a whole answer; None for any time."""


class Pool:
    """Mutable. Processes start on first use; whoever makes it closes it by `aclose()`."""

    def __init__(self, command: Command, bounds: Bounds) -> None:
        self._command = command
        self._bounds = bounds
        self._room = asyncio.Semaphore(bounds.processes)
        self._waiting = 0
        self._live: set[Process] = set()
        self._idle: dict[Session, TimerHandle] = {}
        """In the order in which they became idle."""
        self._settling: dict[Session, asyncio.Task[None]] = {}
        """Those whose answer is out, but that have not ended their turn yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder: Path | None = None
        self.started = 0
        """Processes that were started so far."""

    @property
    def active(self) -> int:
        """Processes that serve a request."""
        return len(self._live) - len(self._idle)

    @property
    def idle(self) -> int:
        """Processes that are kept for the next request of their conversation."""
        return len(self._idle)

    async def take(self, document: Json, client: str = "") -> Session:
        """A process that answers the document's last line, and that no other client had before.
        Raises `ClaudeProxyError` 429 when there is no room for one, and `UpstreamError`."""
        asked = Asked.of(document, client)
        # A quick client is here before the CLI has said that its last turn is over.
        if near := [task for one, task in self._settling.items() if one.key == asked.start]:
            await asyncio.wait(near)
        session = self._find(asked, document["last"])
        if session is None:
            session = await self._start(document, asked)
        try:
            async with asyncio.timeout(self._bounds.line):
                await session.ask(document["last"])
        except TimeoutError:
            self.drop(session)
            raise UpstreamError("The CLI does not read what it is asked.", status=504) from None
        except BaseException:
            self.drop(session)
            raise
        return session

    def release(self, session: Session) -> None:
        """After an answer, or where nobody wants the rest of it."""
        if session.over:
            task = self._settling[session] = self._run(self._settle(session))
            task.add_done_callback(lambda _: self._settling.pop(session, None))
        else:
            self.drop(session)

    def drop(self, session: Session) -> None:
        """Ends its process."""
        if (timer := self._idle.pop(session, None)) is not None:
            timer.cancel()
        self._run(session.process.end())

    async def version(self) -> str | None:
        """What the program says of itself; None where it does not."""
        try:
            environment = self._command.environment()
            line = [self._command.program, "--version"]
            process = await Process.start(line, environment, self._place(), asks=False)
        except UpstreamError:
            return None
        try:
            async with asyncio.timeout(_VERSION_SECONDS):
                return read_version(await process.read())
        except (UpstreamError, TimeoutError):
            return None
        finally:
            self._run(process.end())

    async def aclose(self) -> None:
        """Ends all processes. The pool can go on: they start again."""
        for session in list(self._idle):
            self.drop(session)
        for process in list(self._live):
            self._run(process.end())
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._folder is not None:
            with suppress(OSError):
                self._folder.rmdir()
            self._folder = None

    def _find(self, asked: Asked, last: Json) -> Session | None:
        found = next((session for session in self._idle if session.fits(asked, last)), None)
        if found is not None:
            self._idle.pop(found).cancel()
        return found

    async def _start(self, document: Json, asked: Asked) -> Session:
        """A new process that knows the conversation."""
        start = document["start"]
        line = self._command.line(start)
        await self._wait_for_room()
        try:
            environment = self._command.environment(start)
            process = await Process.start(line, environment, self._place())
        except BaseException:
            self._room.release()
            raise
        self.started += 1
        self._live.add(process)
        self._run(self._watch(process))
        session = Session(process, start, asked.start)
        try:
            async with asyncio.timeout(self._bounds.start):
                await session.open()
                await session.remember(document["history"])
        except TimeoutError:
            self.drop(session)
            raise UpstreamError("The CLI took too long to start.", status=504) from None
        except BaseException as error:
            self.drop(session)
            self.tell(process, error)
            raise
        return session

    async def _wait_for_room(self) -> None:
        if self._room.locked() and self._idle:
            # The one that has waited longest for its next request.
            self.drop(next(iter(self._idle)))
        self._waiting += 1
        try:
            async with asyncio.timeout(self._bounds.wait):
                await self._room.acquire()
        except TimeoutError:
            raise ClaudeProxyError(
                f"This server runs {self._bounds.processes} processes of the CLI, its limit "
                "(CLAUDE_PROXY_CLI_MAX_PROCESSES). Try again.",
                status=429,
                headers={"retry-after": "1"},
                limit="processes",
            ) from None
        finally:
            self._waiting -= 1

    async def _settle(self, session: Session) -> None:
        try:
            keep = await session.settle()
        except UpstreamError:
            keep = False
        if not keep or self._waiting or not self._bounds.idle:
            self.drop(session)
            return
        loop = asyncio.get_running_loop()
        self._idle[session] = loop.call_later(self._bounds.idle, self.drop, session)

    async def _watch(self, process: Process) -> None:
        await process.ended()
        self._live.discard(process)
        for session in [each for each in self._idle if each.process is process]:
            self.drop(session)
        self._room.release()

    def tell(self, process: Process, error: BaseException) -> None:
        """Logs why a process failed, which its client is not told."""
        if isinstance(error, UpstreamError) and (said := clean(process.tail)):
            log.warning("cli_failed", code=process.code, stderr=said)

    def _place(self) -> str:
        """An empty folder, in which the processes run."""
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="claude-proxy-"))
        return str(self._folder)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
