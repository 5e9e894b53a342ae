"""`POST /v1/messages` over real HTTP: whole and streamed answers, headers, errors, silence."""

import json
import time

import httpx
import pytest

from claude_proxy.server.upstream import Upstream
from tests.conftest import UPSTREAM_KEY
from tests.upstream import DONE, Reply, call, completion, framed, usage

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}


def chunk(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


TEXT = [
    chunk(role="assistant", content=""),
    chunk(content="Hel"),
    chunk(content="lo"),
    chunk("stop"),
    {"choices": [], "usage": usage()},
    DONE,
]


def ask(url, stream=False, path="/v1/messages", **more):
    return httpx.post(url + path, json={**HELLO, "stream": stream, **more}, timeout=20)


def events(reply):
    found = []
    for block in reply.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        event = json.loads(lines["data"])
        assert event["type"] == lines["event"]
        found.append(event)
    return found


def kinds(reply):
    return [event["type"] for event in events(reply)]


def test_a_whole_answer_is_a_message(server, upstream):
    upstream.play(Reply(completion("Hello")))
    reply = ask(server().url)
    message = reply.json()
    assert reply.status_code == 200
    assert message["type"] == "message" and message["role"] == "assistant"
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["model"] == "claude-haiku-5-5"
    assert message["stop_reason"] == "end_turn"
    assert "created_at" not in message  # The real API has no such field.
    assert upstream.last.json["model"] == "gpt-4o-mini"


@pytest.mark.pitfall(3, 7)
def test_a_stream_has_the_legal_order(server, upstream):
    upstream.play(Reply(stream=TEXT))
    reply = ask(server().url, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in reply.headers
    assert kinds(reply) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_every_answer_has_a_new_message_id(server, upstream):
    url = server().url
    assert len({ask(url).json()["id"] for _ in range(5)}) == 5


def test_ids_route_and_notes_are_in_the_headers(server, upstream):
    upstream.play(Reply(completion("x"), headers={"x-request-id": "up-7"}))
    reply = ask(server().url, top_k=5)
    assert reply.headers["request-id"].startswith("req_")
    assert len(reply.headers["request-id"]) == 36
    assert reply.headers["x-upstream-request-id"] == "up-7"
    assert reply.headers["x-claude-proxy-route"] == (
        'upstream=default; model=gpt-4o-mini; reason="haiku to SMALL"'
    )
    assert "top_k=" in reply.headers["x-claude-proxy-notes"]


def test_the_clients_request_id_is_echoed_only_when_harmless(server):
    url = server().url
    for sent, echoed in (("abc-1", "abc-1"), ("a b", None), ("x" * 65, None)):
        reply = httpx.post(f"{url}/v1/messages", json=HELLO, headers={"x-request-id": sent})
        assert reply.headers.get("x-request-id") == echoed


@pytest.mark.parametrize(
    "path", ["/v1/v1/messages", "/v1/messages?beta=true", "/anthropic/v1/messages"]
)
def test_clients_reach_the_endpoint_by_their_usual_detours(server, path):
    assert ask(server().url, path=path).status_code == 200


@pytest.mark.pitfall(35)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "type", "seen"),
    [
        (400, "invalid_request_error", 400),
        (401, "authentication_error", 401),
        (403, "permission_error", 403),
        (404, "not_found_error", 404),
        (429, "rate_limit_error", 429),
        (500, "api_error", 502),
        (503, "overloaded_error", 503),
    ],
)
def test_an_upstream_error_keeps_its_class(server, upstream, stream, status, type, seen):
    upstream.play(Reply({"error": {"message": "no"}}, status=status, headers={"retry-after": "7"}))
    reply = ask(server().url, stream=stream)
    assert (reply.status_code, reply.json()["error"]["type"]) == (seen, type)
    assert reply.json()["request_id"] == reply.headers["request-id"]
    assert reply.headers["retry-after"] == "7"
    assert len(upstream.posts) == 1
    assert (reply.headers.get("x-should-retry") == "false") == (status in (401, 403))


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_tells_the_route_too(server, upstream, stream):
    upstream.play(Reply({"error": {"message": "no such model"}}, status=404))
    reply = ask(server().url, stream=stream, top_k=5)
    assert "model=gpt-4o-mini" in reply.headers["x-claude-proxy-route"]
    assert reply.headers["x-claude-proxy-notes"].startswith("top_k=")


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_key_is_final_whatever_the_upstream_says(server, upstream, stream):
    headers = {"x-should-retry": "true"}
    upstream.play(Reply({"error": {"message": "no"}}, status=401, headers=headers))
    assert ask(server().url, stream=stream).headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_in_the_upstreams_text_is_masked(server, upstream, stream):
    text = f"Incorrect API key provided: {UPSTREAM_KEY}. Also sk-other-0123456789."
    upstream.play(Reply({"error": {"message": text}}, status=401))
    body = ask(server().url, stream=stream).text
    assert UPSTREAM_KEY not in body and "sk-other" not in body
    assert "Incorrect API key provided" in body


