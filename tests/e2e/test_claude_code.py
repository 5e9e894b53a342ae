"""The real Claude Code works through us on a model that speaks Chat Completions."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import running, settings_for
from tests.e2e import mcp_server
from tests.e2e.client import QUIET, ClaudeCode, furnish, png, user_line
from tests.e2e.conftest import KEY, Stage
from tests.e2e.script import ODD_TEXT, PAGE, Script
from tests.upstream import Received, Reply, Upstream, eventually, serving

pytestmark = pytest.mark.slow

TALKS = [
    pytest.param("[[scenario:no_usage]] please", "NO-USAGE-DONE", id="no usage upstream"),
    pytest.param("[[scenario:same_ids]] please", "SAMEIDS-DONE", id="one id in every turn"),
    pytest.param("[[scenario:twin_ids]] please", "TWINIDS-DONE", id="one id twice in a turn"),
    pytest.param("[[scenario:no_ids]] please", "NOIDS-DONE", id="no ids"),
    pytest.param("[[scenario:empty_ids]] please", "EMPTYIDS-DONE", id="empty ids"),
    pytest.param("[[scenario:odd_ids]] please", "ODDIDS-DONE", id="odd and long ids"),
    pytest.param("[[scenario:bad_json]] please", "BADJSON-DONE", id="broken arguments"),
    pytest.param("[[scenario:empty_pages dir={dir}]] please", "PAGES-DONE", id="empty pages"),
    pytest.param("[[scenario:toolsearch]] please", "TOOLSEARCH-DONE", id="deferred tools"),
    pytest.param("[[scenario:web_search]] please", "WEBSEARCH-DONE", id="web search side call"),
    pytest.param("[[scenario:read_image dir={dir}]] please", "IMAGES-SEEN=1", id="picture read"),
    pytest.param("[[scenario:read_pdf dir={dir}]] please", "PDF-SEEN", id="PDF read"),
    pytest.param("[[scenario:cut]] please", "CUT-DONE", id="stream cut once"),
    pytest.param("[[scenario:error_then_whole]] please", "WHOLE-DONE", id="error in the stream"),
]


@pytest.mark.parametrize(("prompt", "word"), TALKS)
def test_talk_reaches_its_end(claude: ClaudeCode, prompt: str, word: str) -> None:
    run = claude.run(prompt)
    assert run.says(word), run


@pytest.mark.pitfall(37)
def test_a_search_brings_its_pages_to_the_client(claude: ClaudeCode, stage: Stage) -> None:
    run = claude.run("[[scenario:web_search]] please")
    assert run.says("WEBSEARCH-DONE"), run
    asked, told = _side_calls(stage)
    assert [tool["function"]["name"] for tool in asked.json["tools"]] == ["web_search"]
    assert told.json["messages"][-1]["role"] == "tool"


@pytest.mark.pitfall(37)
def test_a_search_is_made_for_an_upstream_of_messages_that_makes_none(
    binary: Path, tmp_path: Path
) -> None:
    furnish(tmp_path)
    with serving(Upstream()) as upstream, serving(Upstream()) as searxng:
        upstream.answer(Script())
        searxng.play(Reply({"query": "cats", "results": [PAGE], "unresponsive_engines": []}))
        # A server of ours without a service speaks Messages, and does not search.
        with running(settings_for(upstream)) as behind:
            environ = {
                "OPENAI_BASE_URL": f"{behind.url}/anthropic",
                "CLAUDE_PROXY_SEARXNG_URL": searxng.url,
                "CLAUDE_PROXY_AUTH_KEY": KEY,
            }
            with running(settings_for(upstream, **environ)) as server:
                claude = ClaudeCode(binary, server.url, KEY, tmp_path)
                run = claude.run("[[scenario:web_search]] please")
    assert run.says("WEBSEARCH-DONE"), run
    assert len(searxng.requests) == 1


def _side_calls(stage: Stage) -> list[Received]:
    """The model's turns while it searches for the client."""
    return [call for call in stage.upstream.posts if b'"name":"web_search"' in call.body]


@pytest.mark.pitfall(37)
def test_without_a_search_service_the_user_learns_what_to_set(binary: Path, tmp_path: Path) -> None:
    furnish(tmp_path)
    with serving(Upstream()) as upstream:
        upstream.answer(Script())
        settings = settings_for(upstream, CLAUDE_PROXY_AUTH_KEY=KEY)
        with running(settings) as server:
            claude = ClaudeCode(binary, server.url, KEY, tmp_path)
            run = claude.run("[[scenario:web_search of=search_in_vain]] please")
    assert run.says("WEBSEARCH-DONE"), run


