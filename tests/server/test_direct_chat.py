"""OpenAI's clients in front of an upstream of their language: all passes as it is."""

import json
import time
from contextlib import ExitStack

import httpx
import pytest
from openai import OpenAI
from structlog.testing import capture_logs

from tests.conftest import UPSTREAM_KEY, running, settings_for
from tests.upstream import (
    DONE,
    Reply,
    chunk,
    completion,
    eventually,
    framed,
    refusal,
    text_stream,
    usage,
)

ODD = (
    b'{ "model": "gpt-4o", "messages": [{"role":"user","content":"hi \\u00e9"}],'
    b' "seed": 12345678901234567890, "n": 2, "unknown": {"x": 1.50} }'
)
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
CHAT = "/v1/chat/completions"


def post(url, body=HELLO, path=CHAT, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    return httpx.post(url + path, content=raw, headers=headers, timeout=20)


def stream(**more):
    return {**HELLO, "stream": True, **more}


def on_the_wire(play):
    return b"".join(framed(item) for item in play)


def test_a_request_without_a_change_goes_out_byte_for_byte(server, upstream):
    reply = post(server().url, ODD)
    assert reply.status_code == 200
    sent = upstream.last
    assert sent.body == ODD and sent.path == CHAT
    assert sent.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"


def test_only_what_must_change_changes(server, upstream):
    url = server(CLAUDE_PROXY_MODELS="mine:other/model", CLAUDE_PROXY_MAX_TOKENS_LIMIT="50").url
    raw = ODD.replace(b'"gpt-4o"', b'"mine", "max_tokens": 99')
    reply = post(url, raw)
    assert upstream.last.body == (
        b'{"model":"other/model","max_tokens":50,'
        b'"messages":[{"role":"user","content":"hi \\u00e9"}],'
        b'"seed":12345678901234567890,"n":2,"unknown":{"x": 1.50}}'
    )
    assert "max_tokens=99 lowered to 50" in reply.headers["x-claude-proxy-notes"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b'"max_tokens": 1e3', b'"max_tokens":1e3'),
        (b'"max_tokens": null', b'"max_tokens":null'),
        (b'"max_tokens": 2E3', b'"max_tokens":1500'),
        (b'"max_tokens": 2000.0', b'"max_tokens":1500'),
        (b'"max_tokens": 10.5', b'"max_tokens":10.5'),
        (b'"max_tokens": "many"', b'"max_tokens":"many"'),
        (b'"max_completion_tokens": 1e3', b'"max_tokens":1000'),
        (b'"max_tokens": 7, "max_completion_tokens": 2e3', b'"max_tokens":1500'),
    ],
)
def test_a_limit_is_a_number_however_it_is_written(server, upstream, given, sent):
    url = server(CLAUDE_PROXY_MODELS="mine:other/model", CLAUDE_PROXY_MAX_TOKENS_LIMIT="1500").url
    post(url, b'{"a": 1.50, ' + given + b', "model": "mine", "messages": []}')
    assert upstream.last.body == b'{"a":1.50,' + sent + b',"model":"other/model","messages":[]}'


def test_the_least_limit_of_the_user_holds_here_too(server, upstream):
    reply = post(server(CLAUDE_PROXY_MIN_TOKENS_LIMIT="20").url, {**HELLO, "max_tokens": 5})
    assert upstream.last.json["max_tokens"] == 20
    assert "max_tokens=5 raised to 20" in reply.headers["x-claude-proxy-notes"]


def test_claude_s_names_reach_the_tiers(server, upstream):
    post(server().url, {**HELLO, "model": "claude-haiku-5-5"})
    assert upstream.last.json["model"] == "gpt-4o-mini"


