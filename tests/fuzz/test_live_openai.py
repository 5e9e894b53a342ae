"""The same for OpenAI's clients: whatever comes from either side, the answer has their shape."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.jsonio import dumps
from tests.fuzz.checks import strict
from tests.fuzz.law import counts, hold
from tests.fuzz.strategies import any_json, mutated
from tests.fuzz.test_live import PATIENCE, StartServer, Wire, replies
from tests.messages_upstream import event, message, said
from tests.upstream import Received, Reply, Upstream

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BODIES: list[dict[str, Any]] = [
    {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "5"},
        ],
        "tools": [TOOL],
        "stream": True,
        "stream_options": {"include_usage": True},
        "response_format": {"type": "json_object"},
    },
    {"model": "gpt-5", "prompt": ["a"], "echo": True, "suffix": "b", "max_tokens": 3},
    {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "functions": [{}]},
]
EVENTS = [
    *said("a", "b"),
    event("error", error={"type": "api_error", "message": "x"}),
    event(
        "content_block_start",
        index=1,
        content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ),
]


def check_shape(status: int, kind: str, raw: bytes) -> None:
    """A completion, a stream with one end, or an error in OpenAI's envelope."""
    assert b"Internal error" not in raw
    if kind.startswith("text/event-stream"):
        assert status == 200
        payloads = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
        *before, last = payloads
        assert b"[DONE]" not in before
        assert last == b"[DONE]" or set(strict(last)["error"]) >= {"message", "code"}
        return
    answered = strict(raw)
    if status == 200:
        assert answered["object"] in ("chat.completion", "text_completion")
    else:
        assert status >= 400 and set(answered) == {"error"}
        assert set(answered["error"]) == {"message", "type", "param", "code"}


def by_the_book(received: Received) -> Reply:
    streams = strict(received.body).get("stream")
    return Reply(stream=said("a", "b")) if streams else Reply(message("ab"))


@pytest.fixture
def wire(server: StartServer, upstream: Upstream) -> Iterator[Wire]:
    """Before an upstream of Messages, so that everything is translated."""
    upstream.answer(by_the_book)
    port = server(CLAUDE_PROXY_UPSTREAM_DIALECT="messages").port
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as one:
        yield Wire(one)


raw_requests = st.one_of(mutated(BODIES).map(dumps), any_json.map(dumps), st.binary(max_size=30))


@pytest.mark.fault("hostile-json", "wrong-types")
@counts(few=120, many=5_000)
def test_any_body_of_an_openai_client_gets_a_shaped_answer(wire: Wire, cases: int) -> None:
    def holds(raw: bytes, path: str) -> None:
        status, kind, answer = wire.post(path, raw)
        assert status < 500, answer
        check_shape(status, kind, answer)

    hold(holds, raw_requests, st.sampled_from([CHAT, COMPLETIONS]), cases=cases)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A right stream of Messages with events left out, doubled, or with others between."""
    events = said("a", "b")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(events)))
        other = st.sampled_from(EVENTS) | any_json.map(lambda v: b"data: " + dumps(v) + b"\n\n")
        kinds = st.sampled_from(["content_block_start", "content_block_delta", "message_delta"])
        odd = st.builds(
            lambda kind, part: event(kind, index=0, content_block=part, delta=part, usage=part),
            kinds,
            any_json,
        )
        events[at : at + draw(st.integers(0, 2))] = [draw(other | odd)]
    return b"".join(events)


upstream_replies = st.one_of(
    replies,
    st.builds(lambda raw: Reply(stream=[raw]), spoiled()),
    st.builds(lambda raw, at: Reply(stream=[raw[:at]], end="cut"), spoiled(), st.integers(0)),
    st.builds(lambda part: Reply(dumps({"type": "message", "content": [part]})), any_json),
)


@pytest.mark.fault("garbage", "odd-ends")
@counts(few=120, many=3_000)
def test_any_upstream_gives_openai_s_clients_a_shaped_answer(
    wire: Wire, upstream: Upstream, cases: int
) -> None:
    def holds(reply: Reply, stream: bool, path: str) -> None:
        upstream.play(reply)
        body = {**BODIES[0], "prompt": "a", "stream": stream}
        status, kind, answer = wire.post(path, dumps(body))
        assert status != 500 or reply.status == 500, answer
        check_shape(status, kind, answer)

    paths = st.sampled_from([CHAT, COMPLETIONS])
    hold(holds, upstream_replies, st.booleans(), paths, cases=cases)


@pytest.mark.fault("garbage", "odd-ends")
@counts(few=80, many=2_000)
def test_whatever_passes_by_ends(server: StartServer, upstream: Upstream, cases: int) -> None:
    port = server().port

    def holds(reply: Reply, stream: bool) -> None:
        upstream.play(reply)
        status, kind, answer = one.post(CHAT, dumps({**BODIES[0], "stream": stream}))
        assert b"Internal error" not in answer, answer
        assert status != 500 or reply.status == 500

    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        one = Wire(connection)
        hold(holds, replies, st.booleans(), cases=cases)
