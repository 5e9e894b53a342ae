"""The real Claude Code, our server and a scripted model, all on loopback."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import LiveServer, running, settings_for
from tests.e2e.client import ClaudeCode, furnish
from tests.e2e.script import PAGE, Script
from tests.parts import CACHE, missing
from tests.upstream import Received, Reply, Upstream, serving

KEY = "e2e-client-key"
PACKAGE = "node_modules/@anthropic-ai/claude-code-linux-x64/claude"
PLACES = (Path(__file__).parents[2] / ".claude-code" / PACKAGE, CACHE / "claude-code" / PACKAGE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Server, upstream and script, shared by the tests of a module."""

    server: LiveServer
    upstream: Upstream
    script: Script

    def calls(self, scene: str) -> list[Received]:
        """What reached the upstream for this scene."""
        return [call for call in self.upstream.posts if f":{scene}".encode() in call.body]


@pytest.fixture(scope="session")
def binary() -> Path:
    """The client's program: CLAUDE_CODE_BINARY, else from npm in `.claude-code` or the cache."""
    named = os.environ.get("CLAUDE_CODE_BINARY")
    for path in (Path(named),) if named else PLACES:
        if path.exists():
            return path
    missing(f"Claude Code is not in {named or PLACES}; CLAUDE_CODE_BINARY may name its place")


@pytest.fixture(scope="module")
def live() -> Iterator[Stage]:
    script = Script()
    with serving(Upstream()) as upstream, serving(Upstream()) as searxng:
        upstream.answer(script)
        searxng.play(Reply({"query": "cats", "results": [PAGE], "unresponsive_engines": []}))
        settings = settings_for(
            upstream,
            CLAUDE_PROXY_SEARXNG_URL=searxng.url,
            CLAUDE_PROXY_AUTH_KEY=KEY,
            CLAUDE_PROXY_BIG_MODEL="scripted-large",
            CLAUDE_PROXY_SMALL_MODEL="scripted-small",
            CLAUDE_PROXY_HOLD_SECONDS="1",
            CLAUDE_PROXY_PING_SECONDS="1",
        )
        with running(settings) as server:
            yield Stage(server, upstream, script)


@pytest.fixture
def stage(live: Stage) -> Iterator[Stage]:
    """The stage, swept; at the end nothing may have reached the upstream that it refuses."""
    live.upstream.requests.clear()
    live.script.hits.clear()
    live.script.complaints.clear()
    yield live
    assert live.script.complaints == []


@pytest.fixture
def claude(stage: Stage, binary: Path, tmp_path: Path) -> ClaudeCode:
    furnish(tmp_path)
    return ClaudeCode(binary, stage.server.url, KEY, tmp_path)
