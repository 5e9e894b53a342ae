"""Opt-in: who is asked next when an upstream fails before its first event.

Only failures that are the upstream's own lead on: no connection, no answer in time, 429 and 5xx.
What the client did wrong, it would do wrong elsewhere too. Once a byte has gone to the client
nothing is tried again, so that no answer is ever made of two.
"""

from collections.abc import Iterator
from dataclasses import replace

import structlog
from starlette.types import Receive, Send

from claude_proxy.errors import ClaudeProxyError, UpstreamError, forget_frames
from claude_proxy.routing import Route
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.server.pipeline import Plan, make_plan, reply_stream, reply_whole
from claude_proxy.server.services import Services
from claude_proxy.types import Json

_TOO_MANY = 429

log = structlog.get_logger("claude_proxy.fallback")


async def reply(
    services: Services, context: Context, body: Json, receive: Receive, send: Send
) -> None:
    """Answers one request by its route or, as long as those fail, by the configured fallbacks."""
    plan: Plan | None = make_plan(services, context, body)
    others: Iterator[Route] | None = None
    while plan is not None:
        answer = reply_stream if plan.request.get("stream") else reply_whole
        try:
            await answer(services, context, plan, receive, send)
            return
        except ClaudeProxyError as error:
            # Where it went matters most when it failed there.
            error.headers = {**plan.headers, **error.headers}
            if others is None:
                others = services.fallback_routes(plan.route)
            following = _next(others, error, context)
            if following is None:
                raise
            _tell(context, plan.route, following, error)
            forget_frames(error)
            reason = f"{following.reason} after {error.status}"
        plan = make_plan(services, context, body, replace(following, reason=reason))


def _next(others: Iterator[Route], error: ClaudeProxyError, context: Context) -> Route | None:
    failed = isinstance(error, UpstreamError) and (error.status >= 500 or error.status == _TOO_MANY)
    return next(others, None) if failed and not context.status else None


def _tell(context: Context, route: Route, following: Route, error: ClaudeProxyError) -> None:
    failed = f"{shortened(route.model)}@{route.upstream} {error.status}"
    before = context.facts.get("fallback_after")
    context.facts["fallback_after"] = f"{before}, {failed}" if before else failed
    log.warning(
        "fell_back",
        request_id=context.id,
        failed=failed,
        error=error.type,
        next=f"{shortened(following.model)}@{following.upstream}",
    )
