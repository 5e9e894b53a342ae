"""Answers to requests whose body is still on its way: read by every client, and then closed."""

import asyncio
import contextlib
import http.client
import io
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import aiohttp
import httpx
import pytest

from claude_proxy.server import protocol
from tests.conftest import LiveServer, running, settings_for
from tests.faults.raw_client import request
from tests.process import connect, post, read_until, started
from tests.upstream import Reply, Upstream, eventually, text_stream

SIZE = 40 << 20
PART = b"x" * (1 << 20)
JSON = {"content-type": "application/json"}
KEY = {**JSON, "x-api-key": "secret"}
SMALL = {"CLAUDE_PROXY_MAX_BODY_BYTES": "100000"}
TRIES = [3, pytest.param(50, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def live(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    environ = {**SMALL, "CLAUDE_PROXY_AUTH_KEY": "secret", "CLAUDE_PROXY_ACCESS_LOG": "0"}
    with running(settings_for(quiet_upstream, **environ)) as started:
        yield started


def parts() -> Iterator[bytes]:
    return (PART for _ in range(SIZE // len(PART)))


async def parts_later() -> AsyncIterator[bytes]:
    for part in parts():
        yield part


async def by_asyncio(url: str, headers: dict[str, str], *, chunked: bool) -> int:
    """Writes everything and reads then; a reset in between is an exception."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {SIZE}"
    lines = ["POST /v1/messages HTTP/1.1", "host: localhost", framing]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        for part in parts():
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await writer.drain()
        writer.write(b"0\r\n\r\n" if chunked else b"")
        await writer.drain()
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def by_aiohttp(url: str, headers: dict[str, str], *, chunked: bool) -> int:
    body = parts_later() if chunked else io.BytesIO(PART * (SIZE // len(PART)))
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/messages", headers=headers, data=body) as answer,
    ):
        assert (await answer.json())["type"] == "error"
        status = answer.status
    await asyncio.sleep(0.05)  # aiohttp does not wait until its connections are closed
    return status


async def by_httpx(url: str, headers: dict[str, str], *, chunked: bool) -> int:
    length = {} if chunked else {"content-length": str(SIZE)}
    async with httpx.AsyncClient(timeout=60) as client:
        sent = {**headers, **length}
        answer = await client.post(f"{url}/v1/messages", headers=sent, content=parts_later())
        assert answer.json()["type"] == "error"
        return answer.status_code


async def by_http_client(url: str, headers: dict[str, str], *, chunked: bool) -> int:
    """What `requests` and `urllib3` stand on."""

    def ask() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", httpx.URL(url).port, timeout=60)
        with contextlib.closing(connection):
            framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(SIZE)}
            sent = {**headers, **framing}
            connection.request("POST", "/v1/messages", parts(), sent, encode_chunked=chunked)
            answer = connection.getresponse()
            assert json.loads(answer.read())["type"] == "error"
            return answer.status

    return await asyncio.to_thread(ask)


CLIENTS = [by_asyncio, by_aiohttp, by_httpx, by_http_client]
FRAMING = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


@pytest.mark.fault("huge-body")
@pytest.mark.parametrize("tries", TRIES)
@FRAMING
@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_that_sends_too_much_reads_its_413(live, client, chunked, tries):
    statuses = [asyncio.run(client(live.url, KEY, chunked=chunked)) for _ in range(tries)]
    assert statuses == [413] * tries


REFUSED = {
    "no key": (JSON, 401),
    "no JSON": ({**KEY, "content-type": "text/plain"}, 415),
    "a foreign page": ({**KEY, "origin": "http://evil.example"}, 403),
    "a websocket": ({**KEY, "upgrade": "websocket"}, 400),
    "too many headers": ({**KEY, **{f"x-{n}": "1" for n in range(100)}}, 431),
}


@pytest.mark.fault("huge-body")
@FRAMING
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_each_client_reads_why_it_was_refused(live, client, headers, status, chunked):
    assert asyncio.run(client(live.url, headers, chunked=chunked)) == status


@pytest.mark.fault("huge-body", "rate")
@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_that_asks_too_often_reads_its_429(server, client):
    live = server(**SMALL, CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS="1/hour")
    httpx.post(f"{live.url}/v1/messages", json={})
    assert asyncio.run(client(live.url, JSON, chunked=False)) == 429


@pytest.mark.fault("huge-body", "descriptors")
@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_of_a_full_server_reads_its_503(server, monkeypatch, client):
    monkeypatch.setattr("claude_proxy.server.runner.most_connections", lambda: 1)
    live = server()
    with connect(live.port):
        for _ in range(3):
            assert asyncio.run(client(live.url, JSON, chunked=False)) == 503


@pytest.mark.fault("huge-body", "drain")
def test_the_503_of_a_server_that_stops_is_read(upstream):
    """On a connection that was kept, with a body that is still sent when the answer is there."""
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    with started(upstream, CLAUDE_PROXY_DRAIN_SECONDS="20") as process:
        held, kept = post(process.port), connect(process.port)
        assert upstream.wait_posts(1)
        kept.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200 OK" in read_until(kept, b"}")
        process.signal(signal.SIGINT)
        assert eventually(lambda: not accepts(process.port), 5)
        kept.sendall(request(body=b"", length=False)[:-2] + b"content-length: %d\r\n\r\n" % SIZE)
        for part in parts():
            kept.sendall(part)
        assert read_until(kept).startswith(b"HTTP/1.1 503 ")
        held.close()


def accepts(port: int) -> bool:
    try:
        connect(port).close()
    except ConnectionError:
        return False
    return True


TOO_LARGE = request(
    b"/v1/messages", b"x-api-key: secret", b"content-length: 999999999", body=b"", length=False
)


@pytest.mark.fault("huge-body", "smuggling")
def test_nothing_behind_the_last_answer_is_a_request(live, quiet_upstream):
    quiet_upstream.requests.clear()
    with connect(live.port) as client:
        client.sendall(TOO_LARGE)
        answer = read_until(client)  # its end is ours to send at once
        assert answer.startswith(b"HTTP/1.1 413 ")
        client.sendall(request(b"/v1/messages", b"x-api-key: secret"))
        client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert read_until(client) == b""
    assert not quiet_upstream.requests


@pytest.fixture
def linger(monkeypatch: pytest.MonkeyPatch, live: LiveServer) -> Callable[..., socket.socket]:
    """`linger(LINGER_SILENCE=0.2)`: a connection after its last answer, with these bounds."""

    def begin(**bounds: float) -> socket.socket:
        for name, bound in bounds.items():
            monkeypatch.setattr(protocol, name, bound)
        client = connect(live.port)
        client.sendall(TOO_LARGE)
        assert read_until(client).startswith(b"HTTP/1.1 413 ")
        return client

    return begin


def send_until_reset(client: socket.socket, part: bytes, pause: float) -> float:
    """Seconds until the server had enough of it."""
    begun = time.monotonic()
    with client, contextlib.suppress(ConnectionError):
        while time.monotonic() - begun < 20:
            client.sendall(part)
            time.sleep(pause)
    return time.monotonic() - begun


@pytest.mark.fault("huge-body", "slow-request")
def test_a_client_that_falls_silent_is_closed(linger):
    assert send_until_reset(linger(LINGER_SILENCE=0.1), b"x", 1.2) < 10


@pytest.mark.fault("huge-body", "slow-request")
def test_a_client_that_never_ends_is_closed(linger):
    took = send_until_reset(linger(LINGER_SECONDS=1.0), b"x" * 1000, 0.05)
    assert 0.8 < took < 4


@pytest.mark.fault("huge-body")
def test_a_client_that_sends_without_end_is_closed(linger):
    begun = time.monotonic()
    assert send_until_reset(linger(), PART, 0) < 10
    assert time.monotonic() - begun < 10


@pytest.mark.fault("huge-body", "drain")
def test_a_lingering_client_does_not_hold_the_server_up(upstream):
    with started(upstream, CLAUDE_PROXY_DRAIN_SECONDS="1") as process, ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(process.port))
            client.sendall(TOO_LARGE)
            assert read_until(client).startswith(b"HTTP/1.1 413 ")
        told = time.monotonic()
        process.signal(signal.SIGTERM)
        process.wait()
        assert time.monotonic() - told < 2 * (1 + 2)
