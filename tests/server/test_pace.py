"""When a stream's silence is broken, and what happens to clients that do not read."""

import asyncio
import json
import socket
import time

import httpx

from claude_proxy.codecs import openai_chat
from claude_proxy.codecs.sse import encode_all
from claude_proxy.profiles import profile_for
from claude_proxy.server.responses import EventStream
from claude_proxy.server.surface import MESSAGES
from tests.upstream import Reply, chunk, ending, eventually

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
}


def kinds(url):
    text = httpx.post(f"{url}/v1/messages", json=HELLO, timeout=20).text
    return [line[7:] for line in text.splitlines() if line.startswith("event: ")]


def test_pings_follow_their_own_clock_once_the_stream_has_begun(server, upstream):
    upstream.play(Reply(stream=[chunk({"content": "a"}), 0.9, *ending("stop")]))
    url = server(CLAUDE_PROXY_HOLD_SECONDS="5", CLAUDE_PROXY_PING_SECONDS="0.2").url
    assert 2 <= kinds(url).count("ping") <= 4


def test_a_short_hold_makes_no_early_ping(server, upstream):
    upstream.play(Reply(stream=[chunk({"content": "a"}), 0.6, *ending("stop")]))
    url = server(CLAUDE_PROXY_HOLD_SECONDS="0.2", CLAUDE_PROXY_PING_SECONDS="5").url
    assert "ping" not in kinds(url)


def test_events_that_are_held_do_not_prolong_the_hold(server, upstream):
    role = chunk({"role": "assistant", "content": ""})
    upstream.play(Reply(stream=[0.4, role, 0.4, role, *[0.4, role] * 20, 30]))
    url = server(CLAUDE_PROXY_HOLD_SECONDS="0.6").url
    started = time.monotonic()
    with httpx.stream("POST", f"{url}/v1/messages", json=HELLO, timeout=20):
        assert time.monotonic() - started < 5


def test_a_client_that_does_not_read_is_given_up(server, upstream):
    flood = [chunk({"content": "x" * 100_000})] * 300
    upstream.play(Reply(stream=[*flood, *ending("stop")]))
    live = server(CLAUDE_PROXY_REQUEST_TIMEOUT="0.8", CLAUDE_PROXY_PING_SECONDS="0.2")
    body = json.dumps(HELLO).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        client.sendall(head.encode() + body)
        assert upstream.wait_posts(1)
        assert upstream.last.wait_left(3)
        assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


def test_an_event_that_comes_with_the_beat_goes_first():
    async def play():
        sent = []

        async def send(message):
            sent.append(message.get("body", b""))

        profile = profile_for("http://localhost/v1", "m")
        decoder = openai_chat.StreamDecoder(profile=profile, id="msg_1", model="m")
        stream = EventStream(send, send, decoder, {}, MESSAGES, encode_all)
        raw = b"data: " + json.dumps(chunk({"content": "a"})).encode() + b"\n\n"
        stream.beat()
        await stream.write(decoder.feed(raw))
        await stream.aclose()
        return b"".join(sent)

    sent = asyncio.run(play())
    assert sent.startswith(b"event: message_start") and sent.count(b"message_start") == 2
    assert b"ping" not in sent
