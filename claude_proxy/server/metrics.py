"""What happened, as numbers. Plain dicts while requests run; Prometheus' text when asked for it.

A counted request costs about 2 µs, a third of what the client library's own counters take, and
the library is loaded by the first scrape, not by the start.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from claude_proxy._version import __version__
from claude_proxy.server.metrics_share import Share

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from claude_proxy.server.context import Context

Key = tuple[str | int, ...]
"""A name of the tables below, and the values of its labels."""

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
"""Upper bounds in seconds: from a probe's answer to the longest turn of an agent."""

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "requests": (
        "Finished requests. Status 499: the client left before there was one.",
        ("endpoint", "method", "status"),
    ),
    "errors": (
        "Answers and streams that ended with an error, by its type and by whose side failed: "
        "client, proxy or upstream.",
        ("type", "side"),
    ),
    "limit_hits": ("Requests that were refused because of a limit.", ("limit",)),
    "disconnects": ("Clients that left before their answer was complete.", ()),
    "dropped_hints": (
        "Parts of requests that the upstream cannot be told, and so were left out.",
        (),
    ),
    "tokens": (
        "Tokens that the upstream counted: input without the cached ones, cached, output.",
        ("model", "kind"),
    ),
    "faulty_calls": (
        "Tool calls that a model wrote wrongly, by what became of them: broken (they went out as "
        "they came), mended, read out of its text, or overrun (answers of which the rest behind "
        "such calls was left out).",
        ("kind",),
    ),
    "prompt_cache_breaks": (
        "Requests of a session that could not be read from the upstream's cache, by what had "
        "changed: the prompt, or nothing, and the upstream had forgotten it. Only with "
        "CLAUDE_PROXY_CACHE_WATCH.",
        ("cause",),
    ),
    "upstream_attempts": (
        "Requests sent to the upstream, those for its models and searches of the web included.",
        (),
    ),
    "fallbacks": ("Requests that went on to a fallback, whether it answered or not.", ()),
    "corrections": (
        "Requests sent again with one thing corrected that the upstream had refused, by what it "
        "was and by what came of it: accepted or refused.",
        ("field", "result"),
    ),
    "searches": (
        "Searches of the web made for models, by the service that was asked and by what came of "
        "it: found, nothing, or the code of the error.",
        ("service", "result"),
    ),
    "upstream_reconnects": ("Attempts repeated because a kept connection had died.", ()),
    "rate_uncounted": ("Requests let pass because the store of the rates did not answer.", ()),
}
HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "request_duration_seconds": ("From a request's head to the end of its answer.", ("endpoint",)),
    "time_to_first_token_seconds": (
        "From a request's head to the first content of its stream.",
        ("model",),
    ),
}
GAUGES: Mapping[str, str] = {
    "requests_in_flight": "Requests that are being served: messages, counts, connection tests.",
    "streams_in_flight": "Event streams that are open, or wait for the upstream's first event.",
    "workers": "Processes that serve.",
}
LIMITS = (
    *("body", "body_timeout", "concurrency", "connections", "entries"),
    *("header_timeout", "headers", "pdfs", "rate_address", "rate_key"),
)

FAULTS = ("broken", "mended", "read", "overrun")
_COUNTED: tuple[tuple[str, Key], ...] = (
    *((f"{kind}_calls", ("faulty_calls", kind)) for kind in FAULTS),
    ("notes", ("dropped_hints",)),
)
"""Facts of the access line that are numbers, and where they are added."""
_ONES: tuple[tuple[str, Key], ...] = (
    ("cache_broken_at", ("prompt_cache_breaks", "prompt")),
    ("cache_missed", ("prompt_cache_breaks", "upstream")),
    ("fallback_after", ("fallbacks",)),
    ("client_gone", ("disconnects",)),
)
"""Facts that are there or not."""
_RARE = frozenset(name for name, _ in (*_COUNTED, *_ONES))

