"""The rest of Anthropic's API: whatever is below `/v1/` passes as it is, and leads nowhere else."""

import gzip
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy.server.surfaces import endpoint_of
from claude_proxy.server.through import target_of
from claude_proxy.settings import load_settings
from tests.conftest import running
from tests.faults.raw_client import chunked, connect, exchange, request
from tests.faults.raw_upstream import head, raw_serving
from tests.upstream import eventually

OWN = "sk-ant-api03-server-0123456789"
CLIENT = {"x-api-key": "client-key"}
TRANSPORTS = pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
BINARY = bytes(range(256)) * 4000

PATHS = [
    ("/v1/files", "/v1/files"),
    ("/anthropic/v1/files", "/v1/files"),
    ("/v1/v1/files", "/v1/files"),
    ("/v1/messages/batches/msgbatch_01/results", "/v1/messages/batches/msgbatch_01/results"),
    ("/v1/skills/a:b@c~d=e+f-g_h.i", "/v1/skills/a:b@c~d=e+f-g_h.i"),
    ("/v1/files/", None),
    ("/v1//files", None),
    ("/v1/../admin", None),
    ("/v1/files/..", None),
    ("/v1/./files", None),
    ("/v1/.env", None),
    ("/v1/a/%2e%2e/b", None),
    ("/v1/a%2fb", None),
    ("/v1/a\\b", None),
    ("/v1/a?b", None),
    ("/v1/a#b", None),
    ("/v1/a b", None),
    ("/v1/\u00e9", None),
    ("/v1/a\nb", None),
    ("/v1/" + "a/" * 12 + "b", None),
    ("/v1/" + "a" * 257, None),
    ("/v1", None),
    ("/v2/files", None),
    ("/files", None),
    ("/openai/v1/files", None),
]


@pytest.mark.parametrize(("path", "target"), PATHS)
def test_a_path_leads_only_below_the_base(path, target):
    assert target_of(path) == target


def test_metrics_know_one_name_for_all():
    assert endpoint_of("/v1/files/file_1") == endpoint_of("/anthropic/v1/x") == "/v1/{path}"
    assert endpoint_of("/v1/../x") == "other"


@pytest.fixture
def upstream():
    with raw_serving() as upstream:
        yield upstream


@contextmanager
def proxy(upstream, **environ):
    known = {
        "CLAUDE_PROXY_BACKEND": "anthropic",
        "ANTHROPIC_FORWARD_URL": f"{upstream.url}/base",
        "ANTHROPIC_API_KEY": OWN,
    }
    with running(load_settings(environ={**known, **environ}, trusted_folder=False)) as live:
        yield live


@pytest.fixture
def live(upstream):
    with proxy(upstream) as live:
        yield live


def answer(body=b"{}", status="200 OK", kind="application/json", **more):
    return head(status, content_type=kind, content_length=str(len(body)), **more) + body


def plays(upstream, raw):
    upstream.play(lambda connection, request: connection.send(raw))


def ask(live, method="GET", path="/v1/files", **more):
    headers = {**CLIENT, **more.pop("headers", {})}
    url = f"{live.url}{path}"
    return httpx.request(method, url, headers=headers, timeout=20, trust_env=False, **more)


@TRANSPORTS
@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_methods_and_queries_pass(upstream, transport, method):
    said = answer(b'{"id": "f",  "deleted": true}', anthropic_organization_id="o")
    plays(upstream, said[:-29] if method == "HEAD" else said)
    with proxy(upstream, CLAUDE_PROXY_TRANSPORT=transport) as live:
        beta = {"anthropic-beta": "files-api-2025-04-14", "accept": "application/binary"}
        reply = ask(live, method, "/v1/files/file_1?limit=2&after_id=a%20b", headers=beta)
    assert reply.status_code == 200
    assert reply.content == (b"" if method == "HEAD" else b'{"id": "f",  "deleted": true}')
    assert reply.headers["content-length"] == "29"
    assert reply.headers["anthropic-organization-id"] == "o"
    (got,) = upstream.requests
    assert got.target == "/base/v1/files/file_1?limit=2&after_id=a%20b"
    assert got.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert got.headers["accept"] == "application/binary"
    assert got.headers["x-api-key"] == OWN and "content-type" not in got.headers
    assert "client-key" not in str(got.headers)


