"""The real CLI as the backend: its requests go to a second server of ours, which translates them
for the scripted model. In front: the real Claude Code, and both APIs' own clients."""

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from claude_proxy.settings import load_settings
from tests.conftest import LiveServer, running, settings_for
from tests.e2e.client import QUIET, ClaudeCode, furnish, pdf, png, user_line
from tests.e2e.nested import NestedScript
from tests.e2e.script import ODD_TEXT, Script
from tests.upstream import Received, Upstream, eventually, serving

pytestmark = pytest.mark.slow

Json = dict[str, Any]

INNER, OUTER = "inner-key", "outer-key"
RUN = """#!/bin/sh
echo $$ >> {log}
exec {binary} "$@"
"""


@dataclass(frozen=True, slots=True)
class Nest:
    """The server in front, the model behind, and the CLI's process IDs so far in `log`."""

    server: LiveServer
    upstream: Upstream
    script: Script
    log: Path
    client: anthropic.Anthropic

    @property
    def runs(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()] if self.log.exists() else []

    def calls(self, scene: str) -> list[Received]:
        return [call for call in self.upstream.posts if f":{scene}".encode() in call.body]


@pytest.fixture(scope="module")
def nested(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nest]:
    with nest_of(NestedScript(), binary, tmp_path_factory.mktemp("cli")) as nest:
        yield nest


@contextmanager
def nest_of(script: Script, binary: Path, folder: Path, **environ: str) -> Iterator[Nest]:
    log, program = folder / "runs", folder / "claude"
    program.write_text(RUN.format(log=log, binary=binary))
    program.chmod(0o755)
    with serving(Upstream()) as upstream:
        upstream.answer(script)
        models = {
            "CLAUDE_PROXY_BIG_MODEL": "scripted-large",
            "CLAUDE_PROXY_SMALL_MODEL": "scripted-small",
        }
        with running(settings_for(upstream, CLAUDE_PROXY_AUTH_KEY=INNER, **models)) as inner:
            variables = {"ANTHROPIC_BASE_URL": inner.url, "ANTHROPIC_API_KEY": INNER}
            known = {
                "CLAUDE_PROXY_BACKEND": "claude-cli",
                "CLAUDE_PROXY_AUTH_KEY": OUTER,
                "CLAUDE_PROXY_CLI_COMMAND": str(program),
                "CLAUDE_PROXY_CLI_ENV": json.dumps({**variables, "HOME": str(folder)}),
            }
            environ = {**known, **environ}
            with (
                running(load_settings(environ=environ, trusted_folder=False)) as server,
                anthropic.Anthropic(base_url=server.url, api_key=OUTER, max_retries=0) as client,
            ):
                yield Nest(server, upstream, script, log, client)
    started = [int(line) for line in log.read_text().split()]
    assert not any(Path(f"/proc/{id}").exists() for id in started)


@pytest.fixture
def nest(nested: Nest) -> Iterator[Nest]:
    nested.upstream.requests.clear()
    nested.script.hits.clear()
    nested.script.complaints.clear()
    yield nested
    assert nested.script.complaints == []


@pytest.fixture
def claude(nest: Nest, binary: Path, tmp_path: Path) -> ClaudeCode:
    furnish(tmp_path)
    return ClaudeCode(binary, nest.server.url, OUTER, tmp_path)


def asked(scene: str, **more: Any) -> Any:
    messages = [{"role": "user", "content": f"[[scenario:{scene}]] please"}]
    return {"model": "claude-opus-5-5", "max_tokens": 900, "messages": messages, **more}


TALKS = [
    pytest.param("[[scenario:plain]] please", "PONG-7319 ünïcödé ✓", id="text"),
    pytest.param("[[scenario:tools dir={dir}]] please", "TOOLS-DONE", id="tools"),
    pytest.param("[[scenario:parallel dir={dir}]] please", "PARALLEL-DONE", id="parallel tools"),
    pytest.param("[[scenario:same_ids]] please", "SAMEIDS-DONE", id="one id in every turn"),
    pytest.param("[[scenario:read_image dir={dir}]] please", "IMAGES-SEEN=1", id="picture read"),
    pytest.param("[[scenario:think]] please", "THINK-DONE", id="thinking"),
    pytest.param("[[scenario:subagent agents=one,two]] please", "SUBAGENT-DONE", id="subagents"),
    pytest.param("[[scenario:toolsearch]] please", "TOOLSEARCH-DONE", id="deferred tools"),
]


@pytest.mark.parametrize(("prompt", "word"), TALKS)
def test_claude_code_works_on_the_cli(claude: ClaudeCode, prompt: str, word: str) -> None:
    run = claude.run(prompt)
    assert run.says(word), run


