"""claude-proxy config: the effective settings and where they came from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import config_option, say
from claude_proxy.cli.learned import learned

if TYPE_CHECKING:
    from claude_proxy.settings import Settings


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@config_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, config: str | None) -> None:
    """Show the effective settings with their source; secrets are masked."""
    if ctx.invoked_subcommand is None:
        _show(as_json, config)


command.add_command(learned)


def _show(as_json: bool, config: str | None) -> None:
    from claude_proxy.codecs.jsonio import dumps_text
    from claude_proxy.settings import load_settings

    settings = load_settings(config=config)
    rows = list(_rows(settings))
    if as_json:
        click.echo(dumps_text({"settings": rows, "warnings": settings.warnings}))
        return
    for line in _table(rows):
        click.echo(line)
    for warning in settings.warnings:
        say(f"Warning: {warning}")


def _rows(settings: "Settings") -> Iterator[dict[str, Any]]:
    from claude_proxy.settings import variables

    for attribute, var in variables().items():
        value = getattr(settings, attribute)
        source = settings.sources.get(attribute, "default")
        yield {"name": var.name, "value": shown(value, attribute), "source": source}


def shown(value: object, attribute: str) -> object:
    """A value as JSON can hold it, without secrets."""
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return f"set ({len(value.get_secret_value())} characters)"
    if attribute == "upstreams" and isinstance(value, dict):
        return {name: str(named.base_url) for name, named in value.items()}
    if attribute == "profiles" and isinstance(value, dict):
        return {name: own.said for name, own in value.items()}
    if attribute == "custom_headers" and isinstance(value, dict):
        return {name: f"set ({len(text)} characters)" for name, text in value.items()}
    if attribute == "client_keys" and isinstance(value, dict):
        return {name: shown(key, "") for name, key in value.items()}
    if attribute == "routes" and isinstance(value, tuple):
        from claude_proxy.settings.routing import said

        return [said(rule) for rule in value]
    return list(value) if isinstance(value, tuple) else value


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    cells = [(row["name"], _plain(row["value"]), row["source"]) for row in rows]
    first = max(len(name) for name, _, _ in cells)
    second = min(max(len(value) for _, value, _ in cells), 40)
    for name, value, source in cells:
        yield f"{name:<{first}}  {value:<{second}}  {source}".rstrip()


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text}" for name, text in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
