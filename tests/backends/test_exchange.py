"""Exchanges on aiohttp's connections, with sockets that hold too little or answers that stop."""

import asyncio
import contextlib
import re
import socket
import threading

import aiohttp
import pytest
from yarl import URL

from claude_proxy.backends.exchange import Exchange

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LONG = b"x" * 500_000


@pytest.fixture
def upstream():
    """Starts an upstream that plays `serve(connection)`; gives its URL and its connections."""
    opened = []
    listener = socket.create_server(("127.0.0.1", 0))

    def accept(serve):
        with contextlib.suppress(OSError):
            while True:
                opened.append(listener.accept()[0])
                threading.Thread(target=serve, args=opened[-1:], daemon=True).start()

    def start(serve):
        threading.Thread(target=accept, args=[serve], daemon=True).start()
        return URL(f"http://127.0.0.1:{listener.getsockname()[1]}/"), opened

    yield start
    for each in (listener, *opened):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def unread(connection):
    connection.recv(1)
    connection.sendall(ANSWER)


def read(connection):
    while head := connection.recv(400):
        start, _, begun = head.partition(b"\r\n\r\n")
        missing = int(re.search(rb"(?i)content-length: (\d+)", start)[1]) - len(begun)
        while missing:
            missing -= len(connection.recv(missing))
        connection.sendall(ANSWER)


def half(connection):
    connection.recv(1000)
    connection.sendall(ANSWER[:-1])


def narrow(address):
    """A socket that takes little more than its peer has read."""
    sock = socket.socket(*address[:3])
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return sock


@pytest.mark.parametrize(("serve", "connections"), [(unread, 2), (read, 1)])
def test_an_answer_to_half_a_request_comes_at_once_and_ends_its_connection(
    upstream, serve, connections
):
    # One that still has the rest of a request to send would send it before the next.
    url, opened = upstream(serve)

    async def twice():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector(socket_factory=narrow) as connector, asyncio.timeout(10):
            for _ in range(2):
                reply = await exchange.post(connector, {}, LONG)
                assert (reply.status, await reply.content.read()) == (200, b"ok")
            for connection in opened if serve is unread else ():
                connection.close()
            await asyncio.sleep(0.05)

    asyncio.run(twice())
    assert len(opened) == connections


def test_who_reads_an_answer_learns_that_it_was_closed(upstream):
    url, _ = upstream(half)

    async def closed_while_it_is_read():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            reply = await exchange.post(connector, {}, b"hi")
            reading = asyncio.create_task(reply.content.read())
            await asyncio.sleep(0)
            reply.close()
            with pytest.raises(aiohttp.ClientConnectionError):
                await reading

    asyncio.run(closed_while_it_is_read())
