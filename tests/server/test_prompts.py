"""System prompts are shortened where that is set: once a prompt, told, and never at any cost."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from claude_proxy import create_app
from claude_proxy.compression import Shortened
from claude_proxy.server import summaries
from claude_proxy.server.prompts import Prompts
from tests.conftest import settings_for
from tests.faults.asking import in_flight
from tests.faults.raw_client import request as raw_request
from tests.process import started
from tests.upstream import Reply, completion, eventually, refusal

RULES = "".join(
    f"- Rule {n}: keep words in order, and do not repeat yourself.\n" for n in range(40)
)
ENVIRONMENT = "# Environment\n - Platform:   linux\n"
PROMPT = f"You help.\n\n# Doing tasks\n{RULES}\n{ENVIRONMENT}"
BODY = {
    "model": "claude-opus-5-5",
    "max_tokens": 9,
    "system": [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": f"# Doing tasks\n{RULES}"}],
}


def ask(live, **more):
    return httpx.post(f"{live.url}/v1/messages", json={**BODY, **more}, timeout=20)


def prompts(upstream):
    return [post.json["messages"][0]["content"] for post in upstream.posts]


def test_prompts_are_sent_as_they_are_unless_asked_otherwise(server, upstream):
    reply = ask(server())
    assert prompts(upstream) == [PROMPT]
    assert "system=" not in reply.headers["x-claude-proxy-notes"]


def test_a_compact_prompt_is_told_and_the_rest_is_untouched(server, upstream):
    live = server(PROMPT_COMPRESSION="compact")
    first, second = ask(live), ask(live)
    sent, again = upstream.posts
    assert sent.body == again.body
    told = first.headers["x-claude-proxy-notes"]
    assert "system=shortened from " in told and told == second.headers["x-claude-proxy-notes"]
    system, user = sent.json["messages"]
    assert system["content"].endswith(ENVIRONMENT) and "Rule 3" not in system["content"]
    assert user["content"] == BODY["messages"][0]["content"]


def test_what_cannot_be_shortened_enough_is_told(server, upstream):
    live = server(PROMPT_COMPRESSION="compact", PROMPT_MAX_SYSTEM_TOKENS="1")
    reply = ask(live, system=ENVIRONMENT)
    assert prompts(upstream) == [ENVIRONMENT]
    assert "what cannot be shortened is over 1 tokens" in reply.headers["x-claude-proxy-notes"]


def summarizing(server, **environ):
    return server(CLAUDE_PROXY_PROMPT_COMPRESSION="summarize", **environ)


def of_two(summary):
    """An upstream that gives the small model's requests this answer, and all others "ok"."""

    def answer(request):
        small = request.json["model"] == "gpt-4o-mini"
        return summary if small else Reply(completion("ok"))

    return answer


def test_a_summary_is_asked_for_once_and_kept(server, upstream):
    upstream.answer(of_two(Reply(completion("Keep to the rules."), delay=0.2)))
    live = summarizing(server)
    with ThreadPoolExecutor(4) as pool:
        replies = [*pool.map(lambda _: ask(live), range(4))]
    replies.append(ask(live))
    models = [post.json["model"] for post in upstream.posts]
    assert models == ["gpt-4o-mini", *["gpt-4o"] * 5]
    question = upstream.posts[0].json["messages"]
    assert "Rule 3" in question[1]["content"] and "linux" not in question[1]["content"]
    assert prompts(upstream)[1:] == [f"Keep to the rules.\n\n{ENVIRONMENT}"] * 5
    for reply in replies:
        assert reply.status_code == 200
        assert "system=summarized from " in reply.headers["x-claude-proxy-notes"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, "no"),
        refusal(401, "no"),
        Reply(completion("")),
        Reply(completion("word " * 9999)),
        Reply({"choices": [{"message": {"content": "Keep"}, "finish_reason": "length"}]}),
        Reply(b"{"),
        Reply(completion("late"), delay=1),
    ],
)
def test_without_a_good_summary_rules_do_it(server, upstream, answer, monkeypatch):
    monkeypatch.setattr(summaries, "SECONDS", 0.3)
    upstream.answer(of_two(answer))
    live = summarizing(server)
    replies = [ask(live), ask(live)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert [post.json["model"] for post in upstream.posts] == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    assert "system=shortened from " in replies[1].headers["x-claude-proxy-notes"]


def test_a_summary_without_end_keeps_nobody(server, upstream):
    upstream.answer(of_two(Reply(completion("a" * (60 << 20)))))
    live = summarizing(server)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, live)
        waits = []
        while not asked.done():
            started = time.monotonic()
            assert httpx.get(f"{live.url}/livez", timeout=20).status_code == 200
            waits.append(time.monotonic() - started)
    assert asked.result().status_code == 200
    assert "system=shortened from " in asked.result().headers["x-claude-proxy-notes"]
    assert len(upstream.posts) == 2


