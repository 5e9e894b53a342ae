"""Who counts tokens: the upstream's own counter, o200k, the estimate; and what is learned."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from anthropic import Anthropic
from structlog.testing import capture_logs

from claude_proxy import profiles
from claude_proxy.profiles import GENERIC, Profile
from claude_proxy.routing import Route
from claude_proxy.server import counters, counting, o200k
from claude_proxy.server.services import Services
from tests.conftest import UPSTREAM_KEY, settings_for
from tests.upstream import Reply, chunk, completion, ending, eventually, usage

TOOL = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}
BODY = {
    "model": "qwen3",
    "system": "You are brief.",
    "messages": [{"role": "user", "content": "hello"}],
    "tools": [TOOL],
}
MODE = "CLAUDE_PROXY_TOKEN_COUNTING"
MISSING = Reply({"error": {"message": "not found"}}, status=404)


def only(path, reply):
    """An upstream that has this one counter."""
    return lambda received: reply if received.path == path else MISSING


def paths(upstream):
    return [request.path for request in upstream.posts]


def count(url, **body):
    reply = httpx.post(f"{url}/v1/messages/count_tokens", json={**BODY, **body})
    assert reply.status_code == 200, reply.text
    assert list(reply.json()) == ["input_tokens"]
    return reply.json()["input_tokens"]


@pytest.fixture(autouse=True)
def named_counters(monkeypatch):
    """A profile that names every counter that is asked without tools of its own."""
    names = ("input_tokens", "tokenize", "count_tokens")
    row = profiles.ProfileRow(replace(GENERIC, name="counting", token_counters=names))
    openai = profiles.PROFILES[:-1]
    monkeypatch.setattr(profiles.rows, "PROFILES", (*openai, row))


@pytest.fixture
def lines():
    with capture_logs() as captured:
        yield captured


def counted_by(lines):
    assert eventually(lambda: any(line["event"] == "request_finished" for line in lines))
    return [line["counted_by"] for line in lines if "counted_by" in line]


INPUT_TOKENS = "/v1/chat/completions/input_tokens"
TOKENIZE = "/tokenize"
COUNT_TOKENS = "/v1/messages/count_tokens"

# why, the counter's path, its answer, the count
SHAPES = [
    ("llama-server", INPUT_TOKENS, {"object": "response.input_tokens", "input_tokens": 11}, 11),
    ("vLLM", TOKENIZE, {"count": 12, "max_model_len": 4096, "tokens": [1] * 12}, 12),
    ("Anthropic", COUNT_TOKENS, {"input_tokens": 13, "context_management": None}, 13),
]


class TestUpstreams:
    @pytest.mark.pitfall(31)
    @pytest.mark.parametrize(("why", "path", "answer", "expected"), SHAPES)
    def test_its_own_counter_answers(self, server, upstream, lines, why, path, answer, expected):
        upstream.answer(only(path, Reply(answer)))
        assert count(server().url) == expected, why
        assert counted_by(lines) == ["upstream"]
        assert upstream.last.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"

    @pytest.mark.parametrize(
        "number", [b"9" * 400, b"9" * 5000, b"18446744073709551615", b"1e999", b"-5", b"0"]
    )
    def test_a_number_that_no_prompt_has_is_no_count(self, server, upstream, lines, number):
        upstream.answer(only(INPUT_TOKENS, Reply(b'{"input_tokens": ' + number + b"}")))
        assert 0 < count(server().url) < 100
        assert counted_by(lines) != ["upstream"]

    def test_chat_counters_are_sent_the_prompt_as_it_will_go_out(self, server, upstream):
        upstream.answer(only(INPUT_TOKENS, Reply({"input_tokens": 11})))
        count(server().url, temperature=0.5)
        sent = upstream.last.json
        assert set(sent) == {"model", "messages", "tools", "max_tokens"}
        assert [message["role"] for message in sent["messages"]] == ["system", "user"]
        assert sent["tools"][0]["function"]["name"] == "read"
        assert (sent["model"], sent["max_tokens"]) == ("qwen3", 1)

    def test_messages_counters_are_sent_the_request(self, server, upstream):
        upstream.answer(only(COUNT_TOKENS, Reply({"input_tokens": 13})))
        count(server().url, temperature=0.5, metadata={"user_id": "somebody"})
        assert upstream.last.json == BODY
        assert upstream.last.headers["anthropic-version"] == "2023-06-01"

    def test_the_model_is_the_routed_one(self, server, upstream):
        upstream.answer(only(INPUT_TOKENS, Reply({"input_tokens": 11})))
        url = server(CLAUDE_PROXY_BIG_MODEL="glm-5").url
        count(url, model="claude-opus-5-5")
        assert upstream.last.json["model"] == "glm-5"

    def test_what_is_missing_is_asked_once(self, server, upstream):
        upstream.answer(only(TOKENIZE, Reply({"count": 12})))
        url = server().url
        assert [count(url) for _ in range(3)] == [12] * 3
        assert paths(upstream) == [INPUT_TOKENS, TOKENIZE, TOKENIZE, TOKENIZE]

    def test_a_server_without_any_is_left_alone(self, server, upstream, lines):
        upstream.play(MISSING)
        url = server().url
        first, second = count(url), count(url)
        assert first == second > 0
        assert paths(upstream) == [INPUT_TOKENS, TOKENIZE, COUNT_TOKENS]
        assert "upstream" not in counted_by(lines)

    def test_another_model_is_another_question(self, server, upstream):
        upstream.play(MISSING)
        url = server().url
        count(url)
        count(url, model="glm-5")
        assert len(upstream.posts) == 6

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(completion("an answer to everything")),
            Reply({"error": "Unexpected endpoint or method. (POST /tokenize)"}),
            Reply(b"<html>", headers={"content-type": "text/html"}),
            Reply({"input_tokens": 0}),
            Reply({"input_tokens": "11"}),
            Reply({"input_tokens": True}),
            Reply({"data": {"total_tokens": 1.5}}),
            Reply({"input_tokens": -4, "count": None, "data": None}),
            Reply([]),
            Reply(b"\xff\xfe"),
            Reply({"error": {"message": "broken"}}, status=500),
            Reply({"error": {"message": "bad"}}, status=400),
            Reply(status=302, headers={"location": "http://127.0.0.1:9/"}),
            Reply({"input_tokens": 11}, end="cut"),
            Reply(raw=b""),
            Reply(raw=b"no HTTP\r\n\r\n"),
        ],
    )
    def test_nonsense_is_no_count_and_no_error(self, server, upstream, lines, reply):
        upstream.play(reply)
        assert 10 < count(server().url) < 60
        assert counted_by(lines) in (["tiktoken"], ["estimate"])

    def test_an_answer_without_end_is_cut_off(self, server, upstream, monkeypatch):
        monkeypatch.setattr(counters, "_MAX_ANSWER_BYTES", 100)
        upstream.play(Reply({"count": 12, "tokens": [1] * 1000}))
        assert count(server().url) != 12

    def test_a_slow_counter_does_not_keep_the_client(self, server, upstream, monkeypatch):
        monkeypatch.setattr(counters, "WAIT_SECONDS", 0.3)
        upstream.play(Reply({"input_tokens": 11}, delay=20))
        url = server().url
        before = time.monotonic()
        assert count(url) != 11
        assert time.monotonic() - before < 5
        upstream.play(Reply({"count": 12}))
        assert count(url) == 12
        assert paths(upstream) == [INPUT_TOKENS, TOKENIZE]

    def test_an_upstream_that_is_down_is_no_error(self, server):
        assert 10 < count(server(OPENAI_BASE_URL="http://127.0.0.1:9/v1").url) < 60

    def test_a_client_whose_key_is_refused_silences_nobody(self, server, upstream):
        upstream.play(Reply({"error": {"message": "bad key"}}, status=401))
        url = server().url
        count(url)
        count(url)
        assert len(upstream.posts) == 6

    def test_an_anthropic_key_never_leaves(self, upstream):
        from tests.conftest import running

        environ = {"OPENAI_API_KEY": "", "CLAUDE_PROXY_MODE": "passthrough"}
        with running(settings_for(upstream, **environ)) as live:
            headers = {"x-api-key": "sk-ant-api03-secret"}
            url = f"{live.url}/v1/messages/count_tokens"
            assert httpx.post(url, json=BODY, headers=headers).status_code == 200
        assert upstream.requests == []

    def test_a_request_that_cannot_go_out_is_counted_here(self, server, upstream):
        assert count(server().url, thread={"id": "t"}) > 10
        assert upstream.requests == []

    def test_tokenizers_stand_beside_the_version_only(self, server, upstream):
        upstream.play(MISSING)
        count(server(OPENAI_BASE_URL=f"{upstream.url}/team/v1").url)
        count(server(OPENAI_BASE_URL=f"{upstream.url}/api").url)
        assert [path for path in paths(upstream) if "tokenize" in path] == ["/team/tokenize"]
        assert "/api/messages/count_tokens" in paths(upstream)

    @pytest.mark.parametrize("mode", ["tiktoken", "estimate"])
    def test_it_is_not_asked_when_told_so(self, server, upstream, mode):
        assert count(server(**{MODE: mode}).url) > 10
        assert upstream.requests == []

    def test_openai_has_none(self, server, upstream):
        count(server().url, model="claude-sonnet-5-5")
        assert upstream.requests == []

    def test_the_sdk_reads_it(self, server, upstream):
        upstream.answer(only(INPUT_TOKENS, Reply({"input_tokens": 4711})))
        messages = [{"role": "user", "content": "hello"}]
        with Anthropic(api_key="k", base_url=server().url) as client:
            answer = client.messages.count_tokens(model="qwen3", messages=messages)
        assert answer.input_tokens == 4711


def ask_directly(upstream, profile: Profile, request, key=lambda upstream: "k"):
    """One question, without a server around it."""

    async def ask():
        services = Services(settings_for(upstream))
        route = Route("default", "kimi-k2.6", profile, "test")
        asked = counters.UpstreamCounters(services.backend, services.upstreams)
        try:
            return await asked.count(request, route, key)
        finally:
            await services.aclose()

    return asyncio.run(ask())


class TestMoonshot:
    PROFILE = Profile("moonshot", token_counters=("estimate_token_count",))
    ANSWER = Reply({"data": {"total_tokens": 80}})

    def test_its_estimate_answers(self, upstream):
        upstream.play(self.ANSWER)
        messages = [{"role": "user", "content": "hello"}]
        assert ask_directly(upstream, self.PROFILE, {"model": "m", "messages": messages}) == 80
        assert upstream.last.path == "/v1/tokenizers/estimate-token-count"
        assert upstream.last.json == {"model": "kimi-k2.6", "messages": messages}

    def test_the_tools_that_it_does_not_count_are_added(self, upstream):
        upstream.play(self.ANSWER)
        found = ask_directly(upstream, self.PROFILE, BODY)
        assert 80 + 10 < found < 80 + 40
        assert "tools" not in upstream.last.json


def test_what_is_remembered_is_bounded(upstream):
    asked = counters.UpstreamCounters(None, {})
    for number in range(2000):
        asked._silence(Route("default", f"m{number}", GENERIC, ""), "tokenize", 60)
    assert len(asked._silent) == 512


class TestOwnCounters:
    def test_the_tokenizer_counts_if_it_is_there(self, server, lines):
        pytest.importorskip("tiktoken")
        url = server(**{MODE: "tiktoken"}).url
        text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 20
        exact = o200k.load()(text)
        found = count(url, messages=[{"role": "user", "content": text}], tools=[], system="")
        assert found == pytest.approx(exact, abs=10)
        assert counted_by(lines) == ["tiktoken"]

    def test_the_estimate_loads_nothing(self, server, lines, monkeypatch):
        monkeypatch.setattr(o200k, "load", lambda: pytest.fail("loaded"))
        assert count(server(**{MODE: "estimate"}).url) > 10
        assert counted_by(lines) == ["estimate"]

    def test_without_a_tokenizer_there_is_the_estimate(self, server, lines, monkeypatch):
        monkeypatch.setattr(o200k, "load", lambda: None)
        assert count(server(**{MODE: "tiktoken"}).url) > 10
        assert counted_by(lines) == ["estimate"]

    def test_a_text_without_end_is_estimated(self, server, monkeypatch):
        monkeypatch.setattr(o200k, "load", lambda: lambda text: pytest.fail("encoded"))
        url = server(**{MODE: "tiktoken"}).url
        messages = [{"role": "user", "content": "word " * 900_000}]
        assert count(url, messages=messages) == pytest.approx(900_000, rel=0.2)

    def test_others_are_served_while_a_long_request_is_counted(self, server, monkeypatch):
        url, served = server(**{MODE: "estimate"}).url, threading.Event()
        real = counting.measure
        monkeypatch.setattr(counting, "measure", lambda *a, **k: served.wait(9) and real(*a, **k))
        messages = [{"role": "user", "content": "some words " * 10_000}]
        with ThreadPoolExecutor(1) as pool:
            counted = pool.submit(count, url, messages=messages)
            assert httpx.get(f"{url}/livez").status_code == 200
            served.set()
            assert counted.result() == pytest.approx(20_000, rel=0.2)

    def test_a_refused_model_is_counted_all_the_same(self, server, upstream):
        url = server(CLAUDE_PROXY_UNKNOWN_MODEL="reject").url
        assert count(url, model="somebody/unheard-of") > 10
        assert upstream.requests == []


LONG = "The quick brown fox jumps over the lazy dog. " * 100
MESSAGES = [{"role": "user", "content": LONG}]


def answer(url, **more):
    body = {"model": "qwen3", "max_tokens": 9, "messages": MESSAGES, **more}
    assert httpx.post(f"{url}/v1/messages", json=body).status_code == 200


class TestLearning:
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch):
        monkeypatch.setattr(counting, "_PAUSE_SECONDS", 0.0)
        monkeypatch.setattr(counting, "_AFTER_SECONDS", 0.0)

    @pytest.fixture
    def url(self, server):
        return server(**{MODE: "estimate"}).url

    def settled(self, url, before):
        """The count, once it is not `before` any more."""
        eventually(lambda: count(url, messages=MESSAGES, tools=[], system="") != before, 3)
        return count(url, messages=MESSAGES, tools=[], system="")

    @pytest.mark.pitfall(31)
    @pytest.mark.parametrize("stream", [False, True])
    def test_reported_tokens_correct_our_count(self, url, upstream, lines, stream):
        before = count(url, messages=MESSAGES, tools=[], system="")
        reported = usage(round(before * 1.3))
        events = [chunk({"content": "x"}), *ending("stop")]
        events[-2] = {**chunk({}), "choices": [], "usage": reported}
        whole = Reply({**completion("x"), "usage": reported})
        upstream.play(Reply(stream=events) if stream else whole)
        answer(url, stream=stream)
        assert self.settled(url, before) == pytest.approx(before * 1.3, abs=2)
        assert next(line for line in reversed(lines) if "counted_by" in line)["count_ratio"] == (
            pytest.approx(1.3, abs=0.01)
        )

    def test_cached_tokens_are_part_of_the_prompt(self, url, upstream):
        before = count(url, messages=MESSAGES, tools=[], system="")
        reported = usage(round(before * 1.2), cached=before)
        upstream.play(Reply({**completion("x"), "usage": reported}))
        answer(url)
        assert self.settled(url, before) == pytest.approx(before * 1.2, abs=2)

    @pytest.mark.parametrize("factor", [0.1, 4])
    def test_counts_too_far_apart_teach_nothing(self, url, upstream, factor):
        before = count(url, messages=MESSAGES, tools=[], system="")
        reported = usage(max(600, round(before * factor)))
        upstream.play(Reply({**completion("x"), "usage": reported}))
        answer(url, messages=[{"role": "user", "content": LONG * 8}] if factor < 1 else MESSAGES)
        time.sleep(0.3)
        assert count(url, messages=MESSAGES, tools=[], system="") == before

    def test_small_prompts_teach_nothing(self, url, upstream):
        before = count(url, messages=MESSAGES, tools=[], system="")
        upstream.play(Reply({**completion("x"), "usage": usage(20)}))
        answer(url, messages=[{"role": "user", "content": "hi"}])
        time.sleep(0.3)
        assert count(url, messages=MESSAGES, tools=[], system="") == before

    def test_an_estimate_of_ours_is_no_report(self, url, upstream, lines):
        before = count(url, messages=MESSAGES, tools=[], system="")
        silent = completion("x")
        del silent["usage"]
        upstream.play(Reply(silent))
        answer(url)
        time.sleep(0.3)
        assert count(url, messages=MESSAGES, tools=[], system="") == before
        assert [line["counted_by"] for line in lines if line.get("output_tokens")] == ["estimate"]

    def test_each_model_has_its_own(self, url, upstream):
        before = count(url, messages=MESSAGES, tools=[], system="")
        reported = usage(round(before * 1.3))
        upstream.play(Reply({**completion("x"), "usage": reported}))
        answer(url)
        assert self.settled(url, before) > before
        assert count(url, model="glm-5", messages=MESSAGES, tools=[], system="") == before