@pytest.mark.pitfall(5)
def test_calls_that_a_model_writes_into_its_text_are_run(binary: Path, tmp_path: Path) -> None:
    furnish(tmp_path)
    own = {"small": {"hosts": ["*"], "text_calls": "read"}}
    with serving(Upstream()) as upstream:
        upstream.answer(Script())
        settings = settings_for(
            upstream, CLAUDE_PROXY_AUTH_KEY=KEY, CLAUDE_PROXY_PROFILES=json.dumps(own)
        )
        with running(settings) as server:
            run = ClaudeCode(binary, server.url, KEY, tmp_path).run("[[scenario:written]] please")
    assert run.says("WRITTEN-DONE"), run
    assert len(run.blocks("tool_use")) == 2


def test_text_streams_in_several_deltas_and_legal_order(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:plain]] please")
    assert run.says("PONG-7319 ünïcödé ✓"), run
    kinds = [event["type"] for event in run.stream]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_delta") >= 2


def test_usage_of_the_upstream_reaches_the_client(claude: ClaudeCode) -> None:
    usage = claude.run("[[scenario:plain]] please").result["usage"]
    assert usage["cache_read_input_tokens"] == 64
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == 321
    assert usage["output_tokens"] > 0


def test_tools_run_and_odd_characters_survive(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:tools dir={dir}]] please")
    assert run.says("TOOLS-DONE"), run
    assert (run.project / "copy.txt").read_text() == ODD_TEXT


@pytest.mark.parametrize("interleaved", ["0", "1"])
def test_three_parallel_tools_run(claude: ClaudeCode, interleaved: str) -> None:
    run = claude.run(f"[[scenario:parallel dir={{dir}} interleaved={interleaved}]] please")
    assert run.says("PARALLEL-DONE"), run
    assert len(run.blocks("tool_use")) == 3
    assert (run.project / "a.txt").read_text() == "A"


@pytest.mark.parametrize("agents", ["one", "one,two"])
def test_subagents_report_and_use_the_small_model(
    claude: ClaudeCode, stage: Stage, agents: str
) -> None:
    run = claude.run(f"[[scenario:subagent agents={agents}]] please")
    assert run.says("SUBAGENT-DONE"), run
    small = [call for call in stage.upstream.posts if call.json["model"] == "scripted-small"]
    assert len(small) == 2 * len(agents.split(","))


def test_main_loop_as_an_agent_sends_the_agent_prompt(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:agent]] please", "--agent", "code-reviewer")
    assert run.says("AGENT-DONE"), run


def test_picture_of_the_user_is_seen(claude: ClaudeCode) -> None:
    data = base64.b64encode(png()).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    text = {"type": "text", "text": "[[scenario:image]] what is it"}
    line = user_line([text, {"type": "image", "source": source}])
    run = claude.run(None, "--input-format", "stream-json", stdin=[line])
    assert run.says("IMAGES-SEEN=1"), run


def test_reasoning_arrives_as_thinking(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:think]] please")
    assert run.says("THINK-DONE"), run
    assert "REASONING-MARK" in "".join(block["thinking"] for block in run.blocks("thinking"))


def test_prompts_reach_the_model_without_the_client_internals(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:system]] please", "--append-system-prompt", "APPEND-MARK short")
    assert run.says("SYSTEM-DONE"), run


def test_structured_output_is_parsed(claude: ClaudeCode) -> None:
    answer = {"answer": {"type": "integer"}}
    schema = {"type": "object", "properties": answer, "required": ["answer"]}
    run = claude.run("[[scenario:schema]] go", "--json-schema", json.dumps(schema), "--tools", "")
    assert run.result.get("structured_output") == {"answer": 42}, run


def test_second_turn_carries_the_first(claude: ClaudeCode) -> None:
    lines = [user_line(f"[[scenario:multiturn]] {word}") for word in ("one", "two")]
    run = claude.run(None, "--input-format", "stream-json", stdin=lines)
    assert [result.get("result") for result in run.results] == ["TURN-1", "TURN-2"], run


