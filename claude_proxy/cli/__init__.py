"""The command `claude-proxy`. Commands import what they need when they run, so that
`claude-proxy --version` and a mistyped option answer at once.
"""

from importlib import import_module
from typing import Any

import click

from claude_proxy import __version__
from claude_proxy.errors import ClaudeProxyError

COMMANDS = {
    "serve": "claude_proxy.cli.serve",
    "demo": "claude_proxy.cli.demo",
    "setup": "claude_proxy.cli.setup",
    "run": "claude_proxy.cli.run",
    "env": "claude_proxy.cli.env",
    "config": "claude_proxy.cli.config",
    "doctor": "claude_proxy.cli.doctor",
    "route": "claude_proxy.cli.route",
}
"""Command -> the module whose `command` it is."""

_OWN_OPTIONS = frozenset({"--help", "-h", "--version"})


class Failure(click.ClickException):
    """A wrong setting or a state of the machine that the user must change."""

    exit_code = 2


class Commands(click.Group):
    """A group that loads its commands late and serves when no command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]}.command is no command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = bool(args) and (args[0] in _OWN_OPTIONS or not args[0].startswith("-"))
        return super().parse_args(ctx, args if own else ["serve", *args])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ClaudeProxyError as error:
            raise Failure(error.message) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without a command, claude-proxy serves: see `claude-proxy serve --help`.",
)
@click.version_option(__version__, prog_name="claude-proxy")
def main() -> None:
    """Use Claude Code and every Anthropic client with any OpenAI-compatible model."""
