"""Hostile bodies: served or refused in shape, in time, and nothing invalid leaves for upstream."""

import json
import random
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import LiveServer, running, settings_for
from tests.faults.bodies import HELLO, Hostile
from tests.faults.hostile import CASES, NOT_JSON
from tests.faults.strict_json import flaws
from tests.faults.wrong_types import wrong_types
from tests.upstream import Received, Reply, Upstream, completion, serving, text_stream

ENDPOINTS = {
    "whole": ("/v1/messages", False),
    "stream": ("/v1/messages", True),
    "count": ("/v1/messages/count_tokens", False),
}
WRONG_TYPES = {case.id: case for case in wrong_types()}
SECONDS = 5
LONGEST_ERROR = 4096


class StrictUpstream(Upstream):
    """Keeps what is wrong with each request's JSON, its tools' arguments included."""

    def __init__(self) -> None:
        super().__init__()
        self.flaws: list[str] = []
        self.answer(self.judge)

    def judge(self, received: Received) -> Reply:
        self.flaws += flaws(received.body)
        request = json.loads(received.body)
        for message in request["messages"]:
            for call in message.get("tool_calls") or []:
                self.flaws += flaws(call["function"]["arguments"].encode())
        return Reply(stream=text_stream("ok")) if request.get("stream") else Reply(completion("ok"))


@pytest.fixture(scope="module")
def strict() -> Iterator[StrictUpstream]:
    with serving(StrictUpstream()) as started:
        assert isinstance(started, StrictUpstream)
        yield started


@pytest.fixture(scope="module")
def live(strict: StrictUpstream) -> Iterator[LiveServer]:
    with running(settings_for(strict, CLAUDE_PROXY_ACCESS_LOG="0")) as started:
        yield started


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[httpx.Client]:
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=live.url, headers=headers, timeout=30) as started:
        yield started


def check_error(reply: httpx.Response, case: Hostile) -> None:
    body = reply.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error" and body["request_id"] == reply.headers["request-id"]
    assert body["error"]["type"] == "invalid_request_error" or reply.status_code != 400
    assert body["error"]["message"]
    assert case.names in body["error"]["message"]
    assert len(reply.content) <= LONGEST_ERROR, "the error repeats the body"


def check(client: httpx.Client, strict: StrictUpstream, case: Hostile, endpoint: str) -> None:
    path, stream = ENDPOINTS[endpoint]
    strict.flaws.clear()
    strict.requests.clear()
    body = case.body(stream=stream)
    started = time.monotonic()
    reply = client.post(path, content=body)
    assert time.monotonic() - started < SECONDS
    assert not strict.flaws
    expected = case.counts if endpoint == "count" and case.counts else case.status
    assert reply.status_code == expected or (not expected and reply.status_code in (200, 400))
    if reply.status_code != 200:
        check_error(reply, case)
        assert not strict.posts
    elif reply.headers["content-type"].startswith("text/event-stream"):
        assert reply.text.rstrip().endswith('data: {"type":"message_stop"}')


def test_the_set_is_large_and_its_names_are_unique():
    ids = [case.id for case in CASES]
    assert len(ids) >= 200 and len(set(ids)) == len(ids)


HOSTILE = [case for case in CASES if case.id not in WRONG_TYPES]


@pytest.mark.fault("hostile-json", "redos")
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.id)
def test_a_hostile_body_is_served_or_refused(client, strict, case):
    for endpoint in ("stream", "count"):
        check(client, strict, case, endpoint)


@pytest.mark.slow
@pytest.mark.fault("hostile-json", "redos")
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.id)
def test_a_hostile_body_is_served_whole_or_refused(client, strict, case):
    check(client, strict, case, "whole")


@pytest.mark.fault("wrong-types")
@pytest.mark.parametrize("case", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_a_wrong_type_is_400_and_named(client, strict, case):
    for endpoint in ENDPOINTS:
        check(client, strict, case, endpoint)


@pytest.mark.fault("hostile-json")
def test_the_server_is_as_good_as_before(client, strict):
    for body in NOT_JSON.values():
        client.post("/v1/messages", content=body)
    assert client.post("/v1/messages", json=HELLO).json()["content"][0]["text"] == "ok"
    assert client.get("/health").json()["in_flight"] == 0


def mutated(text: bytes, chance: random.Random) -> bytes:
    """The text with some bytes changed, cut out, doubled, or swapped for hostile pieces."""
    made = bytearray(text)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(made)), chance.randint(0, 12)
        match chance.randrange(4):
            case 0:
                made[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length] * chance.randint(1, 3)
            case _:
                made[at : at + length] = chance.choice(PIECES)
        if not made:
            return b""
    return bytes(made)


PIECES = (b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", rb"\ud800", b"\0", b"\xff", b'"', b":{")
RICH = json.dumps(
    {
        **HELLO,
        "system": [{"type": "text", "text": "be kind"}],
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "metadata": {"user_id": "u"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": False}
                ],
            },
        ],
    }
).encode()


def fuzz(client: httpx.Client, strict: StrictUpstream, seed: int, count: int) -> dict[int, int]:
    """Statuses of `count` mutated requests, and how often each came."""
    chance, seen = random.Random(seed), dict[int, int]()
    for _ in range(count):
        body = mutated(RICH, chance)
        strict.flaws.clear()
        reply = client.post("/v1/messages", content=body)
        seen[reply.status_code] = seen.get(reply.status_code, 0) + 1
        assert not strict.flaws, body
        assert reply.status_code in (200, 400), body
        if reply.status_code == 400:
            check_error(reply, Hostile("mutated", dict))
    return seen


@pytest.mark.fault("hostile-json", "wrong-types")
def test_mutated_requests_are_served_or_refused(client, strict):
    assert set(fuzz(client, strict, 1, 300)) == {200, 400}


@pytest.mark.slow
@pytest.mark.fault("hostile-json", "wrong-types")
def test_ten_thousand_mutated_requests_are_served_or_refused(client, strict):
    assert set(fuzz(client, strict, 2, 10_000)) == {200, 400}