def test_compacted_talk_goes_on_with_its_summary(claude: ClaudeCode) -> None:
    begun, goes_on = user_line("[[scenario:compact]] one"), user_line("[[scenario:compact]] two")
    lines = [begun, user_line("/compact"), goes_on]
    run = claude.run(None, "--input-format", "stream-json", stdin=lines)
    said = [result.get("result") for result in run.results]
    assert (said[0], said[-1]) == ("COMPACT-BEGUN", "COMPACT-DONE"), run


@pytest.mark.pitfall(24)
def test_long_tool_name_works_over_mcp(claude: ClaudeCode, stage: Stage) -> None:
    server = {"command": sys.executable, "args": [mcp_server.__file__]}
    config = json.dumps({"mcpServers": {"words_of_a_long_name": server}})
    name = f"mcp__words_of_a_long_name__{mcp_server.TOOL}"
    assert len(name) > 64
    run = claude.run(
        "[[scenario:long_tool]] please",
        *("--mcp-config", config, "--allowedTools", name),
        env={"ENABLE_TOOL_SEARCH": "false"},
    )
    assert run.says("MCP-DONE"), run
    assert [block["name"] for block in run.blocks("tool_use")] == [name]


def test_rate_limit_is_seen_and_waited_for(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:rate_limit]] please")
    assert run.says("RATELIMIT-DONE"), run
    assert {retry["error_status"] for retry in run.retries} == {429}


@pytest.mark.parametrize(("scene", "status"), [("bad_key", 401), ("forbidden", 403)])
def test_refused_key_ends_at_once(
    claude: ClaudeCode, stage: Stage, scene: str, status: int
) -> None:
    run = claude.run(f"[[scenario:{scene}]] please")
    assert run.result["is_error"]
    assert run.result["api_error_status"] == status
    assert len(stage.calls(scene)) == 1
    assert run.seconds < 30


def test_unknown_model_is_named_to_the_user(claude: ClaudeCode) -> None:
    run = claude.run("[[scenario:no_model]] please")
    assert run.result["api_error_status"] == 404, run


def test_overflow_is_told_in_words_the_client_knows(claude: ClaudeCode, stage: Stage) -> None:
    run = claude.run("[[scenario:overflow]] please")
    assert run.result["terminal_reason"] == "prompt_too_long", run
    assert len(stage.calls("overflow")) == 1


def test_silent_upstream_is_waited_for(claude: ClaudeCode, stage: Stage) -> None:
    run = claude.run("[[scenario:silent]] please")
    assert run.says("SILENT-DONE"), run
    assert len(stage.calls("silent")) == 1
    assert run.seconds > 6


def test_context_is_counted_without_asking_a_model(claude: ClaudeCode, stage: Stage) -> None:
    """The client asks for some 25 counts at once; unanswered, it would ask the model instead."""
    run = claude.run("/context")
    assert run.says("Context Usage"), run
    assert stage.upstream.posts == []


def test_upstream_stops_when_the_client_is_ended_in_a_stream(
    claude: ClaudeCode, stage: Stage
) -> None:
    child = claude.start("[[scenario:long]] please")
    assert child.stdout is not None
    next(line for line in child.stdout if b"content_block_delta" in line)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 143
    assert all(call.wait_left(2) for call in stage.calls("long"))


def test_upstream_stops_when_the_client_is_ended_in_a_whole_answer(
    claude: ClaudeCode, stage: Stage
) -> None:
    child = claude.start("[[scenario:error_then_silence]] please")

    def whole() -> list[Received]:
        calls = stage.calls("error_then_silence")
        return [call for call in calls if not call.json.get("stream")]

    assert eventually(lambda: bool(whole()), 30)
    time.sleep(0.2)
    os.killpg(child.pid, signal.SIGTERM)
    child.communicate(timeout=20)
    assert whole()[0].wait_left(2)


def test_run_command_brings_the_client_to_the_model(
    stage: Stage, binary: Path, tmp_path: Path
) -> None:
    """`claude-proxy run`: a server of its own, with every variable of the client set."""
    furnish(tmp_path)
    ours = [sys.executable, "-m", "claude_proxy", "run", "--big-model", "scripted-large"]
    claude = ["--", str(binary), "-p", "[[scenario:plain]] please", "--output-format", "json"]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OPENAI_BASE_URL": f"{stage.upstream.url}/v1",
        "OPENAI_API_KEY": "sk-upstream",
        **QUIET,
    }
    done = subprocess.run(
        [*ours, *claude],
        env=environ,
        cwd=tmp_path / "project",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "PONG-7319" in json.loads(done.stdout)["result"]
    assert stage.calls("plain")[0].json["model"] == "scripted-large"
