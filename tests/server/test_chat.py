"""OpenAI's clients in front of an upstream that speaks Messages: all is translated, both ways."""

import json
from contextlib import ExitStack

import httpx
import pytest

from claude_proxy import load_settings
from tests.conftest import UPSTREAM_KEY, running
from tests.messages_upstream import event, message, refused, said
from tests.upstream import Reply, text_stream

HELLO = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
IN_MESSAGES = {"CLAUDE_PROXY_UPSTREAM_DIALECT": "messages", "CLAUDE_PROXY_BIG_MODEL": "big-1"}
TOOL = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}


@pytest.fixture
def native(server, upstream):
    """A server before an upstream of Messages, as it is asked by OpenAI's clients."""
    return server(**IN_MESSAGES).url


def ask(url, path="/v1/chat/completions", **more):
    return httpx.post(url + path, json={**HELLO, **more}, timeout=20)


def chunks(reply):
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in reply.text.split("\n\n") if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines)
    return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


def test_a_whole_answer_is_a_completion(native, upstream):
    upstream.play(Reply(message("Hello")))
    reply = ask(native)
    body = reply.json()
    assert reply.status_code == 200 and body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["model"] == "gpt-5" and body["id"].startswith("chatcmpl-")
    assert body["usage"]["prompt_tokens"] == 23 and body["usage"]["completion_tokens"] == 42
    assert reply.headers["x-request-id"] == reply.headers["request-id"]
    sent = upstream.last
    assert sent.path == "/v1/messages" and sent.headers["x-api-key"] == UPSTREAM_KEY
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.json["messages"] == [{"role": "user", "content": "hi"}]
    assert sent.json["max_tokens"] == 32_000


def test_a_stream_ends_with_usage_and_done(native, upstream):
    upstream.play(Reply(stream=said("Hel", "lo")))
    found = chunks(ask(native, stream=True, stream_options={"include_usage": True}))
    texts = [c["choices"][0]["delta"].get("content") for c in found[:-1] if c["choices"]]
    assert "".join(text for text in texts if text) == "Hello"
    assert found[-1] == "[DONE]"
    assert found[-2]["usage"]["prompt_tokens"] == 23
    assert found[-3]["choices"][0]["finish_reason"] == "stop"


