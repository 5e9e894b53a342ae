"""Refusals where requests are passed on: one corrected attempt, and what is known afterwards."""

import json
from dataclasses import replace

import httpx
import pytest

from claude_proxy.native import NATIVES
from tests.messages_upstream import message, refused, said
from tests.server.test_direct import post, stream_body
from tests.upstream import Reply

EXTRA = "Extra inputs are not permitted"
FULL = {
    "model": "some-model",
    "max_tokens": 9,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": []},
    "output_config": {"effort": "low", "format": {"type": "json_schema"}},
    "tools": [{"name": "a", "input_schema": {}, "strict": True}],
    "messages": [{"role": "user", "content": "my secret prompt"}],
}
RAW = json.dumps(FULL).encode()


def refusing(upstream, *rules, envelope=None):
    """An upstream with rules of its own: (what it looks for, what it says)."""

    def answer(request):
        for broken, says in rules:
            if broken(request):
                return envelope(says) if envelope else refused(400, "invalid_request_error", says)
        stream = request.json.get("stream")
        return Reply(stream=said("hi")) if stream else Reply(message("hi"))

    upstream.answer(answer)


def has(name):
    return lambda request: name in request.json


@pytest.fixture
def native(server, upstream):
    def start(**environ):
        return server(OPENAI_BASE_URL=f"{upstream.url}/anthropic", **environ).url

    return start


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_field_is_left_out_once_and_then_known(native, upstream, stream):
    refusing(upstream, (has("context_management"), f"context_management: {EXTRA}"))
    url = native()
    raw = json.dumps({**FULL, "stream": stream}).encode()
    first = post(url, raw)
    assert first.status_code == 200 and "hi" in first.text
    assert len(upstream.posts) == 2
    notes = first.headers["x-claude-proxy-notes"]
    assert "corrected=context_management is not sent" in notes
    second = post(url, raw)
    assert second.status_code == 200 and len(upstream.posts) == 3
    assert "context_management=refused by this upstream" in second.headers["x-claude-proxy-notes"]
    assert upstream.last.json["output_config"] == FULL["output_config"]


NESTED = [
    ("output_config.format", lambda body: "format" in body["output_config"]),
    ("tools.strict", lambda body: "strict" in body["tools"][0]),
    ("thinking", lambda body: "thinking" in body),
]


@pytest.mark.parametrize(("path", "broken"), NESTED)
def test_only_what_is_named_is_left_out(native, upstream, path, broken):
    place = path.replace("tools.", "tools.0.custom.")
    refusing(upstream, (lambda request: broken(request.json), f"{place}: {EXTRA}"))
    answer = post(native(), RAW)
    assert answer.status_code == 200
    assert f"corrected={path} is not sent" in answer.headers["x-claude-proxy-notes"]
    assert not broken(upstream.last.json)
    assert upstream.last.json["messages"] == FULL["messages"]


def test_a_refused_beta_is_left_out(native, upstream):
    says = "Unexpected value(s) `b-2025-01-01` for the `anthropic-beta` header. Please consult"
    refusing(upstream, (lambda request: "b-2025" in request.headers["anthropic-beta"], says))
    url = native()
    for _ in range(2):
        answer = post(url, RAW, anthropic_beta="a-2025-01-01,b-2025-01-01")
        assert answer.status_code == 200
    assert [post.headers["anthropic-beta"] for post in upstream.posts] == [
        "a-2025-01-01,b-2025-01-01",
        "a-2025-01-01",
        "a-2025-01-01",
    ]
    assert upstream.last.body == RAW


def test_a_limit_is_kept_to(native, upstream):
    says = "max_tokens: 90000 > 8192, which is the maximum allowed number of output tokens"
    refusing(upstream, (lambda request: request.json["max_tokens"] > 8192, says))
    raw = json.dumps({**FULL, "max_tokens": 90_000}).encode()
    url = native()
    for _ in range(2):
        assert post(url, raw).status_code == 200
    assert [post.json["max_tokens"] for post in upstream.posts] == [90_000, 8192, 8192]


def test_refusals_in_another_envelope_are_understood(native, upstream):
    def fastapi(says):
        return Reply({"detail": [{"loc": ["body", says], "msg": EXTRA}]}, status=422)

    refusing(upstream, (has("context_management"), "context_management"), envelope=fastapi)
    assert post(native(), RAW).status_code == 200
    assert len(upstream.posts) == 2


def test_a_correction_that_does_not_help_is_forgotten(native, upstream):
    says = f"context_management: {EXTRA}"
    refusing(upstream, (lambda request: True, says))
    url = native()
    for _ in range(2):
        answer = post(url, RAW)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == says
    sent = ["context_management" in post.json for post in upstream.posts]
    assert sent == [True, False, True, False]


def test_what_names_nothing_passes_as_it_is(native, upstream):
    reply = refused(400, "invalid_request_error", "messages.0: all of it is wrong")
    upstream.play(reply)
    answer = post(native(), RAW)
    assert answer.content == reply.body and len(upstream.posts) == 1


def test_learning_can_be_turned_off(native, upstream):
    refusing(upstream, (has("context_management"), f"context_management: {EXTRA}"))
    answer = post(native(CLAUDE_PROXY_LEARNING="false"), RAW)
    assert answer.status_code == 400 and len(upstream.posts) == 1


@pytest.fixture
def anthropic(native, monkeypatch):
    """A proxy that takes the upstream for Anthropic itself."""
    row = replace(NATIVES[0], hosts=("127.0.0.1",), path="/anthropic")
    monkeypatch.setattr("claude_proxy.native.NATIVES", (row, *NATIVES[1:]))
    return native()


def test_anthropics_own_errors_pass(anthropic, upstream):
    reply = refused(400, "invalid_request_error", f"context_management: {EXTRA}")
    upstream.play(reply)
    answer = post(anthropic, RAW)
    assert answer.content == reply.body and len(upstream.posts) == 1


def test_after_the_hold_nothing_is_tried_again(native, upstream):
    says = f"context_management: {EXTRA}"
    slow = refused(400, "invalid_request_error", says)
    upstream.play(Reply(slow.body, status=400, delay=1.0), Reply(message()))
    raw = json.loads(stream_body()) | {"context_management": {}}
    answer = httpx.post(
        f"{native(CLAUDE_PROXY_HOLD_SECONDS='0.2')}/v1/messages", json=raw, timeout=20
    )
    assert "keep-alive" in answer.text and says in answer.text
    assert len(upstream.posts) == 1


@pytest.mark.pitfall(20)
@pytest.mark.parametrize(
    ("place", "refused_at"),
    [("tools", "tools.0.custom.strict"), ("messages", "messages.1.content.0.tool_use.caller")],
)
def test_a_field_within_tools_or_blocks_is_left_out(native, upstream, place, refused_at):
    name = refused_at.rpartition(".")[2]
    call = {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}, "caller": {"type": "x"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    talk = [
        *FULL["messages"],
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    refusing(
        upstream,
        (lambda request: f'"{name}"' in json.dumps(request.json[place]), f"{refused_at}: {EXTRA}"),
    )
    url, raw = native(), json.dumps({**FULL, "messages": talk}).encode()
    assert post(url, raw).status_code == post(url, raw).status_code == 200
    assert len(upstream.posts) == 3  # The second request has gone without it at once.
    sent = upstream.last.json
    assert name not in json.dumps(sent[place])
    assert len(sent["messages"]) == 3 and sent["tools"][0]["name"] == "a"