@TRANSPORTS
@pytest.mark.parametrize("chunks", [False, True])
def test_an_upload_arrives_as_the_same_bytes(upstream, transport, chunks):
    body = b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + BINARY + b"\r\n--x--\r\n"
    seen = []

    def act(connection, got):
        if chunks:
            raw = got.body
            while not raw.endswith(b"0\r\n\r\n"):
                raw += connection.sock.recv(1 << 20)
            seen.append(unchunked(raw))
        connection.send(answer(b'{"id":"file_1"}'))

    upstream.play(act)
    kind = {"content-type": 'multipart/form-data; boundary="x"'}
    content = (body[at : at + 70_001] for at in range(0, len(body), 70_001)) if chunks else body
    with proxy(upstream, CLAUDE_PROXY_TRANSPORT=transport) as live:
        reply = ask(live, "POST", content=content, headers=kind)
    assert (reply.status_code, reply.content) == (200, b'{"id":"file_1"}')
    (got,) = upstream.requests
    assert (seen[0] if chunks else got.body) == body
    assert got.headers["content-type"] == kind["content-type"]
    assert got.headers.get("content-length") == (None if chunks else str(len(body)))


def unchunked(raw):
    parts = []
    while raw:
        size, _, rest = raw.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        raw = rest[int(size, 16) + 2 :]
    return b"".join(parts)


@TRANSPORTS
def test_a_download_comes_back_as_the_same_bytes(upstream, transport):
    named = {"content_disposition": 'attachment; filename="a.pdf"', "set_cookie": "a=b"}
    plays(upstream, answer(BINARY, kind="application/pdf", **named))
    with proxy(upstream, CLAUDE_PROXY_TRANSPORT=transport) as live:
        reply = ask(live, path="/v1/files/file_1/content")
    assert reply.content == BINARY
    assert reply.headers["content-type"] == "application/pdf"
    assert reply.headers["content-disposition"] == 'attachment; filename="a.pdf"'
    assert reply.headers["content-length"] == str(len(BINARY))
    assert "set-cookie" not in reply.headers


def test_a_stream_of_events_passes_as_it_comes(live, upstream):
    gate = threading.Event()

    def act(connection, request):
        connection.send(head(content_type="text/event-stream"), b": hello\n\n")
        gate.wait(10)
        connection.send(b"event: done\r\ndata: {}\r\n\r\n")

    upstream.play(act)
    with httpx.stream("GET", f"{live.url}/v1/sessions/s/events", headers=CLIENT) as reply:
        parts = reply.iter_raw()
        assert next(parts) == b": hello\n\n"
        gate.set()
        assert b"".join(parts) == b"event: done\r\ndata: {}\r\n\r\n"
    assert reply.headers["x-accel-buffering"] == "no"


def test_a_file_does_not_become_a_page_of_ours(live, upstream):
    plays(upstream, answer(b"<script>1</script>", kind="text/html"))
    reply = ask(live, path="/v1/files/file_1/content")
    assert reply.content == b"<script>1</script>"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "sandbox"


def test_an_error_comes_back_as_it_is(live, upstream):
    said = b'{"type":"error", "error":{"type":"not_found_error","message":"no file"}}'
    plays(upstream, answer(said, "404 Not Found", request_id="req_9", retry_after="3"))
    reply = ask(live, path="/v1/files/none")
    assert (reply.status_code, reply.content) == (404, said)
    assert (reply.headers["request-id"], reply.headers["retry-after"]) == ("req_9", "3")


def test_a_redirect_is_not_followed_nor_handed_on(live, upstream):
    plays(upstream, answer(b"", "302 Found", location="http://127.0.0.1:1/"))
    reply = ask(live)
    assert reply.status_code == 502 and "location" not in reply.headers
    assert len(upstream.requests) == 1


def test_a_batch_is_made_read_and_canceled(live, upstream):
    plays(upstream, answer(b'{"id":"msgbatch_1"}'))
    body = b'{ "requests": [ {"n": 123456789012345678901} ] }'
    json = {"content-type": "application/json"}
    assert ask(live, "POST", "/v1/messages/batches", content=body, headers=json).status_code == 200
    assert ask(live, "POST", "/v1/messages/batches/msgbatch_1/cancel").status_code == 200
    made, canceled = upstream.requests
    assert (made.target, made.body) == ("/base/v1/messages/batches", body)
    assert canceled.body == b"" and canceled.headers["content-length"] == "0"