@pytest.mark.parametrize("stream", [False, True])
def test_html_is_never_relayed(server, upstream, stream):
    upstream.play(Reply(b"<html>sorry</html>", headers={"content-type": "text/html"}))
    reply = ask(server().url, stream=stream)
    assert reply.status_code == 502
    assert "<html>" not in reply.text and reply.json()["error"]["type"] == "api_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_connection_is_502(server, stream):
    reply = ask(server(OPENAI_BASE_URL="http://127.0.0.1:9/v1").url, stream=stream)
    assert reply.status_code == 502
    assert reply.json()["error"]["type"] == "api_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_is_not_followed(server, upstream, stream):
    upstream.play(Reply(b"", status=307, headers={"location": upstream.url + "/v1/else"}))
    assert ask(server().url, stream=stream).status_code == 502
    assert len(upstream.posts) == 1


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("stream", [False, True])
def test_context_overflow_is_told_in_claudes_words(server, upstream, stream):
    text = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted "
        "in 130512 tokens. Please reduce the length of the messages."
    )
    upstream.play(
        Reply({"error": {"message": text, "code": "context_length_exceeded"}}, status=400)
    )
    reply = ask(server().url, stream=stream)
    assert reply.status_code == 400
    expected = "prompt is too long: 130512 tokens > 128000 maximum"
    assert reply.json()["error"] == {"type": "invalid_request_error", "message": expected}


@pytest.mark.pitfall(7, 8)
def test_a_stream_that_fails_at_once_has_its_real_status(server, upstream):
    upstream.play(
        Reply(stream=[chunk(role="assistant"), {"error": {"message": "busy", "code": 429}}])
    )
    reply = ask(server().url, stream=True)
    assert reply.status_code == 429
    assert reply.json()["error"]["type"] == "rate_limit_error"


def test_an_error_after_text_is_an_event(server, upstream):
    upstream.play(Reply(stream=[chunk(content="a"), 0.05, {"error": {"message": UPSTREAM_KEY}}]))
    reply = ask(server().url, stream=True)
    assert reply.status_code == 200
    last = events(reply)[-1]
    assert last["type"] == "error" and last["request_id"] == reply.headers["request-id"]
    assert UPSTREAM_KEY not in reply.text
    assert "message_stop" not in kinds(reply)


@pytest.mark.pitfall(4)
@pytest.mark.parametrize("end", ["complete", "cut"])
def test_an_end_without_finish_reason_is_an_error(server, upstream, end):
    upstream.play(Reply(stream=[chunk(content="a"), 0.05], end=end))
    assert kinds(ask(server().url, stream=True))[-1] == "error"


@pytest.mark.parametrize("end", ["complete", "cut"])
def test_a_finished_stream_is_complete_however_it_ends(server, upstream, end):
    upstream.play(Reply(stream=[chunk(content="a"), chunk("stop"), 0.05], end=end))
    assert kinds(ask(server().url, stream=True))[-1] == "message_stop"


def test_a_finished_stream_that_hangs_is_ended(server, upstream):
    upstream.play(Reply(stream=[chunk(content="a"), chunk("stop")], end="hang"))
    reply = ask(
        server(CLAUDE_PROXY_PING_SECONDS="0.2", CLAUDE_PROXY_HOLD_SECONDS="0.2").url, stream=True
    )
    assert kinds(reply)[-1] == "message_stop"
    assert upstream.last.wait_left()


@pytest.mark.pitfall(7)
def test_a_slow_start_gets_the_status_and_then_pings(server, upstream):
    upstream.play(Reply(stream=[0.9, *TEXT]))
    url = server(CLAUDE_PROXY_HOLD_SECONDS="0.2", CLAUDE_PROXY_PING_SECONDS="0.2").url
    reply = ask(url, stream=True)
    found = kinds(reply)
    assert found[0] == "message_start" and found.count("message_start") == 1
    assert 2 <= found.count("ping") <= 4
    assert found[-1] == "message_stop"


