"""What a request held is free as soon as it is answered, without the garbage collector.

The collector runs rarely, because large requests make it expensive; until then a cycle would
keep bodies of megabytes, each of them only a handful of objects to it.
"""

import gc
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from claude_proxy.codecs.jsonio import Body
from claude_proxy.server import direct
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.pipeline import Plan
from claude_proxy.server.relay import Relay
from claude_proxy.server.search.conversation import Conversation
from claude_proxy.server.upload import Upload
from claude_proxy.server.watch import Watch
from claude_proxy.settings import load_settings
from tests.conftest import LiveServer, running, settings_for
from tests.messages_upstream import message, refused, said
from tests.pdf_files import block, pdf, slow_pdf
from tests.process import HELLO, post
from tests.server.test_disconnect import FIRST
from tests.upstream import (
    Reply,
    Upstream,
    call,
    completion,
    eventually,
    refusal,
    serving,
    text_stream,
)

HELD = (
    *(Plan, Relay, Conversation, Context, Watch, Body, Call, Upload),
    *(direct.Plan, direct.Relay),
)
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
    """The types of what requests hold, among all that was made since the collector froze."""
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, HELD)]


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[LiveServer, Upstream]]:
    """One server for all, without a collector: each case must leave nothing to the next."""
    gc.collect()
    gc.freeze()  # What is frozen is not looked through: all that the other tests left.
    gc.disable()
    impatient = {"CLAUDE_PROXY_REQUEST_TIMEOUT": "0.4", "CLAUDE_PROXY_PING_SECONDS": "0.1"}
    try:
        with serving(Upstream()) as upstream, running(settings_for(upstream, **impatient)) as live:
            yield live, upstream
    finally:
        gc.enable()


Live = tuple[LiveServer, Upstream]


@pytest.mark.fault("soak")
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answered_request_holds_nothing(live: Live, case: str, path: str) -> None:
    stream, reply = ANSWERS[case]
    server, upstream = live
    upstream.play(reply)
    with httpx.Client() as client:
        client.post(server.url + path, json={**HELLO, "stream": stream}, timeout=20)
        assert eventually(lambda: not held(), 30), held()


SEARCHES = {
    "whole": (False, Reply(completion("a"))),
    "stream": (True, Reply(stream=text_stream("a", "b"))),
    "refused": (False, refusal(429, "slow down")),
    "stream refused": (True, refusal(429, "slow down")),
    "silence in the stream": (True, Reply(stream=[FIRST, 30])),
    "connection cut": (True, Reply(stream=CUT, end="cut")),
}
"""What becomes of the turn after a search."""


@pytest.mark.fault("soak")
@pytest.mark.parametrize("case", SEARCHES)
def test_a_request_with_a_search_holds_nothing(live: Live, case: str) -> None:
    stream, reply = SEARCHES[case]
    server, upstream = live
    upstream.play(Reply(completion(calls=[call("web_search", {"query": "a"})])), reply)
    tool = {"type": "web_search_20250305", "name": "web_search"}
    asked = {**HELLO, "stream": stream, "tools": [tool]}
    with httpx.Client() as client:
        client.post(f"{server.url}/v1/messages", json=asked, timeout=20)
        assert eventually(lambda: not held(), 30), held()


PDFS = {
    "read": lambda: pdf("a"),
    "broken": lambda: b"%PDF-",
    "left before it is read": slow_pdf,
}


@pytest.fixture(scope="module")
def texting(live: Live) -> Iterator[LiveServer]:
    """Another server, whose upstream gets PDFs as text."""
    with running(settings_for(live[1], CLAUDE_PROXY_PROFILE="generic")) as started:
        yield started


@pytest.mark.fault("soak")
@pytest.mark.parametrize("case", PDFS)
def test_a_request_with_a_pdf_holds_nothing(live: Live, texting: LiveServer, case: str) -> None:
    live[1].play(Reply(completion("a")))
    asked = {**HELLO, "messages": [{"role": "user", "content": [block(PDFS[case]())]}]}
    leaves = case == "left before it is read"
    with httpx.Client() as client:
        with suppress(httpx.ReadTimeout):
            client.post(f"{texting.url}/v1/messages", json=asked, timeout=1 if leaves else 60)
        assert eventually(lambda: not held(), 20), held()


