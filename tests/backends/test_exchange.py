"""Exchanges on aiohttp's connections, with sockets that hold too little or answers that stop."""

import asyncio
import contextlib
import re
import socket
import threading

import aiohttp
import pytest
from yarl import URL

from claude_proxy.backends import exchange as exchanges
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
            exchange.close()

    asyncio.run(twice())
    assert len(opened) == connections


async def told(exchange, connector):
    reply = await exchange.post(connector, {"X-A": "1"}, b"hi")
    return reply.status, await reply.content.read()


def test_an_idle_connection_is_used_again_until_it_is_too_old(upstream, monkeypatch):
    url, opened = upstream(read)
    monkeypatch.setattr(exchanges, "KEEP_SECONDS", 0.2)

    async def with_pauses():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            for pause in (0, 0.01, 0.01, 0.5):
                await asyncio.sleep(pause)
                assert await told(exchange, connector) == (200, b"ok")
                counts.append(len(opened))
            # Two at once need a second connection; one sweep ends both.
            await asyncio.gather(told(exchange, connector), told(exchange, connector))
            counts.append(len(opened))
            await asyncio.sleep(0.5)
            assert [each.recv(1) for each in opened[1:]] == [b"", b""]
            exchange.close()

    counts = []
    asyncio.run(with_pauses())
    assert counts == [1, 1, 1, 2, 3]


def test_a_connection_that_becomes_idle_after_the_end_is_closed(upstream):
    url, opened = upstream(read)

    async def late():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            answer = asyncio.create_task(told(exchange, connector))
            await asyncio.sleep(0)
            exchange.close()
            assert await answer == (200, b"ok")
            await asyncio.sleep(0.05)
            assert opened[0].recv(1) == b""

    asyncio.run(late())


def talkative(connection):
    connection.recv(1000)
    connection.sendall(ANSWER)
    connection.sendall(ANSWER)
    connection.recv(1000)


def test_an_answer_that_nobody_asked_for_ends_its_connection(upstream):
    url, opened = upstream(talkative)

    async def twice():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            for _ in range(2):
                assert await told(exchange, connector) == (200, b"ok")
                await asyncio.sleep(0.05)
            exchange.close()

    asyncio.run(twice())
    assert len(opened) == 2


@pytest.mark.parametrize("value", ["a\r\nx-b: 2", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_header_that_would_be_more_than_one_is_not_sent(upstream, value, where):
    url, opened = upstream(read)
    headers = {"x-a": value} if where == "value" else {value: "1"}

    async def ask():
        exchange = Exchange(url, aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            with pytest.raises(ValueError, match="line end"):
                await exchange.post(connector, headers, b"hi")
            await asyncio.sleep(0.05)
            assert opened[0].recv(1) == b""

    asyncio.run(ask())


def test_the_head_is_what_was_asked_for_and_what_every_request_needs(upstream):
    heads = []

    def note(connection):
        heads.append(connection.recv(1000))
        connection.sendall(ANSWER)

    url, _ = upstream(note)

    async def ask():
        exchange = Exchange(url / "a b?c=d", aiohttp.ClientTimeout())
        async with aiohttp.TCPConnector() as connector, asyncio.timeout(10):
            headers = {"content-type": "application/json", "user-agent": "me", "x-ü": "ü"}
            reply = await exchange.post(connector, headers, b"hi")
            await reply.content.read()
            exchange.close()

    asyncio.run(ask())
    head, _, body = heads[0].decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    assert line == "POST /a%20b%3Fc=d HTTP/1.1" and body == "hi"
    told = {name.lower(): value for name, value in (each.split(": ") for each in fields)}
    assert len(told) == len(fields)
    assert told["host"] == f"{url.host}:{url.port}" and told["content-length"] == "2"
    assert told["content-type"] == "application/json" and told["user-agent"] == "me"
    assert told["x-ü"] == "ü" and told["accept"] == "*/*"


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
