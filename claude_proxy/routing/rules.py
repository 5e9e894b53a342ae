"""Rules of the user's own, `[[routes]]`: the first one all of whose conditions hold decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, Protocol

from claude_proxy.codecs import Peek
from claude_proxy.routing.agents import NOBODY, Agent
from claude_proxy.routing.asked import Asked
from claude_proxy.routing.names import without_mark


class People(Protocol):
    """Who is known to the server."""

    def agent(self, asked: Asked) -> Agent:
        """The agent that asks."""

    def client(self, asked: Asked) -> str:
        """The name of the client's key; "" for a key without one."""


class Strangers:
    """Nobody is known."""

    def agent(self, asked: Asked) -> Agent:
        return NOBODY

    def client(self, asked: Asked) -> str:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions, all of which must hold, and where such requests go. None: no condition.

    Globs match in any case. The fields of the conditions stand in the order in which they are
    looked at: what costs nothing comes first.
    """

    name: str
    model: str | None = None
    """None: the model that the name means, elsewhere."""
    upstream: str | None = None
    fallbacks: tuple[str, ...] | None = None
    """In place of the general ones: `MODEL`, `MODEL@UPSTREAM`, or `@UPSTREAM`."""

    requested: tuple[str, ...] | None = None
    """Globs of the model's name as the client sent it."""
    headers: tuple[tuple[str, str], ...] | None = None
    """Names in lower case, and globs of their values."""
    key: tuple[str, ...] | None = None
    """Names of clients' keys."""
    agent: tuple[str, ...] | bool | None = None
    """Globs of names; true for any subagent, false for none."""
    thinking: bool | None = None
    effort: tuple[str, ...] | None = None
    side_call: tuple[str, ...] | bool | None = None
    """Names of side calls; true for any, false for none."""
    images: bool | None = None
    tokens_over: int | None = None


class Seen(NamedTuple):
    """One request, as rules look at it."""

    peek: Peek
    asked: Asked
    people: People


Test = Callable[[Any, Seen], bool]


def _requested(globs: tuple[str, ...], seen: Seen) -> bool:
    return _any(globs, without_mark(seen.peek.model))


def _headers(wanted: tuple[tuple[str, str], ...], seen: Seen) -> bool:
    headers = seen.asked.headers
    return all(
        (raw := name.encode()) in headers and _any((glob,), seen.asked.header(raw))
        for name, glob in wanted
    )


def _key(names: tuple[str, ...], seen: Seen) -> bool:
    return seen.people.client(seen.asked) in names


def _agent(wanted: tuple[str, ...] | bool, seen: Seen) -> bool:
    if isinstance(wanted, bool):
        return seen.asked.is_subagent is wanted
    name = seen.people.agent(seen.asked).name
    return bool(name) and _any(wanted, name)


def _side_call(wanted: tuple[str, ...] | bool, seen: Seen) -> bool:
    found = seen.asked.side_call
    return bool(found) is wanted if isinstance(wanted, bool) else found in wanted


def _effort(globs: tuple[str, ...], seen: Seen) -> bool:
    return _any(globs, seen.asked.effort)


CONDITIONS: Mapping[str, Test] = {
    "requested": _requested,
    "headers": _headers,
    "key": _key,
    "agent": _agent,
    "thinking": lambda wanted, seen: seen.asked.thinking is wanted,
    "effort": _effort,
    "side_call": _side_call,
    "images": lambda wanted, seen: seen.asked.images is wanted,
    "tokens_over": lambda most, seen: seen.asked.longer_than(most),
}
"""A rule's field → whether it holds."""


def conditions(rule: Rule) -> dict[str, Any]:
    """Those that a rule has, in their order."""
    named = {field.name: getattr(rule, field.name) for field in fields(rule)}
    return {name: named[name] for name in CONDITIONS if named[name] is not None}


def first_miss(rule: Rule, peek: Peek, people: People) -> str | None:
    """The first condition that does not hold; None where all do.

    Of a request of which only the model's name is known, no other condition holds.
    """
    for name, wanted in conditions(rule).items():
        if peek.asked is None:
            if name != "requested" or not _any(wanted, without_mark(peek.model)):
                return name
        elif not CONDITIONS[name](wanted, Seen(peek, peek.asked, people)):
            return name
    return None


def _any(globs: tuple[str, ...], text: str) -> bool:
    lower = text.lower()
    return any(fnmatchcase(lower, glob.lower()) for glob in globs)
