"""How often a client may ask: rates per key and per address. Pure ASGI middleware.

Without the settings none of this stands in a request's way. A refusal is sent before the body is
read, and a store that fails refuses nobody.
"""

import asyncio
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Protocol

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.auth import is_open
from claude_proxy.server.context import KEY, Context
from claude_proxy.server.upstream import Upstream
from claude_proxy.settings import Settings, SettingsError
from claude_proxy.settings.rates import parse_rate

# Longer than a Redis nearby ever takes, even from a busy worker.
_STORE_SECONDS = 1.0
# How long a store that failed is left alone; then one request asks it again.
_REST_SECONDS = 5.0
_WARN_SECONDS = 60.0
_STORE_CONNECTIONS = 8
_MAX_SUBJECTS = 50_000
_MAX_HOPS = 16

log = structlog.get_logger("claude_proxy.limits")

Address = IPv4Address | IPv6Address
Subject = Callable[[Scope, Context], str]
"""Whose requests are counted together."""


class Counters(Protocol):
    """Sliding windows: what is counted is this window, and the part of the last one that is not
    yet as old as a window. `limits` counts like that in Redis, so its storage fits as it is."""

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool: ...

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The last window's count and its seconds to live, this one's count and its own."""


@dataclass(slots=True)
class _Window:
    start: float
    count: int = 0
    before: int = 0


class MemoryCounters:
    """Windows in this process. Mutable; bounded: the oldest window goes when there are too many.

    Not the storage of `limits`, which visits all its keys after each hit: 0.9 ms with 10,000.
    """

    def __init__(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        before, left, count, _ = await self.get_sliding_window(key, expiry)
        if math.floor(before * left / expiry) + count + amount > limit:
            return False
        self._windows[key].count += amount
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        window = self._current(key, expiry)
        left = window.start + expiry - time.monotonic()
        return window.before, left, window.count, left + expiry

    def _current(self, key: str, seconds: int) -> _Window:
        now = time.monotonic()
        window = self._windows.get(key)
        if window is not None and now < window.start + seconds:
            return window
        if window is not None and now < window.start + 2 * seconds:
            window = _Window(window.start + seconds, before=window.count)
        else:
            window = _Window(now)
        # Taken out first, so that the order is the windows' age.
        self._windows.pop(key, None)
        if len(self._windows) >= _MAX_SUBJECTS:
            self._windows.popitem(last=False)
        self._windows[key] = window
        return window


class Rates:
    """Asks the counters. Mutable: remembers when they failed; then requests pass uncounted."""

    def __init__(
        self, counters: Counters, *, secret: bytes, failures: tuple[type[Exception], ...] = ()
    ) -> None:
        self.uncounted = 0
        self._counters = counters
        self._secret = secret
        self._failures: tuple[type[Exception], ...] = (TimeoutError, OSError, *failures)
        self._down = False
        self._ask_again = 0.0
        self._warn_again = 0.0

    async def wait(self, kind: str, subject: str, limit: int, seconds: int) -> int:
        """Seconds until `subject` may ask again; 0 when this request was counted and may pass."""
        now = time.monotonic()
        if self._down:
            if now < self._ask_again:
                self.uncounted += 1
                return 0
            # One request waits for the store; the others pass meanwhile.
            self._ask_again = now + _REST_SECONDS
        digest = blake2b(subject.encode(), key=self._secret, digest_size=16).hexdigest()
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                wait = await self._wait(f"{kind}:{limit}/{seconds}:{digest}", limit, seconds)
        except self._failures as error:
            self._failed(error, now)
            return 0
        self._down = False
        return wait

    async def _wait(self, key: str, limit: int, seconds: int) -> int:
        if await self._counters.acquire_sliding_window_entry(key, limit, seconds):
            return 0
        window = await self._counters.get_sliding_window(key, seconds)
        return max(1, math.ceil(seconds_to_wait(*window, limit=limit, seconds=seconds)))

    def _failed(self, error: Exception, now: float) -> None:
        self.uncounted += 1
        self._down, self._ask_again = True, now + _REST_SECONDS
        if now >= self._warn_again:
            self._warn_again = now + _WARN_SECONDS
            log.warning("rate_store_failed", error=type(error).__name__, requests="pass uncounted")

    async def aclose(self) -> None:
        if isinstance(self._counters, _RedisCounters):
            await self._counters.aclose()


def seconds_to_wait(
    before: int, before_left: float, count: int, count_left: float, *, limit: int, seconds: int
) -> float:
    """When a full window has room for one more, if nobody else takes it."""
    if count < limit:
        # The last window's share fades out, evenly over its time.
        return max(0.0, before_left - (limit - count) * seconds / max(before, 1))
    this_ends = max(0.0, count_left - seconds)
    return this_ends + seconds * (1 - limit / count)


class _RedisCounters:
    """`limits`' windows in a Redis, over few connections that open on first use."""

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage
        from redis.asyncio import BlockingConnectionPool

        self._pool = BlockingConnectionPool.from_url(
            url.replace("redis+unix", "unix", 1),
            max_connections=_STORE_CONNECTIONS,
            timeout=_STORE_SECONDS,
            socket_timeout=_STORE_SECONDS,
            socket_connect_timeout=_STORE_SECONDS,
            client_name="claude-proxy",
        )
        pool: Any = self._pool  # Typed in `limits` as if options were only texts and numbers.
        self._storage = RedisStorage(
            url, implementation="redispy", key_prefix="claude-proxy", connection_pool=pool
        )

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        return await self._storage.acquire_sliding_window_entry(key, limit, expiry, amount)

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        return await self._storage.get_sliding_window(key, expiry)

    async def aclose(self) -> None:
        await self._pool.aclose()