@pytest.mark.fault("left")
def test_who_leaves_does_not_wait_for_a_summary(server, upstream):
    upstream.answer(of_two(Reply(completion("late"), delay=20)))
    live = summarizing(server)
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        client.sendall(raw_request(body=json.dumps(BODY).encode()))
        assert upstream.wait_posts(1)
    assert eventually(lambda: in_flight(live.url) == 0)


@pytest.mark.fault("drain-ceiling")
def test_the_servers_end_ends_the_wait_for_a_summary(upstream):
    upstream.answer(of_two(Reply(completion("late"), delay=60)))
    settings = {
        "CLAUDE_PROXY_PROMPT_COMPRESSION": "summarize",
        "CLAUDE_PROXY_DRAIN_SECONDS": "0.5",
    }
    with started(upstream, **settings) as process, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, process)
        assert upstream.wait_posts(1)
        process.end()
        assert asked.result().status_code == 503
    assert [post.json["model"] for post in upstream.posts] == ["gpt-4o-mini"]


def test_another_clients_wrong_key_spoils_nothing(server, upstream):
    def answer(request):
        if request.headers["authorization"] != "Bearer good-key-0123456789":
            return refusal(401, "no such key")
        return of_two(Reply(completion("Keep to the rules.")))(request)

    upstream.answer(answer)
    live = summarizing(server, CLAUDE_PROXY_MODE="passthrough")
    replies = [
        httpx.post(f"{live.url}/v1/messages", json=BODY, headers={"x-api-key": key}, timeout=20)
        for key in ("wrong-key-0123456789", "good-key-0123456789")
    ]
    assert [reply.status_code for reply in replies] == [401, 200]
    assert "system=summarized from " in replies[1].headers["x-claude-proxy-notes"]


@pytest.mark.parametrize("system", [None, "Short.", [{"type": "novel"}], ENVIRONMENT, 5])
def test_what_is_no_long_advice_costs_no_request(server, upstream, system):
    reply = ask(summarizing(server), system=system)
    assert "gpt-4o-mini" not in [post.json["model"] for post in upstream.posts]
    assert reply.status_code == (400 if system == 5 else 200)


def test_only_so_many_summaries_are_kept():
    kept = Prompts(100, summarize=True)
    for number in range(70):
        kept.keep((str(number),), Shortened(("a",), 2, 1))
        kept.shorten({"model": "m", "system": "0", "messages": []}, lambda *_: None, {})
    assert kept.settled(("0",)) and kept.settled(("69",)) and not kept.settled(("1",))
    kept.keep(("failed",), None, failed=True)
    assert kept.settled(("failed",))


def test_a_summary_that_runs_is_ended_with_the_app(upstream):
    upstream.play(Reply(end="hang", stream=[]))

    async def run():
        app = create_app(settings_for(upstream, PROMPT_COMPRESSION="summarize"))
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asking = asyncio.create_task(client.post("/v1/messages", json=BODY))
            assert await asyncio.to_thread(upstream.wait_posts, 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await app.state.aclose()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()
    assert upstream.last.wait_left()
