"""The HTTP transports: aiohttp by default, httpx by setting or injected.

aiohttp costs a tenth of httpx's CPU per request; httpx is what users inject for tests, proxies
and TLS of their own, and nobody else has to load it. Neither keeps cookies, follows redirects,
retries, or reads `.netrc`.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from claude_proxy.backends import Backend, WireRequest, WireResponse
from claude_proxy.backends.exchange import KEEP_SECONDS, Exchange, Reply, reused
from claude_proxy.backends.inflate import readable
from claude_proxy.backends.unreachable import (
    LINGER_SECONDS,
    NO_CONNECTION,
    NO_NAME,
    NOT_HTTP,
    SOCKS,
    TLS,
    TOO_LONG,
    unreachable,
)
from claude_proxy.errors import UpstreamError
from claude_proxy.settings import is_loopback

if TYPE_CHECKING:
    import httpx

# Longer bodies go out in steps: one write of megabytes would block the event loop.
_ONE_WRITE = 1 << 20
# On Azure a URL holds the name of the model, which clients choose.
_MAX_URLS = 256


def build(
    transport: str, *, connect_timeout: float, inject: "httpx.AsyncBaseTransport | None" = None
) -> Backend:
    """The transport named by `transport` ("aiohttp" or "httpx"); an injected one wins."""
    if inject is not None or transport == "httpx":
        from claude_proxy.backends.by_httpx import HttpxBackend

        return HttpxBackend(connect_timeout=connect_timeout, transport=inject)
    return AiohttpBackend(connect_timeout=connect_timeout)


_WHY = (
    (TimeoutError, TOO_LONG),
    (aiohttp.ClientSSLError, TLS),
    (aiohttp.ClientResponseError, NOT_HTTP),
    (aiohttp.ClientConnectorDNSError, NO_NAME),
    (aiohttp.ClientConnectorError, NO_CONNECTION),
)


_NOT_MADE_UP = ("content-type",)
"""aiohttp would call an empty body `application/octet-stream`."""


class _Target(NamedTuple):
    """What is known of a URL before its first request."""

    url: URL
    proxy: str | None
    exchange: Exchange


class AiohttpBackend:
    def __init__(self, *, connect_timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=connect_timeout, sock_read=None
        )
        self._sessions: dict[bool, tuple[aiohttp.ClientSession, _Connector]] = {}
        self.attempts = self.reconnects = 0
        self._targets: dict[str, _Target] = {}

    async def send(self, request: WireRequest, /) -> WireResponse:
        """See `Backend`. Reconnects once when a reused connection dies before any answer:
        servers close idle connections at will, and nothing has been processed then."""
        reused.set(False)
        self.attempts += 1
        try:
            return await self._send(request, fresh=request.parts is not None)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if not reused.get() or not _before_any_byte(error):
                raise unreachable(request.url, error, _WHY) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(request.url, error, _WHY) from error
        self.attempts += 1
        self.reconnects += 1
        try:
            # A new connection: the others that are idle may be just as dead.
            return await self._send(request, fresh=True)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(request.url, error, _WHY) from error

    async def _send(self, request: WireRequest, *, fresh: bool = False) -> WireResponse:
        target = self._target(request.url)
        if not fresh and target.proxy is None and _plain(request):
            connector = self._open(fresh)[1]
            reply = await target.exchange.post(connector, request.headers, request.body)
            return readable(_AiohttpResponse(reply))
        body: bytes | None = request.body or None
        response = await self._open(fresh)[0].request(
            request.method,
            target.url,
            data=request.parts or (io.BytesIO(body) if body and len(body) > _ONE_WRITE else body),
            headers=request.headers,
            allow_redirects=False,
            proxy=target.proxy,
            skip_auto_headers=_NOT_MADE_UP,
        )
        return readable(_AiohttpResponse(response))

    def _target(self, url: str) -> _Target:
        """The parsed URL and the proxy of the environment for it; there are few, so they stay."""
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= _MAX_URLS:
                self._forget_targets()
            parsed = URL(url, encoded=True)
            target = _Target(parsed, _proxy_for(parsed), Exchange(parsed, self._timeout))
            self._targets[url] = target
        return target

    def _forget_targets(self) -> None:
        for target in self._targets.values():
            target.exchange.close()
        self._targets.clear()

    def _open(self, fresh: bool) -> tuple[aiohttp.ClientSession, "_Connector"]:
        """The session and pool that keep connections, or those that make a new one each time."""
        opened = self._sessions.get(fresh)
        if opened is None:
            kept = {"force_close": True} if fresh else {"keepalive_timeout": KEEP_SECONDS}
            connector = _Connector(limit=0, **kept)
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
            )
            opened = self._sessions[fresh] = session, connector
        return opened

    async def aclose(self) -> None:
        sessions, self._sessions = self._sessions, {}
        self._forget_targets()
        for session, _ in sessions.values():
            await session.close()


def _plain(request: WireRequest) -> bool:
    return request.method == "POST" and 0 < len(request.body) <= _ONE_WRITE and not request.parts


def _proxy_for(url: URL) -> str | None:
    """The web proxy of the environment. It could not reach this machine, whatever NO_PROXY says."""
    host = url.host or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxy = getproxies().get(url.scheme)
    if proxy and proxy.lower().startswith("socks"):
        raise UpstreamError(f"{url.scheme}_proxy names a SOCKS proxy. {SOCKS}")
    return proxy


def _before_any_byte(error: aiohttp.ClientError) -> bool:
    """Whether a connection died silently; with half an answer the error carries that half."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)
    return not isinstance(error, aiohttp.ClientConnectorError)


class _Connector(aiohttp.TCPConnector):
    """Says in `reused` what aiohttp tells only to traces, which cost 4 % of a small request."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # mypy takes `partial` for invariant.
        self._factory = partial(_Protocol, loop=self._loop)  # type: ignore[assignment]

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:
        while True:
            connection = await super().connect(*args, **kwargs)
            protocol = connection.protocol
            if not isinstance(protocol, _Protocol):
                return connection
            used = protocol.used
            if not (used and protocol.should_close):
                break
            # It got an answer that nobody had asked for, and would give it to this request.
            connection.close()
        reused.set(used)
        protocol.used = True
        return connection


class _Protocol(ResponseHandler):
    """aiohttp's, but that whoever reads a body learns of each end of its connection.

    When chunks are framed wrongly aiohttp closes the connection and leaves the reader waiting.
    """

    used = False
    """Whether its connection has carried a request."""

    def connection_lost(self, exc: BaseException | None) -> None:
        body = getattr(self, "_payload", None)  # private, so perhaps not there some day
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("broken framing"))


class _AiohttpResponse:
    def __init__(self, response: aiohttp.ClientResponse | Reply) -> None:
        self._response = response
        self._content = response.content
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._content.at_eof() and self._content.exception() is None:
            raise StopAsyncIteration  # Without asking: most answers come in one piece.
        try:
            data = await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError("The upstream broke off its answer.") from error
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        # The end of a chunked body often comes a moment after its last event. A short wait for
        # it keeps the connection; anything else is a body that nobody wants any more.
        # After an error there is no end to wait for, and raised again it would form a circle.
        broken = self._content.exception() is not None
        if not broken and not self._content.is_eof() and self._content.total_bytes:
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._content.readany()
            except (aiohttp.ClientError, OSError):
                pass
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()
