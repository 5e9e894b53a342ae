"""The other endpoints, and what is no request at all: models, counting, bodies, paths."""

import os
import time

import httpx
import pytest

from claude_proxy.server.body import LONGEST_MODEL
from tests.conftest import UPSTREAM_KEY
from tests.upstream import Reply

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


class TestModels:
    def test_anthropic_clients_see_tiers_first_then_the_upstreams(self, server):
        body = httpx.get(f"{server().url}/v1/models?limit=1000", headers=ANTHROPIC).json()
        ids = [model["id"] for model in body["data"]]
        assert all(id.startswith("claude-") for id in ids[:3])
        assert ids[3:] == ["gpt-4o", "gpt-4o-mini", "scripted-large", "scripted-small"]
        assert body["has_more"] is False
        assert (body["first_id"], body["last_id"]) == (ids[0], ids[-1])
        first = body["data"][0]
        assert first["type"] == "model" and "gpt-4o" in first["display_name"]

    def test_openai_clients_get_their_own_shape(self, server):
        body = httpx.get(f"{server().url}/v1/models").json()
        assert body["object"] == "list"
        assert set(body["data"][0]) == {"id", "object", "created", "owned_by"}

    @pytest.mark.parametrize(
        ("told", "created"),
        [
            ({"created": 1_700_000_000}, 1_700_000_000),
            ({"created_at": "2026-11-30T00:00:00Z"}, 1_795_996_800),
            ({"created": 0, "created_at": "soon"}, None),
            ({"created": True, "created_at": "0001-01-01T00:00:00Z"}, None),
        ],
    )
    def test_a_model_is_as_old_as_its_upstream_says_or_as_this_server(
        self, server, upstream, told, created
    ):
        upstream.models[:] = [{"id": "x", **told}]
        data = httpx.get(f"{server().url}/v1/models").json()["data"]
        ages = {model["id"]: model["created"] for model in data}
        ours = ages["claude-opus-5-5"]
        assert time.time() - 36_000 < ours <= time.time()
        assert ages["x"] == (created or ours)

    def test_pages_follow_each_other(self, server):
        url, seen, after = server().url, [], None
        for _ in range(10):
            query = {"limit": 2} | ({"after_id": after} if after else {})
            page = httpx.get(f"{url}/v1/models", params=query, headers=ANTHROPIC).json()
            seen += [model["id"] for model in page["data"]]
            after = page["last_id"]
            if not page["has_more"]:
                break
        assert len(seen) == len(set(seen)) == 7
        before = {"limit": 2, "before_id": seen[3]}
        page = httpx.get(f"{url}/v1/models", params=before, headers=ANTHROPIC).json()
        assert [m["id"] for m in page["data"]] == seen[1:3] and page["has_more"]

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "after_id=nobody"])
    def test_a_bad_page_is_400(self, server, query):
        reply = httpx.get(f"{server().url}/v1/models?{query}", headers=ANTHROPIC)
        assert reply.status_code == 400
        assert reply.json()["error"]["type"] == "invalid_request_error"

    def test_ids_may_hold_slashes(self, server, upstream):
        upstream.models.append("qwen/qwen3:8b")
        reply = httpx.get(f"{server().url}/v1/models/qwen/qwen3:8b", headers=ANTHROPIC)
        assert reply.json()["id"] == "qwen/qwen3:8b"

    def test_every_claude_name_that_works_can_be_looked_up(self, server):
        url = f"{server().url}/v1/models/claude-opus-4-1"
        body = httpx.get(url, headers=ANTHROPIC).json()
        assert body["id"] == "claude-opus-4-1" and "gpt-4o" in body["display_name"]

    def test_an_unknown_model_is_404_in_the_clients_shape(self, server):
        url = f"{server().url}/v1/models/nobody"
        assert httpx.get(url, headers=ANTHROPIC).json()["error"]["type"] == "not_found_error"
        reply = httpx.get(url)
        assert reply.status_code == 404 and reply.json()["error"]["code"] == "model_not_found"

    def test_the_upstreams_list_is_kept_for_a_while(self, server, upstream):
        url = server().url
        for _ in range(3):
            httpx.get(f"{url}/v1/models")
        assert len(upstream.requests) == 1

    def test_a_list_that_failed_is_not_asked_for_at_once_again(self, server, upstream):
        upstream.models = None
        url = server().url
        for _ in range(3):
            assert httpx.get(f"{url}/v1/models").status_code == 200
        assert len(upstream.requests) == 1

    def test_a_list_that_failed_does_not_take_the_last_one_away(self, server, upstream):
        url = server(CLAUDE_PROXY_MODELS_CACHE_SECONDS="0").url
        before = httpx.get(f"{url}/v1/models").json()
        upstream.models = None
        for _ in range(3):
            assert httpx.get(f"{url}/v1/models").json() == before
        assert len(upstream.requests) == 2

    def test_without_the_upstream_the_tiers_remain(self, server):
        body = httpx.get(f"{server(OPENAI_BASE_URL='http://127.0.0.1:9/v1').url}/v1/models").json()
        assert len(body["data"]) == 5


