"""Upstreams whose HTTP is odd or broken, though each of them does answer."""

import json
import time

import pytest

from tests.faults.raw_upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    chunked,
    head,
    streamed,
    well,
    whole,
)
from tests.upstream import chunk, completion, ending, framed

BODY = json.dumps(completion("fine")).encode()
SIZE = str(len(BODY))
EVENTS = b"".join(framed(item) for item in [chunk({"content": "fine"}), *ending("stop")])
JSON = {"content_type": "application/json"}
SSE = {"content_type": "text/event-stream"}


def raw_bytes(whole, stream=None):
    """An act that sends these bytes, the second ones to a request for a stream, and leaves."""

    def act(connection, request):
        connection.send(stream if request.stream and stream is not None else whole)

    return act


def after_early_answers(*early):
    def act(connection, request):
        connection.send(*early)
        return well(connection, request)

    return act


def with_extensions(connection, request):
    raw = EVENTS if request.stream else BODY
    kind = SSE if request.stream else JSON
    connection.send(
        head(**kind, transfer_encoding="chunked", trailer="x-sum"),
        b'%x;name="value";other\r\n%b\r\n' % (len(raw), raw),
        b"0;last=yes\r\nx-sum: 1\r\nset-cookie: a=b\r\n\r\n",
    )
    return True


WORKS = {
    "100 before the answer": after_early_answers(head("100 Continue")),
    "102 and 103 before the answer": after_early_answers(
        head("102 Processing"), head("103 Early Hints", link="</a>; rel=preload")
    ),
    "chunk extensions and trailers": with_extensions,
    "HTTP/1.0, until the connection closes": raw_bytes(
        head(**JSON, version="1.0") + BODY, head(**SSE, version="1.0") + EVENTS
    ),
    "HTTP/1.1 without a length": raw_bytes(head(**JSON) + BODY, head(**SSE) + EVENTS),
    "no reason in the status line": raw_bytes(
        head("200", **JSON, content_length=SIZE) + BODY, head("200", **SSE) + EVENTS
    ),
    "a hundred headers": raw_bytes(
        head("200 OK", *(f"x-{n}: {n}" for n in range(100)), **JSON, content_length=SIZE) + BODY,
        head("200 OK", *(f"x-{n}: {n}" for n in range(100)), **SSE) + EVENTS,
    ),
    "a header of 8,000 bytes": raw_bytes(
        head(**JSON, content_length=SIZE, csp="a" * 8000) + BODY,
        head(**SSE, csp="a" * 8000) + EVENTS,
    ),
    "an end inside the framing, after the finish": raw_bytes(
        head(**JSON, content_length=SIZE) + BODY, STREAM_HEAD + chunked(EVENTS)
    ),
}


@pytest.mark.fault("garbage")
@pytest.mark.parametrize("case", WORKS)
def test_what_is_odd_but_whole_works(proxy, stream, case):
    answer = proxy.ask(WORKS[case], stream=stream)
    assert answer.text == "fine"
    assert proxy.attempts == 1 and "set-cookie" not in answer.headers