@pytest.mark.pitfall(7)
def test_headers_that_come_late_are_covered_too(server, upstream):
    upstream.play(Reply(stream=TEXT, delay=30))
    url = server(CLAUDE_PROXY_HOLD_SECONDS="0.2", CLAUDE_PROXY_PING_SECONDS="0.2").url
    started = time.monotonic()
    with httpx.stream("POST", f"{url}/v1/messages", json={**HELLO, "stream": True}) as reply:
        first = next(reply.iter_text())
    assert first.startswith("event: message_start") and time.monotonic() - started < 10


def test_an_error_after_the_hold_is_an_event(server, upstream):
    upstream.play(Reply({"error": {"message": "no"}}, status=429, delay=0.5))
    reply = ask(server(CLAUDE_PROXY_HOLD_SECONDS="0.1").url, stream=True)
    assert reply.status_code == 200
    assert kinds(reply) == ["message_start", "error"]
    assert events(reply)[-1]["error"]["type"] == "rate_limit_error"


def test_no_ping_while_the_stream_flows(server, upstream):
    upstream.play(Reply(stream=[chunk(content="a"), *[0.1, chunk(content="b")] * 6, chunk("stop")]))
    reply = ask(server(CLAUDE_PROXY_PING_SECONDS="0.4").url, stream=True)
    assert "ping" not in kinds(reply)


@pytest.mark.pitfall(7)
@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_upstream_is_given_up(server, upstream, stream):
    upstream.play(Reply(delay=30))
    reply = ask(server(CLAUDE_PROXY_REQUEST_TIMEOUT="0.4").url, stream=stream)
    assert reply.status_code == 504
    assert reply.json()["error"]["type"] == "timeout_error"
    assert upstream.last.wait_left()


def test_a_stall_in_the_stream_is_an_error_event(server, upstream):
    upstream.play(Reply(stream=[chunk(content="a")], end="hang"))
    reply = ask(server(CLAUDE_PROXY_REQUEST_TIMEOUT="0.4").url, stream=True)
    assert events(reply)[-1]["error"]["type"] == "timeout_error"
    assert upstream.last.wait_left()


def test_the_silence_timer_starts_again_with_each_read(server, upstream):
    upstream.play(Reply(stream=[*[chunk(content="a"), 0.3] * 4, chunk("stop")]))
    reply = ask(server(CLAUDE_PROXY_REQUEST_TIMEOUT="0.8").url, stream=True)
    assert kinds(reply)[-1] == "message_stop"


def test_a_stream_is_made_of_a_whole_answer(server, upstream):
    upstream.play(Reply(completion("Hello", calls=[call("f", {"a": 1})])))
    reply = ask(server().url, stream=True)
    assert kinds(reply)[0] == "message_start" and kinds(reply)[-1] == "message_stop"
    assert '"f"' in reply.text


def test_a_whole_answer_is_made_of_a_stream(server, upstream):
    upstream.play(Reply(stream=TEXT))
    assert ask(server().url).json()["content"] == [{"type": "text", "text": "Hello"}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_is_read_as_one_whatever_its_content_type(server, upstream, stream):
    body = b"".join(framed(item) for item in TEXT)
    upstream.play(Reply(body, headers={"content-type": "application/json"}))
    reply = ask(server().url, stream=stream)
    assert reply.status_code == 200
    if stream:
        assert kinds(reply)[-1] == "message_stop"
    else:
        assert reply.json()["content"] == [{"type": "text", "text": "Hello"}]


def test_only_a_requested_stop_sequence_is_named(server, upstream):
    answer = completion("a")
    answer["choices"][0]["stop_reason"] = "END"
    upstream.play(Reply(answer), Reply(answer))
    assert ask(server().url).json()["stop_reason"] == "end_turn"
    reply = ask(server().url, stop_sequences=["END"]).json()
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "END")


