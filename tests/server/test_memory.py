"""What a request held is free as soon as it is answered, without the garbage collector.

The collector runs rarely, because large requests make it expensive; until then a cycle would
keep bodies of megabytes, each of them only a handful of objects to it.
"""

import gc
import socket
from collections.abc import Iterator

import httpx
import pytest

from claude_proxy.server.context import Context
from claude_proxy.server.pipeline import Plan, Relay
from claude_proxy.server.watch import Watch
from tests.server.test_disconnect import FIRST, HELLO, post
from tests.upstream import Reply, completion, eventually, refusal, text_stream

HELD = (Plan, Relay, Context, Watch)
CUT = [FIRST, 0.2, FIRST]

ANSWERS = {
    "whole": (False, Reply(completion("a"))),
    "whole, after a while": (False, Reply(completion("a"), delay=0.2)),
    "stream": (True, Reply(stream=text_stream("a", "b"))),
    "stream, after a while": (True, Reply(stream=[FIRST, 0.3, *text_stream("b")])),
    "whole, streamed by the upstream": (False, Reply(stream=text_stream("a"))),
    "stream, whole at the upstream": (True, Reply(completion("a"))),
    "refused": (False, refusal(429, "slow down")),
    "stream refused": (True, refusal(400, "no")),
    "stream without finish": (True, Reply(stream=CUT)),
    "whole, streamed without finish": (False, Reply(stream=CUT)),
    "connection cut": (True, Reply(stream=CUT, end="cut")),
    "cut before the first event": (True, Reply(stream=[], end="cut")),
    "whole body cut": (False, Reply({"a": 1}, end="cut")),
    "cut after the finish": (True, Reply(stream=text_stream("a")[:-1], end="cut")),
    "refusal cut": (False, Reply({"error": {"message": "b"}}, status=400, end="cut")),
    "no HTTP": (False, Reply(raw=b"nonsense\r\n\r\n")),
    "no JSON": (False, Reply(b"{")),
    "no answer": (False, Reply({"error": {"message": "bad"}})),
    "error in the stream": (True, Reply(stream=[FIRST, {"error": {"message": "bad"}}])),
    "silence": (False, Reply(delay=30)),
    "silence in the stream": (True, Reply(stream=[FIRST, 30])),
    "silence after the finish": (True, Reply(stream=text_stream("a")[:-1], end="hang")),
}


def held() -> list[str]:
    """The types of what requests hold, among all that is alive."""
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, HELD)]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.fault("soak")
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answered_request_holds_nothing(server, upstream, no_collector, case):
    stream, reply = ANSWERS[case]
    upstream.play(reply)
    live = server(CLAUDE_PROXY_REQUEST_TIMEOUT="0.6", CLAUDE_PROXY_PING_SECONDS="0.1")
    with httpx.Client() as client:
        for _ in range(2):
            client.post(f"{live.url}/v1/messages", json={**HELLO, "stream": stream}, timeout=20)
            assert eventually(lambda: not held(), 2), held()


@pytest.mark.fault("soak", "left")
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_whose_client_left_holds_nothing(server, upstream, no_collector, stream):
    upstream.play(Reply(stream=[FIRST, 30]))
    live = server()
    client = post(live.port, stream)
    assert upstream.wait_posts(1)
    client.close()
    assert eventually(lambda: not held(), 2), held()


@pytest.mark.fault("soak")
@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"model": 5}', b"\xff"])
def test_a_bad_request_holds_nothing(server, no_collector, body):
    live = server()
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        head = f"host: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        client.sendall(f"POST /v1/messages HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        assert client.recv(4096).startswith(b"HTTP/1.1 40")
        assert eventually(lambda: not held(), 2), held()
