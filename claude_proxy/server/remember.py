"""Reasoning kept for clients that drop it, by the ids of the tool calls it led to.

In this process's memory only, bounded in bytes and time: it holds text of conversations. What a
client sends back itself is always preferred; with several workers or after a restart this memory
may be empty, and the request then goes out without.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from claude_proxy.codecs.thoughts import Thoughts

SECONDS = 4 * 3600.0
"""How long a tool call may wait for its result; people leave for lunch in between."""
_OVERHEAD = 400
"""Bytes of the objects around a short text, about."""


class _Kept(NamedTuple):
    thoughts: Thoughts
    size: int
    until: float


class ReasoningMemory:
    """Mutable; one for each app. `most` bytes in all; 0 keeps nothing."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[tuple[bytes, str], _Kept] = OrderedDict()
        self.size = 0

    def keep(self, owner: bytes, found: Iterable[tuple[str, Thoughts]]) -> None:
        """Remembers thoughts by tool call id. `owner` keeps users apart: from their key."""
        until = self._clock() + SECONDS
        for id, thoughts in found:
            size = _OVERHEAD + sum(len(str(value)) for each in thoughts for value in each.values())
            if size > self._most // 8:
                continue  # One answer must not push out all others.
            self._drop((owner, id))
            self._kept[owner, id] = _Kept(thoughts, size, until)
            self.size += size
        self._shrink()

    def recall(self, owner: bytes, id: str) -> Thoughts:
        """What was kept; every request of a conversation asks again, so it stays kept."""
        kept = self._kept.get((owner, id))
        if kept is None:
            return ()
        now = self._clock()
        if kept.until < now:
            self._drop((owner, id))
            return ()
        self._kept[owner, id] = kept._replace(until=now + SECONDS)
        self._kept.move_to_end((owner, id))
        return kept.thoughts

    def _drop(self, key: tuple[bytes, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= kept.size

    def _shrink(self) -> None:
        """The longest unused first; they are the first to end as well."""
        now = self._clock()
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if self.size <= self._most and kept.until >= now:
                return
            self._drop(key)