@TRANSPORTS
@pytest.mark.parametrize("kind", ["application/json", ""])
def test_no_kind_of_an_empty_body_is_made_up(upstream, transport, kind):
    plays(upstream, answer(b'{"id":"msgbatch_1"}'))
    headers = {"content-type": kind} if kind else {}
    with proxy(upstream, CLAUDE_PROXY_TRANSPORT=transport) as live:
        reply = ask(live, "POST", "/v1/messages/batches/msgbatch_1/cancel", headers=headers)
    assert reply.status_code == 200
    assert upstream.requests[0].headers.get("content-type") == (kind or None)


def test_a_compressed_body_says_so_there_too(live, upstream):
    plays(upstream, answer())
    body = gzip.compress(b'{"requests": []}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert ask(live, "POST", content=body, headers=headers).status_code == 200
    (got,) = upstream.requests
    assert got.body == body and got.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_a_page_is_refused(live, upstream, kind):
    headers = {"content-type": kind} if kind else {}
    assert ask(live, "POST", content=b"a=b", headers=headers).status_code == 415
    assert upstream.requests == []


def test_a_foreign_page_is_refused(live, upstream):
    headers = {"origin": "https://evil.example", "content-type": "multipart/form-data; boundary=x"}
    assert ask(live, "POST", content=b"x", headers=headers).status_code == 403
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused(live, upstream, method):
    assert ask(live, method).status_code == 405
    assert upstream.requests == []


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../admin",
        b"/v1/%2e%2e/admin",
        b"/v1/files%2f..%2f..%2fadmin",
        b"/v1/files%2Ffile_1",
        b"/v1%2ffiles",
        b"/v1/.%2e/a",
        b"/v1/a%5cb",
    ],
)
def test_no_way_leads_out(live, upstream, path):
    heard = exchange(live.port, request(path, b"x-api-key: k", method=b"GET", body=b""))
    assert heard.status == 404 and upstream.requests == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/responses", "/v1/chat/completions/1"])
def test_what_is_openais_does_not_pass(live, upstream, path):
    answer = ask(live, "POST", path, json={"input": "words"})
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "unknown_url"
    assert upstream.requests == []
    told = {"anthropic-version": "2023-06-01"}
    assert ask(live, "POST", path, json={}, headers={**CLIENT, **told}).status_code == 200


def test_a_method_of_ours_stays_ours(live, upstream):
    assert ask(live, "GET", "/v1/messages").status_code == 405
    assert upstream.requests == []


def test_without_a_key_nothing_passes(upstream):
    with proxy(upstream, CLAUDE_PROXY_AUTH_KEY="right") as live:
        assert ask(live).status_code == 401
        plays(upstream, answer())
        assert ask(live, headers={"x-api-key": "right"}).status_code == 200
    assert len(upstream.requests) == 1


def test_a_login_passes(upstream):
    plays(upstream, answer())
    with proxy(upstream, ANTHROPIC_API_KEY="") as live:
        headers = {"authorization": "Bearer sk-ant-oat01-x", "anthropic-beta": "oauth-2025-04-20"}
        httpx.get(f"{live.url}/v1/files", headers=headers, timeout=20)
    got = upstream.requests[0].headers
    assert got["authorization"] == "Bearer sk-ant-oat01-x" and "x-api-key" not in got


def test_other_upstreams_have_nothing_there(server, upstream):
    reply = ask(server())
    assert reply.status_code == 404 and "CLAUDE_PROXY_BACKEND=anthropic" in reply.text


@pytest.fixture
def server(upstream):
    environ = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": "k"}
    with running(load_settings(environ=environ, trusted_folder=False)) as live:
        yield lambda: live


@TRANSPORTS
@pytest.mark.parametrize("told", [True, False])
def test_too_large_a_body_is_413(upstream, transport, told):
    upstream.play(lambda connection, request: upstream.note_left(connection))
    limits = {"CLAUDE_PROXY_MAX_BODY_BYTES": "1000", "CLAUDE_PROXY_TRANSPORT": transport}
    with proxy(upstream, **limits) as live:
        kind = {"content-type": "application/octet-stream"}
        content = b"x" * 2000 if told else iter([b"x" * 600, b"x" * 1400])
        reply = ask(live, "POST", content=content, headers=kind)
    assert reply.status_code == 413


