"""`claude-proxy config learned`: shows, and clears, what servers have learned."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from claude_proxy.cli import main
from claude_proxy.codecs.jsonio import loads
from claude_proxy.learning import Correction
from claude_proxy.server.lesson_file import Lesson, change, read


def lesson(model: str, correction: Correction) -> Lesson:
    return Lesson(
        "default", "up.example/v1", model, correction, "2026-11-21T00:00:00Z", "Use \x1b[1m"
    )


LESSONS = [
    lesson("gpt-x", Correction("max_tokens_field", "max_completion_tokens")),
    lesson("gpt-x", Correction("without", "temperature")),
    lesson("other\x1b[31m", Correction("max_output_tokens", 8192)),
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual place, in a home of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("CLAUDE_PROXY_LEARNED_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".local" / "state" / "claude-proxy" / "learned.json"
    change(path, lambda lessons: LESSONS)
    return path


def call(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ("config", "learned", *arguments), env=environ)


def test_it_lists_models_with_their_corrections(file: Path) -> None:
    assert call().stdout.splitlines() == [
        "gpt-x at default (up.example/v1)",
        "  the limit of output tokens is sent as max_completion_tokens"
        "  [2026-11-21T00:00:00Z: Use ?[1m]",
        "  temperature is not sent  [2026-11-21T00:00:00Z: Use ?[1m]",
        "other?[31m at default (up.example/v1)",
        "  at most 8192 output tokens  [2026-11-21T00:00:00Z: Use ?[1m]",
    ]


def test_it_lists_one_model(file: Path) -> None:
    assert len(call("gpt-x").stdout.splitlines()) == 3
    nothing = call("none")
    assert nothing.stdout == "" and "Nothing was learned of none" in nothing.stderr


def test_as_json(file: Path) -> None:
    report = loads(call("--json", "gpt-x").stdout)
    assert report["file"] == str(file)
    assert [row["correction"] for row in report["learned"]] == [
        "the limit of output tokens is sent as max_completion_tokens",
        "temperature is not sent",
    ]


def test_it_clears_one_model(file: Path) -> None:
    result = call("--clear", "gpt-x")
    assert result.exit_code == 0 and "2 cleared" in result.stderr
    assert read(file) == LESSONS[2:]


def test_it_clears_everything(file: Path) -> None:
    assert "3 cleared" in call("--clear").stderr
    assert read(file) == []
    assert "0 cleared" in call("--clear").stderr


def test_it_reads_the_file_of_the_setting(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    change(other, lambda lessons: LESSONS[:1])
    assert len(call(CLAUDE_PROXY_LEARNED_FILE=str(other)).stdout.splitlines()) == 2


def test_memory_cannot_be_shown(file: Path) -> None:
    result = call(CLAUDE_PROXY_LEARNED_FILE="off")
    assert result.exit_code == 2 and "memory only" in result.output


@pytest.mark.parametrize("arguments", [(), ("--clear",)])
def test_a_file_that_is_not_ours_is_told_and_left(file: Path, arguments: tuple[str, ...]) -> None:
    file.write_text("{")
    result = call(*arguments)
    assert result.exit_code == 2 and "it is not JSON" in result.output
    assert file.read_text() == "{"


def test_the_settings_are_shown_as_before(file: Path) -> None:
    assert "CLAUDE_PROXY_LEARNING" in CliRunner().invoke(main, ["config"]).stdout
