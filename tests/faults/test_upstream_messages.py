"""Faults of an upstream that speaks Messages itself, whose bytes are passed on."""

import json

import httpx
import pytest

from tests.conftest import UPSTREAM_KEY
from tests.faults.asking import ask, in_flight
from tests.faults.raw_upstream import LAST_CHUNK, STREAM_HEAD, chunked, head
from tests.messages_upstream import event, message, said
from tests.upstream import eventually

SAID = said("Hel", "lo")
LATE = event("error", error={"type": "api_error", "message": "late"})
CLIENT_KEY = "a-client-key-0123456789"


@pytest.fixture
def proxy(proxies, transport):
    return proxies(CLAUDE_PROXY_TRANSPORT=transport, CLAUDE_PROXY_UPSTREAM_DIALECT="messages")


def answering(body, *, status="200 OK", kind=b"application/json", **headers):
    """An act that gives this whole answer; `kind` is the content type's bytes."""
    named = {"content_length": str(len(body)), **headers}
    start = head(status, **named).removesuffix(b"\r\n")

    def act(connection, request):
        connection.send(start + b"content-type: " + kind + b"\r\n\r\n" + body)
        return True

    return act


def streaming(*parts, end=LAST_CHUNK):
    def act(connection, request):
        connection.send(STREAM_HEAD, *(chunked(part) for part in parts), end)
        return bool(end)

    return act


@pytest.mark.fault("html", "garbage")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>hi</html>", b"Text/HTML; charset=x"),
        (b"<html>hi</html>", b"application/json"),
        (b"<html>hi</html>", b"text/plain"),
        (b"\xff\xfe{", b"application/json"),
        (b"null", b"application/json"),
        (b"[1, 2]", b"application/json"),
        (b"[" * 100_000, b"application/json"),
        (b"", b"application/json"),
        (message()[:-9], b"application/json"),
    ],
)
def test_what_is_no_json_object_is_no_answer(proxy, stream, body, kind):
    answer = proxy.ask(answering(body, kind=kind), stream=stream)
    assert answer.failure == (502, "api_error")
    assert b"html" not in answer.body


@pytest.mark.fault("garbage")
@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content"])
def test_an_answer_without_content_is_none(proxy, stream, status):
    def act(connection, request):
        connection.send(head(status, content_length="0"))

    assert proxy.ask(act, stream=stream).failure == (502, "api_error")


@pytest.mark.fault("status", "garbage")
@pytest.mark.parametrize("status", ["600 Odd", "999 Odd"])
def test_a_status_that_does_not_exist_is_502(proxy, stream, status):
    body = b'{"type": "error", "error": {"type": "api_error", "message": "odd"}}'
    assert proxy.ask(answering(body, status=status), stream=stream).failure == (502, "api_error")


@pytest.mark.fault("status")
@pytest.mark.parametrize(
    ("kind", "status"),
    [("overloaded_error", 529), ("invalid_request_error", 400), ("api_error", 502), ("odd", 502)],
)
def test_an_error_that_says_200_gets_its_status(proxy, stream, kind, status):
    body = {"type": "error", "error": {"type": kind, "message": f"no, {UPSTREAM_KEY}"}}
    answer = proxy.ask(answering(json.dumps(body).encode()), stream=stream)
    assert answer.failure[0] == status and answer.told == "no, [redacted]"
    assert proxy.attempts == 1


@pytest.mark.fault("odd-ends", "late-error")
@pytest.mark.parametrize(
    "behind",
    [
        [SAID[-1]],
        SAID,
        [LATE],
        [b": a comment\n\n", b'data: {"type":"ping"}\n\n', LATE],
        [b"event: ping\nda"],
    ],
)
def test_an_answer_ends_once(proxy, behind):
    whole = b"".join(SAID)
    parts = ([*SAID, *behind], [whole + b"".join(behind)])
    for play in parts:
        assert proxy.ask(streaming(*play), stream=True).body == whole
    cut = b"".join(SAID[:4]) + LATE
    assert proxy.ask(streaming(cut + b"".join(behind)), stream=True).body == cut


@pytest.mark.fault("endless-stream")
def test_what_never_ends_ends_with_its_answer(proxy):
    def act(connection, request):
        connection.send(STREAM_HEAD, *(chunked(part) for part in SAID))
        while True:
            connection.drip(chunked(b": more\n\n"), size=99, seconds=0.02)

    assert proxy.ask(act, stream=True).body == b"".join(SAID)


@pytest.mark.fault("no-finish", "reset")
@pytest.mark.parametrize("end", [LAST_CHUNK, b""])
def test_comments_alone_are_no_answer(proxy, end):
    answer = proxy.ask(streaming(b": PROCESSING\n\n", b": PROCESSING\n\n", end=end), stream=True)
    assert answer.failure == (502, "api_error")


