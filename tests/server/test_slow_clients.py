"""Clients that take their time with what they were sent: they get all of it."""

import asyncio
import json

import httpx
import pytest

from claude_proxy import create_app, load_settings
from tests.messages_upstream import said
from tests.upstream import framed, text_stream

ASKED = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
}
PATIENCE = 0.15
"""Seconds that a client takes for a write: several pings' time."""


class SlowClient:
    """An ASGI server's side, and a client behind it that reads slowly. Mutable; used once.

    `buffers`: whether the server takes a write at once and then waits, or waits before.
    """

    def __init__(self, buffers):
        self._buffers = buffers
        self.asked = False
        self.ends = 0
        self.pieces = []

    async def receive(self):
        if self.asked:
            await asyncio.Event().wait()
        self.asked = True
        return {"type": "http.request", "body": json.dumps(ASKED).encode(), "more_body": False}

    async def send(self, message):
        if message["type"] == "http.response.body":
            if not self._buffers:
                await asyncio.sleep(PATIENCE)
            self.pieces.append(message["body"])
            self.ends += not message.get("more_body", False)
            if self._buffers:
                await asyncio.sleep(PATIENCE)


async def ask(path, plays, buffers):
    """What a slow client reads of a stream that comes in these pieces, one after another."""

    def handler(request):
        return httpx.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Pieces(plays)
        )

    environ = {
        "OPENAI_API_KEY": "sk-test-0123456789",
        "OPENAI_BASE_URL": f"http://upstream.test{path}",
        "CLAUDE_PROXY_PING_SECONDS": "0.05",
    }
    settings = load_settings(environ=environ, trusted_folder=False)
    app = create_app(settings, transport=httpx.MockTransport(handler))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/messages",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "http_version": "1.1",
        "scheme": "http",
    }
    client = SlowClient(buffers)
    await app(scope, client.receive, client.send)
    return client


class Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces):
        self._pieces = pieces

    async def __aiter__(self):
        for piece in self._pieces:
            yield piece


PIECES = pytest.mark.parametrize(
    "join", [lambda *events: [b"".join(events)], lambda *events: list(events)], ids=["one", "many"]
)
BUFFERS = pytest.mark.parametrize("buffers", [True, False])


@BUFFERS
@PIECES
def test_the_end_of_a_passed_answer_is_not_lost(join, buffers):
    events = said("Hel", "lo")
    client = asyncio.run(ask("/anthropic", join(*events), buffers))
    assert client.ends == 1
    assert b"".join(client.pieces).replace(b": keep-alive\n\n", b"") == b"".join(events)


@BUFFERS
@PIECES
def test_the_end_of_a_translated_answer_is_not_lost(join, buffers):
    events = [framed(item) for item in text_stream("Hel", "lo")]
    client = asyncio.run(ask("/v1", join(*events), buffers))
    content = b"".join(client.pieces).decode()
    assert client.ends == 1
    data = [json.loads(line[6:]) for line in content.splitlines() if line.startswith("data: ")]
    kinds = [event["type"] for event in data if event["type"] != "ping"]
    texts = [event["delta"]["text"] for event in data if event["type"] == "content_block_delta"]
    assert "".join(texts) == "Hello"
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("message_start") == kinds.count("message_stop") == 1
