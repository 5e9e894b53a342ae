"""One process of the CLI: pipes, a bounded tail of its stderr, and an end that is certain."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from contextlib import suppress

from claude_proxy.errors import UpstreamError

GRACE_SECONDS = 3.0
"""From SIGTERM to SIGKILL."""

TAIL_BYTES = 4096
_READ = 64 << 10

_GONE = "The CLI ended before its answer was complete."
_NOT_STARTED = (
    "The Claude Code CLI could not be started on the server. Is it installed, and is "
    "CLAUDE_PROXY_CLI_COMMAND its program?"
)


class _Protocol(SubprocessStreamProtocol):
    """asyncio's, but that it tells at once when the process itself has ended.

    `wait` waits for the ends of its pipes, too, which its children may hold.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_READ, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Process:
    """A process in a group of its own. Mutable; whoever starts it awaits `end()`."""

    def __init__(self, transport: asyncio.SubprocessTransport, protocol: "_Protocol") -> None:
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._process = asyncio.subprocess.Process(transport, protocol, loop)
        self._exited = protocol.exited
        self._tail = bytearray()
        self._draining = asyncio.create_task(self._drain())
        self._over = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls, line: Sequence[str], environment: Mapping[str, str], folder: str, *, asks: bool = True
    ) -> "Process":
        """Raises `UpstreamError` where no process can be started. `asks`: it reads from us."""
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: _Protocol(loop),
                *line,
                stdin=PIPE if asks else DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise UpstreamError(_NOT_STARTED) from error
        return cls(transport, protocol)

    @property
    def id(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None as long as it runs."""
        return self._process.returncode

    @property
    def tail(self) -> str:
        """The last that it wrote to stderr, for the log."""
        return bytes(self._tail).decode(errors="replace")

    async def write(self, data: bytes) -> None:
        """Raises `UpstreamError` when it reads no more."""
        if self._process.stdin is None:
            raise UpstreamError(_GONE)
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (OSError, RuntimeError) as error:
            raise UpstreamError(_GONE) from error

    async def read(self) -> bytes:
        """What it printed; raises `UpstreamError` at the end."""
        if self._process.stdout is None or not (data := await self._process.stdout.read(_READ)):
            raise UpstreamError(_GONE)
        return data

    async def ended(self) -> None:
        """Returns when it has ended, and its whole group with it."""
        await asyncio.shield(self._over)

    async def end(self) -> None:
        """Ends it if it runs, at the latest by force after `GRACE_SECONDS`, and closes its pipes,
        whatever may still be in them."""
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self.ended()
        self._signal(signal.SIGKILL)
        await self.ended()
        self._transport.close()
        self._draining.cancel()
        with suppress(asyncio.CancelledError):
            await self._draining

    async def _watch(self) -> None:
        await self._exited.wait()
        # What it started must not outlive it.
        self._kill_group(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.code is None:
            self._kill_group(number)

    def _kill_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, number)

    async def _drain(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (data := await stderr.read(_READ)):
            self._tail = (self._tail + data)[-TAIL_BYTES:]