def test_comments_before_an_answer_stay(proxy):
    play = [b": PROCESSING\n\n", b": PROCESSING\n\n", *SAID]
    assert proxy.ask(streaming(*play), stream=True).body == b"".join(play)


@pytest.mark.fault("echoed-key")
@pytest.mark.parametrize(
    "parts",
    [
        [event("error", error={"type": "api_error", "message": f"bad {UPSTREAM_KEY}"})],
        [*SAID[:4], event("error", error={"type": "api_error", "message": f"b {UPSTREAM_KEY}"})],
        [*SAID[:4], b'{"error":{"message":"' + UPSTREAM_KEY.encode() + b'"}}\n\n'],
        [*SAID[:4], b'data: {"type":"error","error":{"message":"' + UPSTREAM_KEY.encode()],
    ],
)
def test_an_error_in_a_stream_shows_no_key(proxy, parts):
    answer = proxy.ask(streaming(*parts), stream=True)
    assert answer.status == 200 and b"event: error" in answer.body
    assert UPSTREAM_KEY.encode() not in answer.body


@pytest.mark.fault("echoed-key")
@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
def test_an_answer_shows_no_key_of_the_clients(proxies, transport, dialect, stream):
    proxy = proxies(
        CLAUDE_PROXY_TRANSPORT=transport,
        CLAUDE_PROXY_UPSTREAM_DIALECT=dialect,
        CLAUDE_PROXY_MODE="passthrough",
    )
    said = {"type": "error", "error": {"type": "authentication_error", "message": CLIENT_KEY}}
    body = {"model": "m", "max_tokens": 9, "stream": stream, "messages": []}
    body["messages"] = [{"role": "user", "content": "hi"}]
    headers = {"x-api-key": CLIENT_KEY}
    proxy.upstream.play(
        answering(json.dumps(said).encode(), status="401 No", x_ratelimit_key=CLIENT_KEY)
    )
    reply = httpx.post(f"{proxy.live.url}/v1/messages", json=body, headers=headers, trust_env=False)
    assert reply.status_code == 401
    assert CLIENT_KEY[:9] not in reply.text + str(reply.headers)


@pytest.mark.fault("odd-http")
@pytest.mark.parametrize(
    "kind",
    [
        b"application/json; x=\xff\xe9",
        b"application/json; x=\x7f",
        b"application/json\r\n set-cookie: a=b\x7f",
        b"application/json; k=" + UPSTREAM_KEY.encode(),
        b"application/json; k=" + b"a" * 7000,
        b"text/plain",
    ],
)
def test_an_odd_content_type_does_not_leave(proxy, kind):
    answer = proxy.ask(answering(message(), kind=kind), stream=False)
    if answer.status == 502:  # The transport did not take it.
        return
    assert answer.body == message()
    assert answer.headers["content-type"] == "application/json"


def test_a_content_type_comes_as_it_is(proxy):
    answer = proxy.ask(answering(message(), kind=b"Application/JSON; charset=utf-8"), stream=False)
    assert answer.headers["content-type"] == "Application/JSON; charset=utf-8"
    upper = head(content_type="Text/Event-Stream", transfer_encoding="chunked")

    def act(connection, request):
        connection.send(upper, *(chunked(part) for part in SAID), LAST_CHUNK)
        return True

    assert proxy.ask(act, stream=True).text == "Hello"


@pytest.mark.fault("status")
def test_json_that_is_cut_at_our_limit_is_told_in_our_words(proxy, stream):
    body = json.dumps({"error": {"message": "A" * (2 << 20)}}).encode()
    answer = proxy.ask(answering(body, status="400 Bad"), stream=stream)
    assert answer.failure == (400, "invalid_request_error")


@pytest.mark.fault("garbage")
@pytest.mark.parametrize(
    ("body", "status"), [(message(), 200), (b"", 502), (b"<html>", 502), (b"null", 502)]
)
def test_counts_of_any_kind_leave_the_connection_whole(proxy, body, status):
    proxy.upstream.play(answering(body))
    question = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with httpx.Client(base_url=proxy.live.url, trust_env=False) as client:
        for _ in range(3):
            reply = client.post("/v1/messages/count_tokens", json=question)
            assert reply.status_code == status
            assert reply.json()["type"] == ("message" if status == 200 else "error")
    assert eventually(lambda: in_flight(proxy.live.url) == 0)
    proxy.upstream.play(answering(message()))
    assert ask(proxy.live.url).text == "ok"
