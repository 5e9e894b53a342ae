"""Who gets in, with whose key, from which page, and what a URL in a request can reach: nothing."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import UPSTREAM_KEY, LiveServer, running, settings_for
from tests.faults.bodies import HELLO
from tests.faults.raw_client import exchange, request
from tests.upstream import Received, Reply, Upstream, completion, text_stream

AUTH = "sk-proxy-secret-0123456789"
BASIC = base64.b64encode(f"user:{AUTH}".encode())
KEY = AUTH.encode()


@pytest.fixture(autouse=True)
def forget(quiet_upstream: Upstream) -> None:
    quiet_upstream.requests.clear()
    quiet_upstream.play(Reply(completion("ok")))


@pytest.fixture(scope="module")
def locked(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_AUTH_KEY=AUTH)) as started:
        yield started


@pytest.fixture(scope="module")
def keyless(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream)) as started:
        yield started


@pytest.fixture(scope="module")
def passing(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_MODE="passthrough")) as started:
        yield started


WRONG_KEYS: dict[str, tuple[bytes, ...]] = {
    "none": (),
    "an empty key": (b"x-api-key:",),
    "blanks": (b"x-api-key:    ",),
    "another key": (b"x-api-key: sk-proxy-other-0123456789",),
    "its start": (b"x-api-key: " + KEY[:-1],),
    "more than it": (b"x-api-key: " + KEY + b"0",),
    "its end": (b"x-api-key: " + KEY[1:],),
    "capitals": (b"x-api-key: " + KEY.upper(),),
    "quotes": (b'x-api-key: "' + KEY + b'"',),
    "twice in one": (b"x-api-key: " + KEY + b", " + KEY,),
    "blanks inside": (b"x-api-key: sk-proxy- secret-0123456789",),
    "Latin-1": (b"x-api-key: \xff\xfe\x80" + KEY,),
    "UTF-8": ("x-api-key: schlüssel".encode(),),
    "its look-alike": ("x-api-key: sk-proxy-secret-012345678\uff19".encode(),),
    "10 kB": (b"x-api-key: " + b"k" * 10_000,),
    "10 kB that begin with it": (b"x-api-key: " + KEY * 400,),
    "a wrong one behind it": (b"x-api-key: " + KEY, b"x-api-key: wrong-0123456789"),
    "Basic": (b"authorization: Basic " + BASIC,),
    "Basic with the key": (b"authorization: Basic " + KEY,),
    "no scheme": (b"authorization: " + KEY,),
    "Bearer alone": (b"authorization: Bearer",),
    "Bearer without a blank": (b"authorization: Bearer" + KEY,),
    "Bearer with a colon": (b"authorization: Bearer:" + KEY,),
    "Bearer and a wrong key": (b"authorization: Bearer wrong",),
    "Bearer twice": (b"authorization: Bearer Bearer " + KEY,),
    "Digest": (b'authorization: Digest username="x"',),
    "a cookie": (b"cookie: x-api-key=" + KEY,),
    "a proxy's header": (b"proxy-authorization: Bearer " + KEY,),
    "another name": (b"api-key: " + KEY,),
    "an underscore": (b"x_api_key: " + KEY,),
    "a forwarded one": (b"x-forwarded-authorization: Bearer " + KEY,),
    "the upstream's key": (b"x-api-key: " + UPSTREAM_KEY.encode(),),
}


@pytest.mark.fault("auth")
@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages/count_tokens", b"/v1/models"])
@pytest.mark.parametrize("lines", WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_wrong_key_is_401_in_shape_and_reaches_nothing(locked, quiet_upstream, lines, path):
    method = b"GET" if path.endswith(b"models") else b"POST"
    sent = request(path, b"anthropic-version: 2023-06-01", *lines, method=method)
    heard = exchange(locked.port, sent)
    assert heard.status == 401, heard.raw[:200]
    assert b"x-should-retry: false" in heard.head
    assert heard.json["error"]["type"] == "authentication_error"
    assert heard.json["request_id"].encode() in heard.head
    assert KEY not in heard.raw and UPSTREAM_KEY.encode() not in heard.raw
    assert not quiet_upstream.requests


QUERIES = ["x-api-key", "api_key", "key", "access_token", "authorization"]


@pytest.mark.fault("auth")
@pytest.mark.parametrize("name", QUERIES)
def test_a_key_in_the_query_is_no_key(locked, quiet_upstream, name):
    heard = exchange(locked.port, request(f"/v1/messages?{name}={AUTH}".encode()))
    assert heard.status == 401 and not quiet_upstream.requests


RIGHT_KEYS: dict[str, tuple[bytes, ...]] = {
    "x-api-key": (b"x-api-key: " + KEY,),
    "blanks around": (b"x-api-key: \t " + KEY + b" \t",),
    "Bearer": (b"authorization: Bearer " + KEY,),
    "BEARER and blanks": (b"authorization: BEARER   " + KEY,),
    "a wrong Bearer beside it": (b"x-api-key: " + KEY, b"authorization: Bearer wrong"),
    "a wrong x-api-key beside it": (b"x-api-key: wrong", b"authorization: Bearer " + KEY),
}


@pytest.mark.fault("auth")
@pytest.mark.parametrize("lines", RIGHT_KEYS.values(), ids=RIGHT_KEYS.keys())
def test_either_header_is_enough_and_goes_no_further(locked, quiet_upstream, lines):
    assert exchange(locked.port, request(b"/v1/messages", *lines)).status == 200
    assert quiet_upstream.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert AUTH not in str(quiet_upstream.last)


@pytest.mark.fault("auth")
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v1/chat/completions"])
def test_an_openai_client_gets_openais_401(web, locked, quiet_upstream, path):
    method = "POST" if "chat" in path else "GET"
    reply = web.request(method, locked.url + path, headers={"authorization": "Bearer wrong"})
    assert reply.status_code == 401 and reply.headers["x-should-retry"] == "false"
    assert set(reply.json()) == {"error"}
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert not quiet_upstream.requests


@pytest.mark.fault("test-connection")
@pytest.mark.parametrize("path", ["/test-connection", "/test-connection/", "//test-connection"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_no_test_of_the_connection_without_the_key(web, locked, quiet_upstream, method, path):
    reply = web.request(method, locked.url + path)
    assert reply.status_code == 401 and not quiet_upstream.requests


@pytest.mark.fault("test-connection")
def test_a_stranger_cannot_test_the_connection_of_a_keyless_server(web, keyless, quiet_upstream):
    for headers in ({"host": "evil.example"}, {"x-forwarded-for": "10.0.0.9"}):
        assert web.get(f"{keyless.url}/test-connection", headers=headers).status_code == 403
    assert not quiet_upstream.requests


NO_KEYS = ["none", "an empty key", "blanks", "Basic", "Bearer alone", "no scheme", "a cookie"]


@pytest.mark.fault("no-key")
@pytest.mark.parametrize("name", NO_KEYS)
def test_passthrough_without_a_key_is_401(passing, quiet_upstream, name):
    heard = exchange(passing.port, request(b"/v1/messages", *WRONG_KEYS[name]))
    assert heard.status == 401 and heard.json["error"]["type"] == "authentication_error"
    assert b"x-should-retry: false" in heard.head
    assert not quiet_upstream.requests


@pytest.mark.fault("no-key")
@pytest.mark.parametrize("key", [b"sk-a\tb", b"sk-\xe4", b"sk-\x01", b"\xe2\x80\xa8sk-abc"])
def test_a_key_that_no_header_should_carry_is_not_forwarded(passing, quiet_upstream, key):
    heard = exchange(passing.port, request(b"/v1/messages", b"x-api-key: " + key))
    assert heard.status in (400, 401) and not quiet_upstream.requests


USERS = 60


@pytest.mark.fault("mixed-keys", "cookies")
@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_sixty_users_at_once_keep_their_keys_and_cookies_apart(quiet_upstream, transport):
    wrong: list[str] = []
    together = threading.Barrier(USERS)

    def answer(received: Received) -> Reply:
        text = received.json["messages"][-1]["content"]
        if received.headers["authorization"] != f"Bearer sk-user-{text}":
            wrong.append(f"{text} came with {received.headers['authorization']}")
        wrong.extend(name for name in received.headers if "cookie" in name)
        if sum(f"sk-user-{n:04}" in str(received.headers) for n in range(USERS)) != 1:
            wrong.append("several keys in one request")
        headers = {"set-cookie": f"session={text}; path=/", "x-user": text}
        if received.json.get("stream"):
            return Reply(stream=[0.01, *text_stream(text)], headers=headers)
        return Reply(completion(text), headers=headers)

    quiet_upstream.answer(answer)
    environ = {"CLAUDE_PROXY_MODE": "passthrough", "CLAUDE_PROXY_TRANSPORT": transport}

    def use(user: int) -> None:
        together.wait(20)
        name = f"{user:04}"
        key = b"authorization: Bearer " if user % 2 else b"x-api-key: "
        lines = (key + f"sk-user-{name}".encode(), f"cookie: session={name}".encode())
        for turn in range(3):
            body = {**HELLO, "stream": turn == 1, "messages": [{"role": "user", "content": name}]}
            sent = request(b"/v1/messages", *lines, body=json.dumps(body).encode())
            heard = exchange(live.port, sent, timeout=30)
            if heard.status != 200 or name.encode() not in heard.raw:
                wrong.append(f"{name} got {heard.raw[:200]!r}")
            if b"set-cookie" in heard.head or b"x-user" in heard.head:
                wrong.append(f"{name} got a header of the upstream")

    with running(settings_for(quiet_upstream, **environ)) as live:
        with ThreadPoolExecutor(USERS) as pool:
            list(pool.map(use, range(USERS)))
    assert not wrong
    assert len(quiet_upstream.posts) == 3 * USERS


@pytest.mark.fault("mixed-keys")
def test_a_list_of_models_is_kept_for_its_own_user(web, quiet_upstream):
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_MODE="passthrough")) as live:
        for key in ("sk-user-one", "sk-user-two", "sk-user-one"):
            web.get(f"{live.url}/v1/models", headers={"x-api-key": key})
    asked = [request.headers["authorization"] for request in quiet_upstream.requests]
    assert asked == ["Bearer sk-user-one", "Bearer sk-user-two"]


HOSTS = [
    "evil.example",
    "evil.example:8085",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost@evil.example",
    "evil.example#localhost",
    "10.0.0.1",
    "0.0.0.0",
    "[::ffff:8.8.8.8]",
    "localhost evil.example",
    "2130706433.evil.example:80",
    "[::1].evil.example",
]


@pytest.mark.fault("rebinding")
@pytest.mark.parametrize("path", [b"/v1/messages", b"/health", b"/nowhere"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_foreign_host_is_refused_before_routing(keyless, quiet_upstream, host, path):
    method = b"GET" if path == b"/health" else b"POST"
    heard = exchange(keyless.port, request(path, method=method, host=host.encode()))
    assert heard.status in (400, 403), heard.raw[:200]
    assert b"access-control" not in heard.head
    assert not quiet_upstream.requests


ORIGINS = [
    "https://evil.example",
    "null",
    "http://127.0.0.1:1",
    "http://localhost.evil.example",
    "file://",
    "chrome-extension://abcdefgh",
    "http://[::1]:1",
    "https://localhost",
    "http://localhost@evil.example",
    "x",
]


@pytest.mark.fault("rebinding")
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("key", [True, False])
def test_a_foreign_page_is_refused(web, locked, keyless, quiet_upstream, origin, key):
    headers = {"origin": origin} | ({"x-api-key": AUTH} if key else {})
    live = locked if key else keyless
    for reply in (
        web.post(f"{live.url}/v1/messages", json=HELLO, headers=headers),
        web.options(
            f"{live.url}/v1/messages", headers={**headers, "access-control-request-method": "POST"}
        ),
    ):
        assert reply.status_code == 403
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert not quiet_upstream.requests


@pytest.mark.fault("rebinding")
def test_only_listed_origins_may_read_and_never_with_credentials(web, quiet_upstream):
    listed = "https://app.example"
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_CORS_ORIGINS=listed)) as live:
        for origin in (listed, "https://app.example.evil.example", "https://APP.example.", "null"):
            asking = {"origin": origin, "access-control-request-method": "POST"}
            for reply in (
                web.post(f"{live.url}/v1/messages", json=HELLO, headers={"origin": origin}),
                web.options(f"{live.url}/v1/messages", headers=asking),
            ):
                allowed = reply.headers.get("access-control-allow-origin")
                assert allowed == (listed if origin == listed else None)
                assert "access-control-allow-credentials" not in reply.headers
    assert len(quiet_upstream.posts) == 1


FORMS = {
    "text/plain": "text/plain",
    "text/plain with charset": "text/plain; charset=application/json",
    "a form": "application/x-www-form-urlencoded",
    "a form with files": "multipart/form-data; boundary=x",
    "nothing": "",
    "JSON in a parameter": "text/plain; application/json",
    "a list": "text/plain, application/json",
    "JSON's start": "application/jsonp",
}


@pytest.mark.fault("csrf")
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("kind", FORMS.values(), ids=FORMS.keys())
def test_what_a_foreign_page_can_post_unasked_is_415(web, keyless, quiet_upstream, kind, path):
    body = json.dumps(HELLO)
    reply = web.post(keyless.url + path, content=body, headers={"content-type": kind})
    assert reply.status_code == 415
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert not quiet_upstream.requests


@pytest.mark.fault("mixed-keys")
@pytest.mark.parametrize(
    "key", ["SK-ANT-api03-abcdefgh", "Bearer sk-ant-abcdefgh", "'sk-ant-abcdefgh'"]
)
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_anthropics_keys_go_nowhere_however_they_are_written(server, upstream, key, header):
    live = server(OPENAI_API_KEY="")
    value = key if header == "x-api-key" else f"Bearer {key}"
    reply = httpx.post(f"{live.url}/v1/messages", json=HELLO, headers={header: value})
    assert reply.status_code == 401 and upstream.posts == []


@pytest.mark.fault("rebinding")
@pytest.mark.parametrize("line", [b"", b"host:\r\n", b"host: localhost\r\norigin:\r\n"])
def test_no_host_and_an_empty_origin_are_foreign(server, upstream, line):
    live = server()
    body = json.dumps(HELLO).encode()
    head = b"POST /v1/messages HTTP/1.1\r\ncontent-type: application/json\r\n" + line
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as client:
        client.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(4096).startswith(b"HTTP/1.1 403")
    assert upstream.posts == []
