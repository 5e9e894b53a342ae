"""Numbers of several workers, added up through files in one folder.

Each process writes its own file and holds a lock on a second one as long as it lives. Whoever is
asked adds all files up. What a dead process counted is moved into one common file, so that
counters never go back and files do not pile up; its gauges end with it.
"""

import asyncio
import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog

from claude_proxy.settings import SettingsError

# How old another worker's numbers may be.
_WRITE_SECONDS = 1.0
_PREFIX = "claude-proxy-"
_GONE = "claude-proxy.gone"
_FOLDER_LOCK = "claude-proxy.lock"

Numbers = tuple[dict[Any, int], dict[Any, list[float]], dict[str, int]]
"""Counts, times and gauges, as `metrics.Snapshot` has them."""

log = structlog.get_logger("claude_proxy.metrics")


class Share:
    """This process's part of the folder. Mutable. Nothing is opened before `start`, because a
    process that forks later must not share its lock. Raises `SettingsError` for a bad folder."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._name = ""
        self._lock = -1
        """A descriptor, open as long as the process lives; the numbers of others are the dead's."""
        self._take: Callable[[], Numbers] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._written = b""
        self._failing = False
        if os.name != "posix":
            raise SettingsError("CLAUDE_PROXY_METRICS_DIR: workers are not for this system.")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"CLAUDE_PROXY_METRICS_DIR: {folder} cannot be made: {error.strerror}"
            ) from error

    def start(self, take: Callable[[], Numbers]) -> None:
        """Writes what `take` gives, now and then every second while the loop runs."""
        if self._timer is None:
            self._name = self._name or f"{_PREFIX}{os.getpid()}-{token_hex(4)}"
            self._take = take
            self._tick()

    def close(self) -> None:
        """Writes the last numbers, without gauges: nothing is going on here any more."""
        if self._timer is None or self._take is None:
            return
        self._timer.cancel()
        self._timer = None
        counts, times, _ = self._take()
        self._write((counts, times, {}))

    def write(self) -> None:
        """Makes the file up to date: before a sum, so that no sum is less than the one before."""
        if self._take is not None:
            self._write(self._take())

    def _write(self, numbers: Numbers) -> None:
        raw = _dump(numbers)
        try:
            self._hold()
            os.utime(self._lock)  # Whatever cleans old files away must not take this one.
            if raw != self._written:
                _replace(self._folder / f"{self._name}.json", raw)
        except OSError as error:
            if not self._failing:
                log.warning("metrics_unwritten", error=str(error))
            self._failing = True
        else:
            self._written, self._failing = raw, False

    def _hold(self) -> None:
        """Holds the lock, again if somebody emptied the folder."""
        path = self._folder / f"{self._name}.lock"
        if self._lock >= 0 and not path.exists():
            os.close(self._lock)
            self._lock, self._written = -1, b""
        if self._lock < 0:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(path)

    def total(self, own: Numbers) -> Numbers:
        """Everybody's numbers; `own` without the folder. Reads and writes files: for a thread."""
        try:
            lock = _locked(self._folder / _FOLDER_LOCK)
        except OSError:
            return own
        try:
            return self._add_up()
        finally:
            os.close(lock)

    def _add_up(self) -> Numbers:
        gone = _load(self._folder / _GONE)
        alive: list[Path] = []
        dead: list[Path] = []
        for path in sorted(self._folder.glob(f"{_PREFIX}*.json")):
            (alive if _is_held(path.with_suffix(".lock")) else dead).append(path)
        if dead:
            counts, times, _ = _sum([gone, *map(_load, dead)])
            gone = (counts, times, {})
            _replace(self._folder / _GONE, _dump(gone))
            for path in dead:
                path.unlink(missing_ok=True)
                path.with_suffix(".lock").unlink(missing_ok=True)
        return _sum([gone, *map(_load, alive)])

    def _tick(self) -> None:
        self.write()
        self._timer = asyncio.get_running_loop().call_later(_WRITE_SECONDS, self._tick)


def share_among_children() -> None:
    """Makes a folder for the processes that this one will fork, and removes it at its end.

    They find it in their environment. Without a place for it each has only its own numbers.
    """
    try:
        folder = tempfile.mkdtemp(prefix="claude-proxy-metrics-")
    except OSError as error:
        log.warning("metrics_unshared", error=str(error))
        return
    os.environ["CLAUDE_PROXY_METRICS_DIR"] = folder
    atexit.register(_remove, folder, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # Children inherit what is done at exit.
        shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path) -> int:
    """The file's descriptor, locked until it is closed or its process ends."""
    import fcntl

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _is_held(path: Path) -> bool:
    """Whether a process that lives holds the lock; a process id may belong to another by now."""
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _replace(path: Path, raw: bytes) -> None:
    """Writes a file at once: nobody reads half of it."""
    new = path.with_suffix(f".new{os.getpid()}")
    new.write_bytes(raw)
    os.replace(new, path)


def _dump(numbers: Numbers) -> bytes:
    counts, times, gauges = numbers
    return json.dumps([list(counts.items()), list(times.items()), gauges]).encode()


def _load(path: Path) -> Numbers:
    try:
        counts, times, gauges = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}, {}, {}
    return {tuple(k): n for k, n in counts}, {tuple(k): list(t) for k, t in times}, gauges


def _sum(all: Iterable[Numbers]) -> Numbers:
    counts: dict[Any, int] = {}
    times: dict[Any, list[float]] = {}
    gauges: dict[str, int] = {}
    for more_counts, more_times, more_gauges in all:
        for key, count in more_counts.items():
            counts[key] = counts.get(key, 0) + count
        for key, one in more_times.items():
            before = times.get(key, [0] * len(one))
            # A folder may outlive a version with other buckets.
            if len(before) == len(one):
                times[key] = [a + b for a, b in zip(before, one, strict=True)]
        for name, gauge in more_gauges.items():
            gauges[name] = gauges.get(name, 0) + gauge
    return counts, times, gauges
