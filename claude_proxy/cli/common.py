"""What several commands share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from claude_proxy.settings import Settings

Command = Callable[..., Any]

config_option: Callable[[Command], Command] = click.option(
    "--config",
    metavar="PATH",
    type=click.Path(dir_okay=False),
    help="A claude-proxy.toml to read in place of the current folder's.",
)
big_option: Callable[[Command], Command] = click.option(
    "--big-model", metavar="NAME", help="Serves opus."
)
middle_option: Callable[[Command], Command] = click.option(
    "--middle-model", metavar="NAME", help="Serves sonnet."
)
small_option: Callable[[Command], Command] = click.option(
    "--small-model", metavar="NAME", help="Serves haiku."
)
base_url_option: Callable[[Command], Command] = click.option(
    "--base-url", "openai_base_url", metavar="URL", help="The OpenAI-compatible API."
)


def model_options(command: Command) -> Command:
    """The upstream and its three tiers."""
    for option in (small_option, middle_option, big_option, base_url_option):
        command = option(command)
    return command


def url(host: str, port: int) -> str:
    """How a client on this machine reaches a server that listens on `host`."""
    # Read, not bound.
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nosec B104
    reachable = everywhere.get(host.strip("[]"), host.strip("[]"))
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def say(text: str = "") -> None:
    """A line for people. To stderr: stdout belongs to what a command makes."""
    click.echo(text, err=True)


def state_folder(environ: Mapping[str, str]) -> Path:
    """`claude-proxy` in the user's state folder (XDG base directories). `RuntimeError` when
    nobody knows the user's home."""
    state = environ.get("XDG_STATE_HOME")
    base = Path(state) if state else Path.home() / ".local" / "state"
    return base / "claude-proxy"


def remembering(settings: "Settings", environ: Mapping[str, str]) -> dict[str, str]:
    """The setting of the file of corrections, where the user has set none."""
    if settings.learned_file is not None:
        return {}
    try:
        return {"learned_file": str(state_folder(environ) / "learned.json")}
    except RuntimeError:
        return {}