def test_a_whole_answer_comes_back_byte_for_byte(server, upstream):
    answer = json.dumps({**completion("ok"), "new_field": 1.50}, indent=3).encode()
    upstream.play(Reply(answer, headers={"x-request-id": "up-1", "x-ratelimit-limit-tokens": "9"}))
    reply = post(server().url)
    assert reply.content == answer
    assert reply.headers["x-request-id"] == reply.headers["request-id"] == "up-1"
    assert reply.headers["x-ratelimit-limit-tokens"] == "9"
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("cut", [None, 1, 5])
def test_a_stream_comes_back_byte_for_byte(server, upstream, cut):
    raw = b": hello\n\n" + on_the_wire(text_stream("Hel", "lo")).replace(b'": ', b'":   ')
    play = [raw[at : at + cut] for at in range(0, len(raw), cut)] if cut else [raw]
    upstream.play(Reply(stream=play))
    reply = post(server().url, stream())
    assert reply.content == raw and reply.headers["content-type"].startswith("text/event-stream")


def test_a_stream_that_came_in_one_piece_is_one_all_the_same(server, upstream):
    upstream.play(Reply({**completion("Hello"), "new": 1.50}))
    with OpenAI(base_url=f"{server().url}/v1", api_key="k", max_retries=0) as client:
        asked = {"model": "gpt-4o", "messages": HELLO["messages"], "stream": True}
        chunks = list(client.chat.completions.create(**asked))
        counted = client.chat.completions.create(**asked, stream_options={"include_usage": True})
        last = list(counted)[-1]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hello"]
    assert chunks[0].choices[0].finish_reason == "stop" and chunks[0].usage is None
    assert last.usage.total_tokens == 28


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_stream_by_another_name_is_one(server, upstream, kind):
    upstream.play(Reply(stream=text_stream("Hel", "lo"), headers={"content-type": kind}))
    url = server().url
    assert post(url, stream()).content == on_the_wire(text_stream("Hel", "lo"))
    assert post(url).json()["choices"][0]["message"]["content"] == "Hello"


@pytest.mark.parametrize("end", ["complete", "cut"])
def test_a_stream_that_nobody_asked_for_is_a_whole_answer(server, upstream, end):
    upstream.play(Reply(stream=text_stream("Hel", "lo"), end=end))
    reply = post(server().url)
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert body["object"] == "chat.completion" and body["usage"]["total_tokens"] == 28
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    upstream.play(Reply(stream=text_stream("Hel", "lo")[:2], end=end))
    assert post(server().url).status_code == 502
    upstream.play(Reply(stream=[chunk({"content": "x"}), {"detail": "no"}], end=end))
    failed = post(server().url)
    assert failed.status_code == 502 and failed.json()["error"]["message"] == "no"


def test_even_after_comments(server, upstream):
    upstream.play(Reply(completion("Hello"), delay=0.6))
    live = server(CLAUDE_PROXY_PING_SECONDS="0.1", CLAUDE_PROXY_HOLD_SECONDS="0.1")
    reply = post(live.url, stream())
    assert reply.content.startswith(b": keep-alive") and reply.content.endswith(framed(DONE))
    assert b'"Hello"' in reply.content and b'"error"' not in reply.content


def test_whatever_comes_behind_done_is_no_part_of_the_answer(server, upstream):
    play = text_stream("x")
    upstream.play(Reply(stream=[*play, b"data: late\n\n"], end="hang"))
    assert post(server().url, stream()).content == on_the_wire(play)


def test_an_end_without_done_is_one_after_the_finish_reason(server, upstream):
    play = [chunk({"content": "x"}), chunk({}, "stop")]
    upstream.play(Reply(stream=play))
    assert post(server().url, stream()).content == on_the_wire(play)
    upstream.play(Reply(stream=[*play, b'data: {"usa'], end="cut"))
    assert post(server().url, stream()).content == on_the_wire(play)


def test_the_last_event_may_lack_its_blank_line(server, upstream):
    raw = on_the_wire([chunk({"content": "x"}), chunk({}, "stop")])[:-2]
    upstream.play(Reply(stream=[raw]))
    assert post(server().url, stream()).content == raw


def test_silence_after_the_finish_reason_ends_the_answer(server, upstream):
    play = [chunk({"content": "x"}), chunk({}, "stop")]
    upstream.play(Reply(stream=play, end="hang"))
    started = time.monotonic()
    reply = post(server(CLAUDE_PROXY_PING_SECONDS="0.2").url, stream())
    assert reply.content == on_the_wire(play) and time.monotonic() - started < 5


