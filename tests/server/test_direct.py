"""The direct pass: what an upstream of the same language gets and gives, byte for byte."""

import json

import httpx
import pytest

from claude_proxy.native import NATIVES, Native
from claude_proxy.settings import SettingsError, load_settings
from tests.conftest import UPSTREAM_KEY, settings_for
from tests.messages_upstream import KEPT_BACK, PASSED, event, message, refused, said
from tests.upstream import Reply, completion, text_stream

RAW = (
    b'{ "model":"some-model", "max_tokens": 9,"zeta":12345678901234567890123,"e":1e2,\n'
    b'"messages":[{"role":"user","content":"h\\u00e9\\/"}], "new_field":{"b":1.10,"a":[]} }'
)
TRANSPORTS = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])


@pytest.fixture
def native(server, upstream):
    """A proxy whose upstream's base URL says that Messages is spoken there."""

    def start(**environ):
        return server(OPENAI_BASE_URL=f"{upstream.url}/anthropic", **environ).url

    return start


def post(url, raw=RAW, path="/v1/messages?beta=true", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"content-type": "application/json", **named}
    return httpx.post(f"{url}{path}", content=raw, headers=named, timeout=20, trust_env=False)


def stream_body(**more):
    body = {"model": "some-model", "max_tokens": 9, "stream": True, **more}
    return json.dumps({**body, "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.mark.pitfall(20)
@TRANSPORTS
def test_the_request_arrives_as_the_same_bytes(native, upstream, transport):
    upstream.play(Reply(message()))
    assert post(native(CLAUDE_PROXY_TRANSPORT=transport)).status_code == 200
    assert upstream.last.body == RAW
    assert upstream.last.path == "/anthropic/v1/messages?beta=true"


def test_another_model_is_the_only_change(native, upstream):
    upstream.play(Reply(message()))
    post(native(CLAUDE_PROXY_MODELS="some-model:other"))
    assert upstream.last.body == json_compact(RAW).replace(b"some-model", b"other")


def json_compact(raw):
    """Without the spaces between the parts; the parts themselves as they are."""
    return (
        raw.replace(b"{ ", b"{")
        .replace(b" }", b"}")
        .replace(b",\n", b",")
        .replace(b', "', b',"')
        .replace(b'": ', b'":')
    )


SENT = {
    "anthropic-version": "2099-01-01",
    "anthropic-beta": "a-2025-01-01, oauth-ish,b-2099-01-01",
    "anthropic-unheard-of": "x y",
}


@pytest.mark.pitfall(20)
@pytest.mark.fault("headers")
def test_of_the_clients_headers_only_anthropics_arrive(native, upstream):
    upstream.play(Reply(message()))
    others = {
        "anthropic-dangerous-direct-browser-access": "true",
        "x-claude-code-session-id": "s",
        "cookie": "c=d",
        "x-api-key": "client",
        "authorization": "Bearer client",
        "x-stainless-lang": "js",
    }
    post(native(CUSTOM_HEADER_X_TEAM="search"), **SENT, **others)
    got = upstream.last.headers
    assert {name: got[name] for name in SENT} == SENT
    assert got["x-api-key"] == UPSTREAM_KEY and got["x-team"] == "search"
    known = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
    assert set(got) == known | set(SENT) | {"x-api-key", "x-team"}
    assert "client" not in json.dumps(dict(got))


def test_a_version_is_named_for_clients_that_name_none(native, upstream):
    upstream.play(Reply(message()))
    post(native())
    assert upstream.last.headers["anthropic-version"] == "2023-06-01"


def test_two_headers_of_one_name_are_one_list(native, upstream):
    upstream.play(Reply(message()))
    headers = [
        ("content-type", "application/json"),
        ("anthropic-beta", "a"),
        ("anthropic-beta", "b"),
    ]
    httpx.post(f"{native()}/v1/messages", content=RAW, headers=headers, timeout=20)
    assert upstream.last.headers["anthropic-beta"] == "a,b"


def test_what_cannot_leave_is_told(native, upstream):
    upstream.play(Reply(message()))
    odd = [
        (b"content-type", b"application/json"),
        (b"anthropic-note", b"\xe9"),
        (b"anthropic-token", b"SK-ANT-api03-0123456789"),
    ]
    url = f"{native()}/v1/messages?key=sk-ant-api03-0123456789"
    reply = httpx.post(url, content=RAW, headers=odd, timeout=20)
    assert "anthropic-note" not in upstream.last.headers
    assert "sk-ant" not in (json.dumps(dict(upstream.last.headers)) + upstream.last.path).lower()
    notes = reply.headers["x-claude-proxy-notes"]
    assert all(name in notes for name in ("anthropic-note", "anthropic-token", "query"))


@pytest.mark.parametrize("query", ["beta=true", "a=%20%41&b", "x=%c3%a9", ""])
def test_the_query_arrives(native, upstream, query):
    upstream.play(Reply(message()))
    post(native(), path=f"/v1/messages?{query}")
    assert upstream.last.path == "/anthropic/v1/messages" + (f"?{query}" if query else "")


@TRANSPORTS
def test_a_whole_answer_comes_back_as_the_same_bytes(native, upstream, transport):
    body = message(brand_new={"n": 12345678901234567890123})
    upstream.play(Reply(body, headers={**PASSED, **KEPT_BACK}))
    reply = post(native(CLAUDE_PROXY_TRANSPORT=transport))
    assert reply.content == body
    assert {name: reply.headers[name] for name in PASSED} == PASSED
    assert not set(KEPT_BACK) & set(reply.headers)
    assert reply.headers.get_list("request-id") == ["req_011CUpstream"]
    assert "model=some-model" in reply.headers["x-claude-proxy-route"]


def test_without_an_id_of_the_upstreams_ours_is_told(native, upstream):
    upstream.play(Reply(message()))
    assert post(native()).headers["request-id"].startswith("req_")


@TRANSPORTS
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_stream_comes_back_as_the_same_bytes(native, upstream, transport, line_end):
    odd = [b": a comment\n\n", b"id: 7\nretry: 10\n\n", b"event: brand_new\ndata: {}\n\n"]
    play = b"".join([*odd, *said("h\u00e9", "message_stop")])
    play = play.replace(b"\n", line_end)
    upstream.play(Reply(stream=[play[at : at + 1] for at in range(len(play))], headers=PASSED))
    reply = post(native(CLAUDE_PROXY_TRANSPORT=transport), stream_body())
    assert reply.content == play
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert {name: reply.headers[name] for name in PASSED} == PASSED
    assert upstream.last.headers["accept"] == "text/event-stream"


def test_a_stream_without_its_last_blank_line_is_complete(native, upstream):
    play = b"".join(said("a")).rstrip()
    upstream.play(Reply(stream=[play]))
    assert post(native(), stream_body()).content == play


def test_an_error_event_of_the_upstreams_is_its_end(native, upstream):
    play = b"".join(said("a")[:4]) + event("error", error={"type": "overloaded_error"})
    upstream.play(Reply(stream=[play]))
    assert post(native(), stream_body()).content == play


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
@pytest.mark.parametrize("cut", [None, 1])
def test_a_stream_by_another_name_is_one(native, upstream, kind, cut):
    raw = b": hello\n\n" + b"".join(said("a"))
    play = [raw[at : at + cut] for at in range(0, len(raw), cut)] if cut else [raw]
    upstream.play(Reply(stream=play, headers={"content-type": kind, "Request-Id": "req_1"}))
    reply = post(native(), stream_body())
    assert reply.content == raw and reply.headers["request-id"] == "req_1"
    assert reply.headers["content-type"].startswith("text/event-stream")


def test_a_stream_by_another_name_is_kept_alive(native, upstream):
    play = said("a")
    upstream.play(Reply(stream=[*play[:4], 0.5, *play[4:]], headers={"content-type": "text/plain"}))
    reply = post(native(CLAUDE_PROXY_PING_SECONDS="0.1"), stream_body())
    assert reply.content.count(b": keep-alive\n\n") >= 2
    assert reply.content.replace(b": keep-alive\n\n", b"") == b"".join(play)


def test_what_was_not_asked_for_passes_too(native, upstream):
    url = native()
    upstream.play(Reply(message()))
    assert post(url, stream_body()).content == message()
    upstream.play(Reply(stream=said("a")))
    assert post(url).content == b"".join(said("a"))


ERRORS = [
    refused(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
    refused(400, "invalid_request_error", "output_config: Extra inputs are not permitted"),
    refused(404, "not_found_error", "model: some-model"),
    refused(413, "request_too_large", "too large"),
    refused(429, "rate_limit_error", "slow", retry_after="7", x_should_retry="true"),
    refused(500, "api_error", "oops"),
    refused(529, "overloaded_error", "busy"),
    Reply(b'{"odd": [1,  2]}', status=418),
    Reply(b'{"detail":"Not Found"}', status=404),
]


@pytest.mark.pitfall(35)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{error.status}")
def test_errors_come_back_as_they_are(native, upstream, error, stream):
    upstream.play(error)
    reply = post(native(), stream_body(stream=stream))
    assert (reply.status_code, reply.content) == (error.status, error.body)
    assert reply.headers["content-type"] == "application/json"
    for name, value in error.headers.items():
        assert reply.headers[name] == value
    assert "x-claude-proxy-route" in reply.headers
    assert len(upstream.posts) == 1


OVERFLOWS = [
    # llama.cpp, which refuses in OpenAI's shape
    {
        "error": {
            "code": 400,
            "message": "request (1600015 tokens) exceeds the available context size (262144)",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 1600015,
            "n_ctx": 262144,
        }
    },
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "This model's maximum context length is 262144 tokens. However, you "
            "requested 1600015 tokens in the messages.",
        },
    },
]


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("body", OVERFLOWS, ids=["openai", "anthropic"])
def test_an_overflow_is_told_in_claudes_words(native, upstream, body, stream):
    upstream.play(Reply(body, status=400))
    reply = post(native(), stream_body(stream=stream))
    error = reply.json()
    assert (reply.status_code, error["type"]) == (400, "error")
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["message"] == "prompt is too long: 1600015 tokens > 262144 maximum"


def test_an_error_keeps_the_upstreams_id_and_text(native, upstream):
    text = Reply(b"upstream connect error", status=503, headers={"content-type": "text/plain"})
    upstream.play(refused(400, "invalid_request_error", "no", request_id="req_theirs"), text)
    url = native()
    assert post(url).headers.get_list("request-id") == ["req_theirs"]
    reply = post(url)
    assert (reply.status_code, reply.text) == (503, "upstream connect error")
    assert reply.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(native, upstream, status):
    upstream.play(refused(status, "authentication_error", "invalid x-api-key"))
    reply = post(native())
    assert reply.status_code == status and reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("shown", [UPSTREAM_KEY, UPSTREAM_KEY[:14]])
def test_an_error_never_shows_the_servers_key(native, upstream, shown):
    upstream.play(
        refused(401, "authentication_error", f"bad key {shown} é", anthropic_said=UPSTREAM_KEY)
    )
    reply = post(native())
    assert UPSTREAM_KEY[:12] not in reply.text + str(reply.headers)
    assert "[redacted]" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(b"<html>no</html>", status=502, headers={"content-type": "text/html"}), 502),
        (Reply(b"<html>hi</html>", headers={"content-type": "text/html"}), 502),
        (Reply(b"", status=500), 500),
        (Reply(b"", status=302, headers={"location": "https://evil.example"}), 502),
    ],
)
def test_what_clients_cannot_read_is_an_error_of_ours(native, upstream, reply, status):
    upstream.play(reply)
    got = post(native())
    assert got.status_code == status and got.json()["type"] == "error"
    assert "html>" not in got.text and "location" not in got.headers
    assert got.json()["request_id"] == got.headers["request-id"]


