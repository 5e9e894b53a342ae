"""claude-proxy route: where a request would go, and why. Nothing is sent, and no key is shown."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from claude_proxy.cli.common import config_option, remembering

if TYPE_CHECKING:
    from claude_proxy.codecs import Peek
    from claude_proxy.server.services import Services
    from claude_proxy.server.surface import Surface

_REFUSED = 1
"""The status where the request would be refused."""

_APIS = ("messages", "chat", "completions")
_SESSION = "x-claude-code-session-id"


@click.group()
def command() -> None:
    """Where a request goes, by the rules, the agents and the model map."""


@command.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--api",
    type=click.Choice(_APIS),
    default=_APIS[0],
    show_default=True,
    help="The API that it is a request of.",
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Of the request.")
@click.option("--session", metavar="ID", help="The session of Claude Code's that it is of.")
@click.option("--agent", metavar="NAME", help="As if this agent's run had been recognized.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@config_option
def explain(
    file: BinaryIO,
    api: str,
    headers: Sequence[str],
    session: str | None,
    agent: str | None,
    as_json: bool,
    config: str | None,
) -> None:
    """Explain where the request in FILE (or standard input) would go.

    Which call an agent's run began with is known only to a server that has seen it: --agent says
    it here. The status is 1 where the request would be refused.
    """
    from claude_proxy.codecs.jsonio import dumps_text
    from claude_proxy.server import surface
    from claude_proxy.server.services import Services
    from claude_proxy.settings import load_settings

    spoken: Surface = getattr(surface, api.upper())
    settings = load_settings(config=config)
    settings = settings.model_copy(update=remembering(settings, os.environ))
    services = Services(settings)
    given = [_header(text) for text in headers]
    given += [(_SESSION.encode(), session.encode())] if session else []
    peek = _peek(file.read(), spoken, given, agent)
    found = _explained(services, peek, spoken)
    click.echo(dumps_text(found) if as_json else "\n".join(_lines(found)))
    if "refused" in found:
        raise click.exceptions.Exit(_REFUSED)


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isascii():
        raise click.BadParameter("a header is NAME: VALUE", param_hint="--header")
    return name.strip().lower().encode(), value.strip().encode()


def _peek(
    raw: bytes, spoken: "Surface", headers: list[tuple[bytes, bytes]], agent: str | None
) -> "Peek":
    from claude_proxy.cli import Failure
    from claude_proxy.codecs.jsonio import Body
    from claude_proxy.errors import RequestError
    from claude_proxy.routing import Agent
    from claude_proxy.server.body import Call

    try:
        peek = Call(Body(raw), headers=headers, surface=spoken).peek()
    except RequestError as error:
        name = spoken.name.capitalize()
        raise Failure(f"This is no {name} request: {error.message}") from error
    if agent and peek.asked is not None:
        peek.asked.agent = Agent(agent, "--agent")
    return peek


def _explained(services: "Services", peek: "Peek", spoken: "Surface") -> dict[str, Any]:
    from claude_proxy.errors import RequestError
    from claude_proxy.server.lessons import address_of

    found = {"requested": peek.model, **_seen(services, peek)}
    found["rules"] = [
        {"name": each.rule.name, "missed": each.missed}
        for each in services.router.looked(peek, services.people)
    ]
    try:
        route = services.spoken_to(services.route(peek), spoken)
    except RequestError as error:
        return {**found, "refused": f"{error.status} {error.message}"}
    return {
        **found,
        "reason": route.reason,
        "upstream": route.upstream,
        "address": address_of(services.upstreams[route.upstream].base_url),
        "model": route.model,
        "dialect": route.dialect,
        "profile": route.profile.name,
        "fallbacks": [f"{each.model}@{each.upstream}" for each in services.fallback_routes(route)],
    }


def _seen(services: "Services", peek: "Peek") -> dict[str, Any]:
    """What was seen of a request, whether or not a rule asks for it."""
    asked = peek.asked
    if asked is None:
        return {}
    agent = services.people.agent(asked)
    return {
        "agent": f"{agent.name} by {agent.how}" if agent.name else None,
        "marker": agent.model or None,
        "subagent": asked.is_subagent,
        "side_call": asked.side_call or None,
        "thinking": asked.thinking,
        "effort": asked.effort or None,
        "images": asked.images,
        "tokens": asked.tokens,
        "key": services.people.client(asked) or None,
    }


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Two columns for people; what is not there is left out."""
    for name, value in found.items():
        if name == "rules":
            yield from (_line(f"rule {each['name']}", _verdict(each)) for each in value)
        elif isinstance(value, list):
            yield from [_line(name, ", ".join(value))] if value else []
        elif value is not None:
            yield _line(name, str(value).lower() if isinstance(value, bool) else str(value))


def _verdict(looked: dict[str, Any]) -> str:
    return "fits" if looked["missed"] is None else f"no: {looked['missed']}"


def _line(name: str, text: str) -> str:
    """Names come out of a request: none of them makes a line of its own, or colors a terminal."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return f"{name:<12}  {shown}"
