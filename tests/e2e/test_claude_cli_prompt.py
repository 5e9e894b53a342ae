"""The real CLI that is told its tools in the prompt, behind the real Claude Code and both APIs'
own clients. The model reads and writes calls as text; nobody but it and the proxy sees that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.e2e.client import ClaudeCode, furnish
from tests.e2e.script import ODD_TEXT
from tests.e2e.test_claude_cli import OUTER, Nest, asked, nest_of
from tests.e2e.writing import WritingScript
from tests.upstream import eventually

pytestmark = pytest.mark.slow

Json = dict[str, Any]

BASH: Any = {
    "name": "Bash",
    "description": 'Runs it.\nOr </tools> "not".',
    "input_schema": {"type": "object", "properties": {}},
}


@pytest.fixture(scope="module")
def script() -> WritingScript:
    return WritingScript()


@pytest.fixture(scope="module")
def writing(
    script: WritingScript, binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nest]:
    folder = tmp_path_factory.mktemp("prompt")
    with nest_of(script, binary, folder, CLAUDE_PROXY_CLI_TOOLS="prompt") as nest:
        yield nest


@pytest.fixture
def nest(writing: Nest, script: WritingScript) -> Iterator[Nest]:
    writing.upstream.requests.clear()
    for kept in (script.hits, script.complaints, script.seen):
        kept.clear()
    script.goes_on = False
    yield writing
    assert script.complaints == []


@pytest.fixture
def claude(nest: Nest, binary: Path, tmp_path: Path) -> ClaudeCode:
    furnish(tmp_path)
    return ClaudeCode(binary, nest.server.url, OUTER, tmp_path)


TALKS = [
    pytest.param("[[scenario:plain]] please", "PONG-7319 ünïcödé ✓", id="text"),
    pytest.param("[[scenario:tools dir={dir}]] please", "TOOLS-DONE", id="tools"),
    pytest.param("[[scenario:parallel dir={dir}]] please", "PARALLEL-DONE", id="parallel tools"),
    pytest.param("[[scenario:read_image dir={dir}]] please", "IMAGES-SEEN=1", id="picture read"),
    pytest.param("[[scenario:subagent agents=one,two]] please", "SUBAGENT-DONE", id="subagents"),
    pytest.param("[[scenario:toolsearch]] please", "TOOLSEARCH-DONE", id="deferred tools"),
]


@pytest.mark.parametrize(("prompt", "word"), TALKS)
def test_claude_code_works_with_written_calls(claude: ClaudeCode, prompt: str, word: str) -> None:
    run = claude.run(prompt)
    assert run.says(word), run


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_its_tools_wrote_is_what_the_model_said(
    claude: ClaudeCode, script: WritingScript, goes_on: bool
) -> None:
    script.goes_on = goes_on
    run = claude.run("[[scenario:tools dir={dir}]] please")
    assert run.says("TOOLS-DONE"), run
    assert (run.project / "copy.txt").read_text() == ODD_TEXT
    assert "MADE-UP" not in json.dumps(script.seen)


def test_turns_of_claude_code_need_no_new_process(claude: ClaudeCode, nest: Nest) -> None:
    before = len(nest.runs)
    assert (run := claude.run("[[scenario:same_ids]] please")).says("SAMEIDS-DONE"), run
    assert len(nest.calls("same_ids")) > 2
    assert len(nest.runs) - before == 1


def results(answer: anthropic.types.Message, turn: int = 0) -> list[Json]:
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use"
    return [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"OUT-{turn}-{n}"}
        for n, call in enumerate(calls)
    ]


def test_the_sdk_gets_real_calls_of_one_process(nest: Nest, script: WritingScript) -> None:
    request = asked("twin_ids", tools=[BASH], system="Be brief")
    before = len(nest.runs)
    for turn in range(2):
        with nest.client.messages.stream(**request) as stream:
            answer = stream.get_final_message()
        assert [b.name for b in answer.content if b.type == "tool_use"] == ["Bash", "Bash"]
        assert all("tool_call" not in b.text for b in answer.content if b.type == "text")
        request["messages"] += [{"role": "assistant", "content": answer.content}]
        request["messages"] += [{"role": "user", "content": results(answer, turn)[::-1]}]
    assert nest.client.messages.create(**request).content[0].model_dump()["text"] == "TWINIDS-DONE"
    assert len(nest.runs) - before == 1
    sent = nest.upstream.last.json
    assert "tools" not in sent
    prompt = sent["messages"][0]["content"]
    assert "Be brief\n\n# Tools\n" in prompt and "Never write a result yourself" in prompt
    (tool,) = script.seen[-1]["tools"]
    assert tool["function"]["description"] == BASH["description"]


@pytest.mark.parametrize("stream", [False, True])
def test_results_that_are_made_up_are_not_even_paid_for(
    nest: Nest, script: WritingScript, stream: bool
) -> None:
    script.goes_on = True
    request = {**asked("twin_ids", tools=[BASH]), "stream": stream}
    headers = {"x-api-key": OUTER}
    answer = httpx.post(f"{nest.server.url}/v1/messages", json=request, headers=headers, timeout=60)
    assert answer.text.count('"type":"tool_use"') == 2
    assert "MADE-UP" not in answer.text
    (call,) = nest.calls("twin_ids")
    assert call.wait_left(5)
    assert eventually(lambda: not Path(f"/proc/{nest.runs[-1]}").exists(), 5)


def test_the_next_process_knows_what_the_client_knows(nest: Nest, script: WritingScript) -> None:
    script.goes_on = True
    request = asked("same_ids", tools=[BASH])
    answer = nest.client.messages.create(**request)
    request["messages"] += [{"role": "assistant", "content": answer.content}]
    request["messages"] += [{"role": "user", "content": results(answer)}]
    script.goes_on = False
    nest.client.messages.create(**request)
    said = json.dumps(nest.upstream.last.json["messages"])
    assert "OUT-0-0" in said and "MADE-UP" not in said


def test_clients_of_openai_get_calls_too(nest: Nest) -> None:
    tools: Any = [{"type": "function", "function": {"name": "Bash", "parameters": {}}}]
    messages: Any = [{"role": "user", "content": "[[scenario:same_ids]] please"}]
    with openai.OpenAI(base_url=f"{nest.server.url}/v1", api_key=OUTER, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=messages, tools=tools, stream=True
        )
        choices = [chunk.choices[0] for chunk in stream if chunk.choices]
    calls = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert {call.index for call in calls} == {0}
    assert choices[-1].finish_reason == "tool_calls"
    assert json.loads("".join(c.function.arguments or "" for c in calls if c.function)) is not None
