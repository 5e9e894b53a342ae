"""Clients that send slowly, too much, or no HTTP: answered in shape and closed; others served."""

import json
import logging
import time
from contextlib import ExitStack

import httpx
import pytest

from claude_proxy.server import runner
from tests.conftest import running, settings_for
from tests.process import HELLO, body_of, connect, post, read_until, request
from tests.upstream import Reply, Upstream, completion, eventually, serving, text_stream

log = logging.getLogger(__name__)
HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
QUICK = {"CLAUDE_PROXY_HEADER_TIMEOUT": "0.5"}
QUICK_BODY = {"CLAUDE_PROXY_BODY_TIMEOUT": "0.5"}


@pytest.fixture(scope="module")
def shared():
    """One upstream, and one server for each set of settings."""
    with ExitStack() as stack:
        upstream, found = stack.enter_context(serving(Upstream())), {}

        def server(**environ):
            key = frozenset(environ.items())
            if key not in found:
                found[key] = stack.enter_context(running(settings_for(upstream, **environ)))
            return found[key]

        yield upstream, server


@pytest.fixture
def upstream(shared):
    found, _ = shared
    found.requests.clear()
    found.play(Reply(completion("ok")))
    return found


@pytest.fixture
def server(shared):
    return shared[1]


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def assert_shaped(answer, status, kind, says):
    """A whole answer of ours, that ends the connection."""
    head = answer.partition(b"\r\n\r\n")[0].lower()
    body = body_of(answer)
    assert status_of(answer) == status
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: application/json" in head
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert says in body["error"]["message"]
    assert f"request-id: {body['request_id']}".encode() in head


@pytest.mark.fault("slow-request")
def test_a_head_that_does_not_end_is_408(server):
    client = connect(server(**QUICK).port)
    client.sendall(HEAD)
    begun = time.monotonic()
    assert_shaped(read_until(client), 408, "timeout_error", "longer than 0.5 seconds")
    assert time.monotonic() - begun < 5


@pytest.mark.fault("slow-request")
@pytest.mark.parametrize("limit", [0.5, pytest.param(10, marks=pytest.mark.slow)])
def test_thirty_dripping_heads_are_closed_in_time_and_others_served(server, limit):
    live = server(CLAUDE_PROXY_HEADER_TIMEOUT=str(limit))
    dripping = {connect(live.port) for _ in range(30)}
    begun = time.monotonic()
    for client in dripping:
        client.sendall(HEAD)
    while dripping:
        assert time.monotonic() - begun < 2 * limit + 4
        assert httpx.post(f"{live.url}/v1/messages", json=HELLO).status_code == 200
        for client in list(dripping):
            try:
                client.sendall(b"x: 1\r\n")
            except ConnectionError:
                dripping.discard(client)
        time.sleep(limit / 50)
    took = time.monotonic() - begun
    assert took > 0.8 * limit  # not for another reason than the deadline
    log.info("30 of 30 closed after %.1f s", took)


@pytest.mark.fault("slow-request")
@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "line ends"])
def test_a_connection_without_a_request_is_closed(server, sent):
    client = connect(server(**QUICK).port)
    client.sendall(sent)
    answer = read_until(client)
    assert answer == b"" if not sent else status_of(answer) == 408


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_a_second_head_has_its_own_deadline(server):
    client = connect(server(**QUICK).port)
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert status_of(read_until(client, b"}")) == 200
    time.sleep(0.8)  # An idle connection is no slow request.
    client.sendall(b"GET /livez HTTP/1.1\r\n")
    assert_shaped(read_until(client), 408, "timeout_error", "headers")


@pytest.mark.fault("slow-request")
def test_a_stalled_body_is_408(server, upstream):
    live = server(**QUICK_BODY)
    client = connect(live.port)
    client.sendall(HEAD + b"content-length: 5000\r\n\r\n" + b"x" * 1000)
    # The first thousand bytes came early, so they are worth almost a second.
    assert_shaped(read_until(client), 408, "timeout_error", "body was 0.5 seconds late")
    assert upstream.posts == []
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)


