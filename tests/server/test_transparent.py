"""Anthropic as the upstream, on bare sockets: what goes in comes out, byte for byte."""

import re

import pytest

from claude_proxy.settings import load_settings
from tests.conftest import running
from tests.faults.raw_client import exchange, request
from tests.faults.raw_upstream import STREAM_HEAD, chunked, head, raw_serving
from tests.messages_upstream import event, message, said

KEY = b"sk-ant-oat01-0123456789"
LOGIN = (b"authorization: Bearer " + KEY, b"anthropic-beta: oauth-2025-04-20")
BODY = (
    b'{ "zeta" : [1.10, 1e2, -0, 123456789012345678901234567890],"model":"claude-x",\r\n'
    b'\t"max_tokens":9 , "max_tokens" : 10,"stream":false,"system":[{"type":"text","text":'
    b'"x-anthropic-billing-header: cc_version=2.1.329.3c4; cc_entrypoint=sdk-cli;"},'
    b'{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}],'
    b'"messages":[{"role":"user","content":"h\\u00e9\\/\xf0\x9f\x98\x80"}],'
    b' "thread":{"type":"create"} }\n'
)


@pytest.fixture
def upstream():
    with raw_serving() as upstream:
        yield upstream


@pytest.fixture
def live(upstream):
    environ = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": upstream.url}
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        yield live


def plays(upstream, raw):
    """What the upstream says to any request, and then it hangs up."""
    upstream.play(lambda connection, request: connection.send(raw))


def whole(status="200 OK", body=b"{}", *lines, kind="application/json"):
    return head(status, *lines, content_type=kind, content_length=str(len(body))) + body


def unchunked(body):
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return b"".join(parts)


def headers_of(heard):
    lines = (line.partition(b": ") for line in heard.head.split(b"\r\n")[1:])
    return {name.decode(): value.decode() for name, _, value in lines}


def ask(live, *lines, body=BODY, path=b"/v1/messages?beta=true"):
    return exchange(live.port, request(path, *LOGIN, *lines, body=body))


OTHERS = [
    b'{"model":"claude-x","messages":[]}',
    BODY,
    BODY.replace(b"h\\u00e9", b"x" * 40_000),
    BODY.replace(b"h\\u00e9", b"x" * 3_000_000),
]


@pytest.mark.parametrize("body", OTHERS, ids=["small", "odd", "large", "huge"])
@pytest.mark.parametrize("path", [b"/v1/messages", b"/anthropic/v1/messages?beta=true&x=%20"])
def test_a_request_arrives_as_it_was_sent(live, upstream, body, path):
    plays(upstream, whole(body=message()))
    assert ask(live, body=body, path=path).status == 200
    (got,) = upstream.requests
    assert got.body == body
    assert got.target == path.removeprefix(b"/anthropic").decode()


def test_headers_arrive_as_they_were_sent(live, upstream):
    plays(upstream, whole(body=message()))
    sent = [
        b"anthropic-version: 2023-06-01",
        b"anthropic-beta: b-2099-01-01, a-2025-01-01,c",
        b"Anthropic-Beta: oauth-late",
        b"anthropic-unheard-of: x  y",
        b"user-agent: claude-cli/2.1.329 (external, cli)",
        b"x-app: cli",
        b"x-claude-code-session-id: 1b9d",
        b"x-stainless-retry-count: 0",
    ]
    kept = [b"anthropic-dangerous-direct-browser-access: true", b"cookie: a=b", b"x-application: n"]
    exchange(live.port, request(b"/v1/messages", LOGIN[0], *sent, *kept, body=BODY))
    got = dict(upstream.requests[0].headers)
    assert got == {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "b-2099-01-01, a-2025-01-01,c,oauth-late",
        "anthropic-unheard-of": "x  y",
        "user-agent": "claude-cli/2.1.329 (external, cli)",
        "x-app": "cli",
        "x-claude-code-session-id": "1b9d",
        "x-stainless-retry-count": "0",
        "authorization": LOGIN[0].decode().partition(": ")[2],
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "host": upstream.url.removeprefix("http://"),
    }


