"""Real limits at work: asked of the upstream, kept to, and told to clients."""

import asyncio
import os
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from claude_proxy.cli.client_env import ask_limits, limits
from claude_proxy.model_limits import Limits, unread
from claude_proxy.server import windows
from claude_proxy.server.app import create_app
from claude_proxy.server.runner import server_for
from tests.conftest import UPSTREAM_KEY, settings_for
from tests.upstream import Reply, completion, eventually, text_stream

ANTHROPIC = {"anthropic-version": "2023-06-01"}
SMALL = {"id": "tiny", "context_length": 16_384, "max_completion_tokens": 8_192}
TINY = {"CLAUDE_PROXY_BIG_MODEL": "tiny"}


def asked(url, words=10, stream=False, **more):
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "word " * words}],
        "stream": stream,
        **more,
    }
    return httpx.post(f"{url}/v1/messages", json=body, timeout=20)


def listed(url):
    return httpx.get(f"{url}/v1/models?limit=1000", headers=ANTHROPIC).json()["data"]


@pytest.mark.pitfall(19)
def test_what_the_list_says_is_told_and_kept_to(server, upstream):
    upstream.models = [SMALL]
    url = server(**TINY).url
    opus, *_ = listed(url)
    assert (opus["max_input_tokens"], opus["max_tokens"]) == (16_384, 8_192)
    reply = asked(url)
    assert upstream.last.json["max_tokens"] == 8_192
    assert "max_tokens=clamped to 8192" in reply.headers["x-claude-proxy-notes"]


BESIDE = [
    ("lmstudio", "/api/v0/models", {"data": [{"id": "tiny", "loaded_context_length": 4_096}]}),
    ("llama.cpp", "/props", {"default_generation_settings": {"n_ctx": 4_096}}),
]


@pytest.mark.parametrize(("profile", "path", "body"), BESIDE)
@pytest.mark.parametrize("status", [200, 404])
def test_windows_beside_the_list_are_asked_for(server, upstream, profile, path, body, status):
    upstream.models = ["tiny"]
    # Every path but that of the list is answered so.
    upstream.play(Reply(body, status=status))
    opus, *_ = listed(server(**TINY, CLAUDE_PROXY_PROFILE=profile).url)
    asked_for = [request.path for request in upstream.requests]
    assert opus["max_input_tokens"] == (4_096 if status == 200 else None)
    assert asked_for[:2] == ["/v1/models", path]


OLLAMA = {**TINY, "CLAUDE_PROXY_PROFILE": "ollama"}
PS, SHOW = "/api/ps", "/api/show"


def ollama(loaded=None, shown=None):
    """What decides the answers of an Ollama whose model is loaded with this window."""
    models = [{"name": "tiny:latest", "model": "tiny:latest", "context_length": loaded}]

    def answer(request):
        if request.path == PS:
            return Reply({"models": models if loaded else []})
        if request.path == SHOW:
            assert request.json == {"model": "tiny"}
            return Reply(shown, status=200 if shown else 404)
        return Reply(completion("ok"))

    return answer


def window(url):
    return listed(url)[0]["max_input_tokens"]