@pytest.mark.fault("slow-request")
def test_a_dripping_body_is_408(server):
    client = connect(server(**QUICK_BODY).port)
    client.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    begun = time.monotonic()
    client.setblocking(False)
    answer = b""
    while not answer and time.monotonic() - begun < 5:
        time.sleep(0.05)
        client.send(b"1\r\nx\r\n")
        try:
            answer = client.recv(65536)
        except BlockingIOError:
            pass
    assert_shaped(answer, 408, "timeout_error", "late")


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_a_slow_body_above_the_least_rate_is_served(server, upstream):
    body = json.dumps({**HELLO, "metadata": {"pad": "x" * 6000}}).encode()
    client = connect(server(**QUICK_BODY).port)
    client.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 400):  # 4 KiB a second for three times the grace
        client.sendall(body[at : at + 400])
        time.sleep(0.1)
    assert status_of(read_until(client, b"}")) == 200


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_our_own_waiting_does_not_count(server, upstream):
    """Neither the upstream's delay nor a long stream is the client's fault."""
    first, *rest = text_stream("a", "b")
    upstream.play(Reply(stream=[first, 0.8, *rest], delay=0.7))
    client = post(server(**QUICK, **QUICK_BODY).port)
    answer = read_until(client, b"message_stop")
    assert status_of(answer) == 200
    assert b'"type":"message_stop"' in answer


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_a_slow_second_head_does_not_cut_the_running_answer(server, upstream):
    first, *rest = text_stream("a", "b")
    upstream.play(Reply(stream=[first, 1, *rest]))
    client = post(server(**QUICK).port)
    assert upstream.wait_posts(1)
    client.sendall(b"GET /livez HTTP/1.1\r\n")
    answer = read_until(client)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b'"type":"message_stop"}\n\n\r\n0\r\n\r\n')


@pytest.mark.fault("slow-request")
def test_an_early_error_leaves_time_for_the_rest_of_the_body(server):
    """Clients send on when the error is there already, and then use the connection again."""
    client = connect(server().port)
    body = b"x" * 200_000
    client.sendall(HEAD.replace(b"/v1/messages", b"/none") + b"content-length: 200000\r\n\r\n")
    answer = read_until(client, b'"request_id"')
    assert status_of(answer) == 404
    client.sendall(body)
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert b"200 OK" in read_until(client, b"uptime_seconds")


@pytest.mark.fault("slow-request")
def test_an_early_error_is_the_only_answer(server):
    """A second one would be taken for that of the client's next request."""
    client = connect(server(**QUICK_BODY).port)
    client.sendall(HEAD.replace(b"/v1/messages", b"/none") + b"content-length: 200000\r\n\r\nx")
    answer = read_until(client)
    assert status_of(answer) == 404
    assert answer.count(b"request-id: ") == 1


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_a_body_that_must_wait_for_an_earlier_answer_is_not_late(server, upstream):
    """We do not read from a connection whose next request is here before its answer is."""
    first, *rest = text_stream("a", "b")
    upstream.play(Reply(stream=[first, 1, *rest]))
    client = connect(server(**QUICK_BODY).port)
    second = request(False)
    client.sendall(request(True) + second[:-1])
    assert b'"type":"message_stop"' in read_until(client, b"0\r\n\r\n")
    client.sendall(second[-1:])
    assert status_of(read_until(client, b"}")) == 200


LARGE = {
    "one header": b"x-large: " + b"a" * 70_000 + b"\r\n",
    "many headers": b"".join(b"x-%d: %s\r\n" % (n, b"a" * 900) for n in range(80)),
    "a long path": b"",
}


@pytest.mark.fault("huge-headers")
@pytest.mark.parametrize("how", LARGE)
def test_headers_over_64_kib_are_431(server, upstream, how):
    client = connect(server().port)
    start = b"GET /" + b"a" * 70_000 if how == "a long path" else b"POST /v1/messages"
    client.sendall(start + b" HTTP/1.1\r\nhost: localhost\r\n" + LARGE[how] + b"\r\n")
    assert_shaped(read_until(client), 431, "invalid_request_error", "larger than 65,536 bytes")
    assert upstream.posts == []


@pytest.mark.fault("huge-headers")
def test_headers_without_an_end_are_cut_off(server):
    client = connect(server().port)
    client.sendall(HEAD + b"x-endless: ")
    with pytest.raises(ConnectionError):
        for _ in range(200):
            client.sendall(b"a" * (1 << 20))


