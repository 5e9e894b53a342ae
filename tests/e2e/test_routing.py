"""The real Claude Code's agents and side calls, each served by a model of its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import running, settings_for
from tests.e2e.client import ClaudeCode, furnish, user_line
from tests.e2e.conftest import KEY
from tests.e2e.script import Script
from tests.upstream import Upstream, serving

pytestmark = pytest.mark.slow

Start = Callable[..., ClaudeCode]


@pytest.fixture
def lab() -> Iterator[Upstream]:
    """The second upstream; both are played by one script."""
    with serving(Upstream()) as started:
        yield started


@pytest.fixture
def start(upstream: Upstream, lab: Upstream, binary: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(CLAUDE_PROXY_SUBAGENTS="…")`: the client, in front of a server with these settings."""
    furnish(tmp_path)
    script = Script()
    upstream.answer(script)
    lab.answer(script)
    with ExitStack() as stack:

        def begin(**environ: str) -> ClaudeCode:
            places = json.dumps({"lab": {"base_url": f"{lab.url}/v1"}})
            settings = settings_for(
                upstream,
                CLAUDE_PROXY_AUTH_KEY=KEY,
                CLAUDE_PROXY_BIG_MODEL="large",
                CLAUDE_PROXY_SMALL_MODEL="small",
                CLAUDE_PROXY_UPSTREAMS=places,
                **environ,
            )
            server = stack.enter_context(running(settings))
            return ClaudeCode(binary, server.url, KEY, tmp_path)

        yield begin
    assert script.complaints == []


def models(upstream: Upstream) -> list[str]:
    return [post.json["model"] for post in upstream.posts]


AGENTS = "code-reviewer:for-reviews@lab,general-purpose:for-general,fork:for-forks@lab"


def test_two_agents_at_once_are_known_by_the_calls_that_began_them(
    start: Start, upstream: Upstream, lab: Upstream
) -> None:
    claude = start(CLAUDE_PROXY_SUBAGENTS=AGENTS)
    run = claude.run("[[scenario:kinds kinds=code-reviewer,general-purpose]] please")
    assert run.says("KINDS-DONE"), run
    assert models(lab) == ["for-reviews"] * 2
    assert sorted(models(upstream)) == ["for-general", "for-general", "large", "large"]


def test_an_agent_is_known_by_its_file(start: Start, lab: Upstream, tmp_path: Path) -> None:
    folder = tmp_path / "project/.claude/agents"
    claude = start(CLAUDE_PROXY_SUBAGENTS=AGENTS, CLAUDE_PROXY_AGENT_FOLDERS=str(folder))
    run = claude.run("[[scenario:agent]] please", "--agent", "code-reviewer")
    assert run.says("AGENT-DONE"), run
    assert set(models(lab)) == {"for-reviews"}


def test_a_fork(start: Start, upstream: Upstream, lab: Upstream) -> None:
    claude = start(CLAUDE_PROXY_SUBAGENTS=AGENTS)
    run = claude.run("[[scenario:kinds kinds=fork]] please")
    assert run.says("KINDS-DONE"), run
    assert models(lab) == ["for-forks"] * 2 and models(upstream) == ["large"] * 2


def test_an_agent_that_another_agent_began(start: Start, upstream: Upstream, lab: Upstream) -> None:
    run = start(CLAUDE_PROXY_SUBAGENTS=AGENTS).run("[[scenario:nested]] please")
    assert run.says("NESTED-DONE"), run
    assert models(upstream) == ["large", "for-general", "for-general", "large"]
    assert models(lab) == ["for-reviews"] * 2


def test_an_agent_in_the_background(start: Start, upstream: Upstream) -> None:
    run = start(CLAUDE_PROXY_SUBAGENTS=AGENTS).run("[[scenario:background]] please")
    assert run.says("BACKGROUND-DONE"), run
    asked = models(upstream)
    assert asked.count("for-general") == 2 and asked.count("large") == 3


def test_a_marker_line_in_an_agents_file(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "project/.claude/agents/code-reviewer.md"
    file.write_text(f"{file.read_text()}\n<!-- claude-proxy: model=by-marker -->\n")
    run = start(CLAUDE_PROXY_SUBAGENTS="nobody:x").run("[[scenario:subagent agents=one]] please")
    assert run.says("SUBAGENT-DONE"), run
    assert models(upstream) == ["large", "by-marker", "by-marker", "large"]


def test_a_compaction_has_a_model_of_its_own(start: Start, upstream: Upstream) -> None:
    rule = {"side_call": "compaction", "model": "for-summaries"}
    claude = start(CLAUDE_PROXY_ROUTES=json.dumps([rule]))
    begun, goes_on = user_line("[[scenario:compact]] one"), user_line("[[scenario:compact]] two")
    lines = [begun, user_line("/compact"), goes_on]
    run = claude.run(None, "--input-format", "stream-json", stdin=lines)
    said = [result.get("result") for result in run.results]
    assert (said[0], said[-1]) == ("COMPACT-BEGUN", "COMPACT-DONE"), run
    assert models(upstream) == ["large", "for-summaries", "large"]
