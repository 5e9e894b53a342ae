"""claude-proxy setup: what is asked, what is written, and what stays as it was."""

import configparser
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from claude_proxy.cli import main
from claude_proxy.cli.setup import QUESTIONS, Question, ask
from claude_proxy.settings import load_settings, variables


def set_up(path: Path, *lines: str) -> Result:
    return CliRunner().invoke(main, ["setup", "--file", str(path)], input="\n".join([*lines, ""]))


def test_the_answers_are_the_settings_of_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    lines = ["openai", "http://localhost:11434/v1", "sk-up", "qwen3:8b", "qwen3:4b", "", "8090"]
    done = set_up(path, *lines, "sk-mine", "https://a.example", "debug", "7")
    assert done.exit_code == 0, done.output
    settings = load_settings(environ={}, cwd=tmp_path)
    assert settings.openai_base_url == "http://localhost:11434/v1"
    assert (settings.big_model, settings.small_model) == ("qwen3:8b", "qwen3:4b")
    assert settings.auth_key is not None and settings.auth_key.get_secret_value() == "sk-mine"
    assert (settings.port, settings.log_level, settings.max_concurrent) == (8090, "DEBUG", 7)
    assert settings.cors_origins == ("https://a.example",)
    assert path.stat().st_mode & 0o777 == 0o600


def test_enter_all_the_way_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    done = set_up(path, *[""] * len(QUESTIONS))
    assert done.exit_code == 0, done.output
    assert dotenv_values(path) == {}


def test_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nOPENAI_API_KEY=sk-before\nCLAUDE_PROXY_PORT=9000\nOTHER='a b'\n")
    done = set_up(path, "", "", "", "", "", "", "9001", *[""] * 4)
    assert done.exit_code == 0, done.output
    text = path.read_text()
    assert "# mine\nOPENAI_API_KEY=sk-before\n" in text and "OTHER='a b'" in text
    assert dotenv_values(path)["CLAUDE_PROXY_PORT"] == "9001"
    assert "sk-before" not in done.output


def test_a_wrong_answer_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    done = set_up(path, "", "", "", "", "", "", "99999", "8090", *[""] * 4)
    assert done.exit_code == 0, done.output
    assert "a whole number from 1 to 65535" in done.output
    assert dotenv_values(path) == {"CLAUDE_PROXY_PORT": "8090"}


def test_a_key_is_made_and_shown(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    done = set_up(path, *[""] * 7, "generate", *[""] * 3)
    made = dotenv_values(path)["CLAUDE_PROXY_AUTH_KEY"]
    assert made is not None and re.fullmatch(r"sk-claude-[\w-]{43}", made)
    assert made in done.output


def test_an_open_server_with_a_key_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    done = set_up(path, "", "", "sk-up", "", "", "0.0.0.0", *[""] * 5)
    assert done.exit_code == 2
    assert "CLAUDE_PROXY_AUTH_KEY" in done.output
    assert not path.exists()


@pytest.mark.parametrize("backend", ["openai", "anthropic"])
def test_only_the_backends_own_questions_are_asked(backend: str) -> None:
    asked: list[str] = []

    def prompt(question: Question, known: str) -> str:
        asked.append(question.variable)
        return backend if len(asked) == 1 else ""

    ask({}, prompt)
    assert ("OPENAI_BASE_URL" in asked) == (backend == "openai")
    assert ("ANTHROPIC_API_KEY" in asked) == (backend == "anthropic")


def test_every_question_is_about_a_setting() -> None:
    known = {var.name for var in variables().values()}
    assert {question.variable for question in QUESTIONS} <= known


def test_the_unit_starts_this_python_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["setup", "--unit"])
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(done.output)
    service = unit["Service"]
    assert service["ExecStart"] == f"{sys.executable} -m claude_proxy"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["WorkingDirectory"] == str(tmp_path)
    # Longer than the drain, or systemd would cut the answers off.
    assert int(service["TimeoutStopSec"]) > load_settings(environ={}, cwd=tmp_path).drain_seconds