DIRECT = {
    "whole": (False, Reply(message())),
    "stream": (True, Reply(stream=said("a"))),
    "refused": (True, refused(429, "rate_limit_error", "slow down")),
    "no such API": (False, Reply(b"no", status=404)),
    "connection cut": (True, Reply(stream=said("a")[:4], end="cut")),
    "cut before the first event": (True, Reply(stream=[], end="cut")),
    "whole body cut": (False, Reply({"a": 1}, end="cut")),
    "silence": (False, Reply(delay=30)),
    "silence in the stream": (True, Reply(stream=[*said("a")[:4], 30])),
    "silence after the end": (True, Reply(stream=said("a"), end="hang")),
    "late": (True, Reply(stream=said("a"), delay=0.3)),
}


@pytest.fixture(scope="module")
def passing(live: Live) -> Iterator[LiveServer]:
    """Another server, whose upstream is asked without translation."""
    upstream = live[1]
    environ = {"CLAUDE_PROXY_REQUEST_TIMEOUT": "0.6", "CLAUDE_PROXY_PING_SECONDS": "0.1"}
    base = {"OPENAI_BASE_URL": f"{upstream.url}/anthropic", "CLAUDE_PROXY_HOLD_SECONDS": "0.1"}
    with running(settings_for(upstream, **base, **environ)) as started:
        yield started


@pytest.mark.fault("soak")
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("case", DIRECT)
def test_a_request_that_was_passed_on_holds_nothing(
    live: Live, passing: LiveServer, case: str, path: str
) -> None:
    stream, reply = DIRECT[case]
    live[1].play(reply)
    with httpx.Client() as client:
        client.post(passing.url + path, json={**HELLO, "stream": stream}, timeout=20)
        assert eventually(lambda: not held(), 30), held()


@pytest.fixture(scope="module")
def transparent(live: Live) -> Iterator[LiveServer]:
    """One in front of Anthropic, whole answers by way of streams."""
    environ = {
        "CLAUDE_PROXY_BACKEND": "anthropic",
        "ANTHROPIC_FORWARD_URL": live[1].url,
        "ANTHROPIC_API_KEY": "sk-ant-k",
        "ANTHROPIC_DEMOTE_NONSTREAMING": "true",
        "CLAUDE_PROXY_REQUEST_TIMEOUT": "0.6",
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as started:
        yield started


ANYTHING = {
    "well": Reply(message()),
    "refused": refused(404, "not_found_error", "no"),
    "silence": Reply(delay=30),
    "cut": Reply({"a": 1}, end="cut"),
    "stream": Reply(stream=said("a")),
    "stream cut": Reply(stream=said("a")[:4], end="cut"),
}


@pytest.mark.fault("soak")
@pytest.mark.parametrize("case", ANYTHING)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batches", "/v1/chat/completions"])
def test_whatever_passes_to_anthropic_holds_nothing(
    live: Live, transparent: LiveServer, path: str, case: str
) -> None:
    live[1].play(ANYTHING[case])
    with httpx.Client() as client:
        with suppress(httpx.RemoteProtocolError):  # What is cut there is cut here.
            client.post(f"{transparent.url}{path}", json=HELLO, timeout=20)
        assert eventually(lambda: not held(), 30), held()


@pytest.mark.fault("soak", "left")
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_whose_client_left_holds_nothing(live: Live, stream: bool) -> None:
    server, upstream = live
    upstream.requests.clear()
    upstream.play(Reply(stream=[FIRST, 30]))
    client = post(server.port, stream)
    assert upstream.wait_posts(1)
    client.close()
    assert eventually(lambda: not held(), 30), held()


@pytest.mark.fault("soak")
@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"model": 5}', b"\xff"])
def test_a_bad_request_holds_nothing(live: Live, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", live[0].port)) as client:
        head = f"host: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        client.sendall(f"POST /v1/messages HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        assert client.recv(4096).startswith(b"HTTP/1.1 40")
        assert eventually(lambda: not held(), 30), held()


@pytest.mark.fault("soak", "fallback")
def test_a_request_that_fell_back_holds_nothing(server, upstream, live):
    upstream.play(refusal(503, "busy"), Reply(completion("a")))
    own = server(CLAUDE_PROXY_FALLBACKS="scripted-small")
    answer = httpx.post(f"{own.url}/v1/messages", json=HELLO)
    assert answer.is_success and len(upstream.posts) == 2
    assert eventually(lambda: not held(), 30), held()
