"""What several commands share."""

from collections.abc import Callable
from typing import Any

import click

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
