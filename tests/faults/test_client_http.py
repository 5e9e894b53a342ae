"""Odd HTTP and smuggling, byte by byte: refused or closed in time, and nothing is reflected."""

from collections.abc import Iterator

import pytest

from tests.conftest import LiveServer, running, settings_for
from tests.faults.raw_client import HELLO, Heard, chunked, exchange, request
from tests.upstream import Upstream

GET = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
SECONDS = 4
EVIL = b"x-injected"


@pytest.fixture(scope="module")
def live(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_ACCESS_LOG="0")) as started:
        yield started


@pytest.fixture(autouse=True)
def still_serving(live: LiveServer, quiet_upstream: Upstream) -> Iterator[None]:
    """Whatever a test sends, the next client is served."""
    quiet_upstream.requests.clear()
    yield
    assert exchange(live.port, GET).status == 200


def nothing_reflected(heard: Heard) -> bool:
    """The answers' heads hold nothing that the client made up."""
    return EVIL not in heard.head and b"<script" not in heard.raw


HEADERS = {
    "a bare CR in a value": b"x-a: b\rx-injected: 1",
    "a bare LF in a value": b"x-a: b\nx-injected: 1",
    "a NUL in a value": b"x-a: b\0c",
    "a NUL in a name": b"x\0a: b",
    "a control in a value": b"x-a: b\x01c",
    "a blank in a name": b"x a: b",
    "a blank before the colon": b"x-a : b",
    "a tab before the colon": b"x-a\t: b",
    "no colon": b"x-a",
    "no name": b": b",
    "a name of UTF-8": "x-ä: b".encode(),
    "a name of brackets": b"x[a]: b",
    "a folded line": b"x-a: b\r\n x-injected: 1",
    "a line of blanks": b" ",
}


@pytest.mark.fault("odd-http")
@pytest.mark.parametrize("line", HEADERS.values(), ids=HEADERS.keys())
def test_a_malformed_header_is_no_fault_of_ours(live, line):
    heard = exchange(live.port, request(b"/v1/messages", line), timeout=SECONDS)
    # What the parser may pass as a value (a control, a fold) is served; nothing is reflected.
    assert heard.status == 200 or heard.refused_or_closed()
    assert nothing_reflected(heard)


REQUEST_IDS = {
    "a CR": b"a\rx-injected: 1",
    "an encoded line end": b"a%0d%0ax-injected:%201",
    "an obs-text": b"a\xe5\x98\x8a\xe5\x98\x8dx-injected: 1",
    "markup": b"<script>alert(1)</script>",
    "65 characters": b"a" * 65,
    "blanks": b"a b",
    "nothing": b"",
    "a quote": b'a"b',
}


@pytest.mark.fault("odd-http", "log-injection")
@pytest.mark.parametrize("value", REQUEST_IDS.values(), ids=REQUEST_IDS.keys())
def test_a_request_id_that_is_no_id_is_not_sent_back(live, value):
    heard = exchange(live.port, request(b"/v1/messages", b"x-request-id: " + value))
    assert heard.status in (200, 400)
    assert b"x-request-id" not in heard.head and nothing_reflected(heard)