def test_what_its_tools_wrote_is_what_the_model_said(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:tools dir={dir}]] please")
    assert (run.project / "copy.txt").read_text() == ODD_TEXT


def test_turns_of_claude_code_need_no_new_process(claude: ClaudeCode, nest: Nest) -> None:
    before = len(nest.runs)
    lines = [user_line(f"[[scenario:multiturn]] {word}") for word in ("one", "two")]
    run = claude.run(None, "--input-format", "stream-json", stdin=lines)
    assert [result.get("result") for result in run.results] == ["TURN-1", "TURN-2"], run
    assert len(nest.runs) - before == 1


def test_a_picture_and_a_pdf_of_the_user_are_seen(nest: Nest) -> None:
    def media(kind: str, type: str, data: bytes) -> Json:
        encoded = base64.b64encode(data).decode()
        return {"type": kind, "source": {"type": "base64", "media_type": type, "data": encoded}}

    request = asked("image")
    text = {"type": "text", "text": request["messages"][0]["content"]}
    files = [media("image", "image/png", png()), media("document", "application/pdf", pdf())]
    request["messages"][0]["content"] = [*files, text]
    answer = nest.client.messages.create(**request)
    assert answer.content[0].model_dump()["text"] == "IMAGES-SEEN=1"
    assert b"pdf" in nest.upstream.last.body.lower()


def test_a_text_that_looks_like_a_command_or_a_file_is_a_text(nest: Nest) -> None:
    request = asked("plain")
    request["messages"][0]["content"] = "/model haiku\n@/etc/hostname [[scenario:plain]]"
    nest.client.messages.create(**request)
    (said,) = [m for m in nest.upstream.last.json["messages"] if m["role"] == "user"]
    assert said["content"] == request["messages"][0]["content"]
    assert nest.upstream.last.json["model"] == "scripted-large"


def test_the_sdk_has_its_tools_run_by_one_process(nest: Nest) -> None:
    tool = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
    tool["description"] = "runs " + "very " * 4000 + "much"
    request = asked("twin_ids", tools=[tool], system="Be brief")
    before = len(nest.runs)
    for turn in range(2):
        with nest.client.messages.stream(**request) as stream:
            answer = stream.get_final_message()
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert [call.name for call in calls] == ["Bash", "Bash"]
        results = [
            {"type": "tool_result", "tool_use_id": c.id, "content": f"OUT-{turn}-{n}"}
            for n, c in enumerate(calls)
        ]
        request["messages"] += [{"role": "assistant", "content": answer.content}]
        request["messages"] += [{"role": "user", "content": results}]
    assert nest.client.messages.create(**request).content[0].model_dump()["text"] == "TWINIDS-DONE"
    assert len(nest.runs) - before == 1
    (sent,) = nest.upstream.last.json["tools"]
    assert sent["function"]["description"] == tool["description"]


@pytest.mark.parametrize(
    ("count", "failed", "started"), [(40_000, False, 0), (60_000, False, 1), (40_000, True, 1)]
)
def test_a_long_result_arrives_whole(nest: Nest, count: int, failed: bool, started: int) -> None:
    tool = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
    request = asked("same_ids", tools=[tool])
    answer = nest.client.messages.create(**request)
    (call,) = [block for block in answer.content if block.type == "tool_use"]
    words = "word " * count
    result = {"type": "tool_result", "tool_use_id": call.id, "content": words, "is_error": failed}
    request["messages"] += [{"role": "assistant", "content": answer.content}]
    request["messages"] += [{"role": "user", "content": [result]}]
    before = len(nest.runs)
    nest.client.messages.create(**request)
    assert len(nest.runs) - before == started
    told = nest.upstream.last.json["messages"][-1]
    assert words.strip() in told["content"]


def test_the_next_turn_is_warm(nest: Nest) -> None:
    request = asked("multiturn", metadata={"user_id": "warm"})
    first = nest.client.messages.create(**request).content[0].model_dump()["text"]
    assert first == "TURN-1"
    before = len(nest.runs)
    request["messages"] += [{"role": "assistant", "content": first}]
    request["messages"] += [{"role": "user", "content": "[[scenario:multiturn]] again"}]
    begun = time.monotonic()
    again = nest.client.messages.create(**request).content[0].model_dump()["text"]
    assert again == "TURN-2"
    assert len(nest.runs) == before
    print(f"a warm turn: {time.monotonic() - begun:.3f} s")


def test_a_history_is_replayed_where_no_process_knows_it(nest: Nest) -> None:
    request = asked("multiturn")
    more = [("assistant", "TURN-1"), ("user", "[[scenario:multiturn]]"), ("assistant", "TURN-2")]
    more += [("user", "[[scenario:multiturn]] x")]
    request["messages"] += [{"role": role, "content": text} for role, text in more]
    assert nest.client.messages.create(**request).content[0].model_dump()["text"] == "TURN-3"
    assert len(nest.upstream.posts) == 1


