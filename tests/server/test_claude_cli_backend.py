"""The CLI backend behind the server, against a program that speaks its protocol."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from claude_proxy.settings import load_settings
from tests.conftest import LiveServer, running
from tests.upstream import Reply, Upstream, eventually, serving, text_stream

Json = dict[str, Any]

FAKE = Path(__file__).parents[1] / "backends" / "fake_claude.py"
TOOL = {"name": "look", "description": "d", "input_schema": {"type": "object"}}
Start = Callable[..., LiveServer]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def start(log: Path) -> Iterator[Start]:
    """`start(CLAUDE_PROXY_…="…")` with the CLI as the default upstream."""
    opened = []

    def begin(**environ: str) -> LiveServer:
        known = {
            "CLAUDE_PROXY_BACKEND": "claude-cli",
            "CLAUDE_PROXY_CLI_COMMAND": str(FAKE),
            "CLAUDE_PROXY_CLI_ENV": f"FAKE_CLAUDE_LOG={log}",
        }
        server = running(load_settings(environ={**known, **environ}, trusted_folder=False))
        opened.append(server)
        return server.__enter__()

    yield begin
    for server in opened:
        server.__exit__(None, None, None)
    assert eventually(lambda: not any(_runs(id) for id in runs(log)))


def runs(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def _runs(id: int) -> bool:
    try:
        return "fake_claude" in Path(f"/proc/{id}/cmdline").read_text()
    except OSError:
        return False


def body(text: str = "Hi", **more: Any) -> Json:
    messages = [{"role": "user", "content": text}]
    return {"model": "claude-opus-5-5", "max_tokens": 99, "messages": messages, **more}


def anthropic_sdk(server: LiveServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0)


def post(server: LiveServer, asked: Json, path: str = "/v1/messages", **headers: str) -> Any:
    return httpx.post(f"{server.url}{path}", json=asked, headers=headers, timeout=30)


def test_whole_and_streamed_answers(start: Start) -> None:
    server = start()
    whole = post(server, body("Hello"))
    assert whole.status_code == 200
    message = whole.json()
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert message["id"].startswith("msg_") and message["id"] != "msg_fake"
    assert "upstream=default; model=opus" in whole.headers["x-claude-proxy-route"]
    asked: Any = body("Hello")
    with anthropic_sdk(server) as client, client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == "Hello"


def test_the_sdk_runs_the_tools_and_the_process_goes_on(start: Start, log: Path) -> None:
    asked: Any = body("[[tools]]", tools=[TOOL])
    with anthropic_sdk(start()) as client:
        first = client.messages.create(**asked)
        assert first.stop_reason == "tool_use"
        calls = [block for block in first.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c.id, "content": c.id} for c in calls]
        said = {"role": "assistant", "content": first.content}
        asked["messages"] += [said, {"role": "user", "content": results}]
        with client.messages.stream(**asked) as stream:
            told = json.loads(stream.get_final_text())
    assert [one["content"][0]["text"] for one in told] == ["toolu_1", "toolu_2"]
    assert len(runs(log)) == 1


def test_no_process_is_shared_by_different_keys(start: Start, log: Path) -> None:
    server, session = start(), {"x-claude-code-session-id": "one-and-the-same"}
    asked = body("One")
    assert post(server, asked, **session, **{"x-api-key": "first"}).status_code == 200
    asked["messages"] += [{"role": "assistant", "content": "One"}]
    asked["messages"] += [{"role": "user", "content": "[[world]]"}]
    shown = [{"x-api-key": "second"}, {}, {"authorization": "Bearer first"}]
    told = [json.loads(_text(post(server, asked, **session, **key))) for key in shown]
    # Of all that a process has heard, only what was said with the same key comes from before.
    counts = [[line.get("shouldQuery") for line in each["heard"][1:]] for each in told]
    assert counts == [[False, None, None], [False, None, None], [None, None]]
    assert len(runs(log)) == 3
    assert not any("first" in json.dumps(each) for each in told)


def _text(answer: httpx.Response) -> str:
    text: str = answer.json()["content"][0]["text"]
    return text


def test_clients_of_openai_get_text_and_tools(start: Start, log: Path) -> None:
    url = f"{start().url}/v1"
    with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "Hello"}]
        whole = client.chat.completions.create(model="gpt-4o", messages=messages)
        assert whole.choices[0].message.content == "Hello"
        function = {"name": "look", "parameters": {"type": "object"}}
        tools: Any = [{"type": "function", "function": function}]
        messages = [{"role": "user", "content": "[[tools]]"}]
        asked: Any = {"model": "gpt-4o", "tools": tools, "user": "somebody"}
        first = client.chat.completions.create(messages=messages, **asked).choices[0].message
        messages += [first.model_dump(exclude_none=True)]
        for call in first.tool_calls or ():
            messages += [{"role": "tool", "tool_call_id": call.id, "content": "seen"}]
        before = len(runs(log))
        stream = client.chat.completions.create(messages=messages, stream=True, **asked)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert json.loads(text)[1]["content"][0]["text"] == "seen"
        assert len(runs(log)) == before


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ("[[no_login]]", 401, "authentication_error"),
        ("[[overloaded]]", 529, "overloaded_error"),
        ("[[crash]]", 502, "api_error"),
    ],
)
def test_errors_have_their_status(
    start: Start, text: str, status: int, kind: str, stream: bool
) -> None:
    answer = post(start(), body(text, stream=stream))
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert "/" not in answer.json()["error"]["message"]
    if status == 401:
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "model", ["mistral-large", "gpt-oss-120b", "claude-code-cli/llama", "claude-code-cli/"]
)
def test_unknown_models_are_not_found(start: Start, log: Path, model: str) -> None:
    answer = post(start(), body(model=model))
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    assert runs(log) == []


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("claude-code-cli/haiku", "haiku"),
        ("claude-code-cli/claude-sonnet-4-20250514", "sonnet"),
        ("claude-fable-5-2", "claude-fable-5-2"),
    ],
)
def test_no_model_stands_in_for_another(start: Start, asked: str, model: str) -> None:
    told = json.loads(post(start(), body("[[world]]", model=asked)).json()["content"][0]["text"])
    assert told["argv"][told["argv"].index("--model") + 1] == model


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_who_finds_no_room_gets_a_real_429_though_it_waited(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    from claude_proxy.server import dialects, relay, services

    row = dialects.TRANSLATIONS["claude-cli"]._replace(queue=1.0)
    rows = {**dialects.TRANSLATIONS, "claude-cli": row}
    for module in (dialects, relay, services):
        monkeypatch.setattr(module, "TRANSLATIONS", rows)
    server = start(CLAUDE_PROXY_CLI_MAX_PROCESSES="1", CLAUDE_PROXY_HOLD_SECONDS="0.2")
    asked = body("[[hang]]", stream=True)
    with httpx.stream("POST", f"{server.url}/v1/messages", json=asked, timeout=30) as busy:
        reading = busy.iter_raw()
        next(reading)
        refused = post(server, body(stream=True), path)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        error = refused.json()["error"]
        field = "type" if path == "/v1/messages" else "code"
        assert error[field] == ("rate_limit_error" if field == "type" else "rate_limit_exceeded")
    assert post(server, body("Again")).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_leaves_ends_the_process_within_a_second(
    start: Start, log: Path, stream: bool
) -> None:
    server = start()
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=1) as client:
        client.post(f"{server.url}/v1/messages", json=body("[[hang]]", stream=stream))
    left = time.monotonic()
    assert eventually(lambda: not any(_runs(id) for id in runs(log)), 2)
    assert time.monotonic() - left < 2
    assert len(runs(log)) == 1


def test_the_silent_are_given_up(start: Start) -> None:
    answer = post(start(CLI_LINE_TIMEOUT_SECONDS="0.5"), body("[[mute]]"))
    assert (answer.status_code, answer.json()["error"]["type"]) == (504, "timeout_error")


def test_health_tells_version_and_processes(start: Start, tmp_path: Path) -> None:
    server = start()
    post(server, body())
    about = httpx.get(f"{server.url}/health").json()
    assert about["status"] == "ok"
    assert about["cli"] == {"version": "9.8.7", "active": 0, "idle": 1, "max": 10}
    missing = start(CLAUDE_PROXY_CLI_COMMAND=str(tmp_path / "nothing"))
    about = httpx.get(f"{missing.url}/health")
    assert (about.status_code, about.json()["status"]) == (200, "degraded")
    assert post(missing, body()).status_code == 502


def test_its_models_are_listed(start: Start) -> None:
    listed = httpx.get(f"{start().url}/v1/models").json()["data"]
    ids = [model["id"] for model in listed]
    assert ids[0] == "claude-opus-5-5" and {"opus", "sonnet", "haiku"} <= set(ids)


def test_its_models_tell_their_windows(start: Start) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    listed = httpx.get(f"{start().url}/v1/models", headers=headers).json()["data"]
    told = {model["id"]: (model["max_input_tokens"], model["max_tokens"]) for model in listed}
    assert told["opus"] == told["claude-opus-5-5"] == (1_000_000, 128_000)
    assert told["sonnet"] == told["haiku"] == (200_000, 64_000)


def test_test_connection_runs_through_it(start: Start) -> None:
    assert httpx.get(f"{start().url}/test-connection").json()["status"] == "ok"


def test_a_request_of_our_own_cli_is_not_answered_by_another(start: Start, log: Path) -> None:
    answer = post(start(), body(), **{"x-claude-proxy-cli": "1"})
    assert answer.status_code == 400
    assert "CLAUDE_PROXY_CLI_ENV" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert runs(log) == []


@pytest.mark.parametrize("environ", [{}, {"CLAUDE_PROXY_TRUST_PROXY": "true"}])
def test_strangers_are_refused_whatever_stands_in_front(
    start: Start, log: Path, environ: dict[str, str]
) -> None:
    server = start(**environ)
    for headers in ({"x-forwarded-for": "10.0.0.1"}, {"host": "evil.example"}):
        answer = post(server, body(), **headers)
        assert answer.status_code == 403
        assert "CLAUDE_PROXY_AUTH_KEY" in answer.json()["error"]["message"]
    assert runs(log) == []


def test_strangers_with_the_key_are_served(start: Start) -> None:
    server = start(CLAUDE_PROXY_AUTH_KEY="secret")
    forwarded = {"x-forwarded-for": "10.0.0.1"}
    assert post(server, body(), **forwarded).status_code == 401
    assert post(server, body(), **forwarded, **{"x-api-key": "secret"}).status_code == 200


def test_it_can_stand_in_for_another_upstream(start: Start, upstream: Upstream) -> None:
    upstream.play(Reply({"error": {"message": "down"}}, status=500))
    server = start(
        CLAUDE_PROXY_BACKEND="openai",
        OPENAI_BASE_URL=f"{upstream.url}/v1",
        OPENAI_API_KEY="k",
        CLAUDE_PROXY_UPSTREAMS='{"mine": {"dialect": "claude-cli"}}',
        CLAUDE_PROXY_FALLBACKS="sonnet@mine",
    )
    answer = post(server, body("Hello"))
    assert answer.json()["content"][0]["text"] == "Hello"
    assert "upstream=mine; model=sonnet" in answer.headers["x-claude-proxy-route"]
    upstream.play(Reply(stream=text_stream("from", " there")))
    assert "there" in post(server, body("Hello", stream=True)).text


def test_an_answer_with_a_schema_is_nothing_but_json(start: Start) -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    answer = post(start(), body("[[structured]]", output_config=form))
    assert [block["text"] for block in answer.json()["content"]] == ['{"a":1}']


@pytest.mark.parametrize("stream", [False, True])
def test_the_process_that_wants_a_search_goes_on(start: Start, log: Path, stream: bool) -> None:
    page = {"url": "https://cats.example/", "title": "Cats", "content": "They purr."}
    search = {"type": "web_search_20250305", "name": "web_search"}
    with serving(Upstream()) as searxng:
        # The process is there for the next request a moment after its answer.
        searxng.play(Reply({"results": [page]}, delay=0.4))
        server = start(CLAUDE_PROXY_SEARXNG_URL=searxng.url)
        asked = {**body("[[searches]]", tools=[search]), "stream": stream}
        text = httpx.post(f"{server.url}/v1/messages", json=asked, timeout=60).text
    assert "srvtoolu_1" in text and "They purr." in text
    assert len(runs(log)) == 1


PROMPT = {"CLAUDE_PROXY_CLI_TOOLS": "prompt"}


def _inputs(message: Any) -> list[Any]:
    return [block.input for block in message.content if block.type == "tool_use"]


def test_written_calls_are_calls_and_the_process_goes_on(start: Start, log: Path) -> None:
    asked: Any = body("[[writes]]", tools=[TOOL])
    with anthropic_sdk(start(**PROMPT)) as client:
        for _ in range(2):
            with client.messages.stream(**asked) as stream:
                first = stream.get_final_message()
            assert first.stop_reason == "tool_use"
            assert first.content[0].model_dump()["text"] == "I look.\n"
            assert _inputs(first) == [{"n": 1}, {"n": 2}]
            asked["messages"] += [{"role": "assistant", "content": first.content}]
            calls = [block for block in first.content if block.type == "tool_use"]
            results = [
                {"type": "tool_result", "tool_use_id": c.id, "content": f"saw {c.input}"}
                for c in reversed(calls)
            ]
            again = {"type": "text", "text": "[[writes]]"}
            asked["messages"] += [{"role": "user", "content": [*results, again]}]
        asked["messages"][-1]["content"][-1] = {"type": "text", "text": "And?"}
        told = client.messages.create(**asked)
    assert told.stop_reason == "end_turn"
    assert told.content[0].model_dump()["text"] == (
        '<tool_result name="look" call="1">\nsaw {\'n\': 1}\n</tool_result>'
        '<tool_result name="look" call="2">\nsaw {\'n\': 2}\n</tool_result>And?'
    )
    assert len(runs(log)) == 1


def test_tools_are_told_and_no_server_of_them_is_there(start: Start) -> None:
    asked = body(
        "[[world]]", tools=[{**TOOL, "description": "two\nlines </tools>"}], system="Short"
    )
    answer = post(start(**PROMPT), asked)
    told = json.loads(answer.json()["content"][0]["text"])
    assert "--mcp-config" not in told["argv"] and "--allowedTools" not in told["argv"]
    request = told["heard"][0]["request"]
    assert "sdkMcpServers" not in request
    assert request["systemPrompt"].startswith("Short\n\n# Tools\n")
    line = '{"name":"look","description":"two\\nlines <\\/tools>","input_schema":'
    assert f"<tools>\n{line}" in request["systemPrompt"]
    assert "tools=told" in answer.headers["x-claude-proxy-notes"]


def test_clients_of_openai_get_written_calls_as_theirs(start: Start, log: Path) -> None:
    function = {"name": "look", "parameters": {"type": "object"}}
    tools: Any = [{"type": "function", "function": function}]
    messages: Any = [{"role": "user", "content": "[[writes]]"}]
    asked: Any = {"model": "gpt-4o", "tools": tools, "user": "somebody"}
    url = f"{start(**PROMPT).url}/v1"
    with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        chunks = list(client.chat.completions.create(messages=messages, stream=True, **asked))
        deltas = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or ()]
        assert {delta.index for delta in deltas} == {0, 1}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        choice = client.chat.completions.create(messages=messages, **asked).choices[0]
        assert choice.finish_reason == "tool_calls"
        calls: Any = choice.message.tool_calls or []
        assert [json.loads(call.function.arguments) for call in calls] == [{"n": 1}, {"n": 2}]
        messages += [choice.message.model_dump(exclude_none=True)]
        messages += [{"role": "tool", "tool_call_id": c.id, "content": "seen"} for c in calls]
        before = len(runs(log))
        last = client.chat.completions.create(messages=messages, **asked).choices[0].message
    assert (last.content or "").count("\nseen\n") == 2
    assert len(runs(log)) == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_result_that_the_model_makes_up_reaches_nobody(
    start: Start, log: Path, stream: bool
) -> None:
    server = start(**PROMPT)
    asked = {**body("[[writes_on]]", tools=[TOOL]), "stream": stream}
    # The process would go on for ten minutes.
    answer = httpx.post(f"{server.url}/v1/messages", json=asked, timeout=20)
    assert '"name":"look"' in answer.text and '"stop_reason":"tool_use"' in answer.text
    assert "made up" not in answer.text and "So it is" not in answer.text
    assert ("content=what" in answer.headers["x-claude-proxy-notes"]) is not stream
    assert eventually(lambda: not any(_runs(id) for id in runs(log)), 5)
    kind = 'claude_proxy_faulty_calls_total{kind="overrun"} 1.0'
    assert kind in httpx.get(f"{server.url}/metrics").text


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_broken_off_stays_text(start: Start, stream: bool) -> None:
    with anthropic_sdk(start(**PROMPT)) as client:
        asked: Any = body("[[writes_broken]]", tools=[TOOL])
        if stream:
            with client.messages.stream(**asked) as reading:
                message = reading.get_final_message()
        else:
            message = client.messages.create(**asked)
    (block,) = message.content
    assert message.stop_reason == "end_turn"
    assert block.model_dump()["text"] == (
        'I look.\n<tool_call>\n{"name": "look", "arguments": {"n": 1'
    )


def test_a_call_of_no_tool_is_what_it_is(start: Start) -> None:
    other = {"name": "other", "input_schema": {"type": "object"}}
    message = post(start(**PROMPT), body("[[writes]]", tools=[other])).json()
    assert message["stop_reason"] == "end_turn"
    assert message["content"][0]["text"].count("<tool_call>") == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_search_is_called_in_writing_too(start: Start, stream: bool) -> None:
    page = {"url": "https://cats.example/", "title": "Cats", "content": "They purr."}
    search = {"type": "web_search_20250305", "name": "web_search"}
    with serving(Upstream()) as searxng:
        searxng.play(Reply({"results": [page]}))
        server = start(CLAUDE_PROXY_SEARXNG_URL=searxng.url, **PROMPT)
        asked = {**body("[[writes_search]]", tools=[search]), "stream": stream}
        text = httpx.post(f"{server.url}/v1/messages", json=asked, timeout=60).text
    assert "web_search_tool_result" in text and "They purr." in text
    assert "<tool_call>" not in text


def test_told_tools_are_counted(start: Start) -> None:
    asked = body(tools=[TOOL])
    counts = [
        post(start(CLAUDE_PROXY_CLI_TOOLS=way), asked, "/v1/messages/count_tokens").json()
        for way in ("mcp", "prompt")
    ]
    assert 200 < counts[1]["input_tokens"] - counts[0]["input_tokens"] < 400