PATHS = {
    "two slashes": b"//v1/messages",
    "two slashes inside": b"/v1//messages",
    "a parent": b"/v1/messages/../messages",
    "a way out": b"/../../../etc/passwd",
    "an encoded way out": b"/%2e%2e/%2e%2e/etc/passwd",
    "a double encoding": b"/%252e%252e/etc/passwd",
    "an encoded slash": b"/v1%2fmessagesx",
    "a backslash": b"/v1\\messages",
    "a parameter": b"/v1/messages;x=1",
    "a slash at the end": b"/v1/messages/",
    "capitals": b"/V1/MESSAGES",
    "an encoded NUL": b"/v1/messages%00",
    "an encoded line end": b"/v1/messages%0d%0ax-injected:1",
    "a broken encoding": b"/v1/messages%zz",
    "half an encoding": b"/v1/messages%",
    "invalid UTF-8, encoded": b"/v1/%ff%fe",
    "markup": b"/<script>alert(1)</script>",
    "a fragment": b"/v1/messagesx#f",
    "10 kB": b"/" + b"a" * 10_000,
    "3,000 slashes": b"/" * 3000,
    "an own host": b"http://localhost/nowhere",
    "another host": b"http://evil.example/nowhere",
    "an address of metadata": b"http://169.254.169.254/latest/meta-data",
    "an asterisk": b"*",
    "no slash": b"v1/messages",
    "a host and port": b"localhost:80",
    "a raw NUL": b"/v1/mess\0ages",
    "raw Latin-1": b"/v1/m\xe4ssages",
    "raw UTF-8": "/v1/mässages".encode(),
    "a raw tab": b"/v1/mes\tsages",
    "a raw escape": b"/v1/mes\x1b[31msages",
    "nothing": b"",
}


@pytest.mark.fault("odd-http")
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_an_odd_path_is_4xx_and_reaches_no_upstream(live, quiet_upstream, path):
    heard = exchange(live.port, request(path), timeout=SECONDS)
    assert heard.refused_or_closed(), heard.raw[:200]
    assert EVIL not in heard.head
    assert len(heard.raw) < 4096, "the path comes back whole"
    assert not quiet_upstream.requests
    if b"application/json" in heard.head:
        assert heard.json["type"] == "error"


