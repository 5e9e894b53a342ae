"""Definitions of Claude Code's agents on disk, read again when they change."""

import errno
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import structlog

from claude_proxy.routing import Definition, Definitions
from claude_proxy.routing.agents import read_definition

_USUAL = "~/.claude/agents"
_LOOK_SECONDS = 2.0
_MOST_FILES = 500
_MOST_BYTES = 256 * 1024

Stamp = tuple[tuple[str, int, int], ...]

log = structlog.get_logger("claude_proxy.agents")


class AgentFiles:
    """Mutable: it looks, at most every two seconds, whether something has changed.

    `folders`, of which the first wins where two define one name; the user's own comes last.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = [Path(folder) for folder in dict.fromkeys([*folders, _USUAL])]
        self._found = Definitions()
        self._stamp: Stamp = ()
        self._look_at = 0.0

    def definitions(self) -> Definitions:
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            paths = list(self._paths())
            stamp = tuple(_stamps(paths))
            if stamp != self._stamp:
                self._stamp = stamp
                self._found = Definitions(_read(paths))
        return self._found

    def _paths(self) -> Iterator[Path]:
        for folder in self._folders:
            try:
                place = folder.expanduser()
                # Not deeper: somebody's whole disk may be below.
                files = chain(place.glob("*.md"), place.glob("*/*.md"))
                yield from sorted(islice(files, _MOST_FILES))
            except (OSError, RuntimeError):
                continue  # It may come yet; without a home there is none.


def _stamps(paths: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        yield str(path), status.st_mtime_ns, status.st_size


def _read(paths: Iterable[Path]) -> Iterator[Definition]:
    known: set[str] = set()
    for path in paths:
        try:
            text = _text(path)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            log.warning("agent_unreadable", file=str(path), error=why)
            continue
        found = read_definition(text, path.stem)
        if found is not None and found.name not in known:
            known.add(found.name)
            yield found


def _text(path: Path) -> str:
    """Raises `OSError` for what is no file, whose reading might never end, and for one of which
    only a part would be read: a part of a definition begins nobody's prompt."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a file")
    if status.st_size > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"Larger than {_MOST_BYTES} bytes")
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8-sig")
