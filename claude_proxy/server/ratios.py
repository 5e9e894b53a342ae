"""How an upstream's token counts differ from ours: one ratio for each model, learned."""

from collections.abc import Hashable
from typing import Protocol

_MOST_MODELS = 256
_LEAST_RATIO, _MOST_RATIO = 0.5, 2.0
"""Counts further apart are no matter of vocabularies: the upstream cut the prompt, or counts only
what it had not cached, so nothing is learned from them."""

_OFTEN = 20
"""Answers of a model of which each is looked at, as far as `_PAUSE` allows."""
_SELDOM = 50
"""Afterwards one in so many is."""
_LEAST_WEIGHT = 0.1
"""Of the newest sample; the first ones weigh as in a plain mean."""


class RatioStore(Protocol):
    """Where learned ratios are kept; in memory, or later in a database."""

    def get(self, key: Hashable) -> float | None: ...

    def put(self, key: Hashable, ratio: float) -> None: ...


class MemoryRatios:
    """The last 256 models' ratios. Mutable."""

    def __init__(self) -> None:
        self._ratios: dict[Hashable, float] = {}

    def get(self, key: Hashable) -> float | None:
        return self._ratios.get(key)

    def put(self, key: Hashable, ratio: float) -> None:
        self._ratios.pop(key, None)
        if len(self._ratios) >= _MOST_MODELS:
            del self._ratios[next(iter(self._ratios))]
        self._ratios[key] = ratio


class Ratios:
    """Chooses which answers to learn from, and learns. Mutable."""

    def __init__(self, store: RatioStore | None = None) -> None:
        self._store = store or MemoryRatios()
        self._seen: dict[Hashable, int] = {}
        self._samples: dict[Hashable, int] = {}

    def get(self, key: Hashable) -> float:
        return self._store.get(key) or 1.0

    def wants(self, key: Hashable) -> bool:
        """Whether this answer of a model is one to learn from: the first 20, then one in 50."""
        seen = self._seen.get(key, 0)
        if not seen and len(self._seen) >= _MOST_MODELS:
            self._samples.pop(oldest := next(iter(self._seen)), None)
            del self._seen[oldest]
        self._seen[key] = seen + 1
        return seen < _OFTEN or seen % _SELDOM == 0

    def learn(self, key: Hashable, *, reported: int, counted: int) -> None:
        """Takes one answer's tokens, as the upstream reported and as we counted them."""
        if counted <= 0 or not _LEAST_RATIO <= reported / counted <= _MOST_RATIO:
            return
        samples = self._samples[key] = self._samples.get(key, 0) + 1
        weight = max(_LEAST_WEIGHT, 1 / samples)
        before = self._store.get(key)
        sample = reported / counted
        self._store.put(key, sample if before is None else before + weight * (sample - before))