@pytest.mark.parametrize("end", ["complete", "cut"])
def test_a_cut_stream_is_closed_by_one_error(server, upstream, end):
    whole = chunk({"content": "x"})
    upstream.play(Reply(stream=[whole, b'data: {"cho'], end=end))
    reply = post(server().url, stream())
    rest = reply.content.removeprefix(framed(whole))
    error = json.loads(rest.removeprefix(b"data: "))["error"]
    assert error["type"] == "server_error" and b"[DONE]" not in rest


def test_of_several_answers_all_must_have_ended(server, upstream):
    first = {**chunk({}, "stop")}
    upstream.play(Reply(stream=[chunk({"content": "x"}), first]))
    reply = post(server().url, stream(n=2))
    assert b'"error"' in reply.content
    second = {**first, "choices": [{**first["choices"][0], "index": 1}]}
    upstream.play(Reply(stream=[first, second]))
    assert post(server().url, stream(n=2)).content == on_the_wire([first, second])


def test_silence_is_filled_between_whole_events_only(server, upstream):
    play = text_stream("Hel", "lo")
    upstream.play(Reply(stream=[*play[:2], b"data: ", 0.5, *(framed(p)[6:] for p in play[2:3])]))
    upstream.play(
        Reply(stream=[*play[:2], b"data: ", 0.5, framed(play[2])[6:], *play[3:]]),
    )
    reply = post(server(CLAUDE_PROXY_PING_SECONDS="0.1").url, stream())
    assert reply.content.count(b": keep-alive\n\n") >= 2
    assert reply.content.replace(b": keep-alive\n\n", b"") == on_the_wire(play)


def test_an_error_of_the_upstream_is_passed_on_with_its_status(server, upstream):
    upstream.play(refusal(429, "no money", code="insufficient_quota", retry_after="7"))
    reply = post(server().url)
    assert reply.status_code == 429 and reply.headers["retry-after"] == "7"
    assert reply.json() == refusal(429, "no money", code="insufficient_quota").body


def test_an_error_in_another_shape_gets_the_one_that_clients_read(server, upstream):
    url = server().url
    upstream.play(Reply(b"engine on fire", status=500, headers={"content-type": "text/plain"}))
    for stream in (False, True):
        reply = post(url, {**HELLO, "stream": stream})
        assert reply.status_code == 500 and reply.headers["content-type"] == "application/json"
        assert reply.json()["error"]["message"] == "engine on fire"
    upstream.play(Reply({"detail": f"bad key {UPSTREAM_KEY}"}, status=403))
    reply = post(url)
    assert reply.status_code == 403 and reply.json()["error"]["message"].startswith("bad key")
    assert UPSTREAM_KEY not in reply.text and reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("error", [{"error": {"message": "slow", "code": 429}}, {"detail": "no"}])
def test_an_error_before_any_content_has_its_status(server, upstream, error):
    limits = {"x-request-id": "up-1", "x-ratelimit-remaining-requests": "0", "retry-after": "2"}
    upstream.play(Reply(stream=[b": hello\n\n", error], headers=limits))
    reply = post(server().url, stream())
    assert reply.status_code == (429 if "error" in error else 502)
    assert reply.json()["error"]["message"] in ("slow", "no")
    assert reply.headers["x-ratelimit-remaining-requests"] == "0"
    assert reply.headers["retry-after"] == "2"
    assert reply.headers["x-request-id"] == reply.headers["request-id"] == "up-1"
    upstream.play(Reply(error, headers=limits))
    reply = post(server().url)
    assert reply.status_code == (429 if "error" in error else 502)
    assert reply.headers["x-request-id"] == "up-1" and reply.headers["retry-after"] == "2"


def test_and_so_another_upstream_can_be_asked(server, upstream):
    play = text_stream("x")
    upstream.play(Reply(stream=[{"error": {"message": "down", "code": 503}}]), Reply(stream=play))
    reply = post(server(CLAUDE_PROXY_FALLBACKS="backup-model").url, stream())
    assert reply.content == on_the_wire(play) and len(upstream.posts) == 2