BROKEN = {
    "a length that is too long": raw_bytes(
        head(**JSON, content_length=str(len(BODY) + 9)) + BODY[:-9]
    ),
    "a length that is too short": raw_bytes(head(**JSON, content_length="99") + BODY),
    "two lengths": raw_bytes(head("200 OK", "content-length: 99", **JSON, content_length=SIZE)),
    "a length that is no number": raw_bytes(head(**JSON, content_length="many") + BODY),
    "a negative length": raw_bytes(head(**JSON, content_length="-1") + BODY),
    "a chunk size that is no number": raw_bytes(STREAM_HEAD + b"zz\r\n" + BODY),
    "a chunk that is longer than its size": raw_bytes(STREAM_HEAD + b"5\r\n" + BODY + LAST_CHUNK),
    "an end inside a chunk": raw_bytes(STREAM_HEAD + chunked(BODY)[:-40]),
    "a negative chunk size": raw_bytes(STREAM_HEAD + b"-5\r\n" + BODY),
    "204": raw_bytes(head("204 No Content")),
    "205": raw_bytes(head("205 Reset Content", content_length="0")),
    "304": raw_bytes(head("304 Not Modified", etag="a")),
    "206 with a part": raw_bytes(
        head("206 Partial Content", **JSON, content_length="40") + BODY[:40]
    ),
    "a switch of protocols": raw_bytes(
        head("101 Switching Protocols", connection="upgrade", upgrade="x") + BODY
    ),
    "a status that does not exist": raw_bytes(head("999 Odd", **JSON, content_length="2") + b"{}"),
    "no status": raw_bytes(b"HTTP/1.1 OK\r\n\r\n"),
    "a status of two digits": raw_bytes(b"HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n"),
    "another protocol": raw_bytes(b"SSH-2.0-server\r\n\r\n"),
    "bytes": raw_bytes(bytes(range(256)) * 4),
    "no head": raw_bytes(BODY),
    "an empty line": raw_bytes(b"\r\n\r\n"),
    "a header without a colon": raw_bytes(b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n" + BODY),
    "an empty body": raw_bytes(head(**JSON, content_length="0"), head(**SSE, content_length="0")),
    "a header of 1 MiB": raw_bytes(head(**JSON, content_length=SIZE, csp="a" * (1 << 20)) + BODY),
    "50,000 headers": raw_bytes(
        head("200 OK", *(f"x-{n}: {n}" for n in range(50_000)), **JSON, content_length=SIZE) + BODY
    ),
}


@pytest.mark.fault("garbage")
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_502_in_shape(proxy, stream, case):
    answer = proxy.ask(BROKEN[case], stream=stream)
    assert answer.failure == (502, "api_error")
    assert proxy.attempts == 1


@pytest.mark.fault("garbage")
def test_broken_answers_do_not_spoil_the_next_ones(proxy):
    for act in BROKEN.values():
        proxy.ask(act, stream=True)
    assert proxy.serves()


@pytest.mark.fault("garbage")
@pytest.mark.parametrize(
    "rest",
    [b"", b"zz\r\n", b"5\r\n" + EVENTS, chunked(EVENTS)[:40]],
    ids=["an end", "a bad size", "a bad chunk", "half a chunk"],
)
def test_framing_that_breaks_after_the_first_text_is_an_error_event(proxy, rest):
    def act(connection, request):
        connection.send(STREAM_HEAD, chunked(framed(chunk({"content": "Hel"}))))
        time.sleep(0.1)  # else the break may be seen before the text
        connection.send(rest)

    answer = proxy.ask(act, stream=True)
    assert answer.failure == (200, "api_error")
    assert answer.seconds < 5 and proxy.attempts == 1


NASTY = {
    "a line feed": "a\nset-cookie: evil=1",
    "a folded line": "a\r\n set-cookie: evil=1",
    "a vertical tab": "a\x0bset-cookie: evil=1",
    "a NUL": "a\0b",
    "latin-1": "caf\xe9",
    "C1 controls": "a\x85b",
    "10 kB": "a" * 10_000,
    "spaces": "   ",
}


@pytest.mark.fault("garbage")
@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("status", ["200 OK", "429 Slow"])
def test_headers_that_we_pass_on_inject_nothing(proxy, stream, case, status):
    value = NASTY[case]
    names = ("x-request-id", "x-ratelimit-remaining-requests", "retry-after", "x-should-retry")
    lines = [f"{name}: {value}" for name in names]

    def act(connection, request):
        raw = streamed([chunk({"content": "fine"}), *ending("stop")])
        if status != "200 OK" or not request.stream:
            connection.send(head(status, *lines, **JSON, content_length=SIZE) + BODY)
        else:
            connection.send(head(status, *lines, **SSE, transfer_encoding="chunked") + raw)

    answer = proxy.ask(act, stream=stream)
    assert "set-cookie" not in answer.headers
    assert all("evil" not in v or case == "a folded line" for v in answer.headers.values())
    assert len(answer.headers.raw) < 20 and all(len(v) <= 300 for _, v in answer.headers.raw)
    if answer.status == 200:
        assert answer.text == "fine"
    else:
        assert answer.failure in {(502, "api_error"), (429, "rate_limit_error")}


@pytest.mark.fault("cookies")
@pytest.mark.parametrize("status", ["200 OK", "401 Who", "500 Oh"])
def test_cookies_are_neither_kept_nor_passed_on(proxy, stream, status):
    def act(connection, request):
        cookie = ["set-cookie: session=mine; Path=/", "set-cookie: other=1; Max-Age=999"]
        kind = head(status, *cookie, **JSON, content_length=SIZE)
        return connection.send(kind + BODY) or True

    for _ in range(2):
        answer = proxy.ask(act, stream=stream)
        assert "set-cookie" not in answer.headers and b"session=mine" not in answer.body
    assert proxy.serves()
    assert all("cookie" not in request.headers for request in proxy.upstream.requests)


@pytest.mark.fault("invalid-utf8")
@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b'"a\\ud83d"', "a\ufffd"),
        (b'"a\xff\xf0\x9f"', "a\ufffd\ufffd"),
        (b'"a\x01"', "a\x01"),
    ],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_whole_answer_is_kept_but_for_what_is_broken(proxy, stream, said, text, bom):
    body = bom + json.dumps(completion("SAID")).encode().replace(b'"SAID"', said)
    answer = proxy.ask(lambda connection, request: whole(connection, body), stream=stream)
    assert answer.text == text


@pytest.mark.fault("no-finish")
def test_a_whole_answer_that_is_cut_is_never_mended(proxy, stream):
    body = json.dumps(completion("a")).encode()[:-20]
    answer = proxy.ask(lambda connection, request: whole(connection, body), stream=stream)
    assert answer.failure == (502, "api_error")
