"""Refusals, web pages and redirects: the status that the client gets, and what it is told."""

import json

import pytest

from tests.conftest import UPSTREAM_KEY
from tests.faults.asking import ask
from tests.faults.raw_upstream import head, raw_serving, say, well
from tests.process import started
from tests.upstream import chunk

MESSAGE = "the upstream's own words"
BODY = json.dumps({"error": {"message": MESSAGE, "type": "x", "code": None}}).encode()


def refuse(status, body=BODY, kind="application/json", **headers):
    def act(connection, request):
        more = {"content_type": kind, "content_length": str(len(body)), **headers}
        connection.send(head(f"{status} Said so", **more) + body)
        return True

    return act


STATUSES = {
    400: (400, "invalid_request_error"),
    401: (401, "authentication_error"),
    402: (402, "billing_error"),
    403: (403, "permission_error"),
    404: (404, "not_found_error"),
    405: (405, "invalid_request_error"),
    408: (504, "timeout_error"),
    409: (409, "invalid_request_error"),
    413: (413, "request_too_large"),
    422: (422, "invalid_request_error"),
    429: (429, "rate_limit_error"),
    500: (502, "api_error"),
    501: (502, "api_error"),
    502: (502, "api_error"),
    503: (503, "overloaded_error"),
    504: (504, "timeout_error"),
    520: (502, "api_error"),
    524: (504, "timeout_error"),
    529: (529, "overloaded_error"),
}


@pytest.mark.pitfall(35)
@pytest.mark.fault("status")
@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_keeps_its_status_after_one_attempt(proxy, stream, status):
    answer = proxy.ask(refuse(status), stream=stream)
    assert answer.failure == STATUSES[status]
    assert answer.told == MESSAGE
    assert proxy.attempts == 1
    final = status in (401, 403)
    assert answer.headers.get("x-should-retry") == ("false" if final else None)
    assert "retry-after" not in answer.headers


@pytest.mark.pitfall(35)
@pytest.mark.fault("status")
@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize("value", ["7", "Wed, 21 Oct 2026 07:28:00 GMT", "0.5"])
def test_retry_after_is_passed_on_and_not_waited_for(proxy, stream, status, value):
    act = refuse(status, retry_after=value, retry_after_ms="7000", x_should_retry="true")
    answer = proxy.ask(act, stream=stream)
    assert answer.status == status
    assert answer.headers["retry-after"] == value
    assert answer.headers["retry-after-ms"] == "7000"
    assert answer.headers["x-should-retry"] == "true"
    assert answer.seconds < 5 and proxy.attempts == 1


BODIES = {
    "nothing": b"",
    "a text": b"Slow down.",
    "an array": b'[{"error": {"message": "Slow down."}}]',
    "null": b"null",
    "deep JSON": b"[" * 100_000,
    "half JSON": b'{"error": {"mess',
    "invalid UTF-8": b"Slow \xff down",
    "an event": b'data: {"error": {"message": "Slow down."}}\n\n',
    "odd types": b'{"error": {"message": {"a": [1]}, "code": [], "type": 7}}',
    "an empty object": b"{}",
}


@pytest.mark.fault("status")
@pytest.mark.parametrize("case", BODIES)
def test_the_status_counts_whatever_the_text(proxy, stream, case):
    answer = proxy.ask(refuse(429, BODIES[case]), stream=stream)
    assert answer.failure == (429, "rate_limit_error")
    assert len(answer.told) <= 2000 and proxy.attempts == 1


@pytest.mark.fault("status")
def test_a_refusal_that_hangs_in_its_text_is_504(impatient, raw):
    def hang(connection, request):
        connection.send(head("429 Slow", content_length="99") + b'{"err')
        raw.note_left(connection)

    answer = impatient[0].ask(hang, stream=True)
    assert answer.failure[0] in {429, 504} and answer.seconds < 5
    assert raw.wait_left() and len(raw.requests) == 1


PAGE = b"<!DOCTYPE html><html><body><h1>Welcome to our gateway</h1><script>1</script></body></html>"


@pytest.mark.fault("html")
@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/json"])
def test_a_web_page_is_502_and_is_not_passed_on(proxy, stream, status, kind):
    answer = proxy.ask(refuse(status, PAGE, kind), stream=stream)
    assert answer.failure == (502, "api_error")
    assert b"<" not in answer.body and b"gateway" not in answer.body
    assert "HTML page" in answer.told
    assert proxy.attempts == 1


