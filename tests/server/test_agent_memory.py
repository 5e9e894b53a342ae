"""What is kept of agents' calls and runs, and read of their files: bounded, and for a time."""

import os
from pathlib import Path

from structlog.testing import capture_logs

from claude_proxy.routing import NOBODY, Agent
from claude_proxy.server import agent_runs
from claude_proxy.server.agent_files import AgentFiles
from claude_proxy.server.agent_runs import CALL_SECONDS, RUN_SECONDS, AgentRuns
from tests.routing.capture import asked

CALLED = "the call that began it"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_call_is_claimed_once_by_a_text_that_ends_with_its_prompt() -> None:
    runs = AgentRuns()
    runs.begin("s", "reviewer", " look at it\n")
    assert runs.claim("s", ["look at it twice", "look"]) == NOBODY
    assert runs.claim("s", ["<reminder>", "now look at it \n"]) == Agent("reviewer", CALLED)
    assert runs.claim("s", ["look at it"]) == NOBODY


def test_a_prompt_is_looked_for_in_the_last_texts() -> None:
    runs = AgentRuns()
    runs.begin("s", "reviewer", "go")
    assert runs.claim("s", ["please go", *["no"] * 16]) == NOBODY
    assert runs.claim("s", ["please go", *["no"] * 15]).name == "reviewer"


def test_a_call_waits_an_hour_and_a_run_four_from_its_last_request() -> None:
    clock = Clock()
    runs = AgentRuns(clock)
    runs.begin("s", "reviewer", "go")
    runs.keep("s", "a1", Agent("x", "y"))
    clock.now = CALL_SECONDS + 1
    assert runs.claim("s", ["go"]) == NOBODY and runs.of("s", "a1") == Agent("x", "y")
    clock.now += RUN_SECONDS - 1
    assert runs.of("s", "a1") == Agent("x", "y")
    clock.now += RUN_SECONDS + 1
    assert runs.of("s", "a1") is None


def test_no_more_is_kept_than_said(monkeypatch) -> None:
    for name in ("_MOST_SESSIONS", "_MOST_CALLS", "_MOST_RUNS"):
        monkeypatch.setattr(agent_runs, name, 3)
    runs = AgentRuns()
    for at in range(6):
        runs.begin("s", f"kind-{at}", f"prompt {at}")
        runs.begin(f"s{at}", "kind", "prompt")
        runs.keep("s", f"a{at}", Agent("x", "y"))
    assert runs.claim("s", ["prompt 2"]) == NOBODY != runs.claim("s", ["prompt 3"])
    assert runs.claim("s0", ["prompt"]) == NOBODY != runs.claim("s5", ["prompt"])
    assert runs.of("s", "a2") is None and runs.of("s", "a3") is not None
    runs.keep("s", "x" * 300, Agent("x", "y"))
    assert runs.of("s", "x" * 300) is None


def test_prompts_themselves_are_not_kept() -> None:
    runs = AgentRuns()
    runs.begin("s", "reviewer", "a secret prompt")
    assert "secret" not in str(vars(runs))


def test_half_an_emoji_is_a_prompt_too() -> None:
    runs = AgentRuns()
    runs.begin("s", "reviewer", "go \ud83d")
    assert runs.claim("s", ["go \ud83d"]).name == "reviewer"


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def find(files: AgentFiles, prompt: str) -> str:
    return files.definitions().find(asked({"system": prompt})).name


def test_the_named_folders_come_before_the_users_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".claude/agents", "a.md", "Own text of a.")
    write(tmp_path / ".claude/agents", "b.md", "Own text of b.")
    write(tmp_path / "project/deeper", "a.md", "The project's text of a.")
    files = AgentFiles([str(tmp_path / "project")])
    assert find(files, "The project's text of a. More") == "a"
    assert find(files, "Own text of a.") == ""
    assert find(files, "Own text of b.") == "b"


def test_a_folder_is_not_searched_to_its_bottom(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a/b/c", "deep.md", "A deep agent.")
    assert find(AgentFiles([str(tmp_path / "a")]), "A deep agent.") == ""
    assert find(AgentFiles([str(tmp_path / "a/b")]), "A deep agent.") == "deep"


def test_what_cannot_be_read_is_left_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "agents", "good.md", "A good agent.")
    (tmp_path / "agents" / "bad.md").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "agents" / "folder.md").mkdir()
    (tmp_path / "agents" / "lost.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "agents" / "endless.md").symlink_to("/dev/zero")
    # Whoever opens it waits for somebody who writes into it.
    os.mkfifo(tmp_path / "agents" / "pipe.md")
    write(tmp_path / "agents", "huge.md", "A huge agent. " * 20_000)
    files = AgentFiles([str(tmp_path / "agents"), str(tmp_path / "none")])
    with capture_logs() as logs:
        assert find(files, "A good agent.") == "good"
    told = {Path(each["file"]).name: each["error"] for each in logs}
    assert told.keys() == {"bad.md", "folder.md", "lost.md", "endless.md", "pipe.md", "huge.md"}
    assert told["pipe.md"] == "Not a file" and told["huge.md"] == "Larger than 262144 bytes"
    assert find(files, "A huge agent. " * 30_000) == ""
