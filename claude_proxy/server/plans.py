"""Everything that is known of a request before its upstream is asked, by the way it takes."""

from collections.abc import Mapping
from typing import Protocol

from starlette.types import Receive, Send

from claude_proxy.backends import WireRequest
from claude_proxy.backends.claude_cli import HOP_HEADER
from claude_proxy.codecs.web_search import wants_search
from claude_proxy.errors import RequestError
from claude_proxy.routing import Route
from claude_proxy.server import direct, pipeline
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.types import Json


class Plan(Protocol):
    """One request, ready to be sent."""

    @property
    def route(self) -> Route: ...

    @property
    def wire(self) -> WireRequest: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def left_out(self) -> str:
        """Of a second attempt in Messages: the field that it is without, or "signatures" for
        earlier thinking."""

    async def reply(
        self, services: Services, context: Context, receive: Receive, send: Send
    ) -> None:
        """Answers. Raises what went wrong, as long as no byte has left."""

    async def usage(self, services: Services, receive: Receive) -> Json:
        """What a whole answer cost. Raises `UpstreamError`."""


def make_plan(
    services: Services,
    context: Context,
    call: Call,
    route: Route | None = None,
    *,
    without: str = "",
) -> Plan:
    """Routes, unless `route` is given. Raises what is wrong with the request, or its key.

    `without`: what an upstream of Messages has refused, as `Plan.left_out` names it.
    """
    found = routed(services, context, call, route)
    return plan_for(services, context, call, found, without=without)


def second_plan(
    services: Services, context: Context, call: Call, plan: Plan, part: str
) -> Plan | None:
    """The same without a part, as `Plan.left_out` names it; None where it would be the same."""
    again = make_plan(services, context, call, plan.route, without=part)
    return None if again.wire.body == plan.wire.body else again


def routed(services: Services, context: Context, call: Call, route: Route | None = None) -> Route:
    """The request's route, unless one is given; the access line names it. Raises what is wrong
    with its model."""
    peek = call.peek()
    route = services.spoken_to(route or services.route(peek), call.surface)
    context.facts.update(
        model=shortened(peek.model),
        upstream=route.upstream,
        upstream_model=shortened(route.model),
        route=shortened(route.reason),
        stream=peek.stream,
    )
    if route.dialect == "messages":
        context.facts["dialect"] = route.dialect
    else:
        context.facts.pop("dialect", None)
    return route


def _refuse_loop(context: Context) -> None:
    """What a CLI of ours asks must not be answered by starting another one, and so on."""
    if context.header(HOP_HEADER.encode()):
        raise RequestError(
            "This request comes from a Claude Code CLI that a claude-proxy has started, and would "
            "be answered by starting another one. Let ANTHROPIC_BASE_URL in CLAUDE_PROXY_CLI_ENV "
            "lead to another server.",
            headers={"x-should-retry": "false"},
        )


def _searched_for(services: Services, call: Call, route: Route) -> bool:
    """Whether a request that could pass wants searches that its upstream does not make."""
    return call.surface is MESSAGES and services.searches(route) and wants_search(call.body)


def plan_for(
    services: Services, context: Context, call: Call, route: Route, *, without: str = ""
) -> Plan:
    """What is to be sent by a route that the access line names already."""
    if services.passes(route, call.surface) and not _searched_for(services, call, route):
        return direct.make_plan(services, context, call, route, without=without)
    if route.dialect == "claude-cli":
        _refuse_loop(context)
    return pipeline.make_plan(services, context, call, route, without=without)
