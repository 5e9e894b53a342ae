"""The settings of the Claude Code CLI as an upstream."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from claude_proxy.codecs.jsonio import loads
from claude_proxy.own_profiles import OwnProfile
from claude_proxy.profiles.claude_cli import HOST
from claude_proxy.settings import parse
from claude_proxy.settings.fields import (
    COUNT,
    POSITIVE_SECONDS,
    SECONDS,
    Count,
    PositiveSeconds,
    Seconds,
    Text,
    Var,
)

_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "HEADERS")
_ALLOWED = "pairs like NAME=value,NAME=value or a JSON object of strings"


def _pairs(given: Any) -> Any:
    """`A=b,C=d` or a JSON object → a dict. Only the first equals sign of each splits."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if text.startswith("{"):
        try:
            return loads(text)
        except ValueError:
            raise ValueError("is not a JSON object of strings") from None
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"must be {_ALLOWED}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _variables(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not (name.isascii() and name.isidentifier()) or "\0" in value:
            raise ValueError("has a name or a value that no variable can have")
    return given


def secrets_in(variables: Mapping[str, str]) -> list[str]:
    """The values that must never show in a log or an answer."""
    named = (
        value
        for name, value in variables.items()
        if any(word in name.upper() for word in _SECRET_WORDS)
    )
    return [value for value in named if value]


Program = Annotated[
    Text,
    Var(
        "CLAUDE_PROXY_CLI_COMMAND",
        "The program of the `claude-cli` backend: a name in the PATH, or a path.",
        "a program like claude or /opt/bin/claude",
    ),
]
Environment = Annotated[
    dict[str, str],
    BeforeValidator(_pairs),
    AfterValidator(_variables),
    Var(
        "CLAUDE_PROXY_CLI_ENV",
        "Variables for the CLI alone, like `ANTHROPIC_BASE_URL=...`; it gets few of the server's.",
        _ALLOWED,
        private=True,
    ),
]
Tools = Annotated[
    Literal["mcp", "prompt"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_CLI_TOOLS",
        "How the CLI gets the client's tools: `mcp` from a server of them, or `prompt` told in the "
        "system prompt, and called in writing.",
        "mcp or prompt",
    ),
]
TOLD: Mapping[str, tuple[OwnProfile, ...]] = {
    "mcp": (),
    "prompt": (OwnProfile({"text_calls": "told"}, hosts=(HOST,)),),
}
"""What each way of `Tools` says of the CLI's profiles."""
MaxProcesses = Annotated[
    Count,
    Var(
        "CLAUDE_PROXY_CLI_MAX_PROCESSES",
        "Processes of the CLI at a time per worker; more wait for 30 seconds, then get 429.",
        COUNT,
    ),
]
IdleSeconds = Annotated[
    Seconds,
    Var(
        "CLAUDE_PROXY_CLI_IDLE_SECONDS",
        "Seconds that a process of the CLI is kept for the next request of its conversation.",
        SECONDS,
    ),
]
LineTimeout = Annotated[
    PositiveSeconds,
    Var(
        "CLAUDE_PROXY_CLI_LINE_TIMEOUT",
        "Seconds that the CLI may print nothing while it answers.",
        POSITIVE_SECONDS,
        aliases=("CLI_LINE_TIMEOUT_SECONDS",),
    ),
]
AnswerTimeout = Annotated[
    PositiveSeconds | None,
    Var(
        "CLAUDE_PROXY_CLI_TIMEOUT",
        "Seconds that a whole answer of the CLI may take; any time if unset.",
        POSITIVE_SECONDS,
        aliases=("CLI_TIMEOUT_SECONDS",),
    ),
]
