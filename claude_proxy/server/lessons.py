"""What this server has learned of its upstreams. In memory; in a file, too, if one is set."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from claude_proxy.learning import Correction
from claude_proxy.server import lesson_file
from claude_proxy.server.lesson_file import Lesson, NotOurs

OFF = "off"
"""The name of a file that is none."""

_LOOK_SECONDS = 2.0
_LONGEST_MODEL = 200

Corrections = tuple[Correction, ...]
Stamp = tuple[int, int, int]

log = structlog.get_logger("claude_proxy.learning")


def address_of(base_url: str) -> str:
    """Host and path: never user, password or query, which may be secret."""
    parts = urlsplit(base_url)
    return f"{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"


class LearnedStore:
    """Mutable; one for each app. `addresses` are those of the upstreams, by their names; `before`
    has learned for the same app, by other settings.

    A correction is on trial until a request that it made was answered. Only then it is kept.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        file: str | None = None,
        clean: Callable[[str], str] = str,
        before: "LearnedStore | None" = None,
    ) -> None:
        self._addresses = {name: clean(address_of(url)) for name, url in addresses.items()}
        self._clean = clean
        self._path = Path(file) if file and file.lower() != OFF else None
        self._lessons: list[Lesson] = []
        self._kept: dict[tuple[str, str, str], Corrections] = {}
        self._trials: dict[tuple[str, str, str], dict[Correction, str]] = {}
        self._stamp: Stamp | None = None
        self._look_at = 0.0
        self._troubled = False
        self._version = 0
        if before is not None:
            self._set(before._lessons)
            self._trials = {pair: {**trial} for pair, trial in before._trials.items()}
        self.refresh()

    def refresh(self) -> int:
        """A number that is another one whenever something may be different.

        Looks, at most every two seconds, whether somebody else has changed the file.
        """
        if self._path is not None and (now := time.monotonic()) >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read(self._path)
        return self._version

    def of(self, upstream: str, model: str) -> tuple[Corrections, Corrections]:
        """What is known of an upstream's model, and what is on trial."""
        pair = self._pair(upstream, model)
        return self._kept.get(pair, ()), tuple(self._trials.get(pair, ()))

    def try_out(
        self, upstream: str, model: str, corrections: Iterable[Correction], said: str
    ) -> None:
        """For the next requests; `keep` or `drop` decides about them."""
        pair = self._pair(upstream, model)
        room = pair in self._trials or len(self._trials) < lesson_file.MOST_PAIRS
        if room and len(model) <= _LONGEST_MODEL:
            trial = self._trials.setdefault(pair, {})
            for correction in corrections:
                trial.setdefault(correction, said)
            self._version += 1

    def drop(self, upstream: str, model: str) -> None:
        """Forgets what was on trial."""
        if self._trials.pop(self._pair(upstream, model), None):
            self._version += 1

    def keep(self, upstream: str, model: str, corrections: Iterable[Correction], said: str) -> None:
        """What has proven right."""
        pair = self._pair(upstream, model)
        trial = self._trials.get(pair, {})
        reasons = {correction: trial.pop(correction, said) for correction in corrections}
        if not trial:
            self._trials.pop(pair, None)
        self._version += 1
        if len(model) > _LONGEST_MODEL:
            return
        since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        new = [Lesson(*pair, correction, since, reason) for correction, reason in reasons.items()]
        self._change(lambda lessons: [*lessons, *new])

    def _read(self, path: Path) -> None:
        try:
            self._set(lesson_file.read(path))
        except (OSError, NotOurs) as error:
            self._complain("learned_unreadable", error)

    def _change(self, edit: Callable[[list[Lesson]], list[Lesson]]) -> None:
        if self._path is not None:
            try:
                self._set(lesson_file.change(self._path, edit))
            except (OSError, NotOurs) as error:
                self._complain("learned_unwritten", error)
            else:
                self._stamp, self._troubled = _stamp(self._path), False
                return
        self._set(lesson_file.bounded(edit(self._lessons)))

    def _set(self, lessons: list[Lesson]) -> None:
        kept: dict[tuple[str, str, str], Corrections] = {}
        for lesson in lessons:
            kept[lesson.pair] = (*kept.get(lesson.pair, ()), lesson.correction)
        self._lessons, self._kept = lessons, kept
        self._version += 1

    def _pair(self, upstream: str, model: str) -> tuple[str, str, str]:
        return upstream, self._addresses[upstream], self._clean(model)

    def _complain(self, event: str, error: Exception) -> None:
        """Once: the next request would say it again."""
        if not self._troubled:
            log.warning(event, file=str(self._path), error=str(error))
        self._troubled = True


def _stamp(path: Path) -> Stamp | None:
    """What changes whenever the file is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
