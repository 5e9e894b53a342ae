"""Finds out why an upstream's prompt cache breaks: the prompt changed in its beginning, or the
upstream has forgotten it. Only where that is asked for, for it reads every request once more.

Sessions are told apart by the client's own headers. One session has several conversations: the
main one, and small requests beside it. So the last few prompts of a session are kept, as hashes.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog

from claude_proxy.codecs.prompt_parts import Parts, change, parts_of, place, same_talk
from claude_proxy.routing import Route
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened

_MOST_SESSIONS = 128
_MOST_TALKS = 4
_LONGEST_BODY = 8 << 20
"""Larger requests are not looked at."""
_CACHED_SECONDS = 240.0
"""So long every upstream keeps a prompt."""
_CACHED_TOKENS = 2_048
"""Shorter prompts are not cached everywhere."""

log = structlog.get_logger("claude_proxy.cache")


@dataclass(slots=True)
class _Talk:
    """One conversation. Mutable."""

    parts: Parts
    cached: bool = False
    """Whether the upstream has reported tokens from its cache for it."""
    tokens: int = 0
    """Of the last prompt, as the upstream counted it; 0 before that is known."""
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Look:
    """What was found out about one request."""

    talk: _Talk
    continued: bool
    """Whether it begins with all of the request before it."""
    broken_at: str = ""
    """The path of the first difference, if it should be the same conversation."""


class CacheWatch:
    """Mutable; one for each app, or none."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[tuple[str, ...], list[_Talk]] = OrderedDict()

    def look(self, context: Context, route: Route, raw: bytes) -> Look | None:
        """At a request that is about to be sent; None for one without a session."""
        session = context.header(b"x-claude-code-session-id")
        if not session or len(raw) > _LONGEST_BODY:
            return None
        agent = context.header(b"x-claude-code-agent-id")
        talks = self._talks((session[:128], agent[:128], route.upstream, route.model))
        look = _compared(talks, parts_of(raw), raw)
        if look.broken_at:
            context.facts["cache_broken_at"] = shortened(look.broken_at)
            self._warn("prompt_cache_broken", context, route, at=shortened(look.broken_at))
        return look

    def answered(self, context: Context, route: Route, look: Look) -> None:
        """After its answer: has the upstream read from its cache what it should have?"""
        facts, talk = context.facts, look.talk
        cached, tokens = facts.get("cached_tokens", 0), talk.tokens
        fresh = time.monotonic() - talk.at < _CACHED_SECONDS
        if look.continued and talk.cached and fresh and tokens >= _CACHED_TOKENS and not cached:
            facts["cache_missed"] = tokens
            self._warn("prompt_cache_missed", context, route, expected=tokens)
        talk.tokens = facts.get("input_tokens", 0) + cached
        talk.cached = talk.cached or cached > 0
        talk.at = time.monotonic()

    def _talks(self, session: tuple[str, ...]) -> list[_Talk]:
        talks = self._sessions.setdefault(session, [])
        self._sessions.move_to_end(session)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return talks

    def _warn(self, event: str, context: Context, route: Route, **more: object) -> None:
        log.warning(
            event,
            request_id=context.id,
            upstream=route.upstream,
            model=shortened(route.model),
            **more,
        )


def _compared(talks: list[_Talk], parts: Parts, raw: bytes) -> Look:
    """The conversation of a prompt, which from now on has this as its last one."""
    changes = [(talk, change(talk.parts, parts)) for talk in talks]
    for talk, found in changes:
        if found is None:
            talk.parts = parts
            return Look(talk, continued=True)
    for talk, found in changes:
        if found is not None and same_talk(talk.parts, parts, found):
            talk.parts = parts
            return Look(talk, continued=False, broken_at=place(raw, parts, found))
    talk = _Talk(parts)
    talks.append(talk)
    del talks[:-_MOST_TALKS]
    return Look(talk, continued=False)
