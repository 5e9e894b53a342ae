"""Reasoning comes back to its upstream: by the client's own blocks, and where it drops them."""

import copy

import httpx
import pytest

from claude_proxy.profiles import profile_for
from claude_proxy.server.upstream import Upstream
from tests.upstream import Reply, chunk, completion, ending, usage

ASK = {"role": "user", "content": "What is the weather?"}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
RESULT = {"type": "tool_result", "content": "rain"}
CALL = {
    "id": "call_1",
    "type": "function",
    "index": 0,
    "function": {"name": "weather", "arguments": "{}"},
}
ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
DEEPSEEK = {"CLAUDE_PROXY_BIG_MODEL": "deepseek-chat", "CLAUDE_PROXY_PROFILE": "deepseek"}
RESPONSES = {
    "CLAUDE_PROXY_BIG_MODEL": "gpt-5.4",
    "CLAUDE_PROXY_UPSTREAM_DIALECT": "responses",
}


def asked(url, messages, **more):
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": 1_000,
        "messages": messages,
        "tools": [TOOL],
        **more,
    }
    reply = httpx.post(f"{url}/v1/messages", json=body, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply


def next_turn(content):
    [call] = [block for block in content if block["type"] == "tool_use"]
    result = {**RESULT, "tool_use_id": call["id"]}
    return [ASK, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]


def without_thinking(content):
    return [block for block in content if block["type"] != "thinking"]


def response(*output):
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-5.4",
        "output": [*output],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    }


def function_call(id="call_1"):
    return {"type": "function_call", "call_id": id, "name": "weather", "arguments": "{}"}


def said(text):
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "content": parts}


class TestResponses:
    def test_whole_and_streamed_answers(self, server, upstream):
        url = server(**RESPONSES).url
        upstream.play(Reply(response(said("Rain."))))
        whole = asked(url, [ASK]).json()
        assert whole["content"] == [{"type": "text", "text": "Rain."}]
        assert whole["usage"]["input_tokens"] == 9
        assert upstream.last.path == "/v1/responses"
        sent = upstream.last.json
        assert sent["store"] is False and sent["include"] == ["reasoning.encrypted_content"]
        events = [
            {"type": "response.output_text.delta", "output_index": 0, "delta": "Rain."},
            {"type": "response.completed", "response": response(said("Rain."))},
        ]
        upstream.play(Reply(stream=events))
        streamed = asked(url, [ASK], stream=True).text
        assert '"text":"Rain."' in streamed and "event: message_stop" in streamed

    def test_its_errors_keep_their_status(self, server, upstream):
        error = {"error": {"message": "Rate limit reached", "type": "requests", "code": "x"}}
        upstream.play(Reply(error, status=429))
        url = server(**RESPONSES).url
        body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [ASK]}
        reply = httpx.post(f"{url}/v1/messages", json=body)
        assert reply.status_code == 429
        assert reply.json()["error"]["type"] == "rate_limit_error"

    @pytest.mark.pitfall(10)
    @pytest.mark.parametrize("drop", [False, True], ids=["kept", "dropped by the client"])
    def test_encrypted_reasoning_stands_before_its_call_again(self, server, upstream, drop):
        url = server(**RESPONSES).url
        upstream.play(Reply(response(ITEM, function_call())), Reply(response(said("Rain."))))
        content = asked(url, [ASK]).json()["content"]
        assert [block["type"] for block in content] == ["thinking", "tool_use"]
        asked(url, next_turn(without_thinking(content) if drop else content))
        kinds = [item["type"] for item in upstream.last.json["input"]]
        assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
        assert upstream.last.json["input"][1]["encrypted_content"] == "gAAAA"

    def test_another_key_or_a_change_makes_it_unreadable(self, server, upstream):
        upstream.play(Reply(response(ITEM, function_call())), Reply(response(said("Rain."))))
        content = asked(server(**RESPONSES).url, [ASK]).json()["content"]
        forged = copy.deepcopy(content)
        forged[0]["signature"] = forged[0]["signature"][:-2] + "AA"
        other = server(**RESPONSES, OPENAI_API_KEY="sk-another-key")
        for live, blocks in ((server(**RESPONSES), forged), (other, content)):
            reply = asked(live.url, next_turn(blocks))
            assert "reasoning" not in [item["type"] for item in upstream.last.json["input"]]
            assert "not reasoning of this model" in reply.headers["x-claude-proxy-notes"]

    def test_it_can_be_kept_by_another_replica(self, server, upstream):
        upstream.play(Reply(response(ITEM, function_call())), Reply(response(said("Rain."))))
        content = asked(server(**RESPONSES).url, [ASK]).json()["content"]
        asked(server(**RESPONSES).url, next_turn(content))
        assert upstream.last.json["input"][1]["encrypted_content"] == "gAAAA"


