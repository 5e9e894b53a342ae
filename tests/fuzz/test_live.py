"""The same over real HTTP: whatever comes from either side, the client's answer has its shape."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.jsonio import dumps
from tests.chat_rules import broken_rules
from tests.conftest import LiveServer
from tests.fuzz.checks import strict
from tests.fuzz.law import MANY, counts, hold
from tests.fuzz.strategies import answers, any_json, requests
from tests.fuzz.test_streams import spoiled
from tests.upstream import Received, Reply, Upstream, completion, text_stream

PATHS = ("/v1/messages", "/v1/messages", "/anthropic/v1/messages", "/v1/messages/count_tokens")
HELLO = {
    "model": "claude-haiku-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
PATIENCE = 20  # seconds: more is a hang
ENDS = ("message_stop", "error")


class Wire:
    """One kept connection to the live server; opened again where the server closed it."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def post(self, path: str, raw: bytes) -> tuple[int, str, bytes]:
        """Status, content type, and the whole body."""
        self._connection.request("POST", path, raw, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read()


def check_shape(status: int, kind: str, raw: bytes) -> None:
    """A message, a count, a stream with one end, or an error in Anthropic's envelope."""
    if kind.startswith("text/event-stream"):
        assert status == 200
        types = [line[7:] for line in raw.decode().splitlines() if line.startswith("event: ")]
        assert types[-1] in ENDS and sum(types.count(end) for end in ENDS) == 1
        return
    answered = strict(raw)
    if status == 200:
        assert answered.get("type") == "message" or answered["input_tokens"] >= 0
    else:
        assert status >= 400 and answered["type"] == "error"
        assert answered["error"]["type"] and answered["error"]["message"]
        assert answered["request_id"].startswith("req_")


def by_the_book(received: Received) -> Reply:
    stream = strict(received.body).get("stream")
    return Reply(stream=text_stream("a", "b")) if stream else Reply(completion("ab"))


StartServer = Callable[..., LiveServer]


@pytest.fixture
def wire(server: StartServer, upstream: Upstream) -> Iterator[Wire]:
    upstream.answer(by_the_book)
    with closing(http.client.HTTPConnection("127.0.0.1", server().port, timeout=PATIENCE)) as one:
        yield Wire(one)


def with_stream(body: dict[str, Any], stream: bool) -> dict[str, Any]:
    return {**body, "stream": stream}


raw_requests = st.one_of(
    st.builds(with_stream, requests, st.booleans()).map(dumps),
    requests.map(dumps),
    any_json.map(dumps),
    st.builds(lambda body, at: dumps(body)[:-at], requests, st.integers(1, 9)),
    st.binary(max_size=30),
)


@pytest.mark.fault("hostile-json", "wrong-types")
@counts(few=120, many=MANY)
def test_any_body_gets_a_shaped_answer(wire: Wire, upstream: Upstream, cases: int) -> None:
    def holds(raw: bytes, path: str) -> None:
        upstream.requests.clear()
        status, kind, answer = wire.post(path, raw)
        assert status < 500, answer
        check_shape(status, kind, answer)
        for received in upstream.posts:
            assert broken_rules(strict(received.body)) == []

    hold(holds, raw_requests, st.sampled_from(PATHS), cases=cases)


replies = st.one_of(
    st.builds(lambda data: Reply(stream=[data]), spoiled()),
    st.builds(lambda data, cut: Reply(stream=[data[:cut]], end="cut"), spoiled(), st.integers(0)),
    st.builds(lambda body, status: Reply(dumps(body), status=status), answers, st.just(200)),
    st.builds(
        lambda body, status: Reply(dumps(body), status=status),
        any_json,
        st.sampled_from([400, 401, 404, 429, 500, 503, 529, 299]),
    ),
    st.builds(
        lambda raw, kind: Reply(raw, headers={"content-type": kind}),
        st.binary(max_size=40),
        st.sampled_from(["application/json", "text/html", "text/event-stream", "x"]),
    ),
    st.builds(lambda raw: Reply(raw=raw), st.binary(max_size=40)),
)


@pytest.mark.fault("garbage", "odd-ends")
@counts(few=80, many=2_000)
def test_any_upstream_gives_a_shaped_answer(wire: Wire, upstream: Upstream, cases: int) -> None:
    def holds(reply: Reply, stream: bool) -> None:
        upstream.requests.clear()
        upstream.play(reply)
        status, kind, answer = wire.post("/v1/messages", dumps({**HELLO, "stream": stream}))
        assert status != 500, answer
        check_shape(status, kind, answer)

    hold(holds, replies, st.booleans(), cases=cases)
