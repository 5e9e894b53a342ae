"""Where a request goes: by a rule that fits, else by who asks, else by the name of its model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from claude_proxy.codecs import Peek
from claude_proxy.routing.agents import Agent
from claude_proxy.routing.names import Fallback, ModelMap, by_name
from claude_proxy.routing.rules import People, Rule, Strangers, first_miss

_STRANGERS = Strangers()


class Choice(NamedTuple):
    """A model of an upstream, and the reason for people."""

    upstream: str
    model: str
    reason: str
    fallbacks: tuple[Fallback, ...] | None = None
    """In place of the general ones."""


class Looked(NamedTuple):
    """What came of a look at a rule: `missed` is its first condition that did not hold."""

    rule: Rule
    missed: str | None


@dataclass(frozen=True, slots=True)
class Router:
    """Everything that is set about routing."""

    models: ModelMap
    rules: tuple[Rule, ...] = ()
    subagents: Mapping[str, str] = field(default_factory=dict)
    """An agent's name → its model, perhaps with `@UPSTREAM`."""
    vision: str | None = None
    """Who gets images that the model of a route cannot see."""

    @property
    def looks(self) -> bool:
        """Whether more of a request than its model's name can matter."""
        return bool(self.rules or self.subagents)

    @property
    def knows_agents(self) -> bool:
        """Whether it matters which agent asks."""
        return bool(self.subagents) or any(isinstance(rule.agent, tuple) for rule in self.rules)

    def targets(self) -> Iterator[str]:
        """Every target that is set, fallbacks aside."""
        yield from (self.models.big, self.models.middle, self.models.small)
        yield from (model for _, model in self.models.globs)
        yield from (rule.model for rule in self.rules if rule.model)
        yield from self.subagents.values()
        if self.vision is not None:
            yield self.vision

    def names(self) -> Iterator[str]:
        """The names, without globs, that clients may ask for beside the tiers' and models' own."""
        globs = [glob for glob, _ in self.models.globs]
        globs += [glob for rule in self.rules for glob in rule.requested or ()]
        yield from (glob for glob in globs if not set(glob) & set("*?["))
        for _, model in map(self.models.place, [target for _, target in self.models.globs]):
            yield from [model] if model else []

    def by_name(self, name: str) -> Choice:
        """The choice by the model's name alone. Raises what `names.by_name` does."""
        return Choice(*by_name(name, self.models))

    def choose(self, peek: Peek, people: People = _STRANGERS) -> Choice:
        """The choice for a request. Raises what `names.by_name` does."""
        rule = next((each.rule for each in self.looked(peek, people) if each.missed is None), None)
        if rule is not None:
            return self._by_rule(rule, peek)
        if peek.asked is not None and self.knows_agents:
            return self._by_agent(people.agent(peek.asked), peek) or self.by_name(peek.model)
        return self.by_name(peek.model)

    def looked(self, peek: Peek, people: People = _STRANGERS) -> list[Looked]:
        """The rules that were looked at, up to the first that fits."""
        found: list[Looked] = []
        for rule in self.rules:
            found.append(Looked(rule, first_miss(rule, peek, people)))
            if found[-1].missed is None:
                break
        return found

    def seeing(self, before: Choice) -> Choice:
        """The same for a request with images that the model of `before` cannot see."""
        if self.vision is None:
            return before
        upstream, model = self.models.served(self.vision, before.model)
        return before._replace(
            upstream=upstream,
            model=model,
            reason=f"{before.reason}; images from {before.model} to {model}",
        )

    def _by_rule(self, rule: Rule, peek: Peek) -> Choice:
        if rule.model is None:
            upstream, model, reason, _ = self.by_name(peek.model)
            reason = f"route {rule.name}: {reason}"
        else:
            upstream, model = self._served(rule.model, peek)
            reason = f"route {rule.name}"
        return Choice(rule.upstream or upstream, model, reason, self._fallbacks(rule))

    def _fallbacks(self, rule: Rule) -> tuple[Fallback, ...] | None:
        if rule.fallbacks is None:
            return None
        return tuple(self.models.fallback(entry) for entry in rule.fallbacks)

    def _by_agent(self, agent: Agent, peek: Peek) -> Choice | None:
        if agent.model:
            # As good as if the client had asked for it: never more.
            found = self.by_name(agent.model)
            return found._replace(reason=f"{agent.how}: {found.reason}")
        target = self.subagents.get(agent.name)
        if target is None:
            return None
        return Choice(*self._served(target, peek), _told(agent))

    def _served(self, target: str, peek: Peek) -> tuple[str, str]:
        """`@UPSTREAM` alone: the model that the name means, there."""
        upstream, model = self.models.place(target)
        return upstream, model or self.by_name(peek.model).model


def _told(agent: Agent) -> str:
    return f"agent {agent.name} by {agent.how}"
