"""Two silences of an upstream, before its answer and within it, and how long each may last."""

import time

import httpx
import pytest

from claude_proxy.profiles import profile_for
from claude_proxy.settings import load_settings
from tests.messages_upstream import said
from tests.upstream import Reply, chunk, ending

LONG, SHORT = "30", "0.4"
FIRST, IDLE = "CLAUDE_PROXY_FIRST_BYTE_TIMEOUT", "CLAUDE_PROXY_IDLE_TIMEOUT"
LATE = Reply(stream=[chunk({"content": "a"}), *ending("stop")], delay=30)
SILENT = Reply(stream=[30])
"""Its head comes at once."""
STALLED = Reply(stream=[chunk({"content": "a"})], end="hang")


def ask(url, *, stream=True):
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    asked = time.monotonic()
    reply = httpx.post(f"{url}/v1/messages", json={**body, "stream": stream}, timeout=20)
    assert time.monotonic() - asked < 10
    return reply


@pytest.mark.pitfall(7)
@pytest.mark.parametrize("reply", [LATE, SILENT], ids=["no head", "no body"])
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_does_not_begin_has_its_own_timeout(server, upstream, reply, stream):
    upstream.play(reply)
    got = ask(server(**{FIRST: SHORT, IDLE: LONG}).url, stream=stream)
    assert (got.status_code, got.json()["error"]["type"]) == (504, "timeout_error")
    assert upstream.last.wait_left()


@pytest.mark.pitfall(7)
def test_the_head_of_an_answer_gives_its_first_byte_new_time(server, upstream):
    upstream.play(Reply(stream=[0.6, chunk({"content": "a"}), *ending("stop")], delay=0.6))
    assert '"message_stop"' in ask(server(**{FIRST: "1", IDLE: LONG}).url).text


@pytest.mark.pitfall(7)
def test_an_answer_that_stalls_has_the_other_one(server, upstream):
    upstream.play(STALLED)
    text = ask(server(**{FIRST: LONG, IDLE: SHORT}).url).text
    assert "timeout_error" in text.splitlines()[-2]
    assert upstream.last.wait_left()


@pytest.mark.pitfall(7)
def test_a_slow_beginning_may_last_longer_than_a_stall(server, upstream):
    upstream.play(Reply(stream=[1.2, chunk({"content": "a"}), *ending("stop")]))
    assert '"message_stop"' in ask(server(**{FIRST: LONG, IDLE: SHORT}).url).text


@pytest.mark.pitfall(7)
def test_a_passed_answer_has_both(server, upstream):
    url = f"{upstream.url}/anthropic"
    upstream.play(Reply(stream=said("a"), delay=30))
    assert ask(server(**{FIRST: SHORT, IDLE: LONG, "OPENAI_BASE_URL": url}).url).status_code == 504
    upstream.play(Reply(stream=said("a")[:3], end="hang"))
    text = ask(server(**{FIRST: LONG, IDLE: SHORT, "OPENAI_BASE_URL": url}).url).text
    assert "timeout_error" in text


def first_byte(**environ):
    settings = load_settings(environ=environ, trusted_folder=False)
    local = profile_for("http://127.0.0.1:11434/v1", "qwen3:8b")
    return settings.first_byte(local.first_byte_seconds), settings.first_byte(None), settings.idle


@pytest.mark.pitfall(7)
@pytest.mark.parametrize(
    ("environ", "local", "other", "idle"),
    [
        ({}, 1800, 300, 300),
        ({"CLAUDE_PROXY_REQUEST_TIMEOUT": "60"}, 60, 60, 60),
        ({FIRST: "90"}, 90, 90, 300),
        ({IDLE: "20"}, 1800, 300, 20),
        ({"CLAUDE_PROXY_REQUEST_TIMEOUT": "60", FIRST: "90", IDLE: "20"}, 90, 90, 20),
    ],
)
def test_what_is_set_goes_before_what_a_profile_says(environ, local, other, idle):
    assert first_byte(**environ) == (local, other, idle)


def test_a_profile_of_your_own_may_say_it(server, upstream):
    upstream.play(LATE)
    own = '{"slow": {"hosts": ["127.0.0.1"], "first_byte_seconds": 1}}'
    assert ask(server(CLAUDE_PROXY_PROFILES=own).url).status_code == 504


def test_only_servers_of_ones_own_are_waited_for_so_long():
    found = profile_for("https://api.openai.com/v1", "gpt-4o")
    assert found.first_byte_seconds is None
