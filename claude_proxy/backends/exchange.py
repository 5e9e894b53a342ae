"""Plain requests straight on aiohttp's connections, without its `ClientSession`.

Pool, connecting, TLS, parser and writer stay aiohttp's, all by public names of its version 3. Left
out is what a session adds to each request although it has nothing to do here: merged headers, the
jar, redirects, a timer, objects for request and response, and the task that writes the body. That
is more than half of what a small request costs in the HTTP client.
"""

from collections.abc import Mapping

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage, StreamWriter
from yarl import URL


class Reply:
    """What is needed of a `ClientResponse`. Owns a connection until its content has ended."""

    def __init__(
        self, connection: Connection, head: RawResponseMessage, content: aiohttp.StreamReader
    ) -> None:
        self.status = head.code
        self.headers: Mapping[str, str] = head.headers
        self.content = content
        self._connection = connection
        content.on_eof(self.release)

    def release(self) -> None:
        """Frees the connection, for reuse unless it still has some of the request to send."""
        transport = self._connection.transport
        if transport is not None and transport.get_write_buffer_size():
            self._connection.close()
        else:
            self._connection.release()

    def close(self) -> None:
        if self.content.exception() is None:
            self.content.set_exception(aiohttp.ClientConnectionError("Connection closed"))
        self._connection.close()


class Exchange:
    """POSTs to one URL, through no proxy. Made and used within one event loop."""

    def __init__(self, url: URL, timeout: aiohttp.ClientTimeout) -> None:
        # Never sent: it is the pool's key, knows how to connect, and has the headers that
        # aiohttp sends where a request has none of its own.
        headers = {"Content-Type": "application/octet-stream"}
        self._like = aiohttp.ClientRequest("POST", url, headers=headers)
        self._line = f"POST {url.raw_path_qs} HTTP/1.1"
        self._timeout = timeout

    async def post(
        self, connector: aiohttp.TCPConnector, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Raises `aiohttp.ClientError` and `TimeoutError`, as a session does."""
        connection = await connector.connect(self._like, traces=[], timeout=self._timeout)
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
        protocol = connection.protocol
        if protocol is None:
            raise aiohttp.ClientConnectionError("Connection closed")
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        sent = self._like.headers.copy()
        sent.update(headers)
        sent["Content-Length"] = str(len(body))
        writer = StreamWriter(protocol, self._like.loop)
        await writer.write_headers(self._line, sent)
        # Some upstreams refuse a body before they have read it: nobody waits until it is gone.
        await writer.write(body, drain=False)
        while True:
            head, content = await protocol.read()
            if head.code >= 200 or head.code == 101:
                return Reply(connection, head, content)