@pytest.fixture(scope="module")
def locked(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    settings = settings_for(quiet_upstream, CLAUDE_PROXY_AUTH_KEY="sk-proxy-0123456789")
    with running(settings) as started:
        yield started


@pytest.mark.fault("odd-http", "auth")
@pytest.mark.parametrize("method", [b"POST", b"GET", b"HEAD"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_no_odd_path_is_open_without_the_key(locked, quiet_upstream, path, method):
    heard = exchange(locked.port, request(path, method=method), timeout=SECONDS)
    assert heard.status in (400, 401) or heard.refused_or_closed(), heard.raw[:200]
    assert not quiet_upstream.requests


METHODS = [b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"HEAD", b"PROPFIND"]
ODD_METHODS = [b"CONNECT", b"get", b"FOO", b"P\0ST", b"POST\t", b"", b"A" * 5000, b"PRI"]


@pytest.mark.fault("odd-http")
@pytest.mark.parametrize("method", METHODS + ODD_METHODS, ids=lambda m: repr(m[:20]))
def test_another_method_is_refused(live, quiet_upstream, method):
    heard = exchange(live.port, request(method=method), timeout=SECONDS)
    assert heard.refused_or_closed(), heard.raw[:200]
    assert method not in METHODS or heard.status == 405
    assert not quiet_upstream.requests


WEBSOCKET = (
    b"connection: Upgrade",
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    b"sec-websocket-version: 13",
)
UPGRADES = {
    "websocket": (b"upgrade: websocket", *WEBSOCKET),
    "h2c": (b"upgrade: h2c", b"connection: Upgrade, HTTP2-Settings", b"http2-settings: AAMAAABk"),
    "something": (b"upgrade: something/2", b"connection: upgrade"),
    "without connection": (b"upgrade: websocket",),
}


@pytest.mark.fault("upgrade")
@pytest.mark.parametrize("lines", UPGRADES.values(), ids=UPGRADES.keys())
def test_an_upgrade_with_a_body_does_not_hang(live, lines):
    heard = exchange(live.port, request(b"/v1/messages", *lines), timeout=SECONDS)
    assert heard.status in (200, 400, 426) and b"101 " not in heard.raw


@pytest.mark.fault("upgrade")
@pytest.mark.parametrize("lines", UPGRADES.values(), ids=UPGRADES.keys())
def test_an_upgrade_without_a_body_does_not_hang(live, lines):
    sent = request(b"/health", *lines, method=b"GET", body=b"", length=False)
    heard = exchange(live.port, sent, timeout=SECONDS)
    assert heard.status in (200, 400, 426) and b"101 " not in heard.raw


@pytest.mark.fault("odd-http")
def test_a_client_that_waits_for_100_continue_is_told_to_go_on(live):
    sent = request(b"/v1/messages", b"expect: 100-continue", body=b"", length=False)
    head = sent.replace(b"\r\n\r\n", b"\r\ncontent-length: %d\r\n\r\n" % len(HELLO))
    heard = exchange(live.port, [head, HELLO], timeout=SECONDS)
    assert heard.raw.startswith(b"HTTP/1.1 100 ") and heard.status == 200


@pytest.mark.fault("odd-http", "huge-body")
def test_a_client_that_announces_too_much_is_refused_before_it_sends(live):
    sent = request(b"/v1/messages", b"expect: 100-continue", body=b"", length=False)
    head = sent.replace(b"\r\n\r\n", b"\r\ncontent-length: 99999999999\r\n\r\n")
    heard = exchange(live.port, head, timeout=SECONDS)
    assert heard.status == 413 and b"100 Continue" not in heard.raw


@pytest.mark.fault("odd-http")
def test_an_unknown_expectation_does_not_hang(live):
    heard = exchange(live.port, request(b"/v1/messages", b"expect: miracles"), timeout=SECONDS)
    assert heard.status in (200, 400, 417)


TALK = {
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "HTTP/3.0": b"GET /health HTTP/3.0\r\nhost: localhost\r\n\r\n",
    "HTTP/1.9": b"POST /v1/messages HTTP/9.9\r\nhost: localhost\r\n\r\n",
    "no version": b"GET /health HTTP/\r\nhost: localhost\r\n\r\n",
    "another protocol's version": b"GET /health RTSP/1.0\r\nhost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\0" * 190,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SMTP": b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "a proxy line": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET,
    "NULs": b"\0" * 64,
    "JSON": HELLO + b"\r\n\r\n",
    "an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.fault("odd-http")
@pytest.mark.parametrize("sent", TALK.values(), ids=TALK.keys())
def test_what_is_not_http_1_is_closed_or_refused(live, quiet_upstream, sent):
    heard = exchange(live.port, sent, timeout=SECONDS)
    assert heard.refused_or_closed() or heard.statuses == [200], heard.raw[:200]
    assert not quiet_upstream.requests


@pytest.mark.fault("odd-http")
def test_http_1_0_is_answered_and_closed(live):
    sent = request().replace(b"HTTP/1.1", b"HTTP/1.0")
    heard = exchange(live.port, sent, timeout=SECONDS, see_close=True)
    assert heard.status == 200 and heard.closed


@pytest.mark.fault("odd-http")
def test_no_host_at_all_does_not_hang(live):
    heard = exchange(live.port, request().replace(b"host: localhost\r\n", b""), timeout=SECONDS)
    assert heard.status in (200, 400, 403)


@pytest.mark.fault("odd-http")
def test_two_requests_in_one_packet_are_two_answers(live):
    assert exchange(live.port, GET + GET, answers=2).statuses == [200, 200]


SECOND = request(b"/v1/messages?smuggled", b"x-smuggled: 1")
_HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def framed(*lines: bytes, body: bytes) -> bytes:
    return _HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


_SIZE = b"content-length: %d" % len(HELLO)
_TE = b"transfer-encoding: chunked"
_CUT = b"0\r\n\r\n" + SECOND
_HELLO_SIZE = b"%x\r\n" % len(HELLO)

SMUGGLED = {
    "CL.TE": framed(b"content-length: %d" % len(_CUT), _TE, body=_CUT),
    "TE.CL": framed(_TE, b"content-length: 4", body=chunked(SECOND)),
    "TE.CL, short": framed(b"content-length: 3", _TE, body=b"1\r\nZ\r\n0\r\n\r\n" + SECOND),
    "TE.TE, the second odd": framed(_TE, b"transfer-encoding: x", _SIZE, body=_CUT),
    "TE.TE, the first odd": framed(b"transfer-encoding: identity", _TE, _SIZE, body=_CUT),
    "TE.TE, one line": framed(b"transfer-encoding: chunked, identity", body=_CUT),
    "TE, identity behind, and CL": framed(
        b"transfer-encoding: chunked, identity", b"content-length: 5", body=_CUT
    ),
    "TE behind another": framed(b"transfer-encoding: x, chunked", body=_CUT),
    "TE behind gzip": framed(b"transfer-encoding: gzip, chunked", body=_CUT),
    "TE twice": framed(b"transfer-encoding: chunked, chunked", b"content-length: 5", body=_CUT),
    "TE in quotes": framed(b'transfer-encoding: "chunked"', b"content-length: 5", body=_CUT),
    "TE with a tab": framed(b"transfer-encoding:\tchunked", b"content-length: 5", body=_CUT),
    "TE with VT": framed(b"transfer-encoding: \x0bchunked", b"content-length: 5", body=_CUT),
    "TE with a NUL": framed(b"transfer-encoding: chunked\0", b"content-length: 5", body=_CUT),
    "TE cut short": framed(b"transfer-encoding: chunke", b"content-length: 5", body=_CUT),
    "TE of capitals and CL": framed(b"Transfer-ENCODING: cHuNkEd", b"content-length: 5", body=_CUT),
    "TE with a blank before the colon": framed(
        b"transfer-encoding : chunked", b"content-length: 5", body=_CUT
    ),
    "TE folded": framed(b"transfer-encoding:\r\n chunked", b"content-length: 5", body=_CUT),
    "TE behind a bare LF": framed(
        b"x-a: b\ntransfer-encoding: chunked", b"content-length: 5", body=_CUT
    ),
    "TE behind a bare CR": framed(
        b"x-a: b\rtransfer-encoding: chunked", b"content-length: 5", body=_CUT
    ),
    "two CLs": framed(b"content-length: 5", b"content-length: 300", body=b"{}   " + SECOND),
    "two CLs, turned": framed(b"content-length: 300", b"content-length: 5", body=b"{}   " + SECOND),
    "two CLs in one": framed(b"content-length: 5, 300", body=b"{}   " + SECOND),
    "two equal CLs in one": framed(b"content-length: 5, 5", body=b"{}   " + SECOND),
    "CL with a plus": framed(b"content-length: +5", body=b"{}   " + SECOND),
    "CL with a minus": framed(b"content-length: -5", body=b"{}   " + SECOND),
    "CL in hex": framed(b"content-length: 0x5", body=b"{}   " + SECOND),
    "CL with a blank inside": framed(b"content-length: 5 5", body=b"{}   " + SECOND),
    "CL with an underscore": framed(b"content-length: 1_0", body=b"{}   " + SECOND),
    "CL of a fraction": framed(b"content-length: 5.0", body=b"{}   " + SECOND),
    "CL of nothing": framed(b"content-length:", body=b"{}   " + SECOND),
    "CL of Arabic digits": framed("content-length: \u0665".encode(), body=b"{}   " + SECOND),
    "CL of 2**64 + 5": framed(b"content-length: %d" % (2**64 + 5), body=b"{}   " + SECOND),
    "CL with a blank before the colon": framed(b"content-length : 5", body=b"{}   " + SECOND),
    "a chunk size of 2**64 + 5": framed(
        _TE, body=b"10000000000000005\r\n{}   \r\n0\r\n\r\n" + SECOND
    ),
    "a chunk size in 0x": framed(_TE, body=b"0x5\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "a negative chunk size": framed(_TE, body=b"-5\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "a chunk size with a plus": framed(_TE, body=b"+5\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "a chunk size with an underscore": framed(_TE, body=b"0_5\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "a chunk size and blanks": framed(_TE, body=b"5 5\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "a chunk without its end": framed(_TE, body=b"5\r\n{}   XX0\r\n\r\n" + SECOND),
    "a chunk that ends in LF": framed(_TE, body=b"5\n{}   \n0\n\n" + SECOND),
    "an extension with LF": framed(_TE, body=b"5;a\nx\r\n{}   \r\n0\r\n\r\n" + SECOND),
    "no size": framed(_TE, body=b"\r\n{}   \r\n0\r\n\r\n" + SECOND),
}
"""First requests that two parsers could read in two ways, and then a second one.

Where both readings are refused the second is never run; it is marked by its path and a header.
"""


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_the_second_request_never_runs(live, quiet_upstream, sent):
    heard = exchange(live.port, sent, answers=2, timeout=2)
    assert all(400 <= status < 500 for status in heard.statuses), heard.raw[:300]
    assert len(heard.statuses) <= 1, heard.raw[:300]
    assert not quiet_upstream.requests
    assert b"smuggled" not in heard.raw


CLEAR = {
    "trailers": framed(
        _TE, body=_HELLO_SIZE + HELLO + b"\r\n0\r\nx-injected: 1\r\ncontent-length: 5\r\n\r\n"
    ),
    "extensions": framed(_TE, body=b"%x;a=b\r\n" % len(HELLO) + HELLO + b"\r\n0;c\r\n\r\n"),
    "leading zeros in a size": framed(_TE, body=b"000" + _HELLO_SIZE + HELLO + b"\r\n0\r\n\r\n"),
    "a size in capitals": framed(_TE, body=_HELLO_SIZE.upper() + HELLO + b"\r\n0\r\n\r\n"),
    "a CL with zeros": framed(b"content-length: 0%d" % len(HELLO), body=HELLO),
    "two equal CLs": framed(_SIZE, _SIZE, body=HELLO),
    "one byte a chunk": framed(_TE, body=chunked(*[HELLO[n : n + 1] for n in range(len(HELLO))])),
}
"""Framing that reads in one way only, if a bit odd."""


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("sent", CLEAR.values(), ids=CLEAR.keys())
def test_clear_framing_is_one_request(live, quiet_upstream, sent):
    heard = exchange(live.port, sent, timeout=SECONDS)
    assert heard.status in (200, 400)
    assert len(heard.statuses) == 1
    assert len(quiet_upstream.posts) == (heard.status == 200)


BODIES_ON_GET = {
    "a body": b"GET /health HTTP/1.1\r\nhost: localhost\r\n_: _\r\ncontent-length: %d\r\n\r\n"
    % len(SECOND)
    + SECOND,
    "a chunked body": b"GET /health HTTP/1.1\r\nhost: localhost\r\n_: _\r\n%b\r\n\r\n" % _TE
    + chunked(SECOND),
}


@pytest.mark.fault("smuggling")
@pytest.mark.parametrize("sent", BODIES_ON_GET.values(), ids=BODIES_ON_GET.keys())
def test_the_body_of_a_get_is_no_request(live, quiet_upstream, sent):
    heard = exchange(live.port, sent, answers=2, timeout=0.3)
    assert len(heard.statuses) == 1
    assert not quiet_upstream.requests


@pytest.mark.fault("smuggling", "huge-body")
def test_a_refused_body_is_not_read_as_the_next_request(live, quiet_upstream):
    first = request(b"/nowhere", body=SECOND)
    heard = exchange(live.port, first + GET, answers=2, timeout=3)
    assert heard.statuses in ([404], [404, 200])
    too_large = framed(b"content-length: 999999999", body=SECOND)
    assert exchange(live.port, too_large, answers=2, timeout=2).statuses == [413]
    assert not quiet_upstream.requests
