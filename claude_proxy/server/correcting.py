"""The one corrected attempt: an upstream refuses a request's form and says what it wants.

Before the first byte only, once a request, and only if the corrected request is another one.
What is learned is on trial until an upstream has answered a request that was made by it.
"""

import structlog

from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.learning import Correction, find_corrections
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.server.plans import Plan, make_plan
from claude_proxy.server.services import Services

_REFUSALS = (400, 404, 422, 502)
"""Statuses by which a trial has failed; after others nobody knows yet."""

log = structlog.get_logger("claude_proxy.learning")


class Pupil:
    """What one request learns. Mutable."""

    def __init__(self, services: Services, context: Context, call: Call) -> None:
        self._services = services
        self._context = context
        self._call = call
        self._said: str | None = None
        """The words that led to the corrected attempt, once there was one."""

    def accepted(self, route: Route) -> None:
        """The upstream has taken a request that this route's corrections made."""
        if not route.trial:
            return
        self._services.lessons.keep(route.upstream, route.model, route.trial, self._said or "")
        self._count(route.trial, "accepted")
        self._log("learned", route, route.trial, self._said)

    def refused(self, plan: Plan, error: ClaudeProxyError) -> Plan | None:
        """The corrected plan, if the error asks for one and there has been none yet."""
        route = plan.route
        if self._context.status:  # Content has gone out: whatever failed then, the form was right.
            self.accepted(route)
            return None
        if not self._services.settings.learning or not isinstance(error, UpstreamError):
            return None
        finding = find_corrections(error, route.profile)
        again = self._corrected(plan, finding.corrections) if finding else None
        if finding is None or again is None:
            self._failed(route, error)
            return None
        said = self._services.redactor.clean(finding.said, *self._context.keys())
        lessons = self._services.lessons
        lessons.try_out(route.upstream, route.model, finding.corrections, said)
        if self._said is not None:
            # Another thing, after the first was corrected: the next request shows if it helps.
            return None
        self._said = said
        self._context.facts["corrected"] = _fields(finding.corrections)
        self._log("request_corrected", route, finding.corrections, said)
        return again

    def _corrected(self, plan: Plan, corrections: tuple[Correction, ...]) -> Plan | None:
        """None where it would be the same request again."""
        route = self._services.tried(plan.route, corrections)
        again = make_plan(self._services, self._context, self._call, route)
        return None if again.wire.body == plan.wire.body else again

    def _failed(self, route: Route, error: ClaudeProxyError) -> None:
        """Refused again, and not for another reason that is known: it was not that."""
        if route.trial and error.status in _REFUSALS:
            self._services.lessons.drop(route.upstream, route.model)
            self._count(route.trial, "refused")
            self._log("correction_failed", route, route.trial, self._said)

    def _count(self, corrections: tuple[Correction, ...], result: str) -> None:
        for correction in corrections:
            self._services.metrics.correction(correction.field, result)

    def _log(
        self, event: str, route: Route, corrections: tuple[Correction, ...], said: str | None
    ) -> None:
        log.info(
            event,
            request_id=self._context.id,
            upstream=route.upstream,
            model=shortened(route.model),
            corrections="; ".join(correction.sentence for correction in corrections),
            said=said,
        )


def _fields(corrections: tuple[Correction, ...]) -> str:
    return ", ".join(correction.field for correction in corrections)