TRAINED = {"model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40_960}}
FILE = {**TRAINED, "parameters": 'stop    "<|im_end|>"\nnum_ctx                  8192'}


@pytest.mark.pitfall(33)
@pytest.mark.parametrize(("shown", "known"), [(None, None), (TRAINED, 40_960), (FILE, 8_192)])
def test_ollama_is_asked_for_each_model_once(server, upstream, shown, known):
    upstream.models = ["tiny"]
    upstream.answer(ollama(shown=shown))
    url = server(**OLLAMA, CLAUDE_PROXY_MODELS_CACHE_SECONDS="0").url
    assert window(url) == known and window(url) == known
    assert [request.path for request in upstream.requests].count(SHOW) == 1


@pytest.mark.pitfall(33)
def test_the_window_that_ollama_has_loaded_wins(server, upstream):
    upstream.models = ["tiny"]
    upstream.answer(ollama(loaded=4_096, shown=FILE))
    url = server(**OLLAMA).url
    # In the list it has its tag, so this is what the first answer has made us ask for.
    assert asked(url).status_code == 200
    assert eventually(lambda: window(url) == 4_096)
    for _ in range(3):
        asked(url)
    assert upstream.last.json["max_tokens"] < 4_096
    paths = [request.path for request in upstream.requests]
    assert paths.count(PS) - paths.count("/v1/models") == 1


@pytest.mark.pitfall(33)
def test_what_ollama_shows_of_eyes_is_kept_to(server, upstream):
    upstream.models = ["tiny"]
    upstream.answer(ollama(shown={**TRAINED, "capabilities": ["completion", "tools"]}))
    url = server(**OLLAMA).url
    listed(url)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    asked(url, messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
    assert "image_url" not in upstream.last.body.decode()


@pytest.mark.pitfall(33)
@pytest.mark.parametrize("reply", [Reply(status=404), Reply([]), Reply(b"x"), Reply(delay=60)])
def test_an_ollama_that_tells_nothing_serves_all_the_same(server, upstream, reply):
    upstream.models = ["tiny"]
    own = (PS, SHOW)
    upstream.answer(lambda request: reply if request.path in own else Reply(completion("ok")))
    url = server(**OLLAMA).url
    assert window(url) is None and asked(url).status_code == 200


def test_a_server_that_is_silent_there_still_has_its_list(server, upstream):
    upstream.models = ["tiny"]
    upstream.play(Reply(delay=60))
    named = [model["id"] for model in listed(server(**TINY, CLAUDE_PROXY_PROFILE="llama.cpp").url)]
    assert "tiny" in named


def test_images_are_told_where_the_list_says_that_nobody_sees_them(server, upstream):
    upstream.models = [{**SMALL, "architecture": {"input_modalities": ["text"]}}]
    url = server(**TINY).url
    listed(url)
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    seen = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    assert asked(url, messages=seen).status_code == 200
    assert "image_url" not in upstream.last.body.decode()
    assert "image" in upstream.last.json["messages"][0]["content"]


@pytest.mark.pitfall(19, 32)
def test_the_answer_is_cut_to_what_the_prompt_leaves(server, upstream):
    upstream.models = [SMALL]
    url = server(**TINY).url
    listed(url)
    reply = asked(url, words=12_000)
    assert 3_000 < upstream.last.json["max_tokens"] < 16_384 - 12_000
    assert "the context window leaves" in reply.headers["x-claude-proxy-notes"]


def test_the_users_own_limit_stays_above_it(server, upstream):
    upstream.models = [SMALL]
    url = server(**TINY, CLAUDE_PROXY_MAX_TOKENS_LIMIT="1000").url
    assert listed(url)[0]["max_tokens"] == 1_000
    asked(url)
    assert upstream.last.json["max_tokens"] == 1_000


def test_a_least_number_of_output_tokens(server, upstream):
    url = server(CLAUDE_PROXY_MIN_TOKENS_LIMIT="500").url
    asked(url, max_tokens=1)
    assert upstream.last.json["max_tokens"] == 500


class TestTruncation:
    """An upstream that reads 2,000 of 10,000 tokens, and says nothing."""

    @pytest.fixture(autouse=True)
    def cut(self, upstream):
        usage = {"prompt_tokens": 2_000, "completion_tokens": 48, "total_tokens": 2_048}
        whole = {**completion("What?"), "usage": usage}
        events = [
            {**event, "usage": usage} if isinstance(event, dict) and event.get("usage") else event
            for event in text_stream("What?")
        ]
        upstream.answer(
            lambda request: Reply(stream=events) if request.json.get("stream") else Reply(whole)
        )

    @pytest.mark.pitfall(33)
    def test_is_told_as_overflow_where_that_is_wanted(self, server):
        reply = asked(server(CLAUDE_PROXY_TRUNCATED_PROMPTS="reject").url, words=10_000)
        error = reply.json()["error"]
        assert reply.status_code == 400 and error["type"] == "invalid_request_error"
        assert error["message"].startswith("prompt is too long: 10")
        assert error["message"].endswith(" tokens > 2048 maximum")

    def test_the_next_request_does_not_reach_the_upstream(self, server, upstream):
        url = server(CLAUDE_PROXY_TRUNCATED_PROMPTS="reject").url
        first = asked(url, words=10_000, stream=True)
        assert "message_stop" in first.text and "error" not in first.text
        reply = asked(url, words=10_000, stream=True)
        assert reply.status_code == 400 and "> 2048 maximum" in reply.text
        assert len(upstream.posts) == 1
        assert asked(url, words=100).status_code == 200

    @pytest.mark.pitfall(33)
    @pytest.mark.parametrize("stream", [False, True])
    def test_is_only_logged_otherwise(self, server, upstream, stream):
        url = server().url
        for _ in range(2):
            assert asked(url, words=10_000, stream=stream).status_code == 200
        assert len(upstream.posts) == 2

    def test_is_found_once_and_costs_no_more(self, server, upstream, monkeypatch):
        counted = []

        def counting(*args, **kwargs):
            counted.append(unread(*args, **kwargs))
            return counted[-1]

        monkeypatch.setattr(windows, "unread", counting)
        url = server().url
        for _ in range(3):
            assert asked(url, words=10_000, stream=True).status_code == 200
        assert len(counted) == 1 and counted[0] > 4_000
        # What such a server leaves room for is its own matter.
        assert len({post.json["max_tokens"] for post in upstream.posts}) == 1


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("stream", [False, True])
def test_scaled_counts(server, upstream, stream):
    upstream.models = [{"id": "tiny", "context_length": 50_000}]
    if stream:
        upstream.play(Reply(stream=text_stream("hi")))
    url = server(**TINY, **{"CLAUDE_PROXY_TOKEN_SCALING": "true"}).url
    before = asked(url, stream=stream).text
    listed(url)
    after = asked(url, stream=stream).text
    assert '"input_tokens":21' in before
    assert '"input_tokens":84' in after


def test_counted_tokens_are_scaled_too(server, upstream):
    upstream.models = [{"id": "tiny", "context_length": 50_000}]
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
    counts = []
    for scaling in ("false", "true"):
        url = server(**TINY, **{"CLAUDE_PROXY_TOKEN_SCALING": scaling}).url
        listed(url)
        answer = httpx.post(f"{url}/v1/messages/count_tokens", json=body)
        counts.append(answer.json()["input_tokens"])
    assert counts[1] == 4 * counts[0] > 0


@pytest.mark.pitfall(31)
def test_a_client_that_is_run_gets_the_real_window(upstream, tmp_path):
    environ = {
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "HOME": str(tmp_path),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        **TINY,
    }
    upstream.models = [SMALL]
    code = "import os; print(os.environ['CLAUDE_CODE_MAX_CONTEXT_TOKENS'])"
    done = subprocess.run(
        [sys.executable, "-m", "claude_proxy", "run", "--", sys.executable, "-c", code],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "16384", done.stderr


def test_an_app_of_somebody_else_asks_nothing_by_itself(server, upstream):
    server()
    assert upstream.requests == []


class TestAskLimits:
    def test_of_a_server_that_runs(self, server, upstream):
        upstream.models = [SMALL]
        live = server(**TINY)
        found = ask_limits(live.url, None, 5.0)
        assert found["tiny"] == Limits(16_384, 8_192)
        settings = settings_for(upstream, **TINY, CLAUDE_PROXY_MIDDLE_MODEL="tiny")
        values = limits(settings, found)
        assert values["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "16384"
        assert values["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "8192"

    def test_of_none(self):
        assert ask_limits("http://127.0.0.1:9", None, 0.5) == {}

    def test_with_the_wrong_key(self, server):
        live = server(CLAUDE_PROXY_AUTH_KEY="right")
        assert ask_limits(live.url, "wrong", 5.0) == {}
        assert ask_limits(live.url, "right", 5.0)


def test_a_started_command_knows_the_limits_before_its_first_request(upstream):
    upstream.models = [SMALL]
    settings = settings_for(upstream, **TINY)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        live = server_for(create_app(settings), settings, warm=True, ceiling=0.5)
        thread = threading.Thread(target=lambda: asyncio.run(live.serve(sockets=[sock])))
        thread.start()
        try:
            assert eventually(lambda: len(upstream.requests) == 1)
            assert upstream.requests[0].path == "/v1/models"
            assert upstream.requests[0].headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            assert eventually(lambda: asked(url) and upstream.last.json["max_tokens"] == 8_192)
        finally:
            live.stop()
            thread.join(10)


PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
SHOWN = [{"role": "user", "content": [{"type": "image", "source": PICTURE}]}]
BLIND = {
    "id": "tiny",
    "architecture": {"input_modalities": ["text"]},
    "supported_parameters": ["max_tokens", "tools", "tool_choice", "response_format"],
}


def test_what_the_list_says_of_a_models_abilities_is_kept_to(server, upstream):
    upstream.models = [BLIND]
    url = server(**TINY).url
    listed(url)
    reply = asked(url, temperature=0.5, messages=SHOWN)
    assert "temperature" not in upstream.last.json
    assert "image_url" not in upstream.last.body.decode()
    assert "temperature=" in reply.headers["x-claude-proxy-notes"]


def test_the_users_own_profile_wins_over_the_list(server, upstream):
    upstream.models = [BLIND]
    own = '{"mine": {"models": ["tiny"], "vision": "seen", "sampling": true}}'
    url = server(**TINY, CLAUDE_PROXY_PROFILES=own).url
    listed(url)
    asked(url, temperature=0.5, messages=SHOWN)
    assert upstream.last.json["temperature"] == 0.5
    assert "image_url" in upstream.last.body.decode()
