"""The HTTP transports: aiohttp by default, httpx by setting or injected.

aiohttp costs a tenth of httpx's CPU per request; httpx is what users inject for tests, proxies
and TLS of their own. Neither keeps cookies, follows redirects, retries, or reads `.netrc`.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

from claude_proxy.backends import Backend, WireRequest, WireResponse
from claude_proxy.errors import UpstreamError

# Longer bodies go out in steps: one write of megabytes would block the event loop.
_ONE_WRITE = 1 << 20
# How long a finished answer's connection may take to end, so that it can be used again.
_LINGER_SECONDS = 0.25


def build(
    transport: str, *, connect_timeout: float, inject: httpx.AsyncBaseTransport | None = None
) -> Backend:
    """The transport named by `transport` ("aiohttp" or "httpx"); an injected one wins."""
    if inject is not None or transport == "httpx":
        return HttpxBackend(connect_timeout=connect_timeout, transport=inject)
    return AiohttpBackend(connect_timeout=connect_timeout)


def _unreachable(url: str, error: Exception) -> UpstreamError:
    """What went wrong on the way to the upstream; names the host, never path, query or key."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return UpstreamError(f"Connecting to {where} took too long.", status=504)
    cause = error.__cause__ or error
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return UpstreamError(f"TLS with {where} failed: {type(cause).__name__}.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UpstreamError(f"The host name of {where} could not be resolved.")
    if isinstance(error, aiohttp.ClientConnectorError | httpx.ConnectError):
        return UpstreamError(f"Could not connect to {where}. Is it running, and is the URL right?")
    return UpstreamError(f"{where} closed the connection before it answered.")


class AiohttpBackend:
    def __init__(self, *, connect_timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=connect_timeout, sock_read=None
        )
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, tuple[URL, str | None]] = {}

    async def send(self, request: WireRequest, /) -> WireResponse:
        """See `Backend`. Reconnects once when a reused connection dies before any answer:
        servers close idle connections at will, and nothing has been processed then."""
        seen = SimpleNamespace(reused=False)
        try:
            return await self._send(request, seen)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if not seen.reused or isinstance(error, aiohttp.ClientConnectorError):
                raise _unreachable(request.url, error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(request.url, error) from error
        try:
            return await self._send(request, seen)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(request.url, error) from error

    async def _send(self, request: WireRequest, seen: SimpleNamespace) -> "_AiohttpResponse":
        url, proxy = self._target(request.url)
        body = request.body
        response = await self._open().request(
            request.method,
            url,
            data=body if len(body) <= _ONE_WRITE else io.BytesIO(body),
            headers=request.headers,
            allow_redirects=False,
            proxy=proxy,
            trace_request_ctx=seen,
        )
        return _AiohttpResponse(response)

    def _target(self, url: str) -> tuple[URL, str | None]:
        """The parsed URL and the proxy of the environment for it; there are few, so they stay."""
        if url not in self._urls:
            parsed = URL(url, encoded=True)
            host = parsed.host or ""
            proxy = None if proxy_bypass(host) else getproxies().get(parsed.scheme)
            self._urls[url] = parsed, proxy
        return self._urls[url]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_reuse)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trace_configs=[trace],
                skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            )
        return self._session

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _note_reuse(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.reused = True


class _AiohttpResponse:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
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
        if not self._content.is_eof() and self._content.total_bytes:
            try:
                async with asyncio.timeout(_LINGER_SECONDS):
                    await self._content.readany()
            except (aiohttp.ClientError, OSError):
                pass
        if self._content.is_eof():
            self._response.release()
        else:
            self._response.close()


class HttpxBackend:
    """httpx, as it is or with a transport from outside (`httpx.MockTransport`, own TLS …)."""

    def __init__(
        self, *, connect_timeout: float, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._timeout = httpx.Timeout(None, connect=connect_timeout, write=60.0)
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: WireRequest, /) -> WireResponse:
        client = self._open()
        outgoing = client.build_request(
            request.method, request.url, content=request.body, headers=dict(request.headers)
        )
        try:
            return _HttpxResponse(await client.send(outgoing, stream=True))
        except httpx.TransportError as error:
            raise _unreachable(request.url, error) from error

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            # One jar would be shared by all users; this policy takes no cookie at all.
            no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=self._timeout,
                cookies=no_cookies,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            )
        return self._client

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class _HttpxResponse:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._response.aiter_bytes():
                yield data
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise UpstreamError("The upstream broke off its answer.") from error

    async def aclose(self) -> None:
        await self._response.aclose()