@pytest.mark.parametrize("end", [b"\n\n", b""])
def test_an_error_in_mid_stream_can_be_read_by_clients(server, upstream, end):
    first = chunk({"content": "x"})
    failure = json.dumps({"detail": f"bad key {UPSTREAM_KEY}"}).encode()
    upstream.play(Reply(stream=[first, b"data: " + failure + end]))
    with capture_logs() as lines:
        reply = post(server().url, stream())
        assert eventually(lambda: any(each["event"] == "request_finished" for each in lines))
    rest = reply.content.removeprefix(framed(first))
    told = json.loads(rest.removeprefix(b"data: "))["error"]
    assert told["message"].startswith("bad key") and UPSTREAM_KEY not in reply.text
    assert next(each for each in lines if each["event"] == "request_finished")["error"]


def test_keys_are_masked_in_errors_of_both_kinds(server, upstream):
    said = f"bad key {UPSTREAM_KEY}"
    upstream.play(refusal(401, said))
    assert UPSTREAM_KEY not in post(server().url).text
    upstream.play(Reply(stream=[chunk({"content": "x"}), {"error": {"message": said}}]))
    reply = post(server().url, stream())
    assert UPSTREAM_KEY not in reply.text and reply.text.count('"error"') == 1


def test_an_error_in_place_of_an_answer_has_a_status(server, upstream):
    upstream.play(Reply({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}))
    reply = post(server().url)
    assert reply.status_code == 429 and reply.json()["error"]["message"] == "slow down"
    upstream.play(Reply(b"[1]"))
    assert post(server().url).status_code == 502


def test_a_refused_field_is_learned(server, upstream):
    def decide(request):
        if "max_tokens" in request.json:
            text = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return refusal(400, text, code="unsupported_parameter")
        return Reply(completion("ok"))

    upstream.answer(decide)
    url = server().url
    reply = post(url, {**HELLO, "max_tokens": 9})
    assert reply.status_code == 200 and "corrected=" in reply.headers["x-claude-proxy-notes"]
    assert upstream.last.json["max_completion_tokens"] == 9 and len(upstream.posts) == 2
    post(url, {**HELLO, "max_tokens": 9})
    assert len(upstream.posts) == 3


def test_a_fallback_is_asked_when_the_upstream_fails(server, upstream):
    upstream.play(refusal(503, "down"), Reply(completion("ok")))
    reply = post(server(CLAUDE_PROXY_FALLBACKS="backup-model").url)
    assert reply.status_code == 200 and upstream.last.json["model"] == "backup-model"
    assert "fallback for gpt-4o" in reply.headers["x-claude-proxy-route"]


def test_the_access_line_tells_usage_whole_and_streamed(server, upstream):
    url = server().url
    for body in (HELLO, stream(stream_options={"include_usage": True})):
        streamed = Reply(stream=[*text_stream("x")[:-2], {"choices": [], "usage": usage(21, 7, 4)}])
        upstream.play(streamed if "stream" in body else Reply({**completion("x"), "usage": USED}))
        with capture_logs() as lines:
            post(url, body)
            assert eventually(lambda: lines)
        line = next(each for each in lines if each["event"] == "request_finished")
        counts = (line["input_tokens"], line["cached_tokens"], line["output_tokens"])
        assert counts == (17, 4, 7) and line["upstream_model"] == "gpt-4o"


USED = usage(21, 7, 4)


def test_a_client_that_leaves_closes_the_upstream(server, upstream):
    upstream.play(Reply(stream=[chunk({"content": "x"}), 30]))
    live = server()
    with httpx.stream("POST", live.url + CHAT, json=stream(), timeout=20) as reply:
        next(reply.iter_raw())
    assert upstream.last.wait_left(4)
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


def test_what_a_client_says_of_its_account_goes_with_its_own_key_only(server, upstream):
    own = {"authorization": "Bearer sk-own", "openai-organization": "org-1"}
    reply = post(server().url, **own)
    assert "openai-organization" not in upstream.last.headers
    assert "openai-organization=" in reply.headers["x-claude-proxy-notes"]
    passing = server(CLAUDE_PROXY_MODE="passthrough", OPENAI_API_KEY="")
    post(passing.url, **own)
    assert upstream.last.headers["openai-organization"] == "org-1"
    assert upstream.last.headers["authorization"] == "Bearer sk-own"


