"""Fallbacks: opt-in, in order, before the first byte, told in header and log, never more."""

import json

import httpx
import pytest

from claude_proxy.settings import SettingsError, load_settings
from tests.conftest import UPSTREAM_KEY
from tests.upstream import Reply, Upstream, chunk, completion, refusal, serving, text_stream

ASK = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
BACKUP_KEY = "sk-backup-0123456789abcdef"
BUSY = refusal(529, "busy")


def ask(live, **more):
    return httpx.post(f"{live.url}/v1/messages", json={**ASK, **more}, timeout=20)


def models(upstream):
    return [post.json["model"] for post in upstream.posts]


@pytest.fixture
def backup():
    with serving(Upstream()) as started:
        yield started


def with_backup(backup, **environ):
    table = {"backup": {"base_url": f"{backup.url}/v1", "api_key": BACKUP_KEY}}
    return {"CLAUDE_PROXY_UPSTREAMS": json.dumps(table), **environ}


@pytest.mark.fault("fallback")
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_model_answers(server, upstream, stream):
    said = Reply(stream=text_stream("hi")) if stream else Reply(completion("hi"))
    upstream.play(BUSY, refusal(503, "no"), said)
    live = server(CLAUDE_PROXY_FALLBACKS="gpt-4o-mini, small-one")
    reply = ask(live, stream=stream)
    assert reply.status_code == 200 and "hi" in reply.text
    assert models(upstream) == ["gpt-4o", "gpt-4o-mini", "small-one"]
    route = reply.headers["x-claude-proxy-route"]
    assert "model=small-one" in route and "fallback for gpt-4o@default after 503" in route


@pytest.mark.fault("fallback")
def test_another_upstream_gets_its_own_key_and_no_custom_header(server, upstream, backup):
    upstream.play(BUSY)
    environ = with_backup(backup, CLAUDE_PROXY_FALLBACKS="@backup", CUSTOM_HEADER_X_TEAM="secret")
    reply = ask(server(**environ))
    assert reply.status_code == 200
    assert backup.last.json["model"] == "gpt-4o"
    assert backup.last.headers["authorization"] == f"Bearer {BACKUP_KEY}"
    assert "x-team" not in backup.last.headers and upstream.last.headers["x-team"] == "secret"
    assert UPSTREAM_KEY not in json.dumps(dict(backup.last.headers))


@pytest.mark.fault("fallback")
def test_an_upstream_that_is_down_is_passed_over(server, backup):
    settings = load_settings(
        environ=with_backup(
            backup,
            OPENAI_BASE_URL="http://127.0.0.1:9/v1",
            OPENAI_API_KEY=UPSTREAM_KEY,
            CLAUDE_PROXY_FALLBACKS="llama@backup",
        ),
        trusted_folder=False,
    )
    assert ask(server(settings), stream=True).status_code == 200
    assert models(backup) == ["llama"]


@pytest.mark.fault("fallback", "status")
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_what_is_the_clients_fault_is_not_asked_elsewhere(server, upstream, status):
    upstream.play(refusal(status, "no"))
    assert ask(server(CLAUDE_PROXY_FALLBACKS="other")).status_code == status
    assert models(upstream) == ["gpt-4o"]


@pytest.mark.fault("fallback", "status")
@pytest.mark.parametrize("status", [429, 500, 529])
def test_without_the_setting_there_is_one_attempt(server, upstream, status):
    upstream.play(refusal(status, "no"))
    assert ask(server()).status_code >= 429
    assert len(upstream.posts) == 1


@pytest.mark.fault("fallback")
def test_the_last_failure_is_told_when_all_fail(server, upstream):
    upstream.play(BUSY, refusal(429, "slow down", retry_after="7"))
    reply = ask(server(CLAUDE_PROXY_FALLBACKS="other"))
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert "model=other" in reply.headers["x-claude-proxy-route"]
    assert len(upstream.posts) == 2


@pytest.mark.fault("fallback")
def test_after_the_first_byte_nothing_is_tried_again(server, upstream):
    upstream.play(Reply(stream=[chunk({"content": "He"})], end="cut"))
    reply = ask(server(CLAUDE_PROXY_FALLBACKS="other"), stream=True)
    assert reply.status_code == 200 and "event: error" in reply.text
    assert len(upstream.posts) == 1


@pytest.mark.fault("fallback")
def test_an_error_before_any_content_leads_on(server, upstream):
    broken = Reply(
        stream=[chunk({"role": "assistant"}), {"error": {"message": "out", "code": 503}}]
    )
    upstream.play(broken, Reply(stream=text_stream("fine")))
    reply = ask(server(CLAUDE_PROXY_FALLBACKS="other"), stream=True)
    assert "fine" in reply.text and reply.text.count("message_start") == 2  # event and data
    assert models(upstream) == ["gpt-4o", "other"]


@pytest.mark.fault("fallback")
def test_a_fallback_to_where_it_failed_is_left_out(server, upstream):
    upstream.play(BUSY)
    assert ask(server(CLAUDE_PROXY_FALLBACKS="gpt-4o,gpt-4o@default")).status_code == 529
    assert len(upstream.posts) == 1


def test_an_at_sign_may_belong_to_the_model(server, upstream):
    upstream.play(BUSY, Reply(completion("a")))
    assert ask(server(CLAUDE_PROXY_FALLBACKS="@cf/meta/llama")).status_code == 200
    assert models(upstream) == ["gpt-4o", "@cf/meta/llama"]


def test_in_passthrough_mode_no_server_key_is_spent(backup):
    environ = with_backup(backup, CLAUDE_PROXY_FALLBACKS="@backup")
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_FALLBACKS"):
        load_settings(environ=environ, trusted_folder=False)


def test_tables_in_the_config_file(tmp_path, server, upstream, backup):
    upstream.play(BUSY)
    (tmp_path / "claude-proxy.toml").write_text(
        f'openai_base_url = "{upstream.url}/v1"\nopenai_api_key = "{UPSTREAM_KEY}"\n'
        f'fallbacks = ["m@backup"]\n[upstreams.backup]\nbase_url = "{backup.url}/v1"\n'
    )
    settings = load_settings(environ={}, cwd=tmp_path)
    assert not settings.warnings
    assert ask(server(settings)).status_code == 200
    # A server without a key in the table gets none.
    assert "authorization" not in backup.last.headers


@pytest.mark.parametrize(
    "table",
    [
        '{"a b": {"base_url": "http://h/v1"}}',
        '{"default": {"base_url": "http://h/v1"}}',
        '{"a": {}}',
        '{"a": {"base_url": "ftp://h"}}',
        '{"a": {"base_url": "http://h", "api_kye": "x"}}',
        "a:b",
    ],
)
def test_wrong_tables_are_told_without_their_values(table):
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_UPSTREAMS") as caught:
        load_settings(environ={"CLAUDE_PROXY_UPSTREAMS": table}, trusted_folder=False)
    assert "ftp" not in str(caught.value)
