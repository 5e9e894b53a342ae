"""What the requests of one app share. Built without I/O; connections open on first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import httpx
from starlette.types import Receive

from claude_proxy.backends import Backend
from claude_proxy.backends.http import build
from claude_proxy.codecs import Peek
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.profiles import Profile, limited
from claude_proxy.routing import Route, fall_back, route
from claude_proxy.server.drain import Drain
from claude_proxy.server.limits import build_rates
from claude_proxy.server.metrics import Key, Metrics
from claude_proxy.server.metrics_share import Share
from claude_proxy.server.model_list import UpstreamModels
from claude_proxy.server.redact import Redactor
from claude_proxy.server.upstream import upstreams
from claude_proxy.server.watch import Watch
from claude_proxy.settings import Settings
from claude_proxy.settings.upstreams import DEFAULT


class Services:
    """Mutable: counts what is in flight. One for each app."""

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.settings = settings
        self.upstreams = upstreams(settings)
        self.upstream = self.upstreams[DEFAULT]
        self.backend: Backend = build(
            settings.transport, connect_timeout=settings.connect_timeout, inject=transport
        )
        self.redactor = Redactor(secrets_of(settings))
        self.models = settings.model_map()
        self.profiles = settings.profile_finder()
        self.upstream_models = UpstreamModels(
            self.backend, self.upstream, seconds=settings.models_cache_seconds
        )
        self.fallbacks = settings.fallback_list()
        self._route = lru_cache(maxsize=256)(self._find_route)
        self.in_flight = 0
        self.streams = 0
        self.drain = Drain()
        self.rates = build_rates(settings)
        share = Share(settings.metrics_dir) if settings.metrics_dir else None
        self.metrics = Metrics(self, self._configured(), share)

    def _configured(self) -> Iterator[str]:
        """The upstream models that the settings name."""
        yield from (self.models.big, self.models.middle, self.models.small)
        yield from (model for _, model in self.models.globs)
        yield from (fallback.model for fallback in self.fallbacks if fallback.model)

    def route(self, peek: Peek) -> Route:
        """Where a request goes, by its model's name alone; names come again and again."""
        return self._route(peek.model)

    def _find_route(self, model: str) -> Route:
        peek = Peek(model, stream=False)
        return self._limited(route(peek, self.models, base_url=self.upstream.base_url))

    def fallback_routes(self, first: Route) -> Iterator[Route]:
        """Where a request may go, in order, after its first route has failed."""
        for fallback in self.fallbacks:
            base_url = self.upstreams[fallback.upstream].base_url
            found = fall_back(first, fallback, base_url=base_url)
            if found is not None:
                yield self._limited(found)

    def _limited(self, found: Route) -> Route:
        return replace(found, profile=self._profile(found.upstream, found.model))

    def profile(self, model: str) -> Profile:
        """That of one of the default upstream's models, with the limits which are known."""
        return self._profile(DEFAULT, model)

    def _profile(self, upstream: str, model: str) -> Profile:
        base_url = self.upstreams[upstream].base_url
        found = self.profiles.find(upstream, base_url, model)
        return limited(found, self.settings.max_tokens_limit)

    def watch(self, receive: Receive) -> Watch:
        """Around a request's wait for the upstream."""
        return Watch(receive, silence=self.settings.request_timeout, drain=self.drain)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One request's place among `max_concurrent`; 429 at once when all are taken.

        503 when the server is about to end.
        """
        self.drain.check()
        if self.in_flight >= self.settings.max_concurrent:
            raise ClaudeProxyError(
                f"This server is serving {self.in_flight} requests, its limit "
                "(CLAUDE_PROXY_MAX_CONCURRENT). Try again.",
                status=429,
                headers={"retry-after": "1"},
                limit="concurrency",
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def live_counts(self) -> dict[Key, int]:
        """Counted where it happens, for the metrics."""
        return {
            ("upstream_attempts",): self.backend.attempts,
            ("upstream_reconnects",): self.backend.reconnects,
            ("rate_uncounted",): self.rates.uncounted if self.rates else 0,
        }

    def live_gauges(self) -> dict[str, int]:
        return {"requests_in_flight": self.in_flight, "streams_in_flight": self.streams}

    async def aclose(self) -> None:
        """Closes the connections to the upstream. The app can go on: they open again."""
        self.metrics.close()
        await self.backend.aclose()
        if self.rates is not None:
            await self.rates.aclose()


def secrets_of(settings: Settings) -> list[str]:
    """Every configured value that must never show in a log or an answer."""
    keys = (settings.openai_api_key, settings.anthropic_api_key, settings.auth_key)
    named = (upstream.api_key for upstream in settings.upstreams.values())
    values = [key.get_secret_value() for key in (*keys, *named) if key]
    if settings.rate_limit_storage is not None:
        password = urlsplit(settings.rate_limit_storage.get_secret_value()).password or ""
        values += [password, unquote(password)]
    return [*values, *settings.custom_headers.values()]
