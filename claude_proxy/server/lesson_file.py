"""What was learned, as a file: so that restarts know it, and `claude-proxy config` can show it.

Workers share it. It is replaced as a whole, and whoever changes it reads it first. A file that is
not ours is never written to: the name may be a mistake.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from stat import S_ISREG
from typing import Any, NamedTuple

from claude_proxy.learning import Correction
from claude_proxy.learning.correction import COLLECTED

MOST_PAIRS = 1_000
MOST_OF_PAIR = 20
_MOST_BYTES = 8 << 20
_MOST_KEPT = 1 << 20
_ENTRY_BYTES = 300
"""Of a lesson without its texts."""
_VERSION = 1
_TEXT_LENGTH = 300


class Lesson(NamedTuple):
    """One correction of one upstream's model. `address` is the upstream's host and path."""

    upstream: str
    address: str
    model: str
    correction: Correction
    since: str
    said: str
    """The words of the upstream that led to it, redacted and cut."""

    @property
    def pair(self) -> tuple[str, str, str]:
        return self.upstream, self.address, self.model


class NotOurs(ValueError):
    """The file holds something else."""


Lessons = list[Lesson]


def read(path: Path) -> Lessons:
    """What the file holds; nothing if there is none. Raises `OSError` and `NotOurs`."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotOurs("it is no regular file")
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return []
    if not raw.strip():
        return []
    if len(raw) > _MOST_BYTES:
        raise NotOurs("it is too large")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise NotOurs("it is not JSON") from None
    if not isinstance(body, dict) or body.get("version") != _VERSION:
        raise NotOurs(f"it is not a list of lessons of version {_VERSION}")
    entries = body.get("learned")
    if not isinstance(entries, list):
        raise NotOurs("it has no list `learned`")
    return bounded([lesson for entry in entries if (lesson := _lesson(entry))])


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would keep us, and with us every request, until somebody writes into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def change(path: Path, edit: Callable[[Lessons], Lessons]) -> Lessons:
    """Replaces the file by what `edit` makes of it, and returns that. Raises like `read`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(path):
        before = read(path)
        after = bounded(edit(before))
        if after != before:
            _write(path, after)
        return after


def bounded(lessons: Lessons) -> Lessons:
    """The newest pairs, and not too many corrections of each; the last of equal ones counts.

    Not too many bytes either: requests wait while the file is written.
    """
    latest = {(lesson.pair, _place(lesson.correction)): lesson for lesson in lessons}
    pairs: dict[tuple[str, str, str], Lessons] = {}
    for lesson in latest.values():
        pairs.setdefault(lesson.pair, []).append(lesson)
    kept: list[Lessons] = []
    room = _MOST_KEPT
    for of_pair in reversed([*pairs.values()][-MOST_PAIRS:]):
        newest = of_pair[-MOST_OF_PAIR:]
        room -= sum(map(_size, newest))
        if room < 0:
            break
        kept.append(newest)
    return [lesson for of_pair in reversed(kept) for lesson in of_pair]


def _size(lesson: Lesson) -> int:
    """Its bytes in the file, about."""
    texts = (lesson.upstream, lesson.address, lesson.model, lesson.since, lesson.said)
    return _ENTRY_BYTES + sum(len(text) if text.isascii() else 12 * len(text) for text in texts)


def _place(correction: Correction) -> tuple[str, object]:
    """A field has one value; only what is left out can be several things."""
    return correction.field, correction.value if correction.field in COLLECTED else None


def _lesson(entry: object) -> Lesson | None:
    """An entry that a newer or older version wrote may mean nothing here: it is passed over."""
    if not isinstance(entry, dict):
        return None
    texts = [entry.get(name) for name in ("upstream", "address", "model", "since", "said")]
    words = [_encodable(text[:_TEXT_LENGTH]) for text in texts if isinstance(text, str)]
    if len(words) != len(texts):
        return None
    value = entry.get("value")
    if isinstance(value, list):
        value = tuple(each for each in value if isinstance(each, str))
    correction = Correction(str(entry.get("field")), value)
    upstream, address, model, since, said = words
    return Lesson(upstream, address, model, correction, since, said) if _legal(correction) else None


def _encodable(text: str) -> str:
    """JSON may hold half of a surrogate pair, which cannot be written anywhere else."""
    return text.encode("utf-8", "replace").decode()


def _legal(correction: Correction) -> bool:
    try:
        return correction.legal
    except TypeError:  # a value that cannot be compared, such as an object
        return False


def _entry(lesson: Lesson) -> dict[str, Any]:
    correction = lesson.correction
    return {**lesson._asdict(), "field": correction.field, "value": correction.value} | {
        "correction": correction.sentence
    }


def _write(path: Path, lessons: Lessons) -> None:
    body = {"version": _VERSION, "learned": [_entry(lesson) for lesson in lessons]}
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=1)
            file.write("\n")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time, where the system has such locks.

    Whoever does not get the lock at once goes on without it: the file stays whole all the same,
    and what is lost is learned again.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            lock = path.with_name(f".{path.name}.lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
