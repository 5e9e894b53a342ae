"""A model's own broken tool call, as Groq reports it: told, or asked for once more."""

import json

import httpx
import pytest

from tests.upstream import Reply, call, call_stream, chunk, completion

TOOLS = [{"name": "a", "input_schema": {"type": "object"}}]
FAILED = {
    "message": "Failed to call a function. Please adjust your prompt.",
    "type": "invalid_request_error",
    "code": "tool_use_failed",
    "failed_generation": "<function=a>{</function>",
}
REFUSED = Reply({"error": FAILED}, status=400)
EVENT = b"event: error\ndata: " + json.dumps({"error": {**FAILED, "status_code": 400}}).encode()
IN_STREAM = Reply(stream=[EVENT + b"\n\n"])
GROQ = {"CLAUDE_PROXY_PROFILE": "groq"}
AGAIN = {
    "CLAUDE_PROXY_PROFILE": "mine",
    "CLAUDE_PROXY_PROFILES": '{"mine": {"base": "groq", "broken_calls": "repeated"}}',
}


def ask(live, stream=False):
    body = {
        "model": "some-model",
        "max_tokens": 9,
        "stream": stream,
        "tools": TOOLS,
        "messages": [{"role": "user", "content": "hi"}],
    }
    return httpx.post(f"{live.url}/v1/messages", json=body, timeout=20)


def good(stream):
    one = call("a", {})
    return Reply(stream=call_stream(one)) if stream else Reply(completion(calls=[one]))


@pytest.mark.parametrize(
    ("first", "stream"), [(REFUSED, False), (REFUSED, True), (IN_STREAM, True), (IN_STREAM, False)]
)
def test_it_is_asked_once_more(server, upstream, first, stream):
    upstream.play(first, good(stream))
    answer = ask(server(**AGAIN), stream)
    assert answer.status_code == 200 and '"tool_use"' in answer.text
    first_body, second_body = (post.body for post in upstream.posts)
    assert first_body == second_body
    notes = answer.headers["x-claude-proxy-notes"]
    assert notes.startswith("attempts=asked again")


def test_a_second_broken_call_is_a_clear_error(server, upstream):
    upstream.play(REFUSED)
    answer = ask(server(**AGAIN))
    assert answer.status_code == 400 and len(upstream.posts) == 2
    said = answer.json()["error"]["message"]
    assert said.startswith("The model wrote a tool call that its server could not read")
    assert "<function=a>" in said


def test_after_the_first_text_nothing_is_asked_again(server, upstream):
    upstream.play(Reply(stream=[chunk({"content": "Let me look."}), EVENT + b"\n\n"]))
    answer = ask(server(**AGAIN), stream=True)
    assert "Let me look." in answer.text and "could not read" in answer.text
    assert len(upstream.posts) == 1


@pytest.mark.parametrize("environ", [GROQ, {}], ids=["Groq", "unknown"])
def test_unless_it_is_asked_for_it_is_the_clients_to_repeat(server, upstream, environ):
    upstream.play(REFUSED)
    answer = ask(server(**environ))
    assert answer.status_code == 400 and len(upstream.posts) == 1
    assert "<function=a>" in answer.json()["error"]["message"]


def test_it_needs_no_learning_and_teaches_nothing(server, upstream):
    upstream.play(REFUSED, good(False))
    assert ask(server(**AGAIN, CLAUDE_PROXY_LEARNING="false")).status_code == 200
    assert len(upstream.posts) == 2
