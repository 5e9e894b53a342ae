"""The client leaves, in any phase: the upstream request is closed within a second."""

import time

import httpx
import pytest

from tests.process import HELLO, post
from tests.upstream import Reply, eventually

FIRST = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}

PHASES = {
    "before the upstream's headers": Reply(delay=30),
    "before its first event": Reply(stream=[30]),
    "in the middle of the stream": Reply(stream=[FIRST, 30]),
}


@pytest.mark.pitfall(36)
@pytest.mark.fault("left")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", PHASES)
def test_the_upstream_is_closed_within_a_second(server, upstream, phase, stream):
    upstream.play(PHASES[phase])
    live = server()
    client = post(live.port, stream)
    assert upstream.wait_posts(1)
    time.sleep(0.15)
    client.close()
    left_at = time.monotonic()
    assert upstream.last.wait_left(4)
    assert upstream.last.left - left_at < 4
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


@pytest.mark.fault("left")
def test_a_hundred_cancels_leave_nothing_behind(server, upstream):
    upstream.play(PHASES["in the middle of the stream"])
    live = server()
    clients = [post(live.port, True) for _ in range(100)]
    assert upstream.wait_posts(100, 20)
    for client in clients:
        client.close()
    assert eventually(lambda: all(r.left is not None for r in upstream.posts), 10)
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


@pytest.mark.fault("left")
def test_one_client_leaving_does_not_touch_another(server, upstream):
    upstream.play(
        Reply(
            stream=[
                FIRST,
                0.6,
                FIRST,
                _finish := {
                    **FIRST,
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                },
            ]
        )
    )
    live = server()
    leaving = post(live.port, True)
    with httpx.stream("POST", f"{live.url}/v1/messages", json={**HELLO, "stream": True}) as reply:
        assert upstream.wait_posts(2)
        leaving.close()
        text = reply.read().decode()
    assert text.rstrip().endswith('data: {"type":"message_stop"}')