class TestUnknownPaths:
    PATHS = ("/v1/chat/nothing", "/v1/completions/x", "/v1/responses/x/y")

    @pytest.mark.parametrize("path", PATHS)
    def test_openai_s_clients_are_told_in_openai_s_shape(self, server, path):
        reply = httpx.post(f"{server().url}{path}", json=HELLO)
        assert reply.status_code == 404
        assert reply.json()["error"] == {
            "message": f"There is no endpoint {path}.",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_url",
        }

    def test_a_method_that_is_not_served_is_told_too(self, server):
        reply = httpx.post(f"{server().url}/v1/models", json=HELLO)
        assert reply.status_code == 405 and "GET" in reply.headers["allow"]
        error = reply.json()["error"]
        assert error["type"] == "invalid_request_error" and error["param"] is None
        assert error["code"] == "method_not_supported"

    def test_anthropic_s_clients_are_told_in_anthropic_s_shape(self, server):
        reply = httpx.post(f"{server().url}/v1/nothing", json=HELLO)
        assert reply.status_code == 404
        assert reply.json()["error"] == {
            "type": "not_found_error",
            "message": "There is no endpoint /v1/nothing. It may be one of Anthropic's own API, "
            "which is passed on whole where that is the upstream (CLAUDE_PROXY_BACKEND=anthropic).",
        }


class TestCountTokens:
    def test_counts_without_asking_the_upstream(self, server, upstream):
        body = {"model": "x", "messages": HELLO["messages"], "system": "You are brief."}
        reply = httpx.post(f"{server().url}/v1/messages/count_tokens?beta=true", json=body)
        assert 4 <= reply.json()["input_tokens"] <= 30
        assert not upstream.requests

    def test_a_very_long_text_is_counted_too(self, server):
        body = {"model": "x", "messages": [{"role": "user", "content": "some words " * 50_000}]}
        reply = httpx.post(f"{server().url}/v1/messages/count_tokens", json=body)
        assert reply.json()["input_tokens"] == pytest.approx(100_000, rel=0.25)

    def test_a_bad_body_is_400(self, server):
        reply = httpx.post(f"{server().url}/v1/messages/count_tokens", json={"model": "x"})
        assert reply.status_code == 400 and reply.json()["type"] == "error"


class TestTestConnection:
    def test_tells_that_it_works(self, server, upstream):
        body = httpx.get(f"{server().url}/test-connection").json()
        assert body["status"] == "ok" and body["model"] == "gpt-4o-mini"
        assert upstream.last.json["max_tokens"] == 5

    def test_tells_what_to_do(self, server, upstream):
        upstream.play(Reply({"error": {"message": f"bad key {UPSTREAM_KEY}"}}, status=401))
        reply = httpx.get(f"{server().url}/test-connection")
        assert reply.status_code == 401 and "OPENAI_API_KEY" in reply.json()["hint"]
        assert UPSTREAM_KEY not in reply.text