STREAM = b"".join(
    [
        b": welcome\n\n",
        b"retry: 3000\nid: 7\n\n",
        *said("h\xe9", "\u2028")[:4],
        b'event: brand_new\r\nid: 8\r\ndata: {"type": "brand_new"}\r\n\r\n',
        b":\n\n: a comment\n",
        b'event: ping\ndata: {"type": "ping"}\n\n\n\n',
        *said("a")[4:],
    ]
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_comes_back_as_it_was_said(live, upstream, size):
    parts = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    plays(upstream, STREAM_HEAD + b"".join(map(chunked, parts)) + b"0\r\n\r\n")
    heard = ask(live, body=BODY.replace(b"false", b"true"))
    raw = heard.raw.partition(b"\r\n\r\n")[2]
    assert unchunked(raw) == STREAM


LIMITS = {
    "request-id": "req_011CUpstream",
    "anthropic-organization-id": "5c1b",
    "anthropic-ratelimit-unified-status": "allowed_warning",
    "anthropic-ratelimit-tokens-reset": "2026-11-30T00:00:00Z",
    "retry-after": "17",
    "x-should-retry": "true",
}
ERRORS = [
    ("400 Bad Request", b'{"type":"error","error":{"type":"invalid_request_error","message":"m"}}'),
    (
        "400 Bad Request",
        b'{"type":"error","error":{"type":"invalid_request_error","message":"threads are off",'
        b'"details":{"error_code":"thread_unsupported_request","unsupported":["thread"]}}}',
    ),
    ("404 Not Found", b'{"type":"error", "error":{"type":"not_found_error","message":"model: x"}}'),
    ("413 Too Large", b'{"error":{"type":"request_too_large"},"type":"error"}\n'),
    ("429 Too Many Requests", b'{"type":"error","error":{"type":"rate_limit_error"},"n":1e400}'),
    ("500 Oops", b'{"type":"error","error":{"type":"api_error","message":"context length 9"}}'),
    ("529 Overloaded", b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}'),
]


@pytest.mark.parametrize(("status", "body"), ERRORS, ids=[s for s, _ in ERRORS])
@pytest.mark.parametrize("stream", [b"false", b"true"])
def test_an_error_comes_back_as_it_was_said(live, upstream, status, body, stream):
    lines = [f"{name}: {value}" for name, value in LIMITS.items()]
    plays(upstream, whole(status, body, *lines))
    heard = ask(live, body=BODY.replace(b"false", stream))
    assert (heard.status, heard.body) == (int(status[:3]), body)
    got = headers_of(heard)
    assert {name: got[name] for name in LIMITS} == {n: v.lower() for n, v in LIMITS.items()}
    assert len(upstream.requests) == 1


def test_an_answers_head_has_nothing_of_ours_but_what_is_told(live, upstream):
    lines = [f"{name}: {value}" for name, value in LIMITS.items()]
    plays(upstream, whole("200 OK", message(new=[1.0, 10**30]), *lines, "set-cookie: a=b"))
    heard = ask(live)
    assert heard.body == message(new=[1.0, 10**30])
    own = {"content-type", "content-length", "x-claude-proxy-route", "date"}
    assert set(headers_of(heard)) - own == set(LIMITS)


def test_an_error_in_mid_stream_is_the_last_word(live, upstream):
    cut = b"".join(said("a")[:4]) + event("error", error={"type": "overloaded_error"})
    plays(upstream, STREAM_HEAD + chunked(cut) + b"0\r\n\r\n")
    heard = ask(live, body=BODY.replace(b"false", b"true"))
    assert unchunked(heard.raw.partition(b"\r\n\r\n")[2]) == cut


def test_no_key_of_the_clients_is_in_what_we_add(live, upstream):
    plays(upstream, whole(body=message()))
    assert not re.search(KEY, ask(live).raw)
