"""The access line: one for each request, with no key and no second line in it."""

import logging

import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy import create_app, load_settings
from tests.upstream import Reply, completion, eventually, refusal, text_stream

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
KEY = "client-secret-1"


def ask(app, path="/v1/messages", **headers):
    import asyncio

    async def talk():
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, json=HELLO, headers=headers)

    return asyncio.run(talk())


def app(answer, **environ):
    settings = load_settings(environ=environ, trusted_folder=False)
    return create_app(settings, transport=httpx.MockTransport(answer))


@pytest.fixture
def lines():
    with capture_logs() as captured:
        yield captured


def test_a_good_answer_is_one_line(lines):
    ask(app(lambda request: httpx.Response(200, json=completion("x"))), **{"x-api-key": KEY})
    assert [(line["event"], line["status"], line["log_level"]) for line in lines] == [
        ("request_finished", 200, "info")
    ]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_stream_s_line_says_when_its_first_words_went_out(server, upstream, path, lines):
    upstream.play(Reply(stream=text_stream("x")))
    live = server()
    for stream in (True, False):
        httpx.post(live.url + path, json={**HELLO, "stream": stream})
        upstream.play(Reply(completion("x")))
    assert eventually(lambda: sum(line["event"] == "request_finished" for line in lines) == 2)
    streamed, whole = (line for line in lines if line["event"] == "request_finished")
    assert 0 < streamed["first_ms"] <= streamed["ms"] and "first_ms" not in whole


def test_a_clients_key_that_the_upstream_repeats_is_masked(lines):
    body = refusal(401, f"Incorrect API key: {KEY}").body
    reply = ask(app(lambda request: httpx.Response(401, json=body)), **{"x-api-key": KEY})
    assert reply.status_code == 401 and lines[-1]["error"] == "authentication_error"
    said = next(line for line in lines if line["event"] == "upstream_error")
    assert "Incorrect API key" in said["text"]
    assert KEY not in reply.text and KEY not in str(lines)


def test_what_the_upstream_said_may_quote_the_prompt_and_is_for_debug(lines):
    body = refusal(400, "I will not say: my secret prompt").body
    ask(app(lambda request: httpx.Response(400, json=body)), **{"x-api-key": KEY})
    told = [line for line in lines if "secret prompt" in str(line)]
    assert [line["log_level"] for line in told] == ["debug"]


def test_what_we_say_ourselves_is_in_the_line(lines):
    def refuse(request):
        raise httpx.ConnectError("no")

    ask(app(refuse), **{"x-api-key": KEY})
    assert "Could not connect" in lines[-1]["reason"]


def test_a_crash_is_logged_as_text_without_keys(lines):
    def crash(request):
        raise LookupError(request.headers["authorization"])

    assert ask(app(crash), **{"x-api-key": KEY}).status_code == 500
    assert lines[0]["event"] == "request_crashed"
    assert "LookupError" in lines[0]["exception"] and KEY not in str(lines)
    assert lines[-1]["log_level"] == "warning"


def test_a_path_cannot_forge_a_line(lines):
    ask(app(lambda request: None), "/a%0Ab%1B[31m%E2%80%A8" + "c" * 900, **{"x-api-key": KEY})
    assert lines[-1]["path"].startswith(r"/a\nb\x1b[31m\u2028ccc") and len(lines[-1]["path"]) < 400


def test_the_line_can_be_turned_off(lines):
    ask(app(lambda request: httpx.Response(200, json=completion("x")), CLAUDE_PROXY_ACCESS_LOG="0"))
    assert not lines
    assert logging.getLogger("claude_proxy").level == logging.NOTSET