def test_bodies_are_not_checked_for_what_the_upstream_knows_better(native, upstream):
    upstream.play(refused(400, "invalid_request_error", "messages: Field required"))
    raw = b'{"model":"some-model","messages":"new shape"}'
    assert post(native(), raw).status_code == 400
    assert upstream.last.body == raw


def test_a_limit_of_the_users_holds(native, upstream):
    upstream.play(Reply(message()))
    reply = post(native(CLAUDE_PROXY_MAX_TOKENS_LIMIT="5"))
    assert upstream.last.json["max_tokens"] == 5
    assert "max_tokens=9 lowered to 5" in reply.headers["x-claude-proxy-notes"]


def test_usage_is_counted(native, upstream):
    upstream.play(Reply(message()), Reply(stream=said("a")))
    url = native()
    post(url)
    post(url, stream_body())
    key = {"x-api-key": "any"}
    text = httpx.get(f"{url}/metrics", headers=key).text
    for kind, tokens in (("input", 24), ("cached", 22), ("output", 84)):
        line = f'claude_proxy_tokens_total{{kind="{kind}",model="some-model"}} {tokens}.0'
        assert line in text
    assert 'time_to_first_token_seconds_count{model="some-model"} 1.0' in text


def test_the_self_test_takes_the_same_way(native, upstream):
    upstream.play(Reply(message()))
    report = httpx.get(f"{native()}/test-connection", timeout=20).json()
    assert report["status"] == "ok" and report["usage"]["output_tokens"] == 42
    upstream.play(Reply(b"[]"))
    report = httpx.get(f"{native()}/test-connection", timeout=20).json()
    assert report["status"] == "error"


