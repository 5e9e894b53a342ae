"""One more attempt where an upstream that speaks Messages refuses the signature of a thought.

Signatures hold for one model, key and endpoint, and clients keep them. After a change of any of
these, each request of the session would be refused for the rest of its life. So the request goes
once more, without the thinking of earlier turns; the client is told, and nothing is remembered.
"""

import re

import structlog

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.direct import Plan as PassedPlan
from claude_proxy.server.direct import bare_plan
from claude_proxy.server.notes import shortened
from claude_proxy.server.plans import Plan
from claude_proxy.server.services import Services

_REFUSED = 400
_WORDS = re.compile(r"Invalid `?signature`? in `?thinking`? block", re.IGNORECASE)
"""Anthropic's (router-for-me/CLIProxyAPI#1584)."""

log = structlog.get_logger("claude_proxy.unsigned")


def unsigned(
    services: Services, context: Context, call: Call, plan: Plan, error: ClaudeProxyError
) -> Plan | None:
    """The plan of the second attempt, if the error asks for one, and no content has gone out."""
    if not isinstance(plan, PassedPlan) or plan.bare or context.status:
        return None
    if error.status != _REFUSED or not _WORDS.search(error.message):
        return None
    again = bare_plan(services, context, call, plan)
    if again is not None:
        context.facts["corrected"] = "thinking"
        log.warning(
            "signature_refused",
            request_id=context.id,
            upstream=plan.route.upstream,
            model=shortened(plan.route.model),
        )
    return again