@pytest.mark.fault("huge-headers")
def test_more_than_100_headers_are_431(server):
    client = connect(server().port)
    client.sendall(HEAD + b"".join(b"x-%d: 1\r\n" % n for n in range(99)) + b"\r\n")
    assert_shaped(read_until(client), 431, "invalid_request_error", "more than 100")


@pytest.mark.fault("huge-headers")
def test_100_headers_with_a_large_body_are_served(server):
    """What counts is the head, not the first bytes that happen to arrive with it."""
    body = json.dumps({**HELLO, "metadata": {"pad": "x" * 200_000}}).encode()
    client = connect(server().port)
    more = b"".join(b"x-%d: 1\r\n" % n for n in range(96))
    client.sendall(HEAD + more + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert status_of(read_until(client, b"}")) == 200


@pytest.mark.fault("huge-headers")
@pytest.mark.parametrize("tail", [b"0\r\nx-trailer: ", b"1;"], ids=["trailers", "extensions"])
def test_what_comes_beside_the_body_is_limited_too(server, tail):
    client = connect(server().port)
    client.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n" + tail)
    with pytest.raises(ConnectionError):
        for _ in range(200):
            client.sendall(b"a" * (1 << 20))


@pytest.mark.fault("odd-http", "huge-headers")
def test_the_shape_is_that_of_the_clients_api(server):
    client = connect(server().port)
    more = b"".join(b"x-%d: 1\r\n" % n for n in range(100))
    client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + more + b"\r\n")
    answer = read_until(client)
    assert status_of(answer) == 431
    assert body_of(answer)["error"]["type"] == "invalid_request_error"
    assert "type" not in body_of(answer)


MALFORMED = {
    "no HTTP": b"hello sk-secret-in-garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "length and chunks": HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "a bad chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a bad path": b"GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no version": b"GET /sk-secret-in-garbage HTTP/9.9\r\n\r\n",
}


@pytest.mark.fault("odd-http", "smuggling")
@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_http_is_a_shaped_400(server, upstream, what):
    client = connect(server().port)
    client.sendall(MALFORMED[what])
    answer = read_until(client)
    assert_shaped(answer, 400, "invalid_request_error", "not a valid HTTP/1.1 request")
    assert b"secret" not in answer
    assert upstream.posts == []


@pytest.mark.fault("odd-http", "smuggling")
def test_garbage_behind_a_request_does_not_cut_into_its_answer(server, upstream):
    first, *rest = text_stream("a", "b")
    upstream.play(Reply(stream=[first, 0.5, *rest]))
    client = connect(server().port)
    client.sendall(request(True) + b"\x00garbage\r\n\r\n" + request(True))
    answer = read_until(client)
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b'"type":"message_stop"}\n\n\r\n0\r\n\r\n')
    assert len(upstream.posts) == 1


@pytest.mark.fault("odd-http")
def test_a_request_after_an_upgrade_does_not_hang(server):
    client = connect(server(**QUICK).port)
    upgrade = b"connection: upgrade\r\nupgrade: websocket\r\n"
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n" + upgrade + b"\r\n")
    assert status_of(read_until(client, b"}")) == 200
    client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert status_of(read_until(client, b"}")) == 200


@pytest.mark.slow
@pytest.mark.fault("slow-request")
def test_idle_connections_are_kept_and_then_closed(server, monkeypatch):
    monkeypatch.setattr(runner, "KEEP_ALIVE", 0.7)
    client = connect(server(**QUICK, CLAUDE_PROXY_DRAIN_SECONDS="0.5").port)
    for pause in (0.0, 0.4, 0.4):
        time.sleep(pause)
        client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert status_of(read_until(client, b"}")) == 200
    begun = time.monotonic()
    assert read_until(client) == b""
    assert 0.3 < time.monotonic() - begun < 4


@pytest.mark.fault("slow-request", "huge-headers")
def test_refusals_without_a_request_are_counted(server):
    live = server(**QUICK)
    for sent in (HEAD, HEAD + b"a: b\r\n" * 101 + b"\r\n"):
        client = connect(live.port)
        client.sendall(sent)
        read_until(client)
    text = httpx.get(f"{live.url}/metrics").text
    for limit in ("header_timeout", "headers"):
        count = text.partition(f'claude_proxy_limit_hits_total{{limit="{limit}"}} ')[2]
        assert float(count.split("\n")[0]) >= 1