@pytest.mark.fault("html")
def test_a_web_page_that_says_to_be_a_stream_is_502(proxy, stream):
    answer = proxy.ask(refuse(200, PAGE, "text/event-stream"), stream=stream)
    assert answer.failure == (502, "api_error")
    assert b"gateway" not in answer.body


@pytest.mark.fault("html", "status")
@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_a_web_page_with_a_refusal_keeps_the_status(proxy, stream, status):
    answer = proxy.ask(refuse(status, PAGE, "text/html"), stream=stream)
    assert answer.failure == STATUSES[status]
    assert b"<" not in answer.body


REDIRECTS = [300, 301, 302, 303, 305, 307, 308]


@pytest.mark.fault("redirect")
@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_502_and_is_not_followed(proxy, stream, status):
    with raw_serving() as decoy:
        for place in (f"{decoy.url}/v1/chat/completions", f"{proxy.upstream.url}/v2", "/v2"):
            answer = proxy.ask(refuse(status, b"", location=place), stream=stream)
            assert answer.failure == (502, "api_error")
            assert "location" not in answer.headers
            assert proxy.attempts == 1
        assert decoy.accepted == 0


LEAKS = {
    "in the message": (401, {"error": {"message": f"Incorrect API key provided: {UPSTREAM_KEY}."}}),
    "in the code": (401, {"error": {"message": "No", "code": UPSTREAM_KEY}}),
    "as a bearer token": (403, {"error": {"message": f"Got 'Bearer {UPSTREAM_KEY}'"}}),
    "in a text": (401, f"bad key {UPSTREAM_KEY}"),
    "in a 500": (500, {"detail": f"Traceback: key={UPSTREAM_KEY}"}),
    "with 200": (200, {"error": {"message": f"key {UPSTREAM_KEY}", "code": 401}}),
}


@pytest.mark.fault("echoed-key")
@pytest.mark.parametrize("case", LEAKS)
def test_a_key_in_the_upstreams_words_is_masked(proxy, stream, case):
    status, body = LEAKS[case]
    answer = proxy.ask(refuse(status, json.dumps(body).encode()), stream=stream)
    assert answer.failure[0] == {403: 403, 500: 502}.get(status, 401)
    assert no_key_in(answer)


@pytest.mark.fault("echoed-key", "late-error")
def test_a_key_in_a_late_error_is_masked(proxy):
    def act(connection, request):
        error = {"error": {"message": f"key {UPSTREAM_KEY} revoked", "code": 401}}
        say(connection, chunk({"content": "Hel"}), error)

    answer = proxy.ask(act, stream=True)
    assert answer.failure == (200, "authentication_error")
    assert no_key_in(answer)


def no_key_in(answer):
    return UPSTREAM_KEY not in answer.body.decode() + str(answer.headers.raw)


@pytest.mark.slow
@pytest.mark.fault("echoed-key")
def test_a_key_is_masked_in_the_log_of_a_process_at_debug(raw, transport):
    environ = {"CLAUDE_PROXY_LOG_LEVEL": "DEBUG", "CLAUDE_PROXY_TRANSPORT": transport}
    raw.play(well)
    with started(raw, **environ) as server:
        for status, body in LEAKS.values():
            raw.play(refuse(status, json.dumps(body).encode()))
            for stream in (False, True):
                assert UPSTREAM_KEY.encode() not in ask(server.url, stream=stream).body
        log = server.log()
    assert "upstream_error" in log and "[redacted]" in log
    assert UPSTREAM_KEY not in log


@pytest.mark.fault("status")
@pytest.mark.parametrize("read", [1, 1 << 20])
def test_a_refusal_of_a_body_that_is_still_on_its_way(proxies, transport, read):
    """The connection is closed under the body; the refusal may be lost with it."""

    def refuse_early(connection):
        connection.sock.recv(read)
        connection.send(head("413 Large", content_length=str(len(BODY))) + BODY)
        connection.sock.close()

    with raw_serving(greet=refuse_early) as upstream:
        where = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "CLAUDE_PROXY_TRANSPORT": transport}
        text = {"messages": [{"role": "user", "content": "a" * (8 << 20)}]}
        answer = ask(proxies(**where).live.url, **text)
        assert answer.failure in {(413, "request_too_large"), (502, "api_error")}
        assert upstream.accepted == 1
