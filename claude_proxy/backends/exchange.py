"""Plain requests straight on aiohttp's connections, without its `ClientSession`.

Pool, connecting, TLS and parser stay aiohttp's, all by public names of its version 3. Left out is
what a session adds to each request although it has nothing to do here: merged headers, the jar,
redirects, a timer, objects for request and response, and a task that writes the body. That is more
than half of what a small request costs in the HTTP client.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cached_property

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from yarl import URL

from claude_proxy.backends import StandingHeaders

KEEP_SECONDS = 15
"""How long an idle connection is kept."""

_ONE_PIECE = 16 << 10
"""Bytes of a body that are cheaper to copy than to write apart."""

reused: ContextVar[bool] = ContextVar("reused")
"""Whether the connection that the current request got had carried another one before."""


class Reply:
    """What is needed of a `ClientResponse`. Owns a connection until its content has ended."""

    def __init__(
        self,
        connection: Connection,
        head: RawResponseMessage,
        content: aiohttp.StreamReader,
        keep: Callable[[Connection], None],
    ) -> None:
        self.status = head.code
        self.headers: Mapping[str, str] = head.headers
        self.content = content
        self._connection: Connection | None = connection
        self._keep = keep
        content.on_eof(self.release)

    def release(self) -> None:
        """Frees the connection, for reuse unless it still has some of the request to send."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        transport = connection.transport
        if transport is None or transport.get_write_buffer_size():
            connection.close()
        else:
            self._keep(connection)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if self.content.exception() is None:
            self.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
        if connection is not None:
            connection.close()


class _Like(aiohttp.ClientRequest):
    """Never sent: it is the pool's key, knows how to connect, and has the headers that aiohttp
    sends where a request has none of its own."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        return super().connection_key


class Exchange:
    """POSTs to one URL, through no proxy. Made and used within one event loop. Mutable.

    Its idle connections stay out of aiohttp's pool, to which they would go back and forth with
    each request.
    """

    def __init__(self, url: URL, timeout: aiohttp.ClientTimeout) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self._like = _Like("POST", url, headers=headers)
        self._url = str(url)
        self._line = f"POST {url.raw_path_qs} HTTP/1.1"
        self._own = {name.lower(): f"{name}: {value}" for name, value in self._like.headers.items()}
        self._timeout = timeout
        self._idle: list[tuple[Connection, float]] = []
        """With when each was used last, the latest at the end."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    def close(self) -> None:
        """Gives the idle connections up, and those that become idle later."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _keep(self, connection: Connection) -> None:
        protocol = connection.protocol
        if protocol is None or protocol.should_close or self._closed:
            connection.close()
            return
        self._idle.append((connection, self._like.loop.time()))
        if self._sweeping is None:
            self._sweeping = self._like.loop.call_later(KEEP_SECONDS, self._sweep)

    def _kept(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            # It has ended, or got an answer that nobody had asked for.
            connection.close()
        return None

    def _sweep(self) -> None:
        old = self._like.loop.time() - KEEP_SECONDS
        for connection, _ in [each for each in self._idle if each[1] <= old]:
            connection.close()
        self._idle = [each for each in self._idle if each[1] > old]
        self._sweeping = None
        if self._idle:
            due = self._idle[0][1] + KEEP_SECONDS
            self._sweeping = self._like.loop.call_at(due, self._sweep)

    async def post(
        self, connector: aiohttp.TCPConnector, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Raises `aiohttp.ClientError` and `TimeoutError`, as a session does."""
        connection = self._kept()
        if connection is None:
            connection = await connector.connect(self._like, traces=[], timeout=self._timeout)
        else:
            reused.set(True)
        try:
            return await self._ask(connection, headers, body)
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._like.request_info, (), status=error.code, message=error.message
            ) from error
        except BaseException:
            connection.close()
            raise

    async def _ask(self, connection: Connection, headers: Mapping[str, str], body: bytes) -> Reply:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError  # Before anything was sent: on another one, then.
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        head = self._head(headers, len(body))
        # Some upstreams refuse a body before they have read it: nobody waits until it is gone.
        if len(body) <= _ONE_PIECE:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        while True:
            answer, content = await protocol.read()
            if answer.code >= 200 or answer.code == 101:
                return Reply(connection, answer, content, self._keep)

    def _head(self, headers: Mapping[str, str], length: int) -> bytes:
        """The request line and all headers. Raises `ValueError` if one would be more than one."""
        if isinstance(headers, StandingHeaders):
            text = headers.written.get(self._url)
            if text is None:
                text = headers.written[self._url] = self._lines(headers)
        else:
            text = self._lines(headers)
        return f"{text}\r\nContent-Length: {length}\r\n\r\n".encode()

    def _lines(self, headers: Mapping[str, str]) -> str:
        given = {name.lower(): f"{name}: {value}" for name, value in headers.items()}
        lines = {**self._own, **given}
        lines.pop("content-length", None)
        text = "\n".join(lines.values())
        if text.count("\n") >= len(lines) or "\r" in text or "\0" in text:
            raise ValueError("A header of the request holds a line end or a NUL.")
        return f"{self._line}\n{text}".replace("\n", "\r\n")