def test_tools_go_out_and_calls_come_back(native, upstream):
    upstream.play(Reply(message(content=[CALL, {**CALL, "id": "toolu_2"}], stop_reason="tool_use")))
    choice = ask(native, tools=[TOOL]).json()["choices"][0]
    calls = choice["message"]["tool_calls"]
    assert [call["id"] for call in calls] == ["toolu_1", "toolu_2"]
    assert calls[0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert choice["finish_reason"] == "tool_calls"
    assert upstream.last.json["tools"][0]["name"] == "add"


def test_older_functions_get_older_calls(native, upstream):
    upstream.play(Reply(message(content=[CALL], stop_reason="tool_use")))
    choice = ask(native, functions=[TOOL["function"]]).json()["choices"][0]
    assert choice["message"]["function_call"]["name"] == "add"
    assert choice["finish_reason"] == "function_call"


def test_what_is_dropped_of_request_and_answer_is_noted(native, upstream):
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    upstream.play(Reply(message(content=[search, {"type": "text", "text": "found"}])))
    reply = ask(native, seed=7)
    notes = reply.headers["x-claude-proxy-notes"]
    assert notes.startswith("content.0=") and "seed=" in notes
    assert reply.headers["x-claude-proxy-route"].startswith("upstream=default; model=gpt-5")


@pytest.mark.parametrize(
    ("answer", "status", "type", "code"),
    [
        (refused(429, "rate_limit_error", "slow", retry_after="3"), 429, None, None),
        (refused(401, "authentication_error", "no"), 401, None, "invalid_api_key"),
        (refused(404, "not_found_error", "model: x"), 404, None, "model_not_found"),
        (refused(529, "overloaded_error", "busy"), 529, "server_error", "overloaded"),
        (
            refused(400, "invalid_request_error", "prompt is too long: 9 tokens > 5 maximum"),
            400,
            "invalid_request_error",
            "context_length_exceeded",
        ),
    ],
)
def test_errors_have_openai_s_envelope_and_codes(native, upstream, answer, status, type, code):
    upstream.play(answer)
    reply = ask(native)
    error = reply.json()["error"]
    assert reply.status_code == status and set(error) == {"message", "type", "param", "code"}
    assert error["code"] == (code or "rate_limit_exceeded")
    assert type is None or error["type"] == type
    if status == 429:
        assert reply.headers["retry-after"] == "3"
    if status == 401:
        assert reply.headers["x-should-retry"] == "false"


def test_an_error_before_the_first_event_has_its_status(native, upstream):
    error = {"type": "overloaded_error", "message": "Overloaded"}
    upstream.play(Reply(stream=[event("error", error=error)]))
    reply = ask(native, stream=True)
    assert reply.status_code == 529 and reply.json()["error"]["code"] == "overloaded"


def test_an_error_in_mid_stream_is_data_without_done(native, upstream):
    error = {"type": "api_error", "message": "engine stopped"}
    upstream.play(Reply(stream=[*said("Hel")[:4], event("error", error=error)]))
    found = chunks(ask(native, stream=True))
    assert found[-1]["error"]["message"] == "engine stopped" and "[DONE]" not in found


def test_a_cut_answer_is_an_error(native, upstream):
    upstream.play(Reply(stream=said("Hel", "lo")[:5]))
    found = chunks(ask(native, stream=True))
    assert "before it was complete" in found[-1]["error"]["message"]


def test_silence_is_broken_by_comments(server, upstream):
    url = server(**IN_MESSAGES, CLAUDE_PROXY_PING_SECONDS="0.1", CLAUDE_PROXY_HOLD_SECONDS="0").url
    parts = said("Hel", "lo")
    upstream.play(Reply(stream=[*parts[:4], 0.5, *parts[4:]]))
    reply = ask(url, stream=True)
    assert reply.text.count(": keep-alive\n\n") >= 2 and chunks(reply)[-1] == "[DONE]"


def test_a_request_that_cannot_be_served_is_refused_by_its_field(native, upstream):
    error = ask(native, n=2).json()["error"]
    assert (error["param"], error["type"]) == ("n", "invalid_request_error")
    assert ask(native, messages=[]).json()["error"]["param"] == "messages"
    assert not upstream.posts


def test_a_refused_signature_is_left_out_once(native, upstream):
    detail = {"type": "reasoning.text", "text": "hm", "signature": "x", "index": 0}
    detail["format"] = "anthropic-claude-v1"
    said_before = {"role": "assistant", "content": "so", "reasoning_details": [detail]}
    words = "messages.1.content.0: Invalid `signature` in `thinking` block"
    upstream.play(refused(400, "invalid_request_error", words), Reply(message("ok")))
    ask_again = {"role": "user", "content": "and?"}
    reply = ask(native, messages=[*HELLO["messages"], said_before, ask_again])
    assert reply.status_code == 200, reply.text
    first, second = (post.json["messages"][1]["content"] for post in upstream.posts)
    assert first[0]["type"] == "thinking" and "thinking" not in json.dumps(second)


def test_a_fallback_may_speak_another_language(server, upstream):
    def decide(request):
        failed = request.path == "/v1/chat/completions"
        return Reply(b"down", status=503) if failed else Reply(message("from there"))

    upstream.answer(decide)
    other = {"base_url": f"{upstream.url}/anthropic", "api_key": "k"}
    url = server(
        CLAUDE_PROXY_UPSTREAMS=json.dumps({"other": other}), CLAUDE_PROXY_FALLBACKS="m@other"
    ).url
    reply = ask(url)
    assert reply.json()["choices"][0]["message"]["content"] == "from there"
    assert [post.path for post in upstream.posts] == [
        "/v1/chat/completions",
        "/anthropic/v1/messages",
    ]


def test_a_field_that_the_upstream_refuses_is_learned(native, upstream):
    def decide(request):
        if "metadata" in request.json:
            words = "metadata: Extra inputs are not permitted"
            return refused(400, "invalid_request_error", words)
        return Reply(message("ok"))

    upstream.answer(decide)
    for attempts in (2, 3):
        reply = ask(native, user="somebody")
        assert reply.status_code == 200 and len(upstream.posts) == attempts
        assert "metadata" in reply.headers["x-claude-proxy-notes"]


@pytest.fixture
def claude(upstream):
    """`claude(NAME="value", ...)`: a server in front of Anthropic, which `upstream` plays."""
    with ExitStack() as stack:

        def start(**environ):
            known = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": upstream.url}
            settings = load_settings(environ={**known, **environ}, trusted_folder=False)
            return stack.enter_context(running(settings)).url

        yield start


class TestClaude:
    def test_openai_s_names_mean_claude_s_tiers(self, claude, upstream):
        url = claude(ANTHROPIC_API_KEY="sk-ant-k")
        upstream.play(Reply(message("ok")))
        for name, tier in (("gpt-5", "opus"), ("gpt-4o", "sonnet"), ("gpt-4o-mini", "haiku")):
            reply = ask(url, model=name)
            assert reply.json()["model"] == name
            assert tier in upstream.last.json["model"]
            assert httpx.get(f"{url}/v1/models/{name}").json()["id"] == name
        assert upstream.last.headers["x-api-key"] == "sk-ant-k"

    @pytest.mark.parametrize(
        ("key", "header", "value"),
        [
            ("sk-ant-api03-x", "x-api-key", "sk-ant-api03-x"),
            ("sk-ant-oat01-x", "authorization", "Bearer sk-ant-oat01-x"),
        ],
    )
    def test_a_client_s_own_key_goes_out_as_anthropic_wants_it(
        self, claude, upstream, key, header, value
    ):
        upstream.play(Reply(message("ok")))
        headers = {"authorization": f"Bearer {key}"}
        reply = httpx.post(f"{claude()}/v1/chat/completions", json=HELLO, headers=headers)
        assert reply.status_code == 200, reply.text
        others = {"x-api-key", "authorization"} - {header}
        assert upstream.last.headers[header] == value
        assert not others & upstream.last.headers.keys()

    def test_whole_answers_may_be_asked_for_as_streams(self, claude, upstream):
        url = claude(ANTHROPIC_API_KEY="k", ANTHROPIC_DEMOTE_NONSTREAMING="true")
        upstream.play(Reply(stream=said("Hel", "lo")))
        reply = ask(url)
        assert reply.json()["choices"][0]["message"]["content"] == "Hello"
        assert upstream.last.json["stream"] is True


class TestCompletions:
    def ask(self, url, **more):
        body = {"model": "gpt-5", "prompt": "Once", **more}
        return httpx.post(f"{url}/v1/completions", json=body, timeout=20)

    def test_a_prompt_is_answered_by_a_text(self, native, upstream):
        upstream.play(Reply(message(" upon a time")))
        body = self.ask(native, echo=True, suffix="end").json()
        assert body["object"] == "text_completion" and body["id"].startswith("cmpl-")
        assert body["choices"][0]["text"] == "Once upon a time"
        assert "<before>Once</before>" in upstream.last.json["messages"][0]["content"]

    def test_a_stream_has_its_texts_usage_and_done(self, native, upstream):
        upstream.play(Reply(stream=said(" upon", " a time")))
        reply = self.ask(native, stream=True, stream_options={"include_usage": True})
        found = chunks(reply)
        texts = [c["choices"][0]["text"] for c in found[:-2]]
        assert "".join(texts) == " upon a time" and found[-1] == "[DONE]"
        assert found[-2]["usage"]["completion_tokens"] == 42

    def test_several_prompts_are_refused(self, native):
        assert self.ask(native, prompt=["a", "b"]).json()["error"]["param"] == "prompt"


PREFIXES = ("", "/v1", "/openai", "/openai/v1")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_every_prefix_serves_both_endpoints(native, upstream, prefix, path):
    upstream.play(Reply(message("ok")))
    reply = ask(native, path=prefix + path, prompt="hi")
    assert reply.status_code == 200 and reply.json()["choices"]
    refusal = ask(native, path=prefix + path, prompt="hi", stream="x").json()
    assert refusal["error"]["param"] == "stream"


def test_the_key_is_missed_in_the_client_s_own_words(server):
    url = server(CLAUDE_PROXY_AUTH_KEY="k").url
    for prefix in PREFIXES:
        reply = ask(url, path=f"{prefix}/v1/chat/completions")
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "invalid_api_key"
    assert ask(url, path="/anthropic/v1/messages").json()["type"] == "error"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_models_are_listed_for_openai_s_clients(server, prefix):
    url = server().url
    listed = httpx.get(f"{url}{prefix}/v1/models").json()
    assert listed["object"] == "list" and listed["data"][0]["object"] == "model"
    found = httpx.get(f"{url}{prefix}/v1/models/gpt-4o").json()
    assert found["id"] == "gpt-4o" and found["object"] == "model"


def test_models_below_a_prefix_have_its_shape_whatever_is_sent(server):
    url = server().url
    version = {"anthropic-version": "2023-06-01"}
    listed = httpx.get(f"{url}/openai/v1/models", headers=version).json()
    assert listed["object"] == "list"
    assert "has_more" in httpx.get(f"{url}/anthropic/v1/models").json()


def test_a_full_server_says_so_in_openai_s_words(server, upstream):
    url = server(CLAUDE_PROXY_MAX_BODY_BYTES="200").url
    reply = ask(url, user="x" * 300)
    assert reply.status_code == 413 and reply.json()["error"]["code"] == "request_too_large"
    reply = httpx.post(f"{url}/v1/embeddings", json={})
    assert reply.json()["error"]["code"] == "unknown_url"


def test_prompts_are_not_shortened_for_an_upstream_of_messages(server, upstream):
    url = server(**IN_MESSAGES, CLAUDE_PROXY_PROMPT_COMPRESSION="compact").url
    system = {"role": "system", "content": "Be brief.   \n\n\n\n Be kind."}
    upstream.play(Reply(message("ok")))
    ask(url, messages=[system, *HELLO["messages"]])
    assert upstream.last.json["system"] == system["content"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_no_stream_waits_in_a_web_proxys_buffer(server, upstream, path, dialect):
    upstream.play(Reply(stream=text_stream("x") if dialect == "chat" else said("x")))
    url = server(CLAUDE_PROXY_UPSTREAM_DIALECT=dialect).url
    reply = ask(url, path, stream=True, max_tokens=9, prompt="hi")
    assert reply.status_code == 200 and reply.headers["x-accel-buffering"] == "no"
