"""The direct pass in time: silence, cuts, clients that leave or do not read, the server's end."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.messages_upstream import event, message, refused, said
from tests.process import started
from tests.upstream import Reply, completion, eventually, text_stream

BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
TRANSPORTS = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
KEEP_ALIVE = b": keep-alive\n\n"
SAID = said("Hel", "lo")


@pytest.fixture
def native(server, upstream):
    def start(**environ):
        return server(OPENAI_BASE_URL=f"{upstream.url}/anthropic", **environ)

    return start


def ask(live, *, stream=True):
    body = {**BODY, "stream": stream}
    return httpx.post(f"{live.url}/v1/messages", json=body, timeout=20, trust_env=False)


def last_event(content):
    name, data = content.decode().rstrip("\n").split("\n\n")[-1].split("\n")
    found = json.loads(data.removeprefix("data: "))
    assert name == "event: error" and found["type"] == "error"
    return found


@pytest.mark.fault("reset", "no-finish")
@TRANSPORTS
@pytest.mark.parametrize("end", ["cut", "complete"])
@pytest.mark.parametrize("half", [b"", SAID[4][:50], b"event: content_block_delta\nda"])
def test_a_cut_is_one_error_event_after_whole_ones(native, upstream, transport, end, half):
    upstream.play(Reply(stream=[*SAID[:4], half], end=end, headers={"request-id": "req_theirs"}))
    reply = ask(native(CLAUDE_PROXY_TRANSPORT=transport))
    whole = b"".join(SAID[:4])
    assert reply.content.startswith(whole + b"event: error\n")
    error = last_event(reply.content)
    assert error["error"]["type"] == "api_error"
    assert error["request_id"] == reply.headers["request-id"] == "req_theirs"


@pytest.mark.fault("no-finish")
@pytest.mark.parametrize("stream", [b"", SAID[0][:20]])
def test_a_stream_of_nothing_has_a_real_status(native, upstream, stream):
    upstream.play(Reply(stream=[stream]))
    reply = ask(native())
    assert reply.status_code == 502 and reply.json()["error"]["type"] == "api_error"


@TRANSPORTS
def test_a_whole_answer_that_is_cut_has_a_real_status(native, upstream, transport):
    upstream.play(Reply(message(), end="cut"))
    reply = ask(native(CLAUDE_PROXY_TRANSPORT=transport), stream=False)
    assert reply.status_code == 502 and reply.json()["type"] == "error"


@TRANSPORTS
def test_how_a_connection_ends_after_the_answer_does_not_matter(native, upstream, transport):
    upstream.play(Reply(stream=SAID, end="cut"))
    assert ask(native(CLAUDE_PROXY_TRANSPORT=transport)).content == b"".join(SAID)


def test_silence_after_the_end_is_the_end(native, upstream):
    upstream.play(Reply(stream=SAID, end="hang"))
    live = native(CLAUDE_PROXY_PING_SECONDS="0.2")
    assert ask(live).content == b"".join(SAID)
    upstream.play(Reply(stream=SAID, end="hang"))
    live = native(CLAUDE_PROXY_PING_SECONDS="5", CLAUDE_PROXY_REQUEST_TIMEOUT="0.3")
    assert ask(live).content == b"".join(SAID)


@pytest.mark.pitfall(7)
@TRANSPORTS
def test_silence_is_filled_between_events_only(native, upstream, transport):
    half = SAID[4][:30], SAID[4][30:]
    play = [*SAID[:4], 0.5, half[0], 0.5, half[1], *SAID[5:]]
    upstream.play(Reply(stream=play))
    content = ask(native(CLAUDE_PROXY_PING_SECONDS="0.2", CLAUDE_PROXY_TRANSPORT=transport)).content
    assert content.count(KEEP_ALIVE) >= 3
    assert content.replace(KEEP_ALIVE, b"") == b"".join(SAID)
    assert b"ping" in content  # the upstream's own; none of ours
    assert content.count(b"event: ping") == 1


@pytest.mark.fault("hang")
def test_a_late_head_is_not_waited_for_in_silence(native, upstream):
    upstream.play(Reply(stream=SAID, delay=0.7, headers={"request-id": "req_late"}))
    live = native(CLAUDE_PROXY_HOLD_SECONDS="0.2", CLAUDE_PROXY_PING_SECONDS="0.2")
    reply = ask(live)
    assert reply.content.startswith(KEEP_ALIVE)
    assert reply.content.replace(KEEP_ALIVE, b"") == b"".join(SAID)
    assert reply.headers["request-id"] != "req_late"  # it was not known in time


def test_a_whole_answer_may_be_late(native, upstream):
    upstream.play(Reply(message(), delay=0.5))
    live = native(CLAUDE_PROXY_HOLD_SECONDS="0.1", CLAUDE_PROXY_PING_SECONDS="0.1")
    assert ask(live, stream=False).content == message()


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        (refused(529, "overloaded_error", "busy"), "overloaded_error"),
        (refused(404, "not_found_error", "model: m"), "not_found_error"),
        (Reply(message()), "api_error"),
    ],
)
def test_what_comes_too_late_for_a_status_is_an_error_event(native, upstream, late, kind):
    upstream.play(Reply(late.body, status=late.status, delay=0.4))
    reply = ask(native(CLAUDE_PROXY_HOLD_SECONDS="0.1"))
    assert reply.status_code == 200
    assert last_event(reply.content)["error"]["type"] == kind


@pytest.mark.fault("hang", "stall")
@TRANSPORTS
def test_silence_has_an_end(native, upstream, transport):
    live = native(CLAUDE_PROXY_REQUEST_TIMEOUT="0.4", CLAUDE_PROXY_TRANSPORT=transport)
    upstream.play(Reply(stream=SAID, delay=30))
    assert (ask(live).status_code, ask(live, stream=False).status_code) == (504, 504)
    upstream.play(Reply(stream=[*SAID[:4], SAID[4][:9]], end="hang"))
    reply = ask(live)
    assert reply.content.startswith(b"".join(SAID[:4]) + b"event: error")
    assert last_event(reply.content)["error"]["type"] == "timeout_error"
    assert upstream.last.wait_left()


PHASES = {
    "before the head": Reply(delay=30),
    "before the first event": Reply(stream=[30]),
    "in mid-stream": Reply(stream=[*SAID[:4], 30]),
    "in mid-event": Reply(stream=[*SAID[:4], SAID[4][:9], 30]),
    "in an error": Reply(b"{", status=529, end="hang"),
}


@pytest.mark.pitfall(36)
@pytest.mark.fault("left")
@TRANSPORTS
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", PHASES)
def test_the_upstream_is_closed_when_the_client_leaves(native, upstream, transport, stream, phase):
    upstream.play(PHASES[phase])
    live = native(CLAUDE_PROXY_TRANSPORT=transport)
    client = send(live.port, stream)
    assert upstream.wait_posts(1)
    time.sleep(0.15)
    client.close()
    left_at = time.monotonic()
    assert upstream.last.wait_left(4)
    assert upstream.last.left - left_at < 4
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


def send(port, stream=True):
    body = json.dumps({**BODY, "stream": stream}).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(head.encode() + body)
    return client


def test_a_client_that_does_not_read_is_given_up(native, upstream):
    flood = event("content_block_delta", delta={"type": "text_delta", "text": "x" * 100_000})
    upstream.play(Reply(stream=[*SAID[:2], *[flood] * 300, *SAID[-2:]]))
    live = native(CLAUDE_PROXY_REQUEST_TIMEOUT="0.8", CLAUDE_PROXY_PING_SECONDS="0.2")
    with send(live.port):
        assert upstream.wait_posts(1)
        assert upstream.last.wait_left(5)
        assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


@pytest.mark.fault("endless-line")
def test_an_event_without_end_is_bounded(native, upstream):
    upstream.play(Reply(stream=[*SAID[:4], b"data: ", *[b"x" * (1 << 20)] * 12], end="hang"))
    reply = ask(native())
    assert reply.content.startswith(b"".join(SAID[:4]) + b"event: error")
    assert "8388608 bytes" in last_event(reply.content)["error"]["message"]


def test_a_large_event_in_small_pieces_costs_linear_time(native, upstream):
    big = event("content_block_delta", delta={"type": "text_delta", "text": "x" * 2_000_000})
    play = b"".join([*SAID[:4], big, *SAID[4:]])
    upstream.play(Reply(stream=[play[at : at + 500] for at in range(0, len(play), 500)]))
    begun = time.monotonic()
    assert ask(native()).content == play
    assert time.monotonic() - begun < 10


def test_the_servers_end_is_an_error_event(upstream):
    upstream.play(Reply(stream=[*SAID[:4], 60]))
    environ = {"OPENAI_BASE_URL": f"{upstream.url}/anthropic", "CLAUDE_PROXY_DRAIN_SECONDS": "0.5"}
    with started(upstream, **environ) as process:
        with httpx.stream("POST", f"{process.url}/v1/messages", json={**BODY, "stream": True}) as r:
            assert upstream.wait_posts(1)
            time.sleep(0.2)
            process.popen.terminate()
            content = r.read()
    assert content.startswith(b"".join(SAID[:4]) + b"event: error")
    assert last_event(content)["error"]["type"] == "overloaded_error"


def test_many_streams_at_once_stay_apart(native, upstream):
    upstream.answer(
        lambda got: Reply(stream=[p for e in said(got.json["model"]) for p in (e, 0.01)])
    )
    live = native()

    def one(number):
        body = {**BODY, "stream": True, "model": f"model-{number}"}
        reply = httpx.post(f"{live.url}/v1/messages", json=body, timeout=20, trust_env=False)
        return reply.content == b"".join(said(f"model-{number}"))

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(60)))


def test_too_many_at_once_are_refused(native, upstream):
    upstream.play(Reply(stream=[*SAID[:4], 30]))
    live = native(CLAUDE_PROXY_MAX_CONCURRENT="1")
    with send(live.port):
        assert upstream.wait_posts(1)
        assert ask(live).status_code == 429


@pytest.mark.parametrize("stream", [True, False])
def test_a_proxy_in_front_of_a_proxy(server, upstream, stream):
    """The inner one translates, the outer one passes its answers on."""
    upstream.play(Reply(stream=text_stream("good ", "day")) if stream else Reply(completion("day")))
    inner = server(CLAUDE_PROXY_AUTH_KEY="k-inner-0123456789", CLAUDE_PROXY_BIG_MODEL="scripted")
    outer = server(
        OPENAI_BASE_URL=f"{inner.url}/anthropic",
        OPENAI_API_KEY="k-inner-0123456789",
        CLAUDE_PROXY_BIG_MODEL="claude-opus-5-5",
    )
    reply = ask(outer, stream=stream)
    assert reply.status_code == 200 and "day" in reply.text
    if stream:
        assert reply.text.endswith('data: {"type":"message_stop"}\n\n')
    refusal = httpx.post(f"{outer.url}/v1/messages", json={"model": "m", "max_tokens": 1})
    assert refusal.status_code == 400 and "messages: Field required" in refusal.text
    assert refusal.json()["request_id"] == refusal.headers["request-id"]
    models = httpx.get(f"{outer.url}/v1/models").json()["data"]
    assert "scripted-large" in [model["id"] for model in models]
