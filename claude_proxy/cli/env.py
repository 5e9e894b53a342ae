"""claude-proxy env: the client's variables, for a shell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import config_option, model_options, say, url

if TYPE_CHECKING:
    from claude_proxy.settings import Settings

_PATIENCE = 3.0
_FOLDER_FILES = (".env", "claude-proxy.toml")


@click.command()
@click.option(
    "--shell",
    type=click.Choice(["sh", "fish", "powershell", "cmd"]),
    default="sh",
    show_default=True,
    help="Whose syntax (sh: also bash and zsh).",
)
@click.option("--port", type=int, help="Where the server listens.")
@model_options
@config_option
def command(shell: str, config: str | None, **options: Any) -> None:
    """Print the variables that bring Claude Code to this proxy.

    \b
    eval "$(claude-proxy env)" && claude
    """
    from claude_proxy.cli.client_env import ask_limits, connection, limits, removed, script
    from claude_proxy.settings import load_settings

    settings = load_settings(options=options, trusted_folder=False, config=config)
    host, _ = settings.bind()
    key = settings.auth_key
    # In fixed mode without a key of ours any token does, but the client wants one.
    token = (key.get_secret_value() if key else "claude-proxy") if settings.fixed else None
    address = url(host, settings.port)
    # A server that runs knows what its upstream says; without one the profiles must do.
    listed = ask_limits(address, token, _PATIENCE)
    values = {**connection(settings, address, token), **limits(settings, listed)}
    for remark in _remarks(settings):
        say(f"# {remark}")
    click.echo(script(shell, values, removed(settings)))


def _remarks(settings: "Settings") -> list[str]:
    """To stderr, so that evaluating the output stays safe in every shell."""
    unread = [name for name in _FOLDER_FILES if Path(name).exists()]
    login = "Log in as usual, or set" if settings.backing.anthropic else "Set"
    key = f"{login} ANTHROPIC_AUTH_TOKEN to your key for {settings.upstream_url}."
    remarks = [] if settings.fixed else [key]
    if unread:
        remarks.append(
            f"{' and '.join(unread)} of this folder were not read: a cloned repository could "
            "redirect your key. Use --config or ~/.config/claude-proxy/."
        )
    return remarks
