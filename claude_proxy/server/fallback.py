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
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.correcting import Pupil
from claude_proxy.server.notes import noted, shortened
from claude_proxy.server.passed_errors import NotSpoken
from claude_proxy.server.pdf import documents
from claude_proxy.server.pipeline import Plan as Translated
from claude_proxy.server.plans import Plan, plan_for, routed
from claude_proxy.server.refusals import accepted, refused
from claude_proxy.server.services import Services
from claude_proxy.server.summaries import prepare

_TOO_MANY = 429
_CHANGED = "other than in the request before, which breaks the upstream's prompt cache"

log = structlog.get_logger("claude_proxy.fallback")


async def reply(
    services: Services, context: Context, call: Call, receive: Receive, send: Send
) -> None:
    """Answers one request by its route or, as long as those fail, by the configured fallbacks.

    A refusal that says how the request is to be corrected is answered by one corrected attempt.
    """
    documents.refuse(services, call)
    await prepare(services, context, call, receive)
    plan = await _plan(services, context, call, receive)
    others: Iterator[Route] | None = None
    pupil = Pupil(services, context, call)
    while True:
        try:
            await _reply(services, context, plan, receive, send)
            pupil.accepted(plan.route)
            accepted(services, plan)
            return
        except NotSpoken as error:
            # Nothing failed: the same upstream is asked again, and from now on, in its other way.
            forget_frames(error)
            following = _translated(services, plan.route, error)
        except ClaudeProxyError as error:
            # Where it went matters most when it failed there.
            error.headers = {**plan.headers, **error.headers}
            again = pupil.refused(plan, error) or refused(services, context, call, plan, error)
            if again is not None:
                forget_frames(error)
                plan = again
                continue
            if others is None:
                others = services.fallback_routes(plan.route)
            found = _next(others, error, context)
            if found is None:
                raise
            _tell(context, plan.route, found, error)
            forget_frames(error)
            following = replace(found, reason=f"{found.reason} after {error.status}")
        plan = await _plan(services, context, call, receive, following)


async def _reply(
    services: Services, context: Context, plan: Plan, receive: Receive, send: Send
) -> None:
    watch = services.cache_watch
    look = watch.look(context, plan.route, plan.wire.body) if watch is not None else None
    if look is not None and look.broken_at and isinstance(plan, Translated):
        plan = plan._replace(headers=noted(plan.headers, look.broken_at, _CHANGED))
    await plan.reply(services, context, receive, send)
    if watch is not None and look is not None:
        watch.answered(context, plan.route, look)


async def _plan(
    services: Services, context: Context, call: Call, receive: Receive, route: Route | None = None
) -> Plan:
    route = routed(services, context, call, route)
    await documents.prepare(services, context, call, receive, route)
    return plan_for(services, context, call, route)


def _translated(services: Services, route: Route, error: NotSpoken) -> Route:
    services.translate_for(route.upstream, error.language, error.model)
    log.warning(f"no_{error.language}_api", upstream=route.upstream, model=shortened(error.model))
    return services.routed(route)


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
