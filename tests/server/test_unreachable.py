"""Upstreams that cannot be reached, or answer with something else than they should."""

import asyncio

import httpx
import pytest

from claude_proxy import create_app, load_settings
from tests.upstream import Reply, chunk

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
TRANSPORTS = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
EITHER = pytest.mark.parametrize("stream", [False, True])


def ask(url, *, stream=False, **more):
    return httpx.post(f"{url}/v1/messages", json={**HELLO, "stream": stream, **more}, timeout=20)


def told(reply):
    error = reply.json()["error"]
    return reply.status_code, error["type"], error["message"]


@pytest.mark.fault("refused")
@EITHER
@TRANSPORTS
def test_an_upstream_without_tls_is_told(server, upstream, stream, transport):
    base_url = upstream.url.replace("http://", "https://")
    url = server(OPENAI_BASE_URL=f"{base_url}/v1", CLAUDE_PROXY_TRANSPORT=transport).url
    status, type, message = told(ask(url, stream=stream))
    assert (status, type) == (502, "api_error")
    assert message.startswith(f"TLS with {base_url} failed")


@pytest.mark.fault("refused")
@TRANSPORTS
def test_a_host_that_has_no_address_is_told(server, transport, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    url = server(CLAUDE_PROXY_TRANSPORT=transport, OPENAI_BASE_URL="http://nothing.invalid/v1").url
    status, type, message = told(ask(url))
    assert (status, type) == (502, "api_error")
    assert "http://nothing.invalid" in message


@pytest.mark.fault("refused")
@EITHER
def test_connecting_that_takes_too_long_is_504(stream):
    def never(request):
        raise httpx.ConnectTimeout("too long", request=request)

    settings = load_settings(environ={"OPENAI_API_KEY": "sk-test-0123456789"}, trusted_folder=False)
    app = create_app(settings, transport=httpx.MockTransport(never))

    async def talk():
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/messages", json={**HELLO, "stream": stream})

    status, type, message = told(asyncio.run(talk()))
    assert (status, type) == (504, "timeout_error")
    assert message == "Connecting to https://api.openai.com took too long."


def test_a_whole_answer_that_is_not_json_is_502(server, upstream):
    upstream.play(Reply(b'{"choices": [{"mess'))
    assert told(ask(server().url))[:2] == (502, "api_error")


def test_a_whole_answer_made_of_a_stream_has_that_streams_error(server, upstream):
    broken = {"error": {"message": "slow down", "code": 429}}
    upstream.play(Reply(stream=[chunk({"content": "Hel"}), broken]))
    assert told(ask(server().url)) == (429, "rate_limit_error", "slow down")


def test_the_limit_of_the_settings_clamps_what_is_asked_for(server, upstream):
    url = server(CLAUDE_PROXY_MAX_TOKENS_LIMIT="50").url
    reply = ask(url, max_tokens=128_000)
    assert upstream.last.json["max_tokens"] == 50
    assert "max_tokens=clamped to 50" in reply.headers["x-claude-proxy-notes"]
    ask(url, max_tokens=49)
    assert upstream.last.json["max_tokens"] == 49
