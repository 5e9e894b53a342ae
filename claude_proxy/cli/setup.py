"""claude-proxy setup: the settings that most people need, asked for and written to a file."""

import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from claude_proxy.cli.common import say

_NOWHERE = Path("/nonexistent")
_EVERY = ("openai", "anthropic", "claude-cli")
_GENERATE = "generate"
_DRAIN_AND_MORE = 40  # seconds

_UNIT = """\
[Unit]
Description=claude-proxy
After=network-online.target

[Service]
# Its .env is read at each start and each reload.
WorkingDirectory={folder}
ExecStart={python} -m claude_proxy
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
TimeoutStopSec={stop}

[Install]
WantedBy=default.target
"""


class Question(NamedTuple):
    variable: str
    text: str
    backends: tuple[str, ...] = _EVERY
    """The kinds of upstream for which it is asked."""
    usual: str = ""
    """What is meant by no answer, where nothing is set yet; nothing is written for it."""
    secret: bool = False


QUESTIONS = (
    Question("CLAUDE_PROXY_BACKEND", f"Kind of upstream ({', '.join(_EVERY)})", usual="openai"),
    Question(
        "OPENAI_BASE_URL", "Address of its API", ("openai",), usual="https://api.openai.com/v1"
    ),
    Question("OPENAI_API_KEY", "Its key (none: each client's own)", ("openai",), secret=True),
    Question("ANTHROPIC_API_KEY", "Its key (none: each client's own)", ("anthropic",), secret=True),
    Question("CLAUDE_PROXY_BIG_MODEL", "Model for opus and sonnet", ("openai",), usual="gpt-4o"),
    Question("CLAUDE_PROXY_SMALL_MODEL", "Model for haiku", ("openai",), usual="gpt-4o-mini"),
    Question("CLAUDE_PROXY_HOST", "Address to listen on", usual="wherever that is safe"),
    Question("CLAUDE_PROXY_PORT", "Port to listen on", usual="8085"),
    Question(
        "CLAUDE_PROXY_AUTH_KEY",
        f"Key that clients must show ('{_GENERATE}' makes one)",
        secret=True,
    ),
    Question("CLAUDE_PROXY_CORS_ORIGINS", "Web pages that may call it (origins)", usual="none"),
    Question("CLAUDE_PROXY_LOG_LEVEL", "Least level that is logged", usual="INFO"),
    Question("CLAUDE_PROXY_MAX_CONCURRENT", "Requests at a time per worker", usual="1000"),
)
"""In the order in which they are asked."""


@click.command()
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".env"),
    show_default=True,
    help="The file to write. What else is in it stays.",
)
@click.option("--unit", is_flag=True, help="Print a systemd user unit for this folder instead.")
def command(path: Path, unit: bool) -> None:
    """Ask for the usual settings and write them to .env.

    \b
    claude-proxy setup --unit > ~/.config/systemd/user/claude-proxy.service
    """
    if unit:
        click.echo(systemd_unit(Path.cwd(), sys.executable), nl=False)
        return
    from dotenv import dotenv_values

    before = {name: text for name, text in dotenv_values(path, interpolate=False).items() if text}
    answers = ask(before, _prompt)
    _check({**before, **answers})
    _write(path, answers)
    say(f"{path} has your settings. Start: claude-proxy. What is in force: claude-proxy config")


def ask(before: Mapping[str, str], prompt: Callable[[Question, str], str]) -> dict[str, str]:
    """The answers by variable; those that change nothing are left out.

    `prompt` gets a question and what is set before.
    """
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        backend = {**before, **answers}.get("CLAUDE_PROXY_BACKEND", _EVERY[0])
        if backend not in question.backends:
            continue
        known = before.get(question.variable, "")
        given = prompt(question, known)
        if given not in ("", known, question.usual):
            answers[question.variable] = given
    return answers


def systemd_unit(folder: Path, python: str) -> str:
    """The text of a unit that serves with the settings of a folder."""
    return _UNIT.format(folder=folder, python=python, stop=_DRAIN_AND_MORE)


def _prompt(question: Question, known: str) -> str:
    """Asked again until the answer is a value of its variable."""

    def read(text: str) -> str:
        text = text.strip()
        if question.secret and text == _GENERATE:
            text = f"sk-claude-{secrets.token_urlsafe(32)}"
            say(f"  Clients show: {text}")
        if text and text not in (known, question.usual):
            _check_one(question.variable, text)
        return text

    shown = question.text
    if question.secret and known:
        shown += " [set; Enter keeps it]"
    given: str = click.prompt(
        shown,
        default="" if question.secret else known or question.usual,
        show_default=not question.secret,
        value_proc=read,
        err=True,
    )
    return given


def _check_one(variable: str, text: str) -> None:
    from claude_proxy.errors import ClaudeProxyError

    try:
        _check({variable: text})
    except ClaudeProxyError as error:
        raise click.UsageError(error.message) from error


def _check(values: Mapping[str, str]) -> None:
    """Raises `SettingsError` when the server would not start with these values."""
    from claude_proxy.settings import load_settings

    load_settings(environ=values, trusted_folder=False, secrets=_NOWHERE).bind()


def _write(path: Path, answers: Mapping[str, str]) -> None:
    """Each into its line, or a new one at the end. Nobody else may read the file."""
    from dotenv import set_key

    if not path.exists():
        path.touch(mode=0o600)
    path.chmod(0o600)
    for name, text in answers.items():
        set_key(path, name, text, quote_mode="auto")
    path.chmod(0o600)
