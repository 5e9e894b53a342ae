"""One request's talk with its model while that searches: whose turn it is, and what it costs."""

from typing import TYPE_CHECKING, Any

from claude_proxy.codecs.thoughts import thoughts_of
from claude_proxy.codecs.web_search import Composition, Failure, Found, Search, SearchTool
from claude_proxy.codecs.web_search.composition import summed
from claude_proxy.codecs.web_search.hits import Outcome
from claude_proxy.server.context import Context
from claude_proxy.server.relay import note_usage, told
from claude_proxy.server.search.searcher import OwnSearch
from claude_proxy.server.services import Services
from claude_proxy.server.watch import Watch
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest, StreamEvent, Usage

if TYPE_CHECKING:
    from claude_proxy.server.pipeline import Plan

_MORE_TURNS = 3
"""Turns beyond one for each search: what the model may take to see that there are no more."""


class Conversation:
    """Mutable; one for each answer. `plan` is that of the model's present turn."""

    def __init__(
        self, services: Services, context: Context, plan: "Plan", tool: SearchTool
    ) -> None:
        self.plan = plan
        self.composition = Composition(plan.message_id, plan.request["model"], tool.name)
        self._services = services
        self._context = context
        self._tool = tool
        self._turns = 1
        self._uses = 0
        self._usage: Usage | None = None
        """Of all turns, as the client is to see it."""

    def turn_ended(self, *, streamed: bool) -> None:
        """Looks at what the turn cost, and keeps what its upstream wants back.

        Raises `RequestError`: see `Windows.told`.
        """
        services, plan, composition = self._services, self.plan, self.composition
        usage = composition.turn_usage
        note_usage(services, self._context, plan, usage)
        seen = told(services, plan, usage, streamed=streamed)
        self._usage = seen if self._usage is None else summed(self._usage, seen)
        self._note_counts()
        services.reasoning.keep(thoughts_of(composition.turn_content()), plan.route, plan.seal)

    async def search(self, watch: Watch) -> tuple[list[StreamEvent], bool]:
        """Makes the searches that the turn asks for: their results, and whether the model is to
        go on with them; then `plan` is that of its next turn."""
        composition = self.composition
        more = composition.goes_on
        outcomes = []
        for search in composition.searches:
            watch.heard()
            outcomes.append(await self._outcome(search))
        if outcomes:
            facts = self._context.facts
            facts["searches"] = facts.get("searches", 0) + len(outcomes)
        events = composition.answered(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Found) and outcome.usage and self._usage:
                self._usage = summed(self._usage, outcome.usage)
        self._note_counts()
        more = more and self._turns < self._tool.max_uses + _MORE_TURNS
        if more:
            self._turns += 1
            self.plan = self._following()
        return events, more

    def _note_counts(self) -> None:
        """Those of the access line are the whole answer's."""
        counts = self.composition.usage
        self._context.facts.update(
            input_tokens=counts["input_tokens"],
            cached_tokens=counts["cache_read_input_tokens"],
            output_tokens=counts["output_tokens"],
        )

    def end(self) -> list[StreamEvent]:
        return self.composition.end(self._usage)

    async def _outcome(self, search: Search) -> Outcome:
        if self._uses >= self._tool.max_uses:
            most = self._tool.max_uses
            why = f"All {most} searches of this answer are made; answer with what you have."
            return Failure("max_uses_exceeded", why)
        self._uses += 1
        searcher, request = self._services.searcher, self._context.id
        return await searcher.search(search.query, self._tool, request, self._own())

    def _own(self) -> OwnSearch | None:
        """The upstream itself, if it searches."""
        route = self.plan.route
        if route.profile.own_search is None:
            return None
        upstream = self._services.upstreams[route.upstream]
        key = upstream.key_for(self._context)
        return OwnSearch(upstream, route.model, key, route.profile.own_search)

    def _following(self) -> "Plan":
        request: Any = {**self.plan.request}
        request["messages"] = [*request["messages"], *self.composition.said()]
        last = self._turns == self._tool.max_uses + _MORE_TURNS
        request |= _choice(request, last=last)
        following: MessagesRequest = request
        plan = self.plan.following(self._services, self._context, following)
        # Its calls are named after it, and no two calls of an answer may have one name.
        return plan._replace(message_id=f"{self.composition.id}{self._turns}")


def _choice(request: Json, *, last: bool) -> Json:
    """What has been demanded once is not demanded again: the model would never come to answer."""
    choice = request.get("tool_choice") or {}
    if last:
        return {"tool_choice": {"type": "none"}}
    if choice.get("type") not in ("any", "tool"):
        return {}
    rest = {name: value for name, value in choice.items() if name not in ("type", "name")}
    return {"tool_choice": {"type": "auto", **rest}}