def test_a_query_is_not_passed_on_and_that_is_told(server, upstream):
    reply = post(server().url, path=f"{CHAT}?api-version=1")
    assert upstream.last.path == CHAT and "query=" in reply.headers["x-claude-proxy-notes"]


def test_pdfs_are_refused_where_none_are_taken(server, upstream):
    url = server(CLAUDE_PROXY_PDF="reject").url
    assert post(url).status_code == 200
    file = {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}
    content = [{"type": "file", "file": file}]
    reply = post(url, {**HELLO, "messages": [{"role": "user", "content": content}]})
    assert reply.status_code == 400 and len(upstream.posts) == 1


@pytest.mark.parametrize("path", ["/chat/completions", "/completions"])
def test_azure_s_deployments_are_named_in_the_path(server, upstream, path):
    azure = {"OPENAI_BASE_URL": upstream.url, "AZURE_API_VERSION": "2024-10-21"}
    post(server(**azure).url, {**HELLO, "prompt": "a"}, path=f"/v1{path}")
    assert upstream.last.path == f"/openai/deployments/gpt-4o{path}?api-version=2024-10-21"


def test_the_drain_ends_an_answer_by_its_own_means(upstream):
    play = [chunk({"content": "x"}), 30]
    upstream.play(Reply(stream=play))
    settings = settings_for(upstream, CLAUDE_PROXY_DRAIN_SECONDS="0.2")
    with ExitStack() as server:
        live = server.enter_context(running(settings))
        with httpx.stream("POST", live.url + CHAT, json=stream(), timeout=20) as reply:
            read = reply.iter_raw()
            first = next(read)
            server.close()
            rest = b"".join(read)
    assert first == framed(play[0])
    error = json.loads(rest.removeprefix(b"data: "))["error"]
    assert error["code"] == "overloaded" and b"[DONE]" not in rest


def test_a_language_that_the_user_has_chosen_is_kept(server, upstream):
    post(server(CLAUDE_PROXY_UPSTREAM_DIALECT="responses").url)
    assert upstream.last.path == "/v1/responses"


class TestCompletions:
    BODY = {"model": "gpt-4o", "prompt": ["a", "b"], "logprobs": 3}
    PATH = "/v1/completions"
    TEXT = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}

    def test_they_pass_to_the_upstream_s_own(self, server, upstream):
        upstream.play(Reply(self.TEXT))
        raw = json.dumps(self.BODY).encode()
        reply = post(server().url, raw, path=self.PATH)
        assert reply.json() == self.TEXT
        assert upstream.last.path == self.PATH and upstream.last.body == raw

    def test_a_stream_must_end_each_prompt_s_answer(self, server, upstream):
        first = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}
        upstream.play(Reply(stream=[first]))
        reply = post(server().url, {**self.BODY, "stream": True}, path=self.PATH)
        assert b'"error"' in reply.content
        upstream.play(Reply(stream=[first, DONE]))
        reply = post(server().url, {**self.BODY, "stream": True}, path=self.PATH)
        assert reply.content == on_the_wire([first, DONE])

    @pytest.mark.parametrize(
        "missing",
        [Reply(b"not here", status=404), refusal(404, "This is a chat model", code=None)],
    )
    def test_where_there_are_none_chat_answers(self, server, upstream, missing):
        def decide(request):
            return missing if request.path == self.PATH else Reply(completion(" upon a time"))

        upstream.answer(decide)
        url = server().url
        body = {"model": "gpt-4o", "prompt": "Once"}
        for _ in range(2):
            reply = post(url, body, path=self.PATH)
            assert reply.json()["choices"][0]["text"] == " upon a time"
            assert reply.json()["object"] == "text_completion"
        paths = [each.path for each in upstream.posts]
        assert paths == [self.PATH, CHAT, CHAT]

    def test_an_unknown_model_is_one(self, server, upstream):
        upstream.play(refusal(404, "no such model", code="model_not_found"))
        reply = post(server().url, {"model": "x", "prompt": "a"}, path=self.PATH)
        assert reply.status_code == 404 and len(upstream.posts) == 1
        assert reply.json()["error"]["code"] == "model_not_found"
