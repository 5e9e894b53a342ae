"""Who may ask: the clients' key, the bind rule, Host and Origin, and whose key goes upstream."""

import socket

import httpx
import pytest

from tests.conftest import UPSTREAM_KEY

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
AUTH = "sk-proxy-secret-0123456789"


def ask(url, headers=None, **more):
    return httpx.post(f"{url}/v1/messages", json=HELLO, headers=headers, **more)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": AUTH},
        {"authorization": f"Bearer {AUTH}"},
        {"authorization": f"bearer {AUTH}"},
        {"x-api-key": "wrong", "authorization": f"Bearer {AUTH}"},
    ],
)
def test_either_header_shows_the_key(server, headers):
    assert ask(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url, headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": AUTH[:-1]},
        {"x-api-key": AUTH + "x"},
        {"x-api-key": AUTH.upper()},
        {"authorization": AUTH},
        {"authorization": f"Basic {AUTH}"},
        {"authorization": "Bearer"},
        {"x-api-key": b"\xff\xfe\x80"},
        {"x-api-key": "k" * 10_000},
        {"cookie": f"x-api-key={AUTH}"},
    ],
    ids=str,
)
def test_a_wrong_key_is_401_and_reaches_no_upstream(server, upstream, headers):
    reply = ask(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url, headers)
    assert reply.status_code == 401
    assert reply.headers["x-should-retry"] == "false"
    assert reply.json()["error"]["type"] == "authentication_error"
    assert reply.json()["request_id"] == reply.headers["request-id"]
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/", "/health", "/livez"])
def test_probes_are_open_and_tell_nothing(server, upstream, path):
    reply = httpx.get(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url + path)
    assert reply.status_code == 200
    for secret in (upstream.url, "gpt-4o", AUTH, UPSTREAM_KEY):
        assert secret not in reply.text


@pytest.mark.parametrize("path", ["/", "/v1", "/api/hello"])
def test_head_probes_are_open(server, path):
    assert httpx.head(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url + path).status_code == 200


@pytest.mark.parametrize("path", ["/test-connection", "/v1/models", "/v1", "/metrics", "/nowhere"])
def test_everything_else_needs_the_key(server, path):
    assert httpx.get(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url + path).status_code == 401


def test_the_server_key_goes_upstream_in_fixed_mode(server, upstream):
    ask(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url, {"x-api-key": AUTH})
    assert upstream.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert AUTH not in str(upstream.last.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "10.0.0.9"},
        # As a client writes it who wants to seem local.
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-host": "localhost"},
        {"forwarded": "for=10.0.0.9"},
    ],
    ids=str,
)
def test_a_forwarded_request_is_not_local(server, upstream, headers):
    reply = ask(server().url, headers)
    assert reply.status_code == 403
    assert "CLAUDE_PROXY_AUTH_KEY" in reply.json()["error"]["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert not upstream.requests


def test_a_trusted_proxy_may_forward(server):
    assert ask(
        server(CLAUDE_PROXY_TRUST_PROXY="true").url, {"x-forwarded-for": "10.0.0.9"}
    ).is_success


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::"]
)
def test_a_foreign_host_is_refused_without_a_client_key(server, upstream, host):
    reply = ask(server().url, {"host": host})
    assert reply.status_code == 403
    assert not upstream.requests


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "[::1]:8085", "proxy.lan"])
def test_local_and_allowed_hosts_are_served(server, host):
    assert ask(server(CLAUDE_PROXY_ALLOWED_HOSTS="proxy.lan").url, {"host": host}).is_success


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused_even_with_the_key(server, upstream, origin):
    reply = ask(server(CLAUDE_PROXY_AUTH_KEY=AUTH).url, {"origin": origin, "x-api-key": AUTH})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers
    assert not upstream.requests


def test_the_own_origin_is_served(server):
    url = server().url
    assert ask(url, {"origin": url}).is_success


def test_two_origins_are_refused(server, upstream):
    live = server()
    reply = ask(live.url, [("origin", "http://evil.example"), ("origin", live.url)])
    assert reply.status_code == 400
    assert not upstream.requests


def test_two_hosts_are_refused(server, upstream):
    request = (
        b"POST /v1/messages HTTP/1.1\r\nhost: evil.example\r\nhost: localhost\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    with socket.create_connection(("127.0.0.1", server().port), timeout=5) as client:
        client.sendall(request)
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert not upstream.requests


def test_a_listed_origin_may_read_errors_too(server):
    url = server(CLAUDE_PROXY_CORS_ORIGINS="https://app.example", CLAUDE_PROXY_AUTH_KEY=AUTH).url
    reply = ask(url, {"origin": "https://app.example"})
    assert reply.status_code == 401
    assert reply.headers["access-control-allow-origin"] == "https://app.example"


def test_a_listed_origin_gets_cors_without_credentials(server):
    url = server(CLAUDE_PROXY_CORS_ORIGINS="https://app.example").url
    reply = ask(url, {"origin": "https://app.example"})
    assert reply.is_success
    assert reply.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in reply.headers


def test_a_foreign_preflight_is_refused_as_all_that_its_page_asks(server):
    url = server(CLAUDE_PROXY_CORS_ORIGINS="https://app.example").url
    asking = {"origin": "https://other.example", "access-control-request-method": "POST"}
    reply = httpx.options(f"{url}/v1/messages", headers=asking)
    assert reply.status_code == 403
    assert reply.json()["error"]["type"] == "permission_error"
    assert reply.json()["request_id"] == reply.headers["request-id"]
    assert "access-control-allow-origin" not in reply.headers


class TestPassthrough:
    @pytest.fixture
    def url(self, server):
        return server(CLAUDE_PROXY_MODE="passthrough").url

    @pytest.mark.parametrize(
        ("headers", "forwarded"),
        [
            ({"x-api-key": "sk-mine"}, "sk-mine"),
            ({"authorization": "Bearer sk-mine"}, "sk-mine"),
            ({"x-api-key": "sk-one", "authorization": "Bearer sk-two"}, "sk-one"),
            ({"x-api-key": "sk-ant-api-x", "authorization": "Bearer sk-two"}, "sk-two"),
        ],
    )
    def test_the_clients_own_key_is_forwarded(self, url, upstream, headers, forwarded):
        assert ask(url, headers).is_success
        assert upstream.last.headers["authorization"] == f"Bearer {forwarded}"
        assert "x-api-key" not in upstream.last.headers

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-api-key": "sk-ant-api03-abc"},
            {"authorization": "Bearer sk-ant-oat01-abc"},
            {"authorization": "Bearer token", "anthropic-beta": "a,oauth-2025-04-20"},
        ],
        ids=str,
    )
    def test_no_key_or_an_anthropic_credential_is_401(self, url, upstream, headers):
        reply = ask(url, headers)
        assert reply.status_code == 401
        assert reply.headers["x-should-retry"] == "false"
        assert "_API_KEY" in reply.json()["error"]["message"]
        assert not upstream.requests

    @pytest.mark.parametrize(
        "path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/nowhere"]
    )
    def test_nothing_is_read_from_a_client_without_a_key(self, url, path):
        reply = httpx.post(url + path, content=b"no JSON")
        assert reply.status_code == 401

    def test_a_key_that_no_header_can_carry_is_401(self, url, upstream):
        assert ask(url, {"x-api-key": b"schl\xfcssel-12345"}).status_code == 401
        assert not upstream.requests

    def test_strangers_are_served_because_no_key_of_ours_is_spent(self, url):
        assert ask(url, {"x-api-key": "sk-mine", "x-forwarded-for": "10.0.0.9"}).is_success
