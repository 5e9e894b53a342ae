"""The one corrected attempt: an upstream refuses a request's form and says what it wants.

Before the first byte only, once a request, and only if the corrected request is another one.
What is learned is on trial until an upstream has answered a request that was made by it.
"""

import structlog

from claude_proxy.codecs import anthropic_messages, openai_chat
from claude_proxy.codecs.openai_chat.errors import BROKEN_CALL
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.learning import (
    PASSED_RULES,
    Correction,
    Finding,
    corrected,
    find_corrections,
)
from claude_proxy.profiles import Profile
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.notes import noted, shortened
from claude_proxy.server.pipeline import Plan as Translated
from claude_proxy.server.plans import Plan, make_plan
from claude_proxy.server.services import Services

_REFUSALS = (400, 404, 422, 502)
"""Statuses by which a trial has failed; after others nobody knows yet."""

_PASSED = Profile("passed")
_ASKED_AGAIN = "asked again, the model's first tool call could not be read"

log = structlog.get_logger("claude_proxy.learning")


class Pupil:
    """What one request learns. Mutable."""

    def __init__(self, services: Services, context: Context, call: Call) -> None:
        self._services = services
        self._context = context
        self._call = call
        self._said: str | None = None
        """The words that led to the corrected attempt, once there was one."""
        self._has_repeated = False

    def accepted(self, route: Route) -> None:
        """A reply has come to its end; was it to a request that this route's corrections made?"""
        if not route.trial or not self._taken():
            return
        self._services.lessons.keep(route.upstream, route.model, route.trial, self._said or "")
        self._count(route.trial, "accepted")
        self._log("learned", route, route.trial, self._said)

    def refused(self, plan: Plan, error: ClaudeProxyError) -> Plan | None:
        """The plan that is to be tried next: corrected, if the error asks for that and there was
        none yet, or the same after a broken call of the model's."""
        route = plan.route
        if self._context.status:
            self.accepted(route)
            return None
        if not isinstance(error, UpstreamError):
            return None
        if repeated := self._repeated(plan, error):
            return repeated
        if not self._services.settings.learning:
            return None
        finding = self._find(route, error)
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

    def _repeated(self, plan: Plan, error: UpstreamError) -> Plan | None:
        """The same once more, if only the model's own call was broken: another may be whole."""
        again = plan.route.profile.broken_calls == "repeated" and not self._has_repeated
        if not (again and BROKEN_CALL in error.codes and isinstance(plan, Translated)):
            return None
        self._has_repeated = True
        self._context.facts["repeated"] = BROKEN_CALL
        log.info(
            "call_repeated",
            request_id=self._context.id,
            upstream=plan.route.upstream,
            model=shortened(plan.route.model),
        )
        return plan._replace(headers=noted(plan.headers, "attempts", _ASKED_AGAIN))

    def _find(self, route: Route, error: UpstreamError) -> Finding | None:
        """What is to be corrected. Anthropic's own errors are for its clients, who know them."""
        if route.dialect != "messages":
            return find_corrections(error, route.profile)
        if self._services.upstreams[route.upstream].native.claude:
            return None
        # Of its profile only what refusals have taught counts there.
        known = corrected(_PASSED, (*route.learned, *route.trial))
        return find_corrections(_read(error), known, rules=PASSED_RULES)

    def _taken(self) -> bool:
        """Whether the upstream has taken the request.

        Once content has gone out the form was right, whatever failed then. But a stream may have
        begun with a ping, before anybody knew: its error says nothing.
        """
        return bool(self._context.first_at) or self._context.fault is None

    def _corrected(self, plan: Plan, corrections: tuple[Correction, ...]) -> Plan | None:
        """None where it would be the same request again."""
        route = self._services.tried(plan.route, corrections)
        again = make_plan(self._services, self._context, self._call, route)
        return None if again.wire == plan.wire else again

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


def _read(error: UpstreamError) -> UpstreamError:
    """What an upstream of Messages has said, also where it said it in another envelope."""
    body = error.answer.body if error.answer else b""
    spoken = not body or anthropic_messages.is_error(body)
    return error if spoken else openai_chat.decode_error(error.status, body)


def _fields(corrections: tuple[Correction, ...]) -> str:
    return ", ".join(correction.field for correction in corrections)
