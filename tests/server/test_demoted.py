"""ANTHROPIC_DEMOTE_NONSTREAMING: streams from the upstream, whole answers for the client."""

import json

import httpx
import pytest

from claude_proxy.settings import load_settings
from tests.conftest import running
from tests.messages_upstream import PASSED, event, message, refused, said
from tests.upstream import Reply

RAW = b'{"model":"claude-x", "max_tokens":9,"odd":12345678901234567890123,"messages":[]}'
BIG = 2**53 + 1


@pytest.fixture
def live(upstream):
    environ = {
        "CLAUDE_PROXY_BACKEND": "anthropic",
        "ANTHROPIC_FORWARD_URL": upstream.url,
        "ANTHROPIC_API_KEY": "sk-ant-api03-server",
        "ANTHROPIC_DEMOTE_NONSTREAMING": "true",
        "CLAUDE_PROXY_PING_SECONDS": "0.1",
        "CLAUDE_PROXY_REQUEST_TIMEOUT": "0.6",
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        yield live


def ask(live, raw=RAW, path="/v1/messages"):
    headers = {"content-type": "application/json"}
    url = f"{live.url}{path}"
    return httpx.post(url, content=raw, headers=headers, timeout=20, trust_env=False)


def test_a_whole_answer_is_made_of_a_stream(live, upstream):
    upstream.play(Reply(stream=said("good ", "day", brand_new={"n": BIG}), headers=PASSED))
    reply = ask(live)
    assert upstream.last.body == RAW.replace(b'", "', b'","')[:-1] + b',"stream":true}'
    assert upstream.last.headers["accept"] == "text/event-stream"
    assert reply.headers["content-type"] == "application/json"
    assert {name: reply.headers[name] for name in PASSED} == PASSED
    got = reply.json()
    assert got["content"] == [{"type": "text", "text": "good day"}]
    assert (got["stop_reason"], got["brand_new"]) == ("end_turn", {"n": BIG})
    assert got["usage"] == {**got["usage"], "input_tokens": 5, "output_tokens": 42}


def test_streams_and_counts_stay_what_they_are(live, upstream):
    upstream.play(Reply(stream=said("a")))
    streamed = RAW[:-1] + b',"stream":true}'
    assert ask(live, streamed).content == b"".join(said("a"))
    assert upstream.last.body == streamed
    upstream.play(Reply(b'{"input_tokens": 7}'))
    assert ask(live, path="/v1/messages/count_tokens").content == b'{"input_tokens": 7}'
    assert upstream.last.body == RAW


def test_an_upstream_that_answers_in_one_piece_is_passed_on(live, upstream):
    upstream.play(Reply(message()))
    assert ask(live).content == message()


def test_pings_keep_it_alive(live, upstream):
    play = said("good ", "day")
    slow = [play[0], *[part for _ in range(4) for part in (0.25, event("ping"))], *play[1:]]
    upstream.play(Reply(stream=slow))
    assert ask(live).json()["content"][0]["text"] == "good day"


def test_silence_is_504(live, upstream):
    upstream.play(Reply(stream=said("a")[:4], end="hang"))
    assert ask(live).status_code == 504
    assert upstream.last.wait_left()


ERRORS = [
    ("overloaded_error", 529),
    ("rate_limit_error", 429),
    ("invalid_request_error", 400),
    ("api_error", 502),
    ("timeout_error", 504),
    ("never_heard_of", 502),
]


@pytest.mark.parametrize(("kind", "status"), ERRORS)
def test_an_error_in_mid_stream_has_its_status_and_words(live, upstream, kind, status):
    error = {"type": kind, "message": "what it said", "details": {"n": BIG}}
    upstream.play(Reply(stream=[*said("a")[:4], event("error", error=error)], headers=PASSED))
    reply = ask(live)
    assert reply.status_code == status
    assert reply.json() == {"type": "error", "error": error}
    assert reply.headers["request-id"] == PASSED["request-id"]
    assert len(upstream.posts) == 1


@pytest.mark.parametrize(
    "play",
    [said("a")[:4], [], [b"data: nothing\n\n"], [b'data: {"type":"message_start"}\n\n']],
    ids=["cut", "empty", "garbage", "half an event"],
)
@pytest.mark.parametrize("end", ["complete", "cut"])
def test_what_is_no_whole_message_is_502(live, upstream, play, end):
    upstream.play(Reply(stream=play, end=end))
    reply = ask(live)
    assert (reply.status_code, reply.json()["error"]["type"]) == (502, "api_error")


def test_a_refusal_before_the_stream_is_passed_on(live, upstream):
    upstream.play(refused(429, "rate_limit_error", "slow", retry_after="7"))
    reply = ask(live)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")


def test_a_stream_without_its_last_blank_line_is_complete(live, upstream):
    upstream.play(Reply(stream=[b"".join(said("a")).rstrip()]))
    assert ask(live).json()["stop_reason"] == "end_turn"


def test_the_self_test_reads_them_too(live, upstream):
    upstream.play(Reply(stream=said("a")))
    report = httpx.get(f"{live.url}/test-connection", timeout=20).json()
    assert report["usage"]["output_tokens"] == 42


def test_other_upstreams_are_not_asked_so(server, upstream):
    upstream.play(Reply(message()))
    url = server(OPENAI_BASE_URL=f"{upstream.url}/anthropic", ANTHROPIC_DEMOTE_NONSTREAMING="true")
    assert ask(url).status_code == 200
    assert "stream" not in json.loads(upstream.last.body)
