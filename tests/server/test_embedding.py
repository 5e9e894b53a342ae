"""The app inside of another app, with a transport from outside, and under gunicorn's import."""

import asyncio
import json
import os
import subprocess
import sys

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from claude_proxy import create_app, load_settings
from tests.upstream import completion

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}


def settings(**more):
    return load_settings(
        environ={"OPENAI_API_KEY": "sk-test-0123456789", **more}, trusted_folder=False
    )


def answering(seen):
    def handler(request):
        seen.append(request)
        return httpx.Response(200, json=completion("Hello"), headers={"set-cookie": "a=b"})

    return httpx.MockTransport(handler)


async def post(app, path, times=1):
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return [await client.post(path, json=HELLO) for _ in range(times)][-1]


def test_an_injected_transport_is_used_and_keeps_no_cookie():
    seen = []
    app = create_app(settings(), transport=answering(seen))
    reply = asyncio.run(post(app, "/v1/messages", times=2))
    assert reply.json()["content"][0]["text"] == "Hello"
    assert json.loads(seen[0].content)["model"] == "gpt-4o-mini"
    assert len(seen) == 2 and "cookie" not in seen[1].headers


def test_models_that_only_stream_are_asked_for_a_stream():
    asked = []

    def handler(request):
        asked.append((request.headers["accept"], json.loads(request.content)))
        chunk = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}
        body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        return httpx.Response(200, text=body, headers={"content-type": "text/event-stream"})

    base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1"
    environ = {"OPENAI_BASE_URL": base_url, "CLAUDE_PROXY_SMALL_MODEL": "qwen-plus"}
    app = create_app(settings(**environ), transport=httpx.MockTransport(handler))
    reply = asyncio.run(post(app, "/v1/messages"))
    assert reply.json()["content"] == [{"type": "text", "text": "Hello"}]
    [(accept, body)] = asked
    assert accept == "text/event-stream" and body["stream"] is True


def test_a_mounted_app_serves_without_its_lifespan():
    inner = create_app(settings(), transport=answering([]))
    outer = Starlette(routes=[Mount("/llm", app=inner)])

    async def talk():
        reply = await post(outer, "/llm/v1/messages")
        missing = await post(outer, "/llm/nowhere")
        await inner.state.aclose()
        return reply, missing

    reply, missing = asyncio.run(talk())
    assert reply.status_code == 200 and reply.json()["type"] == "message"
    assert missing.status_code == 404 and missing.json()["type"] == "error"


def test_a_route_of_the_embedders_own_wins_where_it_stands_in_front():
    async def own(request):
        return PlainTextResponse("mine")

    app = create_app(settings(), transport=answering([]))
    assert asyncio.run(post(app, "/v1/messages")).json()["type"] == "message"
    app.router.routes.insert(0, Route("/v1/messages", own, methods=["POST"]))
    assert asyncio.run(post(app, "/v1/messages")).text == "mine"
    app.router.routes.append(Route("/mine", own, methods=["POST"]))
    assert asyncio.run(post(app, "/mine")).text == "mine"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/models/a"])
def test_middleware_sees_the_route_as_starlette_tells_it(path):
    seen = []

    class Seeing:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            try:
                await self.app(scope, receive, send)
            finally:
                seen.append((scope["route"].path, scope["endpoint"], scope["path_params"]))

    app = create_app(settings(), transport=answering([]))
    app.add_middleware(Seeing)
    outer = Starlette(routes=[Mount("/{tenant}", app=app)])
    method = "POST" if path.endswith("messages") else "GET"

    async def talk():
        transport = httpx.ASGITransport(app=outer, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.request(method, f"/acme{path}", json=HELLO)

    asyncio.run(talk())
    [(template, endpoint, params)] = seen
    assert template.replace("{id:path}", "a") == path and callable(endpoint)
    assert params["tenant"] == "acme" and params.get("id", "a") == "a"


def test_without_a_peer_address_a_request_is_not_local():
    app = create_app(settings(), transport=answering([]))

    async def talk():
        transport = httpx.ASGITransport(app=app, client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/messages", json=HELLO)

    assert asyncio.run(talk()).status_code == 403


def test_a_bug_of_ours_is_a_shaped_500(monkeypatch):
    app = create_app(settings(), transport=httpx.MockTransport(lambda request: 1 / 0))
    reply = asyncio.run(post(app, "/v1/messages"))
    assert reply.status_code == 500
    assert reply.json()["error"]["type"] == "api_error"
    assert "ZeroDivision" not in reply.text


def test_the_modules_app_is_built_on_first_access():
    # In a process of its own, because it sets up the logs of the whole process.
    code = """
import sys
import claude_proxy.main as module
assert "claude_proxy.server.app" not in sys.modules
assert type(module.app).__mro__[1].__name__ == "Starlette" and module.app is module.app
try:
    module.nothing
except AttributeError:
    print("built")
"""
    environ = {**os.environ, "OPENAI_API_KEY": "sk-test-0123456789"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "built\n", done.stderr