# Whose key goes where.


def passing(upstream, **environ):
    known = {"OPENAI_BASE_URL": f"{upstream.url}/anthropic", **environ}
    return load_settings(environ=known, trusted_folder=False)


@pytest.mark.parametrize(
    "sent", [{"x-api-key": "k-client-1"}, {"authorization": "Bearer k-client-1"}]
)
def test_a_clients_key_goes_on_in_its_own_header(server, upstream, sent):
    upstream.play(Reply(message()))
    post(server(passing(upstream)).url, **sent)
    got = upstream.last.headers
    assert {n: got.get(n) for n in ("x-api-key", "authorization")} == {
        "x-api-key": None,
        "authorization": None,
        **sent,
    }


@pytest.mark.parametrize(
    "sent",
    [
        {"x-api-key": "sk-ant-api03-client"},
        {"authorization": "Bearer sk-ant-oat01-client"},
        {"authorization": "Bearer opaque", "anthropic-beta": "oauth-2025-04-20"},
    ],
)
def test_an_anthropic_credential_goes_nowhere_else(server, upstream, sent):
    reply = post(server(passing(upstream)).url, **sent)
    assert reply.status_code == 401 and upstream.requests == []
    assert reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("credential", "header"), [("bearer", "authorization"), ("x-api-key",) * 2]
)
def test_a_row_says_how_the_key_is_sent(server, upstream, monkeypatch, credential, header):
    rows(monkeypatch, credential=credential, path="/anthropic")
    upstream.play(Reply(message()))
    post(server(settings_for(upstream, OPENAI_BASE_URL=f"{upstream.url}/anthropic")).url)
    sent = {"x-api-key", "authorization"} & set(upstream.last.headers)
    assert sent == {header} and UPSTREAM_KEY in upstream.last.headers[header]


