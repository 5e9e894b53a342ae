"""Input tokens by the best counter there is: the upstream's own, o200k's, or an estimate.

The last two count in o200k's measure. What an upstream reports for its answers tells how its own
measure differs, and our counts are corrected by that.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Literal

from claude_proxy.codecs import Peek, anthropic_messages
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.profiles import Profile
from claude_proxy.routing import Route
from claude_proxy.server import o200k
from claude_proxy.server.context import Context
from claude_proxy.server.counters import UpstreamCounters
from claude_proxy.server.ratios import Ratios
from claude_proxy.server.upstream import Upstream
from claude_proxy.tokens import Size, estimate_text, measure
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest, Usage

Mode = Literal["auto", "tiktoken", "estimate"]

_LONG_BODY = 100_000
"""Bytes of a request that is counted in a thread; a millisecond counts some 20 kB."""

_LONGEST_TEXT = 4_000_000
"""Characters that are encoded, in a second at most; more is beyond any model, and estimated."""

_LEARNED = range(500, 300_000)
"""Prompts to learn from, in tokens: in small ones the words around the messages decide, and
larger ones take too long."""

_PAUSE_SECONDS = 1.0
"""From one count that is made to learn to the next: some hundredths of a core at most."""

_AFTER_SECONDS = 0.05
"""From the end of an answer, so that its last bytes do not wait."""


class Counting:
    """The ladder of counters, for one app. Mutable: it learns."""

    def __init__(
        self,
        mode: Mode,
        upstreams: UpstreamCounters,
        *,
        find_route: Callable[[Peek], Route],
        scale: Callable[[Profile], float],
    ) -> None:
        self._mode = mode
        self._upstreams = upstreams
        self._find_route = find_route
        self._scale = scale
        self._exact: o200k.CountText | None = None
        self._asked_for_exact = mode == "estimate"
        self._ratios = Ratios()
        self._rest_until = 0.0

    async def count(self, context: Context, body: Json, peek: Callable[[], Peek]) -> int:
        """Input tokens of a body for `count_tokens`; the access line names who counted.

        `peek` is what routing needs of the request. Raises `RequestError` only: whatever fails
        on the way, somebody counts.
        """
        request = anthropic_messages.decode_request(body, require_max_tokens=False)
        route = self._route(peek)
        if route is None:
            return await self._own(context, request, None)
        count = None
        if self._mode == "auto":
            count = await self._upstreams.count(request, route, _key_of(context))
        if count is None:
            count = await self._own(context, request, route)
        else:
            context.facts["counted_by"] = "upstream"
        return round(count * self._scale(route.profile))

    async def _own(self, context: Context, request: MessagesRequest, route: Route | None) -> int:
        await self._load()
        profile = route.profile if route else None
        if int(context.header(b"content-length") or _LONG_BODY) < _LONG_BODY:
            size = self._measure(request, profile)
        else:
            # Megabytes take a second; others are served in between.
            size = await asyncio.to_thread(self._measure, request, profile)
        return self._corrected(context, route, size)

    def estimate(self, context: Context, request: MessagesRequest, route: Route) -> int:
        """Input tokens for an answer whose upstream reported none; loads nothing."""
        return self._corrected(context, route, self._measure(request, route.profile))

    def learn(self, context: Context, request: MessagesRequest, route: Route, usage: Usage) -> None:
        """Takes notice of what an upstream reported; now and then it is compared with our count,
        in a thread, once the answer is out."""
        reported = (
            usage["input_tokens"]
            + usage["cache_read_input_tokens"]
            + usage["cache_creation_input_tokens"]
        )
        if reported not in _LEARNED or "counted_by" in context.facts:
            return
        key, now = self._key(route), time.monotonic()
        if not self._ratios.wants(key) or now < self._rest_until:
            return
        self._rest_until = now + _PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        compare = partial(self._compare, key, request, route.profile, reported)
        loop.call_later(_AFTER_SECONDS, loop.run_in_executor, None, compare)

    def _compare(
        self, key: Hashable, request: MessagesRequest, profile: Profile, reported: int
    ) -> None:
        size = self._measure(request, profile)
        self._ratios.learn(key, reported=reported - size.media, counted=size.text)

    def _route(self, peek: Callable[[], Peek]) -> Route | None:
        """None for a model that is refused, whose tokens can be counted all the same."""
        try:
            return self._find_route(peek())
        except ClaudeProxyError:
            return None

    async def _load(self) -> None:
        if not self._asked_for_exact:
            self._exact = await asyncio.to_thread(o200k.load)
            self._asked_for_exact = True

    def _measure(self, request: MessagesRequest, profile: Profile | None) -> Size:
        exact = self._exact
        if exact is None:
            return measure(request, estimate_text, profile=profile)
        return measure(request, partial(_bounded, exact), profile=profile)

    def _corrected(self, context: Context, route: Route | None, size: Size) -> int:
        ratio = self._ratios.get(self._key(route)) if route else 1.0
        context.facts["counted_by"] = self._by()
        if ratio != 1.0:
            context.facts["count_ratio"] = round(ratio, 3)
        return round(size.text * ratio) + size.media

    def _by(self) -> str:
        return "estimate" if self._exact is None else "tiktoken"

    def _key(self, route: Route) -> Hashable:
        return route.upstream, route.model, self._by()


def _bounded(exact: o200k.CountText, text: str) -> int:
    return exact(text) if len(text) <= _LONGEST_TEXT else estimate_text(text)


def _key_of(context: Context) -> Callable[[Upstream], str]:
    oauth = "oauth-" in context.header(b"anthropic-beta")
    return lambda upstream: upstream.key(context.keys(), oauth=oauth)
