"""The session that Claude Code names in a header reaches the upstream as a key of the cache."""

import asyncio

import httpx
import pytest

from claude_proxy import create_app, load_settings
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.sessions import session_key
from tests.upstream import completion

BODY = {"model": "opus", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}


def sent(base_url, **headers):
    """What the upstream is sent for one request with these headers."""
    bodies = []

    def answer(request):
        bodies.append(loads(request.content))
        return httpx.Response(200, json=completion("ok"))

    async def talk():
        settings = load_settings(
            environ={"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "k"}, trusted_folder=False
        )
        app = create_app(settings, transport=httpx.MockTransport(answer))
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/messages", json=BODY, headers=headers)

    assert asyncio.run(talk()).status_code == 200
    return bodies[0]


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "prompt_cache_key"),
        ("https://openrouter.ai/api/v1", "session_id"),
    ],
)
def test_the_header_names_the_session(base_url, field):
    body = sent(base_url, **{"x-claude-code-session-id": "one"})
    assert body[field] == session_key({}, "one")
    assert field not in sent(base_url)


def test_other_upstreams_get_no_key():
    body = sent("https://other.example/v1", **{"x-claude-code-session-id": "one"})
    assert not {"prompt_cache_key", "session_id"} & body.keys()
