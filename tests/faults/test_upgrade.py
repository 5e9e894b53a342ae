"""`Upgrade` is ignored: the request is served as HTTP/1.1, and its body is read as strictly."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from claude_proxy import create_app
from tests.conftest import LiveServer, running, settings_for
from tests.faults.raw_client import HELLO, chunked, connect, exchange, request
from tests.faults.test_client_http import CLEAR, SECOND, SMUGGLED
from tests.process import read_until
from tests.upstream import Reply, Upstream, completion

H2C = (
    b"connection: Upgrade, HTTP2-Settings",
    b"http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    b"upgrade: h2c",
)
WEBSOCKET = (b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-version: 13")
WISHES = {
    "h2c": H2C,
    "something else": (b"upgrade: something/2", b"connection: upgrade"),
    "two": (b"upgrade: h2c", b"upgrade: TLS/1.0", b"connection: upgrade"),
}
MODELS = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
SECONDS = 4


@pytest.fixture(scope="module")
def live(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_ACCESS_LOG="0")) as started:
        yield started


@pytest.fixture(autouse=True)
def upstream(quiet_upstream: Upstream) -> Upstream:
    quiet_upstream.requests.clear()
    quiet_upstream.play(Reply(completion("ok")))
    return quiet_upstream


def with_wish(sent: bytes, lines: tuple[bytes, ...] = H2C) -> bytes:
    """The same request, with the wish as its last headers."""
    head, _, body = sent.partition(b"\r\n\r\n")
    return b"\r\n".join([head, *lines, b"", b""]) + body


@pytest.mark.fault("upgrade")
@pytest.mark.parametrize("lines", WISHES.values(), ids=WISHES.keys())
def test_a_request_that_wishes_for_more_is_served(live, upstream, lines):
    heard = exchange(live.port, with_wish(request(), lines), timeout=SECONDS)
    assert heard.status == 200 and heard.json["content"][0]["text"] == "ok"
    assert b"connection: close" not in heard.head and b"upgrade" not in heard.head
    assert upstream.posts[0].json["messages"] == json.loads(HELLO)["messages"]
    assert "upgrade" not in upstream.posts[0].headers


@pytest.mark.fault("upgrade")
def test_a_chunked_body_is_read(live):
    sent = request(b"/v1/messages", b"transfer-encoding: chunked", body=b"", length=False)
    heard = exchange(live.port, with_wish(sent + chunked(HELLO[:7], HELLO[7:])), timeout=SECONDS)
    assert heard.status == 200


@pytest.mark.fault("upgrade")
@pytest.mark.parametrize("size", [1, 7, 100])
def test_it_may_come_in_pieces(live, upstream, size):
    sent = with_wish(request()) + with_wish(request(), WISHES["two"]) + request()
    parts = [sent[at : at + size] for at in range(0, len(sent), size)]
    heard = exchange(live.port, parts, answers=3, timeout=SECONDS)
    assert heard.statuses == [200] * 3
    assert len(upstream.posts) == 3


@pytest.mark.fault("upgrade")
def test_large_bodies_come_whole(live, upstream):
    text = "é" * 2_000_000
    body = json.dumps({**json.loads(HELLO), "messages": [{"role": "user", "content": text}]})
    sent = with_wish(request(body=body.encode()))
    assert exchange(live.port, sent, timeout=20).status == 200
    assert upstream.posts[0].json["messages"][0]["content"] == text


@pytest.mark.fault("upgrade")
def test_the_connection_goes_on(live, upstream):
    with connect(live.port) as client:
        for sent in (with_wish(request()), request(), with_wish(MODELS), MODELS, MODELS):
            client.sendall(sent)
            assert b"200 OK" in read_until(client, b"}")
    heard = exchange(live.port, with_wish(request()) + MODELS + with_wish(MODELS), answers=3)
    assert heard.statuses == [200, 200, 200]


@pytest.mark.fault("upgrade")
def test_a_client_that_waits_for_100_continue_is_told_to_go_on(live):
    sent = with_wish(request(b"/v1/messages", b"expect: 100-continue"))
    head, blank, body = sent.partition(b"\r\n\r\n")
    heard = exchange(live.port, [head + blank, body], timeout=SECONDS)
    assert heard.raw.startswith(b"HTTP/1.1 100 ") and heard.status == 200


@pytest.mark.fault("upgrade")
def test_a_websocket_is_refused_as_ever(live, upstream):
    heard = exchange(live.port, with_wish(request(), WEBSOCKET), timeout=SECONDS, see_close=True)
    assert heard.status == 400 and heard.closed
    assert "without the header Upgrade" in heard.json["error"]["message"]
    assert not upstream.requests


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("lines", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_the_second_request_never_runs(live, upstream, sent, lines):
    heard = exchange(live.port, with_wish(sent, lines), answers=2, timeout=2)
    assert all(400 <= status < 500 for status in heard.statuses), heard.raw[:300]
    assert len(heard.statuses) <= 1, heard.raw[:300]
    assert not upstream.requests


ONLY_TE = {
    "another coding": b"transfer-encoding: gzip",
    "no coding": b"transfer-encoding:",
    "identity": b"transfer-encoding: identity",
}


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("line", ONLY_TE.values(), ids=ONLY_TE.keys())
def test_a_coding_that_has_no_end_is_refused_with_the_wish_too(live, upstream, line):
    sent = request(b"/v1/messages", line, body=SECOND, length=False)
    for each in (sent, with_wish(sent)):
        heard = exchange(live.port, each, answers=2, timeout=2)
        assert len(heard.statuses) == 1 and 400 <= heard.status < 500
    assert not upstream.requests


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("sent", CLEAR.values(), ids=CLEAR.keys())
def test_clear_framing_is_one_request(live, upstream, sent):
    without = exchange(live.port, sent, timeout=SECONDS)
    heard = exchange(live.port, with_wish(sent), timeout=SECONDS)
    assert heard.statuses == without.statuses
    assert len(upstream.posts) == 2 * (heard.status == 200)


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("lines", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_body_of_a_get_is_no_request(live, upstream, lines, at_once):
    """Whether it comes with its head or, a little later, in a packet of its own."""
    sent = request(b"/livez", method=b"GET", body=SECOND)
    head, blank, body = with_wish(sent, lines).partition(b"\r\n\r\n")
    with connect(live.port) as client:
        client.sendall(head + blank + (body if at_once else b""))
        assert b"200 OK" in read_until(client, b"}")
        client.sendall((b"" if at_once else body) + MODELS)
        assert read_until(client, b"}").count(b"HTTP/1.1 200") == 1
    assert not upstream.requests


@pytest.mark.fault("smuggling", "upgrade")
@pytest.mark.parametrize("path", [b"/v1/messages", b"/livez", b"localhost:80"])
def test_nothing_behind_a_connect_is_a_request(live, upstream, path):
    sent = request(path, method=b"CONNECT", body=b"", length=False)
    heard = exchange(live.port, [sent, SECOND], answers=2, timeout=2)
    assert heard.refused_or_closed() and len(heard.statuses) == 1
    assert not upstream.requests


@pytest.mark.fault("upgrade")
def test_under_plain_uvicorn_it_is_refused(upstream):
    """Its parser stops at the head, so the body never comes; the client is told and closed."""
    app = create_app(settings_for(upstream))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            heard = exchange(port, with_wish(request()), timeout=SECONDS, see_close=True)
        finally:
            server.should_exit = True
            thread.join(20)
    assert heard.status == 400 and heard.closed
    assert "without the header Upgrade" in heard.json["error"]["message"]
    assert not upstream.requests
