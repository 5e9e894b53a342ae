"""httpx as the transport: by setting, or with a transport from outside. Loaded only then."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.backends.inflate import readable
from claude_proxy.backends.unreachable import (
    LINGER_SECONDS,
    NO_CONNECTION,
    SOCKS,
    TOO_LONG,
    unreachable,
)
from claude_proxy.errors import UpstreamError

_LOOPBACK_URLS = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_DIED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_WHY = (
    (TimeoutError, TOO_LONG),
    (httpx.TimeoutException, TOO_LONG),
    (httpx.ConnectError, NO_CONNECTION),
)


class HttpxBackend:
    """httpx, as it is or with a transport from outside (`httpx.MockTransport`, own TLS …)."""

    def __init__(
        self, *, connect_timeout: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._timeout = httpx.Timeout(None, connect=connect_timeout, write=60.0)
        self._transport = transport
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self.attempts = self.reconnects = 0

    async def send(self, request: WireRequest, /) -> WireResponse:
        """See `Backend`; reconnects as aiohttp's does."""
        seen = _Steps()
        self.attempts += 1
        try:
            return await self._send(request, seen, fresh=request.parts is not None)
        except _DIED as error:
            if not seen.reused:
                raise unreachable(request.url, error, _WHY) from error
        except httpx.TransportError as error:
            raise unreachable(request.url, error, _WHY) from error
        except ImportError as error:  # only when the environment asks for it
            raise UpstreamError(f"The environment names a SOCKS proxy. {SOCKS}") from error
        self.attempts += 1
        self.reconnects += 1
        try:
            return await self._send(request, seen, fresh=True)
        except httpx.TransportError as error:
            raise unreachable(request.url, error, _WHY) from error

    async def _send(
        self, request: WireRequest, seen: "_Steps", *, fresh: bool = False
    ) -> WireResponse:
        client = self._open(fresh)
        outgoing = client.build_request(
            request.method,
            request.url,
            content=request.parts or request.body,
            headers=dict(request.headers),
            extensions={"trace": seen},
        )
        response = await client.send(outgoing, stream=True)
        if response.is_stream_consumed:
            # A transport from outside gave a whole answer, which httpx has inflated.
            return _HttpxResponse(response, response.aiter_bytes())
        return readable(_HttpxResponse(response, response.aiter_raw()))

    def _open(self, fresh: bool) -> httpx.AsyncClient:
        if fresh not in self._clients:
            # One jar would be shared by all users; this policy takes no cookie at all.
            no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
            self._clients[fresh] = httpx.AsyncClient(
                transport=self._transport,
                # Never through the environment's web proxy: see `http._proxy_for`.
                mounts=dict.fromkeys(_LOOPBACK_URLS),
                timeout=self._timeout,
                cookies=no_cookies,
                follow_redirects=False,
                limits=httpx.Limits(
                    max_connections=None, max_keepalive_connections=0 if fresh else 100
                ),
            )
        return self._clients[fresh]

    async def aclose(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()


class _Steps:
    """What httpx's own transport tells of a request's way; one from outside tells nothing."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    async def __call__(self, name: str, info: object) -> None:
        self._names.add(name)

    @property
    def reused(self) -> bool:
        connected = any(name.startswith("connection.connect_") for name in self._names)
        return not connected and "http11.send_request_headers.started" in self._names


class _HttpxResponse:
    def __init__(self, response: httpx.Response, parts: AsyncIterator[bytes]) -> None:
        self._response = response
        self._parts = parts
        self._begun = self._ended = False
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._parts)
        except StopAsyncIteration:
            self._ended = True
            raise
        except httpx.TransportError as error:
            raise UpstreamError("The upstream broke off its answer.") from error
        self._begun = True
        return data

    async def aclose(self) -> None:
        # As with aiohttp: the end of the body, if it comes at once, keeps the connection.
        if self._begun and not self._ended:
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    await anext(self._parts, None)
            except (httpx.HTTPError, TimeoutError):
                pass
        await self._response.aclose()