class TestBodies:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"a": NaN}',
            b'{"a": Infinity}',
            b'{"a": 1e999}',
            b'{"a": "\\ud800"}',
            b'{"a": "\xff"}',
            b"[" * 100_000,
            b'{"a": ' + b"1" * 5000 + b"}",
            b"\xef\xbb\xbf{}",
            '{"model": "x"}'.encode("utf-16"),
            b'{"model": "x"}',
            b'{"model": 5, "max_tokens": 1, "messages": []}',
        ],
        ids=lambda raw: repr(raw[:20]),
    )
    def test_what_is_no_request_is_400_in_shape(self, server, upstream, raw):
        headers = {"content-type": "application/json"}
        reply = httpx.post(f"{server().url}/v1/messages", content=raw, headers=headers)
        assert reply.status_code == 400
        body = reply.json()
        assert body["type"] == "error" and body["error"]["type"] == "invalid_request_error"
        assert body["request_id"].startswith("req_")
        assert not upstream.requests

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_other_content_types_are_415(self, server, kind):
        headers = {"content-type": kind}
        reply = httpx.post(f"{server().url}/v1/messages", content=b"{}", headers=headers)
        assert reply.status_code == 415 and reply.json()["type"] == "error"

    def test_a_compressed_body_is_415_in_words(self, server):
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        reply = httpx.post(f"{server().url}/v1/messages", content=b"\x1f\x8b", headers=headers)
        assert reply.status_code == 415 and "content-encoding: gzip" in reply.text
        plain = {**headers, "content-encoding": "identity"}
        assert httpx.post(f"{server().url}/v1/messages", json=HELLO, headers=plain).is_success

    def test_a_charset_does_no_harm(self, server):
        headers = {"content-type": "application/json; charset=utf-8"}
        assert httpx.post(f"{server().url}/v1/messages", json=HELLO, headers=headers).is_success

    def test_too_large_is_413_by_length_and_by_count(self, server):
        url = server(CLAUDE_PROXY_MAX_BODY_BYTES="1000").url + "/v1/messages"
        headers = {"content-type": "application/json"}
        for content in (b"x" * 1001, iter([b"x" * 600] * 2)):
            reply = httpx.post(url, content=content, headers=headers)
            assert reply.status_code == 413
            assert reply.json()["error"]["type"] == "request_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/unknown", 404),
        ("GET", "/v1/messages", 405),
        ("DELETE", "/v1/models", 405),
        ("PUT", "/health", 405),
        ("GET", "/v1/messages/", 404),
    ],
)
def test_wrong_paths_and_methods_are_shaped(server, method, path, status):
    reply = httpx.request(method, server().url + path, headers=ANTHROPIC)
    assert reply.status_code == status
    assert reply.json()["type"] == "error" and reply.json()["request_id"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/api/hello", "/health", "/livez"])
def test_probes_answer_get_and_head(server, path):
    url = server().url + path
    assert httpx.get(url).status_code == 200
    assert httpx.head(url).status_code == 200 and httpx.head(url).content == b""


def test_health_tells_what_is_going_on(server):
    body = httpx.get(f"{server().url}/livez").json()
    assert body["status"] == "ok" and body["in_flight"] == 0 and body["draining"] is False
    assert body["pid"] == os.getpid() and body["uptime_seconds"] >= 0
    assert body["timestamp"].endswith("Z")


def test_an_upgrade_to_a_websocket_is_refused_in_words(server, upstream):
    headers = {"upgrade": "websocket", "connection": "upgrade"}
    reply = httpx.post(f"{server().url}/v1/messages", json=HELLO, headers=headers)
    assert reply.status_code == 400 and "Upgrade" in reply.json()["error"]["message"]
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_models_name_has_an_end(server, upstream, path):
    def ask(model):
        messages = [{"role": "user", "content": "hi"}]
        body = {"model": model, "max_tokens": 9, "messages": messages}
        return httpx.post(f"{live.url}{path}", json=body)

    live = server()
    assert ask("m" * LONGEST_MODEL).status_code == 200
    refused = ask("m" * (LONGEST_MODEL + 1))
    assert refused.status_code == 400
    told = refused.json()["error"]["message"]
    assert told == "model: String should have at most 2048 characters"