def rows(monkeypatch, **fields):
    row = Native(**{"name": "test", "hosts": ("127.0.0.1",), "why": "-", **fields})
    monkeypatch.setattr("claude_proxy.native.NATIVES", (row, *NATIVES))


# Where Messages may be missing.


def by_path(upstream, messages, chat):
    upstream.answer(lambda got: messages if "/messages" in got.path else chat)


def paths(upstream):
    return [request.path.partition("?")[0] for request in upstream.posts]


MISSING = [
    Reply(b'{"detail":"Not Found"}', status=404),
    Reply(b'{"error":{"message":"Invalid URL (POST /v1/messages)"}}', status=404),
    Reply(b"Method Not Allowed", status=405, headers={"content-type": "text/plain"}),
    Reply(b"", status=501),
    Reply(b"<html>404</html>", status=404, headers={"content-type": "text/html"}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("missing", MISSING, ids=lambda reply: str(reply.body[:9]))
def test_where_messages_is_missing_only_the_first_request_pays(
    server, upstream, monkeypatch, missing, stream
):
    rows(monkeypatch, path="", prefer=("*",))
    chat = Reply(stream=text_stream("ok")) if stream else Reply(completion("ok"))
    by_path(upstream, missing, chat)
    url = server().url
    for _ in range(3):
        reply = post(url, stream_body(stream=stream))
        assert reply.status_code == 200 and "ok" in reply.text
    assert paths(upstream) == ["/v1/messages", *["/v1/chat/completions"] * 3]


def test_a_model_that_is_missing_is_no_missing_api(server, upstream, monkeypatch):
    rows(monkeypatch, path="", prefer=("*",))
    by_path(upstream, refused(404, "not_found_error", "model: x"), Reply(completion("ok")))
    assert post(server().url).status_code == 404
    assert paths(upstream) == ["/v1/messages"]


def test_who_asks_for_messages_gets_messages(server, upstream):
    upstream.play(MISSING[0])
    url = server(CLAUDE_PROXY_UPSTREAM_DIALECT="Messages").url
    assert post(url).content == MISSING[0].body
    assert paths(upstream) == ["/v1/messages"]


def test_who_asks_for_chat_gets_chat(native, upstream):
    upstream.play(Reply(completion("ok")))
    url = native(CLAUDE_PROXY_UPSTREAM_DIALECT="chat")
    assert post(url).json()["content"][0]["text"] == "ok"
    assert post(url, path="/v1/messages/count_tokens").json()["input_tokens"] > 0
    assert paths(upstream) == ["/anthropic/chat/completions"]


@pytest.mark.parametrize(
    "environ",
    [
        {"CLAUDE_PROXY_UPSTREAMS": '{"b":{"base_url":"http://h/v1","dialect":"klingon"}}'},
        {"CLAUDE_PROXY_UPSTREAM_DIALECT": "klingon"},
    ],
)
def test_a_dialect_that_is_not_served_is_refused_at_the_start(environ):
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_UPSTREAM"):
        load_settings(environ=environ, trusted_folder=False)


# Other upstreams stand in, whatever they speak.


@pytest.mark.fault("fallback")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failed", [500, 529, 429])
def test_chat_stands_in_for_messages(server, upstream, stream, failed):
    chat = Reply(stream=text_stream("ok")) if stream else Reply(completion("ok"))
    by_path(upstream, refused(failed, "api_error", "no", request_id="req_theirs"), chat)
    table = {"b": {"base_url": f"{upstream.url}/v1", "api_key": "k-backup-0123456789"}}
    live = server(
        OPENAI_BASE_URL=f"{upstream.url}/anthropic",
        CLAUDE_PROXY_UPSTREAMS=json.dumps(table),
        CLAUDE_PROXY_FALLBACKS="@b",
    )
    reply = post(live.url, stream_body(stream=stream))
    assert reply.status_code == 200 and "ok" in reply.text
    assert "req_theirs" not in str(reply.headers)
    assert f"after {failed}" in reply.headers["x-claude-proxy-route"]
    assert upstream.last.headers["authorization"] == "Bearer k-backup-0123456789"


@pytest.mark.fault("fallback", "no-finish")
def test_a_head_without_an_event_has_not_answered(server, upstream):
    cut = Reply(stream=[said("a")[0][:9]], headers={"request-id": "req_theirs"})
    by_path(upstream, cut, Reply(stream=text_stream("ok")))
    base = {"OPENAI_BASE_URL": f"{upstream.url}/anthropic"}
    reply = post(server(**base).url, stream_body())
    assert reply.status_code == 502
    assert reply.json()["request_id"] == reply.headers["request-id"] != "req_theirs"
    table = {"b": {"base_url": f"{upstream.url}/v1", "api_key": "k-backup-0123456789"}}
    environ = {"CLAUDE_PROXY_UPSTREAMS": json.dumps(table), "CLAUDE_PROXY_FALLBACKS": "@b"}
    reply = post(server(**base, **environ).url, stream_body())
    assert reply.status_code == 200 and "ok" in reply.text
    assert reply.headers["request-id"] != "req_theirs"


@pytest.mark.fault("fallback")
def test_messages_stands_in_for_chat(server, upstream):
    by_path(upstream, Reply(message()), refused(503, "api_error", "no"))
    table = {
        "b": {"base_url": f"{upstream.url}/v1", "api_key": "k-b-0123456789", "dialect": "messages"}
    }
    live = server(CLAUDE_PROXY_UPSTREAMS=json.dumps(table), CLAUDE_PROXY_FALLBACKS="other@b")
    assert post(live.url).content == message()
    assert paths(upstream) == ["/v1/chat/completions", "/v1/messages"]
    assert upstream.last.headers["x-api-key"] == "k-b-0123456789"
    assert upstream.last.body == json_compact(RAW).replace(b"some-model", b"other")


# Counts and models.


def test_counts_are_the_upstreams(native, upstream):
    upstream.play(Reply(b'{"input_tokens": 4711}'))
    reply = post(native(), path="/v1/messages/count_tokens?beta=true")
    assert reply.content == b'{"input_tokens": 4711}'
    assert upstream.last.path == "/anthropic/v1/messages/count_tokens?beta=true"
    assert upstream.last.body == RAW


def test_where_counts_are_missing_ours_must_do(native, upstream):
    upstream.play(MISSING[0])
    url = native()
    for _ in range(3):
        assert post(url, path="/v1/messages/count_tokens").json()["input_tokens"] > 0
    assert len(upstream.posts) == 1


def test_who_wants_our_own_count_gets_it(native, upstream):
    url = native(**{"CLAUDE_PROXY_TOKEN_COUNTING": "estimate"})
    assert post(url, path="/v1/messages/count_tokens").json()["input_tokens"] > 0
    assert upstream.posts == []


def test_errors_of_counts_pass(native, upstream):
    upstream.play(refused(400, "invalid_request_error", "no"))
    assert post(native(), path="/v1/messages/count_tokens").status_code == 400


def test_a_row_says_who_cannot_count(server, upstream, monkeypatch):
    rows(monkeypatch, path="/anthropic", counts=False)
    settings = settings_for(upstream, OPENAI_BASE_URL=f"{upstream.url}/anthropic")
    assert post(server(settings).url, path="/v1/messages/count_tokens").status_code == 200
    assert upstream.posts == []


def test_models_are_asked_beside_messages(native, upstream):
    ids = [m["id"] for m in httpx.get(f"{native()}/v1/models").json()["data"]]
    assert "scripted-large" in ids
    assert upstream.requests[-1].path == "/anthropic/v1/models?limit=1000"
    assert upstream.requests[-1].headers["x-api-key"] == UPSTREAM_KEY


PROFILE = {
    "models": ["some-model"],
    "without": ["new_field", "zeta"],
    "without_betas": ["a-*"],
    "history_thinking": "dropped",
}


def test_a_profile_says_what_is_not_passed(native, upstream):
    upstream.play(Reply(message()))
    url = native(CLAUDE_PROXY_PROFILES=json.dumps({"mine": PROFILE}))
    thought = {"type": "thinking", "thinking": "hm", "signature": "theirs"}
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    raw = json.loads(RAW)
    raw["messages"].append({"role": "assistant", "content": [thought, call]})
    answer = post(url, json.dumps(raw).encode(), anthropic_beta="a-2025-01-01")
    sent = upstream.last.json
    assert not {"new_field", "zeta"} & sent.keys() and sent["e"] == 100
    assert sent["messages"][1]["content"] == [call]
    assert "anthropic-beta" not in upstream.last.headers
    notes = answer.headers["x-claude-proxy-notes"]
    for path in ("new_field", "zeta", "anthropic-beta.a-2025-01-01", "messages.1.content.0"):
        assert f"{path}=" in notes, path


def extra(field):
    return refused(400, "invalid_request_error", f"{field}: Extra inputs are not permitted")


def without(field):
    """An upstream that takes everything but this field."""
    name = f'"{field}"'.encode()
    return lambda request: extra(field) if name in request.body else Reply(message())


@pytest.mark.parametrize("before", ["", "ValidationException: "])
def test_the_name_of_an_error_may_stand_before(native, upstream, before):
    error = extra(f"{before}speed")
    upstream.answer(lambda request: error if b'"speed"' in request.body else Reply(message()))
    assert post(native(), stream_body(speed="fast")).status_code == 200


@pytest.mark.pitfall(20)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_field_is_left_out_and_then_known(native, upstream, stream):
    upstream.answer(without("context_management"))
    url = native()
    body = json.loads(stream_body(stream=stream, context_management={"edits": []}))
    for posts in (2, 3):
        reply = post(url, json.dumps(body).encode())
        assert reply.status_code == 200 and len(upstream.posts) == posts
        assert "context_management=" in reply.headers["x-claude-proxy-notes"]
    del body["context_management"]
    assert upstream.last.json == body


@pytest.mark.parametrize(
    "field", ["messages", "tools.0.custom.strict", "absent", "speed.type: unknown: 'speed"]
)
def test_what_cannot_be_left_out_is_one_attempt(native, upstream, field):
    error = extra(field)
    upstream.answer(lambda request: error)
    reply = post(native(), stream_body(tools=[], stream=False, speed={"type": "x"}))
    assert (reply.status_code, reply.content) == (400, error.body)
    assert len(upstream.posts) == 1


def test_what_did_not_help_is_not_remembered(native, upstream):
    error = extra("speed")
    upstream.answer(lambda request: error)
    url = native()
    for posts in (2, 4):
        assert post(url, stream_body(speed="fast")).content == error.body
        assert len(upstream.posts) == posts


def test_without_learning_there_is_one_attempt(native, upstream):
    upstream.answer(without("speed"))
    reply = post(native(CLAUDE_PROXY_LEARNING="false"), stream_body(speed="fast"))
    assert reply.status_code == 400 and len(upstream.posts) == 1