def build_rates(settings: Settings) -> Rates | None:
    """What the settings ask for; None when no rate is limited.

    Raises `SettingsError` when a package is missing or the store's address cannot be used.
    """
    if settings.rate_limit_per_key is None and settings.rate_limit_per_address is None:
        return None
    if settings.rate_limit_storage is None:
        return Rates(MemoryCounters(), secret=os.urandom(32))
    missing = [name for name in ("limits", "redis") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"CLAUDE_PROXY_RATE_LIMIT_STORAGE needs {' and '.join(missing)}: "
            "pip install 'claude-proxy[redis]'"
        )
    from redis.exceptions import RedisError

    try:
        counters = _RedisCounters(settings.rate_limit_storage.get_secret_value())
    except (ValueError, RedisError):
        # `from None`: the address may hold a password.
        raise SettingsError(
            "CLAUDE_PROXY_RATE_LIMIT_STORAGE is not an address like redis://host:6379/0."
        ) from None
    return Rates(counters, secret=_shared_secret(settings), failures=(RedisError,))


def _shared_secret(settings: Settings) -> bytes:
    """The same in all workers: whoever reads the store finds neither keys nor addresses."""
    key = settings.auth_key or settings.upstream_key
    text = key.get_secret_value() if key else ""
    return blake2b(text.encode(), person=b"claude-proxy").digest()


class RateLimit:
    """Refuses with 429 what is over the rate of one kind: "key" or "address"."""

    def __init__(
        self, app: ASGIApp, *, rates: Rates, kind: str, rate: str, subject: Subject
    ) -> None:
        self._app = app
        self._rates = rates
        self._kind = kind
        self._rate = rate
        self._count, self._seconds = parse_rate(rate)
        self._subject = subject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_counted(scope["method"], scope[KEY].path):
            await self._check(self._subject(scope, scope[KEY]))
        await self._app(scope, receive, send)

    async def _check(self, subject: str) -> None:
        wait = await self._rates.wait(self._kind, subject, self._count, self._seconds)
        if wait:
            raise ClaudeProxyError(
                f"Too many requests from one {self._kind}: this server allows {self._rate} "
                f"(CLAUDE_PROXY_RATE_LIMIT_PER_{self._kind.upper()}). Try again in {wait} s.",
                status=429,
                headers={"retry-after": str(wait)},
                limit=f"rate_{self._kind}",
            )


def _is_counted(method: str, path: str) -> bool:
    """What needs the key, but for the page that must tell of the crowd."""
    return path != "/metrics" and not is_open(method, path)


def by_key(upstream: Upstream) -> Subject:
    """By the key that is spent: a client must not get more by showing a second one."""

    def subject(scope: Scope, context: Context) -> str:
        oauth = "oauth-" in context.header(b"anthropic-beta")
        try:
            return upstream.key(context.keys(), oauth=oauth)
        except ClaudeProxyError:
            return context.keys()[0]  # It will not be forwarded, but it may count tokens.

    return subject


def by_address(trusted_proxies: tuple[str, ...]) -> Subject:
    """By the peer's address; behind a trusted proxy, by the one that it tells."""
    trusted = tuple(ip_network(text, strict=False) for text in trusted_proxies)

    def is_trusted(address: Address) -> bool:
        return any(address in network for network in trusted)

    def subject(scope: Scope, context: Context) -> str:
        client = scope.get("client")
        address = _address(client[0]) if client else None
        if address is None:
            return "local"  # a Unix socket
        if trusted and is_trusted(address):
            # From the right: what a client writes itself stands to the left of what proxies add.
            for hop in _forwarded_for(scope)[: -_MAX_HOPS - 1 : -1]:
                found = _address(hop)
                if found is None:
                    break
                address = found
                if not is_trusted(found):
                    break
        return _group(address)

    return subject


def _forwarded_for(scope: Scope) -> list[str]:
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return b",".join(values).decode("latin-1").split(",") if values else []


def _address(text: str) -> Address | None:
    """An address with or without a port; an IPv4 address in IPv6's clothes is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _group(address: Address) -> str:
    """IPv6 customers have at least a /64 to choose addresses from."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