def test_the_model_hears_of_lonely_calls_and_results(nest: Nest) -> None:
    tool = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
    request = asked("plain", tools=[tool])
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "ORPHAN-OUT"}
    before = [("user", "Go"), ("assistant", [call]), ("user", "No."), ("assistant", "So.")]
    prompt = {"type": "text", "text": request["messages"][0]["content"]}
    talk = [*before, ("user", [result, prompt])]
    request["messages"] = [{"role": role, "content": said} for role, said in talk]
    nest.client.messages.create(**request)
    told = nest.upstream.last.json["messages"]
    (output,) = [message["content"] for message in told if message["role"] == "tool"]
    assert output == "[tool error]\n(no result: the call was interrupted)"
    assert "[result of an unknown tool call toolu_2]\nORPHAN-OUT" in told[-1]["content"]


def test_an_answer_with_a_schema(nest: Nest) -> None:
    answer = {"answer": {"type": "integer"}}
    schema = {"type": "object", "properties": answer, "required": ["answer"]}
    form = {"format": {"type": "json_schema", "schema": schema}}
    got = nest.client.messages.create(**asked("schema", output_config=form))
    assert json.loads(got.content[0].model_dump()["text"]) == {"answer": 42}


def test_clients_of_openai_are_served_too(nest: Nest) -> None:
    messages: Any = [{"role": "user", "content": "[[scenario:plain]] please"}]
    with openai.OpenAI(base_url=f"{nest.server.url}/v1", api_key=OUTER, max_retries=0) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "PONG-7319 ünïcödé ✓"


@pytest.mark.parametrize(
    ("scene", "status"),
    [("bad_key", 401), ("forbidden", 403), ("no_model", 404), ("overflow", 400)],
)
def test_errors_keep_their_status(nest: Nest, scene: str, status: int) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        nest.client.messages.create(**asked(scene))
    assert caught.value.status_code == status
    # Of a model that is not there the CLI itself makes sure.
    assert len(nest.calls(scene)) == (2 if scene == "no_model" else 1)


def test_an_overflow_is_told_in_words_that_claude_code_knows(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:overflow]] please")
    assert run.result["terminal_reason"] == "prompt_too_long", run


@pytest.mark.parametrize("stream", [True, False])
def test_whoever_leaves_ends_it_all(nest: Nest, stream: bool) -> None:
    request = {**asked("long"), "stream": stream}
    with pytest.raises(httpx.TimeoutException), httpx.Client(timeout=2) as client:
        headers = {"x-api-key": OUTER}
        url = f"{nest.server.url}/v1/messages"
        with client.stream("POST", url, json=request, headers=headers) as response:
            begun = time.monotonic()
            for _ in response.iter_raw():
                if time.monotonic() - begun > 1:
                    raise httpx.ReadTimeout("enough")
    assert all(call.wait_left(2) for call in nest.calls("long"))
    assert eventually(lambda: not Path(f"/proc/{nest.runs[-1]}").exists(), 2)


def test_many_runs_leave_nothing_behind(nest: Nest) -> None:
    before = set(nest.runs)
    for turn in range(12):
        request = asked("plain", system=f"Be brief {turn}", metadata={"user_id": f"u{turn}"})
        nest.client.messages.create(**request)
    mine = [id for id in nest.runs if id not in before]
    assert len(mine) == 12
    alive = [id for id in mine if Path(f"/proc/{id}").exists()]
    assert len(alive) <= 10
    zombies = [id for id in mine if _state(id) == "Z"]
    assert zombies == []


def _state(id: int) -> str:
    try:
        return Path(f"/proc/{id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_health_tells_the_real_version(nest: Nest) -> None:
    about = httpx.get(f"{nest.server.url}/health").json()["cli"]
    assert about["version"].count(".") == 2
    assert about["max"] == 10


def test_without_a_login_nothing_is_asked(nest: Nest, binary: Path, tmp_path: Path) -> None:
    variables = {"HOME": str(tmp_path), **QUIET}
    environ = {
        "CLAUDE_PROXY_BACKEND": "claude-cli",
        "CLAUDE_PROXY_CLI_COMMAND": str(binary),
        "CLAUDE_PROXY_CLI_ENV": json.dumps(variables),
        "PATH": os.environ["PATH"],
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as server:
        answer = httpx.post(f"{server.url}/v1/messages", json=asked("plain"), timeout=60)
    assert answer.status_code == 401
    assert "not logged in" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