@TRANSPORTS
def test_a_client_that_leaves_in_its_upload_ends_it(upstream, transport):
    with proxy(upstream, CLAUDE_PROXY_TRANSPORT=transport) as live:
        leave(live, upstream)


def leave(live, upstream):
    start = request(
        b"/v1/files", b"x-api-key: k", b"content-length: 5000000", body=b"x" * 70_000, length=False
    )
    with capture_logs() as captured:
        with connect(live.port) as client:
            client.sendall(start)
            assert eventually(lambda: upstream.accepted == 1)
        assert eventually(lambda: bool(failures(captured)))
    (line,) = failures(captured)
    assert line["reason"] == "client gone" and 0 < line["body_bytes"] <= 70_000
    assert upstream.requests == []  # It never came whole.


def failures(captured):
    return [line for line in captured if line["event"] == "forward_failed"]


def test_a_client_that_leaves_in_its_download_ends_it(live, upstream):
    def act(connection, request):
        connection.send(head(content_type="application/pdf", content_length="99999999"), b"x" * 999)
        upstream.note_left(connection)

    upstream.play(act)
    with connect(live.port) as client:
        client.sendall(request(b"/v1/files/f/content", b"x-api-key: k", method=b"GET", body=b""))
        assert client.recv(100)
    assert upstream.wait_left()


def test_the_end_of_the_server_ends_a_download(upstream):
    def act(connection, request):
        connection.send(head(content_type="application/pdf", content_length="99999999"), b"x" * 999)
        upstream.note_left(connection)

    upstream.play(act)
    with proxy(upstream, CLAUDE_PROXY_DRAIN_SECONDS="0.2") as live:
        client = connect(live.port)
        client.sendall(request(b"/v1/files/f/content", b"x-api-key: k", method=b"GET", body=b""))
        assert client.recv(100)
    with client:
        assert upstream.wait_left()


def test_a_cut_download_is_a_cut_download(live, upstream):
    plays(upstream, head(content_type="application/pdf", content_length="5000") + b"x" * 99)
    heard = exchange(live.port, request(b"/v1/files/f", b"x-api-key: k", method=b"GET", body=b""))
    assert heard.status == 200 and heard.closed and heard.raw.endswith(b"x" * 99)


def test_a_reader_that_is_slow_holds_the_upstream_back(live, upstream):
    sent = threading.Event()

    def act(connection, request):
        connection.send(head(content_type="application/pdf", content_length=str(64 << 20)))
        connection.drip(b"x" * (64 << 20), size=1 << 20)
        sent.set()

    upstream.play(act)
    with connect(live.port, receive_buffer=4096) as client:
        client.sendall(request(b"/v1/files/f", b"x-api-key: k", method=b"GET", body=b""))
        assert not sent.wait(1.0)  # 64 MiB are nowhere but in the pipe.
        received = 0
        while received < 64 << 20:
            received += len(client.recv(1 << 20))
    assert sent.is_set()


def test_silence_is_504(upstream):
    upstream.play(lambda connection, request: upstream.note_left(connection))
    with proxy(upstream, CLAUDE_PROXY_REQUEST_TIMEOUT="0.3") as live:
        assert ask(live).status_code == 504
    assert upstream.wait_left()


def test_they_count_among_those_at_a_time(upstream):
    gate = threading.Event()

    def act(connection, request):
        gate.wait(10)
        connection.send(answer())

    upstream.play(act)
    with proxy(upstream, CLAUDE_PROXY_MAX_CONCURRENT="1") as live:
        first = threading.Thread(target=ask, args=(live,))
        first.start()
        assert upstream.wait_requests(1)
        assert ask(live).status_code == 429
        gate.set()
        first.join(10)


def test_an_early_answer_to_an_upload_passes(live, upstream):
    def talk():
        sock, _ = listener.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(answer(b'{"type":"error","error":{}}', "413 Too Large"))
            time.sleep(0.5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with proxy(upstream, ANTHROPIC_FORWARD_URL=url) as live:
            head_ = [b"x-api-key: k", b"transfer-encoding: chunked"]
            start = request(b"/v1/files", *head_, body=b"", length=False) + chunked(b"x" * 9)[:-5]
            heard = exchange(live.port, start)
        thread.join(5)
    assert heard.status == 413
