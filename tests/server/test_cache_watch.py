"""Where a session's prompt cache breaks, told in log, notes and metrics, without any content."""

import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy.server import cache_watch
from tests.messages_upstream import message
from tests.upstream import Reply, completion, eventually, usage

WATCHED = {"CLAUDE_PROXY_CACHE_WATCH": "true"}
TALK = [{"role": "user", "content": "secret one"}]
ANSWERED = {"role": "assistant", "content": "ok"}
NOTES = "x-claude-proxy-notes"


def longer(talk):
    return [*talk, ANSWERED, {"role": "user", "content": f"secret {len(talk)}"}]


def ask(live, messages, *, system="You are X.", session="s1", agent="", **more):
    headers = {"x-claude-code-session-id": session, "x-claude-code-agent-id": agent}
    body = {"model": "m", "max_tokens": 9, "system": system, "messages": messages, **more}
    sent = {name: value for name, value in headers.items() if value}
    return httpx.post(f"{live.url}/v1/messages", json=body, headers=sent, timeout=20)


def counted(live, cause):
    text = httpx.get(f"{live.url}/metrics").text
    return f'claude_proxy_prompt_cache_breaks_total{{cause="{cause}"}} 1.0' in text


def events(logs):
    return [entry for entry in logs if entry["event"].startswith("prompt_cache")]


@pytest.mark.pitfall(34)
def test_a_changed_beginning_is_told(server, upstream):
    live = server(**WATCHED)
    with capture_logs() as logs:
        ask(live, TALK)
        answer = ask(live, longer(TALK), system="You are Y.")
    assert answer.headers[NOTES].startswith("messages.0=other than")
    [warning] = events(logs)
    assert (warning["event"], warning["at"]) == ("prompt_cache_broken", "messages.0")
    assert "secret" not in str(warning) and "You are" not in str(warning)
    assert counted(live, "prompt")


@pytest.mark.pitfall(34)
def test_what_goes_on_or_is_another_conversation_is_not(server, upstream):
    live = server(**WATCHED)
    with capture_logs() as logs:
        ask(live, TALK)
        ask(live, [{"role": "user", "content": "A title, please."}], system="You name things.")
        ask(live, longer(TALK))
        ask(live, longer(longer(TALK)))
        ask(live, TALK, system="You are Y.", session="s2")
        ask(live, TALK, system="You are Z.", agent="a1")
        ask(live, TALK, system="You are Z.", session="")
    assert events(logs) == []


@pytest.mark.pitfall(34)
def test_a_cache_that_the_upstream_forgot_is_told(server, upstream):
    counts = [usage(5_000, cached=4_000), usage(5_000, cached=4_000), usage(5_100)]
    upstream.play(*(Reply({**completion("ok"), "usage": each}) for each in counts))
    live, talk = server(**WATCHED), TALK
    with capture_logs() as logs:
        for _ in counts:
            ask(live, talk)
            talk = longer(talk)
        assert eventually(lambda: bool(events(logs)))
    [warning] = events(logs)
    assert (warning["event"], warning["expected"]) == ("prompt_cache_missed", 5_000)
    assert eventually(lambda: counted(live, "upstream"))


@pytest.mark.pitfall(34)
def test_requests_that_pass_are_watched_as_well(server, upstream):
    upstream.play(Reply(message()))
    live = server(**WATCHED, OPENAI_BASE_URL=f"{upstream.url}/anthropic")
    with capture_logs() as logs:
        ask(live, TALK)
        ask(live, longer(TALK), system="You are Y.")
    assert [entry["at"] for entry in events(logs)] == ["system"]


def test_nobody_looks_where_it_is_not_asked_for(server, upstream):
    live = server()
    with capture_logs() as logs:
        ask(live, TALK)
        assert NOTES not in ask(live, longer(TALK), system="You are Y.").headers
    assert events(logs) == []


def test_only_the_last_sessions_and_conversations_are_kept(server, upstream, monkeypatch):
    monkeypatch.setattr(cache_watch, "_MOST_SESSIONS", 2)
    live = server(**WATCHED)
    with capture_logs() as logs:
        for session in ("s1", "s2", "s3"):
            ask(live, TALK, session=session)
        ask(live, TALK, session="s1", system="You are Y.")  # forgotten
        ask(live, TALK, session="s3", system="You are Y.")
    assert len(events(logs)) == 1
