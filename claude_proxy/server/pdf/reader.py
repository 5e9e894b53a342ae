"""Reads PDFs for one app: a few processes at a time, each PDF once, its text remembered.

A conversation sends its documents again with every turn. So a text is kept by the hash of its PDF:
the next turn has the same bytes, which upstreams' prompt caches need, and pays no process.
"""

import asyncio
import sys
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import structlog

from claude_proxy.codecs.pdfs import Pages, Reading, Unread, reading, unread
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.pdf.process import MIB, Child, Limits, find_library

PARALLEL = 2
"""Processes at a time, of each worker: they take a core each, and up to `Limits.memory`."""

MOST_WAITING = 32
"""PDFs that are read or wait for it; more get 429. They are in memory, each up to 32 MiB."""

_CACHE_BYTES = 32 * MIB
"""Of texts. The longest is 1.2 MB at the default limit, most are a tenth of that."""

_AGAIN_SECONDS = 300.0
"""Until a PDF is tried again whose failure may have been the machine's."""

_PASSING = frozenset({"late", "unstarted"})
_LONG = MIB
"""Characters of base64 that are hashed in a thread: a millisecond and more."""

log = structlog.get_logger("claude_proxy.pdf")


@dataclass(slots=True)
class _Job:
    """One PDF that is being read. Mutable: whoever sends the same one waits for it too."""

    task: "asyncio.Task[Reading]"
    waiting: int = 0


class PdfReader:
    """Mutable: remembers texts."""

    def __init__(self, limits: Limits, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self.limits = limits
        self._room = cache_bytes
        self._kept: OrderedDict[bytes, tuple[Reading, float]] = OrderedDict()
        self._jobs: dict[bytes, _Job] = {}
        self._tasks: set[asyncio.Task[Reading]] = set()
        """With those that nobody waits for any more, until their processes are gone."""
        self._pool: ThreadPoolExecutor | None = None

    @cached_property
    def library(self) -> str | None:
        """The folder of pypdfium2; None where PDFs cannot be read, which is logged once."""
        found = find_library()
        if found is None:
            log.warning(
                "pdfs_unreadable", hint="pip install 'claude-proxy[pdf]', on Linux or macOS"
            )
        return found

    async def read(self, data: str) -> Reading:
        """What a PDF in base64 says, or why nobody can tell.

        Raises 429 when too many wait. Cancelled, the process ends, unless others wait for it too.
        """
        key = await asyncio.to_thread(_hash, data) if len(data) > _LONG else _hash(data)
        if (found := self._remembered(key)) is not None:
            return found
        job = self._jobs.get(key) or self._start(key, data)
        job.waiting += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not job.waiting and not job.task.done():
                self._forget(key, job)
                job.task.cancel()

    def _remembered(self, key: bytes) -> Reading | None:
        found, until = self._kept.get(key, (None, 0.0))
        if found is None or time.monotonic() >= until:
            return None
        self._kept.move_to_end(key)
        return found

    def _keep(self, key: bytes, found: Reading, *, passing: bool) -> None:
        until = time.monotonic() + _AGAIN_SECONDS if passing else float("inf")
        before, _ = self._kept.pop(key, (None, 0.0))
        self._room += 0 if before is None else sys.getsizeof(before.text)
        self._kept[key] = found, until
        self._room -= sys.getsizeof(found.text)
        while self._room < 0:
            _, (oldest, _) = self._kept.popitem(last=False)
            self._room += sys.getsizeof(oldest.text)

    def _start(self, key: bytes, data: str) -> _Job:
        if len(self._tasks) >= MOST_WAITING:
            raise busy("This server is reading as many PDFs as it can.")
        job = self._jobs[key] = _Job(asyncio.create_task(self._run(data, key)))
        self._tasks.add(job.task)
        job.task.add_done_callback(self._tasks.discard)
        job.task.add_done_callback(lambda _: self._forget(key, job))
        return job

    def _forget(self, key: bytes, job: _Job) -> None:
        if self._jobs.get(key) is job:
            del self._jobs[key]

    async def _run(self, data: str, key: bytes) -> Reading:
        started = time.monotonic()
        found = await self._pages(data)
        made = unread(found) if isinstance(found, str) else reading(found, self.limits.characters)
        seconds = round(time.monotonic() - started, 3)
        if isinstance(found, str):
            log.warning("pdf_unread", reason=found, seconds=seconds)
        else:
            log.debug("pdf_read", pages=found.total, characters=len(made.text), seconds=seconds)
        self._keep(key, made, passing=found in _PASSING)
        return made

    async def _pages(self, data: str) -> Pages | Unread:
        if self.library is None:
            return "unstarted"
        child = Child(self.library, self.limits)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="pdf")
        work = self._pool.submit(child.read, data)
        future = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(future)
        except OSError:
            return "unstarted"
        except asyncio.CancelledError:
            child.stop()
            if not work.cancel():
                await asyncio.wait([future])  # Until the process is gone.
            raise

    async def aclose(self) -> None:
        """Ends what still runs. The reader can go on."""
        running = [*self._tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None


def busy(why: str) -> ClaudeProxyError:
    return ClaudeProxyError(
        f"{why} Try again.", status=429, headers={"retry-after": "1"}, limit="pdfs"
    )


def _hash(data: str) -> bytes:
    return sha256(data.encode("utf-8", "replace")).digest()
