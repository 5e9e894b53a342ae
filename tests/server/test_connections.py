"""Connections to the upstream: used again, opened once more when one was dead, never retried."""

import contextlib
import json
import socket
import threading
import time

import httpx
import pytest

from claude_proxy.settings import load_settings
from tests.conftest import running
from tests.upstream import completion

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
TRANSPORTS = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])


class Wire:
    """A TCP upstream. `answer(client, number)` plays a connection's request number 1, 2, …"""

    def __init__(self, answer):
        self.answer, self.connections, self.requests = answer, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        number = 0
        with client, contextlib.suppress(OSError):
            while read_request(client):
                number += 1
                self.requests += 1
                if not self.answer(client, number):
                    return


def read_request(client):
    raw = b""
    while b"\r\n\r\n" not in raw:
        part = client.recv(65536)
        if not part:
            return False
        raw += part
    head, _, body = raw.lower().partition(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(65536)
    return True


def whole(client, status=b"200 OK"):
    body = json.dumps(completion("ok")).encode()
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    client.sendall(head % (status, len(body)) + body)
    return True


def streamed(client):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    client.sendall(head + b"\r\n%x\r\n%b\r\n" % (len(STREAM), STREAM))
    time.sleep(0.005)  # the end of the body often comes in a packet of its own
    client.sendall(b"0\r\n\r\n")
    return True


@contextlib.contextmanager
def proxy(wire, transport):
    known = {"OPENAI_BASE_URL": f"{wire.url}/v1", "OPENAI_API_KEY": "sk-test-0123456789"}
    environ = {**known, "CLAUDE_PROXY_TRANSPORT": transport}
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        yield lambda **more: httpx.post(
            f"{live.url}/v1/messages", json={**HELLO, **more}, timeout=20, trust_env=False
        )
    wire.listener.close()


@TRANSPORTS
@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_is_used_again(transport, stream):
    wire = Wire(lambda client, number: streamed(client) if stream else whole(client))
    with proxy(wire, transport) as ask:
        assert {ask(stream=stream).status_code for _ in range(20)} == {200}
    assert wire.connections <= 3


@pytest.mark.fault("stale")
@TRANSPORTS
def test_a_dead_connection_is_replaced_once_though_others_are_dead_too(transport):
    together = threading.Barrier(3)

    def once(client, number):
        if number > 1:
            return False
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.5)
        return whole(client)

    wire = Wire(once)
    with proxy(wire, transport) as ask:
        first = [threading.Thread(target=ask) for _ in range(3)]
        for thread in first:
            thread.start()
        for thread in first:
            thread.join()
        before = wire.requests
        assert ask().status_code == 200
    assert wire.requests == before + 2


@pytest.mark.fault("stale")
@TRANSPORTS
def test_a_fresh_connection_that_dies_is_not_tried_again(transport):
    wire = Wire(lambda client, number: False)
    with proxy(wire, transport) as ask:
        reply = ask()
    assert (reply.status_code, wire.requests) == (502, 1)


@pytest.mark.fault("stale")
def test_half_an_answer_is_not_asked_for_again():
    def half(client, number):
        if number == 1:
            return whole(client)
        client.sendall(b"HTTP/1.1 200 OK\r\ncontent-ty")
        return False

    wire = Wire(half)
    with proxy(wire, "aiohttp") as ask:
        assert ask().status_code == 200
        assert ask().status_code == 502
    assert wire.requests == 2


@TRANSPORTS
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_whose_text_breaks_off_keeps_its_status(transport, stream):
    def cut(client, number):
        client.sendall(b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 99\r\n\r\nslow do")
        return False

    with proxy(Wire(cut), transport) as ask:
        reply = ask(stream=stream)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")


def test_what_is_not_http_is_told():
    wire = Wire(lambda client, number: client.sendall(b"SSH-2.0-server\r\n"))
    with proxy(wire, "aiohttp") as ask:
        assert "did not answer in HTTP" in ask().json()["error"]["message"]


@TRANSPORTS
def test_this_machine_is_never_reached_through_a_web_proxy(transport, monkeypatch):
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with proxy(Wire(lambda client, number: whole(client)), transport) as ask:
        assert ask().status_code == 200


@TRANSPORTS
def test_a_socks_proxy_is_told_not_tried(server, monkeypatch, transport):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    live = server(OPENAI_BASE_URL="http://somewhere.invalid/v1", CLAUDE_PROXY_TRANSPORT=transport)
    reply = httpx.post(f"{live.url}/v1/messages", json=HELLO, trust_env=False)
    assert reply.status_code == 502
    assert "SOCKS proxy" in reply.json()["error"]["message"]
