"""More connections than descriptors: the rest are refused in order, and later ones are served."""

import os
import time

import httpx
import pytest

from tests.process import COMMAND, GUNICORN, HELLO, body_of, connect, post, read_until, started
from tests.upstream import Reply, eventually, text_stream

FILES = 256


SERVERS = [
    pytest.param(COMMAND, id="command"),
    pytest.param(GUNICORN, id="gunicorn", marks=pytest.mark.slow),
]


@pytest.fixture(params=SERVERS)
def process(request, upstream):
    with started(upstream, argv=request.param, files=FILES) as found:
        yield found


def served(process):
    try:
        return httpx.post(f"{process.url}/v1/messages", json=HELLO).is_success
    except httpx.TransportError:
        return False


def most_descriptors(process):
    """Of all its processes."""
    return max(len(os.listdir(f"/proc/{pid}/fd")) for pid in process.group())


def assert_quiet(process):
    log = process.log()
    assert "Traceback" not in log
    assert "Too many open files" not in log
    assert len(log.splitlines()) < 200


@pytest.mark.fault("descriptors")
def test_it_serves_again_after_too_many_connections_left(process):
    clients = []
    for count in range(2 * FILES):
        clients.append(connect(process.port))
        if count % 32 == 0:
            time.sleep(0.02)  # What overflows the system's queue is tried again after a second.
    assert eventually(lambda: "connections_refused" in process.log(), 20)
    answers = [read_until(client) for client in clients[-20:]]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in answer
        assert body_of(answer)["error"]["type"] == "overloaded_error"
    assert most_descriptors(process) < FILES
    for client in clients:
        client.close()
    assert eventually(lambda: served(process), 20)
    assert_quiet(process)


@pytest.mark.slow
@pytest.mark.fault("descriptors")
def test_each_connection_below_the_cap_may_stream(process, upstream):
    """Each needs one more descriptor, towards the upstream; none of them may fail."""
    first, *rest = text_stream("a", "b")
    upstream.play(Reply(stream=[first, 2.5, *rest]))
    clients = [post(process.port) for _ in range(FILES)]
    answers = [read_until(client, b"message_stop") for client in clients]
    good = sum(b'"type":"message_stop"' in answer for answer in answers)
    refused = sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers)
    assert good + refused == FILES
    assert good >= (FILES - FILES // 4 - 64) // 2
    assert good == len(upstream.posts)
    assert eventually(lambda: served(process), 20)
    assert_quiet(process)
