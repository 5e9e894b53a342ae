"""One more attempt where an upstream that speaks Messages refuses a part of what it was passed.

The part is left out, and the client is told; if it is refused again, that is the client's answer.

- The signature of a thought. Signatures hold for one model, key and endpoint, and clients keep
  them: after a change of any of these each request of the session would be refused. The request
  goes once more without the thinking of earlier turns; nothing is remembered.
- A field that only Anthropic has. Anthropic's own refusals are for its clients to read; of other
  upstreams it is remembered until the server restarts.
"""

import re

import structlog

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.server.plans import Plan, second_plan
from claude_proxy.server.services import Services

_REFUSED = 400
_SIGNATURE = re.compile(r"Invalid `?signature`? in `?thinking`? block", re.IGNORECASE)
"""Anthropic's (router-for-me/CLIProxyAPI#1584)."""
_FIELD = re.compile(r"(?:[A-Za-z]{1,40}: )?([a-z_]{1,40}): Extra inputs are not permitted")
"""Anthropic's too, and of those who copied its checks (claude-code#21612), after the name of an
error at most: what stands later may be a client's own words."""

_KEPT = frozenset({"model", "messages", "max_tokens", "stream", "system", "tools"})
"""Without these it would be another request."""

log = structlog.get_logger("claude_proxy.refusals")


def refused(
    services: Services, context: Context, call: Call, plan: Plan, error: ClaudeProxyError
) -> Plan | None:
    """The plan of the second attempt, if the error asks for one, and no content has gone out."""
    if plan.route.dialect != "messages" or plan.left_out or context.status:
        return None
    if error.status != _REFUSED or not services.settings.learning:
        return None
    part = _part(services, plan, error.message)
    again = second_plan(services, context, call, plan, part) if part else None
    if again is not None:
        context.facts["corrected"] = part
        log.warning(
            "request_corrected",
            request_id=context.id,
            upstream=plan.route.upstream,
            model=shortened(plan.route.model),
            corrections=f"without {part}",
        )
    return again


def accepted(services: Services, plan: Plan) -> None:
    """The upstream has taken the request: what was left out of a second attempt is remembered."""
    if plan.left_out not in ("", "signatures"):
        services.upstreams[plan.route.upstream].refuses(plan.left_out)


def _part(services: Services, plan: Plan, said: str) -> str:
    """What is to be left out; empty for nothing."""
    if _SIGNATURE.search(said):
        return "signatures"
    found = None if services.upstreams[plan.route.upstream].native.claude else _FIELD.match(said)
    return found[1] if found and found[1] not in _KEPT else ""
