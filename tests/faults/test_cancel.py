"""The client leaves: the upstream is closed within a second (asserted: two), nothing is left."""

import asyncio
import logging
import socket
import struct
import sys
import time

import pytest

from tests.faults.asking import ask, in_flight
from tests.faults.raw_upstream import STREAM_HEAD, chunked, head, raw_serving, say, well
from tests.process import post, started
from tests.upstream import chunk, eventually, framed

HEL = chunk({"content": "Hel"})
log = logging.getLogger(__name__)


def silent(connection, request):
    """Before the upstream answers."""


def only_head(connection, request):
    """The status is held until there is something to show."""
    connection.send(STREAM_HEAD)


def half_a_stream(connection, request):
    say(connection, HEL)


def half_an_answer(connection, request):
    connection.send(head(content_type="application/json", content_length="99") + b'{"choices"')


def half_a_refusal(connection, request):
    connection.send(head("429 Slow", content_length="99") + b'{"err')


def flood(connection, request):
    connection.send(STREAM_HEAD)
    for _ in range(2000):
        connection.send(chunked(framed(HEL)) * 100)


PHASES = [silent, only_head, half_a_stream, half_an_answer, half_a_refusal, flood]


def then_wait(raw, act):
    def played(connection, request):
        try:
            act(connection, request)
        finally:
            raw.note_left(connection)

    return played


def leave(client, *, reset):
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.fixture
def both(proxies):
    return [proxies(CLAUDE_PROXY_TRANSPORT=name) for name in ("aiohttp", "httpx")]


def idle(proxy):
    return in_flight(proxy.live.url) == 0


@pytest.mark.pitfall(36)
@pytest.mark.fault("left")
@pytest.mark.parametrize("act", PHASES, ids=lambda act: act.__name__)
def test_the_upstream_is_closed_when_the_client_leaves(both, raw, act):
    """By each transport, whole and streamed, with FIN and with RST: eight at once."""
    raw.play(then_wait(raw, act))
    each = [(proxy, stream) for proxy in both for stream in (False, True)]
    clients = [post(proxy.live.port, stream=stream) for proxy, stream in each * 2]
    assert raw.wait_requests(8)
    time.sleep(0.1)
    for number, client in enumerate(clients):
        leave(client, reset=number < 4)
    left = time.monotonic()
    assert raw.wait_left(8)
    assert all(at is not None and at - left < 4 for at in raw.left)
    assert all(eventually(lambda proxy=proxy: idle(proxy)) for proxy in both)
    assert all(proxy.serves() for proxy in both)


@pytest.mark.pitfall(36)
@pytest.mark.fault("left")
def test_the_upstream_is_closed_after_the_first_ping(proxies, transport, raw):
    pace = {"CLAUDE_PROXY_HOLD_SECONDS": "0.1", "CLAUDE_PROXY_PING_SECONDS": "0.1"}
    proxy = proxies(CLAUDE_PROXY_TRANSPORT=transport, **pace)
    raw.play(then_wait(raw, silent))
    client = post(proxy.live.port, stream=True)
    seen = b""
    while b"event: ping" not in seen:
        seen += client.recv(65536)
    client.close()
    left = time.monotonic()
    assert raw.wait_left() and raw.left[0] - left < 4
    assert eventually(lambda: in_flight(proxy.live.url) == 0)


@pytest.mark.fault("left")
def test_a_client_that_leaves_within_its_body_never_reaches_the_upstream(proxy, raw):
    raw.play(well)
    client = socket.create_connection(("127.0.0.1", proxy.live.port))
    client.sendall(
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b'content-length: 500\r\n\r\n{"model": "claude-'
    )
    assert eventually(lambda: in_flight(proxy.live.url) == 1)
    client.close()
    assert eventually(lambda: in_flight(proxy.live.url) == 0)
    assert raw.requests == []


@pytest.mark.fault("left")
def test_an_upstream_that_does_not_read_is_closed_too(proxies, transport):
    """The request's body is still on its way to the upstream."""

    def deaf(connection):
        connection.sock.recv(1024)
        time.sleep(0.6)  # meanwhile the client leaves
        upstream.note_left(connection, timeout=5)

    with raw_serving(greet=deaf) as upstream:
        where = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "CLAUDE_PROXY_TRANSPORT": transport}
        proxy = proxies(**where)
        text = {"messages": [{"role": "user", "content": "a" * (16 << 20)}]}
        client = post(proxy.live.port, stream=True, **text)
        assert eventually(lambda: upstream.accepted == 1)
        time.sleep(0.3)
        client.close()
        assert eventually(lambda: in_flight(proxy.live.url) == 0, 2)
        assert upstream.wait_left() and upstream.left[0] is not None


@pytest.mark.fault("left")
def test_no_task_is_left_after_60_cancels(both, raw):
    assert all(proxy.serves() for proxy in both)
    before = running_tasks()
    for act in PHASES[:3]:
        raw.play(then_wait(raw, act))
        clients = [post(proxy.live.port, stream=True) for proxy in both * 10]
        assert raw.wait_requests(20)
        for client in clients:
            client.close()
        assert raw.wait_left(20)
    assert eventually(lambda: running_tasks() <= before)


def running_tasks():
    """Of all loops: the servers of these tests run in threads of this process."""
    # `all_tasks` knows one loop only, and would have to be called there.
    return sum(not task.done() for task in list(asyncio.tasks._all_tasks))


@pytest.mark.slow
@pytest.mark.fault("left")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_500_cancels_leave_no_slot_and_no_descriptor(raw, transport):
    raw.play(well)
    with started(raw, CLAUDE_PROXY_TRANSPORT=transport) as server:
        for stream in (False, True) * 3:
            assert ask(server.url, stream=stream).text == "fine"
        before = server.descriptors()
        for number in range(20):
            act = PHASES[number % 5]
            raw.play(then_wait(raw, act))
            clients = [post(server.port, stream=n % 3 > 0) for n in range(25)]
            assert raw.wait_requests(25, 30)
            for n, client in enumerate(clients):
                leave(client, reset=n % 2 > 0)
            left = time.monotonic()
            assert raw.wait_left(25, 30)
            late = max(at for at in raw.left if at is not None) - left
            assert None not in raw.left and late < 4
        assert eventually(lambda: in_flight(server.url) == 0)
        assert eventually(lambda: abs(server.descriptors() - before) <= 4)
        log.info("the last 25 were gone after %.3f s", late)
        raw.play(well)
        assert ask(server.url, stream=True).text == "fine"