class TestReasoningContent:
    @pytest.mark.pitfall(10)
    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
    @pytest.mark.parametrize("drop", [False, True], ids=["kept", "dropped by the client"])
    def test_it_goes_back_with_its_call(self, server, upstream, drop, stream):
        url = server(**DEEPSEEK).url
        if stream:
            thought = chunk({"reasoning_content": "Look outside."})
            called = [thought, chunk({"tool_calls": [CALL]}), *ending("tool_calls")]
            upstream.play(Reply(stream=called), Reply(completion("Rain.")))
            reply = asked(url, [ASK], stream=True).text
            id = reply.split('"id":"toolu_')[1].split('"')[0]
            use = {"type": "tool_use", "id": f"toolu_{id}", "name": "weather", "input": {}}
            thinking = {"type": "thinking", "thinking": "Look outside.", "signature": ""}
            content = [thinking, use]
        else:
            first = completion(None, calls=[CALL], reasoning_content="Look outside.")
            upstream.play(Reply(first), Reply(completion("Rain.")))
            content = asked(url, [ASK]).json()["content"]
        asked(url, next_turn(without_thinking(content) if drop else content))
        [assistant] = [m for m in upstream.last.json["messages"] if m["role"] == "assistant"]
        assert assistant["reasoning_content"] == "Look outside."

    def test_nothing_is_kept_where_that_is_not_wanted(self, server, upstream):
        url = server(**DEEPSEEK, CLAUDE_PROXY_REASONING_MEMORY_BYTES="0").url
        first = completion(None, calls=[CALL], reasoning_content="Look outside.")
        upstream.play(Reply(first), Reply(completion("Rain.")))
        content = asked(url, [ASK]).json()["content"]
        asked(url, next_turn(without_thinking(content)))
        [assistant] = [m for m in upstream.last.json["messages"] if m["role"] == "assistant"]
        assert not assistant.get("reasoning_content")

    def test_an_upstream_without_a_use_for_it_gets_none(self, server, upstream):
        first = completion(None, calls=[CALL], reasoning_content="Look outside.")
        upstream.play(Reply({**first, "usage": usage()}), Reply(completion("Rain.")))
        url = server().url
        content = asked(url, [ASK]).json()["content"]
        asked(url, next_turn(content))
        assert "Look outside." not in upstream.last.body.decode()


AUTO = [
    ("https://api.openai.com/v1", "gpt-5.4", "responses"),
    ("https://api.openai.com/v1", "gpt-5", "chat"),
    ("https://api.openai.com/v1", "gpt-4o", "chat"),
    ("https://me.openai.azure.com/openai/v1", "gpt-5.4", "responses"),
    ("https://gateway.example/v1", "gpt-5.4", "chat"),
    ("http://127.0.0.1:1/v1", "gpt-5.4", "chat"),
]


@pytest.mark.pitfall(18)
@pytest.mark.parametrize(("base_url", "model", "dialect"), AUTO)
def test_auto_asks_in_responses_where_chat_forbids_tools_with_thinking(base_url, model, dialect):
    profile = profile_for(base_url, model)
    assert Upstream(base_url, "k").dialect(model, profile) == dialect
    assert Upstream(base_url, "k", choice="chat").dialect(model, profile) == "chat"
    assert Upstream(base_url, "k", choice="responses").dialect(model, profile) == "responses"


@pytest.mark.parametrize(
    ("base_url", "version", "url"),
    [
        ("https://api.openai.com/v1", None, "https://api.openai.com/v1/responses"),
        ("https://h/openai/v1", "preview", "https://h/openai/v1/responses?api-version=preview"),
        ("https://h", "2025-04-01", "https://h/openai/responses?api-version=2025-04-01"),
    ],
)
def test_where_responses_are(base_url, version, url):
    wire = Upstream(base_url, "k", azure_version=version).call(
        "/responses", b"{}", model="m", key="k", stream=False
    )
    assert wire.url == url


@pytest.mark.pitfall(11)
@pytest.mark.parametrize("drop", [False, True], ids=["kept", "dropped by the client"])
def test_geminis_signature_stands_on_its_call_again(server, upstream, drop):
    url = server(CLAUDE_PROXY_BIG_MODEL="gemini-3-pro", CLAUDE_PROXY_PROFILE="gemini/3").url
    extra = {"google": {"thought_signature": "c2ln"}}
    first = completion(None, calls=[{**CALL, "extra_content": extra}])
    upstream.play(Reply(first), Reply(completion("Rain.")))
    content = asked(url, [ASK]).json()["content"]
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    asked(url, next_turn(without_thinking(content) if drop else content))
    [assistant] = [m for m in upstream.last.json["messages"] if m["role"] == "assistant"]
    assert assistant["tool_calls"][0]["extra_content"] == extra


@pytest.mark.pitfall(16)
@pytest.mark.parametrize("drop", [False, True], ids=["kept", "dropped by the client"])
def test_openrouters_details_come_back_in_order(server, upstream, drop):
    url = server(CLAUDE_PROXY_BIG_MODEL="x/y", CLAUDE_PROXY_PROFILE="openrouter").url
    details = [
        {"type": "reasoning.text", "text": "Look.", "index": 0, "format": "f", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "ENC", "index": 1},
    ]
    first = completion(None, calls=[CALL], reasoning="Look.", reasoning_details=details)
    upstream.play(Reply(first), Reply(completion("Rain.")))
    content = asked(url, [ASK]).json()["content"]
    asked(url, next_turn(without_thinking(content) if drop else content))
    [assistant] = [m for m in upstream.last.json["messages"] if m["role"] == "assistant"]
    assert assistant["reasoning_details"] == details
