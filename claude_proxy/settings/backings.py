"""The kinds of default upstream: where each has its address and its key."""

from typing import Literal, NamedTuple

from claude_proxy.native import Choice
from claude_proxy.profiles.claude_cli import ADDRESS

Kind = Literal["openai", "anthropic", "claude-cli"]


class Backing(NamedTuple):
    """Variables by their names; the fields of `Settings` are the same in lower case."""

    url: str
    key: str
    dialect: Choice | None = None
    """The language that it speaks; None: as `CLAUDE_PROXY_UPSTREAM_DIALECT` says."""
    anthropic: bool = False
    """Whether it is Anthropic's API whatever its host, so that Claude's names are its own."""
    address: str = ""
    """Where it is, if that is not to be set. It needs no key then: it has a login of its own, which
    all clients share."""
    tiers: tuple[str, str, str] | None = None
    """Its own names of the three tiers, big to small, where it knows no others."""


BACKINGS: dict[str, Backing] = {
    "openai": Backing("OPENAI_BASE_URL", "OPENAI_API_KEY"),
    "anthropic": Backing(
        "ANTHROPIC_FORWARD_URL", "ANTHROPIC_API_KEY", dialect="messages", anthropic=True
    ),
    "claude-cli": Backing(
        "CLAUDE_PROXY_CLI_COMMAND",
        "its login (run `claude` on the server)",
        dialect="claude-cli",
        address=ADDRESS,
        tiers=("opus", "sonnet", "haiku"),
    ),
}
"""By `CLAUDE_PROXY_BACKEND`."""