def test_an_upstream_without_usage_gets_an_estimate(server, upstream):
    upstream.play(Reply(stream=[chunk(content="four words of text"), chunk("stop"), DONE]))
    final = events(ask(server().url, stream=True))[-2]
    assert final["usage"]["input_tokens"] > 0 and final["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_both_transports_stream(server, upstream, transport):
    upstream.play(Reply(stream=TEXT))
    assert (
        kinds(ask(server(CLAUDE_PROXY_TRANSPORT=transport).url, stream=True))[-1] == "message_stop"
    )


def test_a_custom_header_goes_upstream(server, upstream):
    ask(server(CUSTOM_HEADER_X_TEAM="blue").url)
    assert upstream.last.headers["x-team"] == "blue"


@pytest.mark.pitfall(20)
@pytest.mark.fault("headers")
def test_upstream_sees_only_what_it_needs(server, upstream):
    httpx.post(
        f"{server().url}/v1/messages",
        json=HELLO,
        headers={"cookie": "a=b", "x-app": "cli", "anthropic-beta": "x", "x-api-key": "client"},
    )
    allowed = {"host", "authorization", "content-type", "accept", "accept-encoding", "user-agent"}
    assert set(upstream.last.headers) - allowed <= {"content-length", "connection"}
    assert upstream.last.headers["accept-encoding"] == "identity"


@pytest.mark.pitfall(35)
def test_rate_limit_headers_reach_the_client(server, upstream):
    upstream.play(Reply(completion("x"), headers={"x-ratelimit-remaining-requests": "9"}))
    assert ask(server().url).headers["x-ratelimit-remaining-requests"] == "9"


def test_too_many_requests_at_once_are_429(server, upstream):
    upstream.play(Reply(stream=[chunk(content="a")], end="hang"))
    url = server(CLAUDE_PROXY_MAX_CONCURRENT="1").url
    with httpx.stream("POST", f"{url}/v1/messages", json={**HELLO, "stream": True}) as first:
        next(first.iter_raw())
        reply = ask(url)
    assert reply.status_code == 429 and reply.headers["retry-after"] == "1"


class TestAzure:
    def test_the_classic_api_names_the_deployment_in_the_path(self, server, upstream):
        ask(server(AZURE_API_VERSION="2024-10-21", OPENAI_BASE_URL=upstream.url).url)
        assert upstream.last.path == (
            "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
        )
        assert upstream.last.headers["api-key"] == UPSTREAM_KEY
        assert "authorization" not in upstream.last.headers

    @pytest.mark.parametrize("version", [None, "2024-10-21"])
    @pytest.mark.parametrize(
        ("host", "key", "header"),
        [
            ("me.openai.azure.com", "0123abcd", "api-key"),
            ("me.services.ai.azure.com", "0123abcd", "api-key"),
            ("me.cognitiveservices.azure.com", "0123abcd", "api-key"),
            # A token of a login is not a key.
            ("me.openai.azure.com", "eyJ0eXAi.eyJhdWQi.c2ln", "authorization"),
        ],
    )
    def test_its_hosts_get_the_key_in_their_own_header(self, version, host, key, header):
        base = f"https://{host}/openai/v1"
        wire = Upstream(base, key, azure_version=version).call(
            "/chat/completions", b"{}", model="m", key=key, stream=False
        )
        assert wire.headers[header].removeprefix("Bearer ") == key
        assert len({"api-key", "authorization"} & wire.headers.keys()) == 1

    @pytest.mark.parametrize("endpoint", ["", "/", "/chat/completions", "/chat/completions/"])
    def test_a_whole_endpoint_is_understood_as_its_base(self, endpoint):
        deployment = "https://me.openai.azure.com/openai/deployments/mine"
        wire = Upstream(f"{deployment}{endpoint}?api-version=2024-10-21", "k").call(
            "/chat/completions", b"{}", model="m", key="k", stream=False
        )
        assert wire.url == f"{deployment}/chat/completions?api-version=2024-10-21"
        assert Upstream("https://h/v1/responses", "k").base_url == "https://h/v1"
        assert Upstream("https://h/v1/", "k").base_url == "https://h/v1"

    @pytest.mark.parametrize(
        ("base", "path"),
        [
            ("/openai/v1", "/openai/v1/chat/completions?api-version=preview"),
            (
                "/openai/deployments/mine",
                "/openai/deployments/mine/chat/completions?api-version=preview",
            ),
            ("/openai", "/openai/deployments/gpt-4o-mini/chat/completions?api-version=preview"),
        ],
    )
    def test_other_forms_of_the_base_url(self, server, upstream, base, path):
        ask(server(AZURE_API_VERSION="preview", OPENAI_BASE_URL=upstream.url + base).url)
        assert upstream.last.path == path
