"""The log's line of what could not be passed on: what it says, and when there is none."""

import json

import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy.settings import load_settings
from tests.conftest import running
from tests.faults.raw_client import connect, request
from tests.messages_upstream import event, refused, said
from tests.upstream import Reply, eventually

OWN = "sk-ant-api03-server-0123456789"
PROMPT = "a prompt that nobody may read"


@pytest.fixture
def live(upstream):
    environ = {
        "CLAUDE_PROXY_BACKEND": "anthropic",
        "ANTHROPIC_FORWARD_URL": upstream.url,
        "ANTHROPIC_API_KEY": OWN,
        "CLAUDE_PROXY_REQUEST_TIMEOUT": "0.4",
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        yield live


@pytest.fixture
def captured():
    with capture_logs() as captured:
        yield captured


def failures(captured):
    return [line for line in captured if line["event"] == "forward_failed"]


def body(**more):
    said = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": PROMPT}]}
    return json.dumps({**said, **more}).encode()


def ask(live, raw, path="/v1/messages?beta=true&limit=7&secret=hush", **headers):
    named = {"content-type": "application/json", "anthropic-beta": "a-1,b-2", **headers}
    return httpx.post(f"{live.url}{path}", content=raw, headers=named, timeout=20, trust_env=False)


def test_no_answer_in_time_is_told(live, upstream, captured):
    upstream.play(Reply(end="hang", stream=[]))
    raw = body(stream=True, thinking={"type": "adaptive"})
    reply = ask(live, raw)
    (line,) = failures(captured)
    assert line.pop("seconds") >= 0.4 and line.pop("request_id").startswith("req_")
    assert reply.status_code == 504
    assert line == {
        "event": "forward_failed",
        "log_level": "warning",
        "method": "POST",
        "model": "claude-x",
        "stream": True,
        "body_bytes": len(raw),
        "has_thinking": True,
        "anthropic_beta": "a-1,b-2",
        "query": "beta=true&limit=7&secret",
        "phase": "head",
        "reason": "timeout",
    }


@pytest.mark.parametrize("thinking", [{}, {"thinking": {"type": "disabled"}}, {"thinking": None}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_is_told(live, upstream, captured, thinking, stream):
    upstream.play(Reply(stream=said("a")[:4], end="cut"))
    ask(live, body(stream=stream, **thinking))
    (line,) = failures(captured)
    assert (line["phase"], line["stream"], line["has_thinking"]) == ("answer", stream, False)
    assert line["reason"] == "The upstream broke off its answer."


def test_an_end_that_is_none_is_told(live, upstream, captured):
    upstream.play(Reply(stream=said("a")[:4]))
    ask(live, body(stream=True))
    (line,) = failures(captured)
    assert line["reason"] == "The upstream ended its answer before it was complete."


def test_a_client_that_leaves_is_told(live, upstream, captured):
    upstream.play(Reply(delay=9))
    with connect(live.port) as client:
        client.sendall(request(b"/v1/messages", body=body()))
        assert upstream.wait_posts(1)
    assert eventually(lambda: bool(failures(captured)))
    (line,) = failures(captured)
    assert (line["reason"], line["log_level"]) == ("client gone", "info")


def test_an_unreachable_upstream_is_told(captured):
    environ = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_API_KEY": OWN}
    nowhere = {**environ, "ANTHROPIC_FORWARD_URL": "http://127.0.0.1:1"}
    with running(load_settings(environ=nowhere, trusted_folder=False)) as live:
        assert ask(live, body()).status_code == 502
        assert ask(live, b"{}", "/v1/messages/batches").status_code == 502
    message, batch = failures(captured)
    assert message["reason"].startswith("Could not connect to http://127.0.0.1:1")
    assert (batch["model"], batch["method"], batch["phase"]) == (None, "POST", "head")


@pytest.mark.parametrize(
    "reply",
    [
        refused(529, "overloaded_error", "busy"),
        Reply(b"", status=500),
        Reply(stream=said("a")),
        Reply(stream=[*said("a")[:4], event("error", error={"type": "api_error"})]),
    ],
    ids=["refusal", "no words", "well", "error event"],
)
def test_an_answer_is_no_failure(live, upstream, captured, reply):
    upstream.play(reply)
    ask(live, body(stream=True))
    assert failures(captured) == []


def test_nothing_of_prompts_and_keys_is_in_it(live, upstream, captured):
    upstream.play(Reply(stream=said(PROMPT)[:4], end="cut"))
    secret = {"x-api-key": "client-secret-key", "anthropic-beta": f"x-{OWN}-y"}
    ask(live, body(stream=True), f"/v1/messages?key={OWN}", **secret)
    text = json.dumps(failures(captured))
    assert not any(each in text for each in (PROMPT, OWN, "client-secret-key", "hush"))


def test_the_recording_proxys_timeout_ends_the_wait_for_a_head(upstream, captured):
    upstream.play(Reply({}, delay=20))
    environ = {
        "CLAUDE_PROXY_BACKEND": "anthropic",
        "ANTHROPIC_FORWARD_URL": upstream.url,
        "ANTHROPIC_API_KEY": OWN,
        "ANTHROPIC_RESPONSE_HEADER_TIMEOUT": "0.3",
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        answer = ask(live, body())
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")
    assert len(failures(captured)) == 1