_TOKENS = (
    ("input", "input_tokens"),
    ("cached", "cached_tokens"),
    ("output", "output_tokens"),
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_MODELS = 100
_OTHER = "other"
_NO_STATUS = 499  # As nginx calls it: the client left first.


class Snapshot(NamedTuple):
    """All numbers of one process, or of many added up. Histograms: a count for each bucket, one
    for what is longer, and the sum of seconds."""

    counts: dict[Key, int]
    times: dict[Key, list[float]]
    gauges: dict[str, int]


class Live(Protocol):
    """Where numbers are kept anyway."""

    def live_counts(self) -> dict[Key, int]: ...
    def live_gauges(self) -> dict[str, int]: ...


class Metrics:
    """Mutable; one for each app. `models`: upstream models that always have lines of their own."""

    def __init__(self, live: Live, models: Iterable[str], share: Share | None) -> None:
        self._live = live
        self._models = dict.fromkeys(models)
        self._counts: dict[Key, int] = {("limit_hits", limit): 0 for limit in LIMITS}
        self._times: dict[Key, list[float]] = {}
        self._share = share

    def observe(self, endpoint: str, method: str, context: "Context", seconds: float) -> None:
        """Counts one request at its end. `endpoint` is a route's template, never a raw path."""
        counts = self._counts
        if method not in _METHODS:
            method = _OTHER
        key: Key = ("requests", endpoint, method, context.status or _NO_STATUS)
        counts[key] = counts.get(key, 0) + 1
        self._time(("request_duration_seconds", endpoint), seconds)
        if context.fault is not None:
            self._observe_fault(*context.fault)
        facts = context.facts
        if "input_tokens" in facts:
            model = self._model(facts["upstream_model"])
            for kind, fact in _TOKENS:
                key = "tokens", model, kind
                counts[key] = counts.get(key, 0) + facts[fact]
            if context.first_at:
                taken = context.first_at - context.started
                self._time(("time_to_first_token_seconds", model), taken)
        if not _RARE.isdisjoint(facts):
            for name, key in _COUNTED:
                if name in facts:
                    self._add(key, facts[name])
            for name, key in _ONES:
                if name in facts:
                    self._add(key, 1)

    def follow(self, live: Live, models: Iterable[str]) -> None:
        """From now on these are what is kept elsewhere, and models with lines of their own."""
        self._live = live
        self._models |= dict.fromkeys(models)

    def add(self, key: Key, count: int) -> None:
        """Adds what was counted elsewhere, by somebody who counts no more."""
        self._add(key, count)

    def hit(self, limit: str) -> None:
        """Counts what was refused before it became a request, such as a connection."""
        self._add(("limit_hits", limit), 1)

    def correction(self, field: str, result: str) -> None:
        """Counts what became of a corrected attempt."""
        self._add(("corrections", field, result), 1)

    def search(self, service: str, result: str) -> None:
        """Counts a search of the web, or one that nobody could make."""
        self._add(("searches", service, result), 1)

    def _observe_fault(self, type: str, side: str, limit: str | None) -> None:
        self._add(("errors", type, side), 1)
        if limit is not None:
            self._add(("limit_hits", limit), 1)

    def _add(self, key: Key, count: int) -> None:
        self._counts[key] = self._counts.get(key, 0) + count

    def _time(self, key: Key, seconds: float) -> None:
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = [0] * (len(BUCKETS) + 2)
        times[bisect_left(BUCKETS, seconds)] += 1
        times[-1] += seconds

    def _model(self, name: str) -> str:
        """Clients choose names of models; only the first hundred that worked get their lines."""
        if name not in self._models:
            if len(self._models) >= _MAX_MODELS:
                return _OTHER
            self._models[name] = None
        return name

    def snapshot(self) -> Snapshot:
        """This process's numbers now."""
        return Snapshot(
            self._all_counts(),
            {key: list(times) for key, times in self._times.items()},
            {**self._live.live_gauges(), "workers": 1},
        )

    def _all_counts(self) -> dict[Key, int]:
        live = self._live.live_counts()
        return {**self._counts, **{key: n + self._counts.get(key, 0) for key, n in live.items()}}

    def start(self) -> None:
        """Begins to share the numbers, if there is somebody to share them with."""
        if self._share is not None:
            self._share.start(self.snapshot)

    def close(self) -> None:
        if self._share is not None:
            self._share.close()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """All workers' numbers in the format that `accept` asks for, and its content type."""
        snapshot = self.snapshot()
        if self._share is not None:
            self._share.start(self.snapshot)
            self._share.write()
        return await asyncio.to_thread(_render, snapshot, self._share, accept)


def _render(snapshot: Snapshot, share: Share | None, accept: str) -> tuple[bytes, str]:
    """In a thread: loading the library the first time takes as long as a hundred requests."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    if share is not None:
        snapshot = Snapshot(*share.total(snapshot))

    class Collector:
        def collect(self) -> Iterable["Metric"]:
            return families(snapshot)

    registry = CollectorRegistry(auto_describe=False)
    collector: Any = Collector()  # A `Collector` by its method, not by inheritance.
    registry.register(collector)
    if share is None:
        ProcessCollector(registry=registry)  # Memory and descriptors: of this process only.
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def families(snapshot: Snapshot) -> Iterable["Metric"]:
    """The numbers as the client library's own types, all names with our prefix."""
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    for name, (help, labels) in COUNTERS.items():
        counter = CounterMetricFamily(f"claude_proxy_{name}", help, labels=labels)
        if not labels:
            counter.add_metric([], snapshot.counts.get((name,), 0))
        for key, count in snapshot.counts.items():
            if labels and key[0] == name:
                counter.add_metric([str(value) for value in key[1:]], count)
        yield counter
    for name, (help, labels) in HISTOGRAMS.items():
        histogram = HistogramMetricFamily(f"claude_proxy_{name}", help, labels=labels)
        for key, times in snapshot.times.items():
            if key[0] == name:
                values = [str(value) for value in key[1:]]
                histogram.add_metric(values, buckets=_cumulative(times), sum_value=times[-1])
        yield histogram
    for name, help in GAUGES.items():
        value = snapshot.gauges.get(name, 0)
        yield GaugeMetricFamily(f"claude_proxy_{name}", help, value=value)
    info = GaugeMetricFamily("claude_proxy_build_info", "This version.", labels=["version"])
    info.add_metric([__version__], 1)
    yield info


def _cumulative(times: list[float]) -> list[tuple[str, float]]:
    """Prometheus counts in each bucket what is in the smaller ones, too."""
    bounds = [*(str(float(bound)) for bound in BUCKETS), "+Inf"]
    so_far = 0.0
    found = []
    for bound, count in zip(bounds, times[:-1], strict=True):
        so_far += count
        found.append((bound, so_far))
    return found
