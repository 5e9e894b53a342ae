"""Which upstream model serves a request. Pure: names in, a `Route` out.

The order is: the user's own map, a model the user has configured, Claude's tiers, unchanged.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from claude_proxy.codecs import Peek
from claude_proxy.errors import RequestError
from claude_proxy.learning import Correction
from claude_proxy.native import Dialect
from claude_proxy.profiles import Profile, profile_for

TIERS = {"opus": "BIG", "sonnet": "MIDDLE", "haiku": "SMALL"}
"""The word in a Claude model's name → the tier that serves it."""

CLAUDE = {"BIG": "claude-opus-5-5", "MIDDLE": "claude-sonnet-5-5", "SMALL": "claude-haiku-5-5"}
"""A name of Claude's own in each tier."""

# Claude as its resellers write it: `anthropic/claude-…` (OpenRouter), `us.anthropic.claude-…`
# (Bedrock), `vertex_ai/claude-…`. Other owners' models with the word in their name are not
# Claude: `somebody/claude-distill` stays what it is.
_CLAUDE = re.compile(
    r"(?:(?:anthropic|bedrock|claude-code-cli|openrouter|vertex(?:_ai)?)/)*"
    r"(?:(?:[a-z]+(?:-[a-z]+)?\.)?anthropic\.)?claude"
)
_LONG_CONTEXT = "[1m]"
_TOLD_NAME = 200

_profile_for = lru_cache(maxsize=256)(profile_for)


@dataclass(frozen=True, slots=True)
class ModelMap:
    """Names of upstream models: three tiers, then (glob, model) pairs in the user's order."""

    big: str
    middle: str
    small: str
    globs: tuple[tuple[str, str], ...] = ()
    reject_unknown: bool = False
    unset: frozenset[str] = frozenset()
    """Tiers that stay what they are: Claude's names are the upstream's own, and the user set no
    other model."""

    def tier(self, name: str) -> str:
        return {"BIG": self.big, "MIDDLE": self.middle, "SMALL": self.small}[name]

    def configured(self, name: str) -> bool:
        """Whether the user named this upstream model anywhere."""
        return name in (self.big, self.middle, self.small) or any(
            name == model for _, model in self.globs
        )


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes; `reason` is for people: log, response header, dashboard."""

    upstream: str
    model: str
    profile: Profile
    reason: str
    dialect: Dialect = "chat"
    learned: tuple[Correction, ...] = ()
    """What the upstream has refused before; `profile` has it in."""
    trial: tuple[Correction, ...] = ()
    """The same, but it has to prove right yet."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What may stand in for a route that failed; `model` None: the same model elsewhere."""

    upstream: str
    model: str | None


def fall_back(route: Route, fallback: Fallback, *, base_url: str) -> Route | None:
    """The route of a fallback (`base_url` is its upstream's), or None if it leads nowhere new."""
    model = fallback.model or route.model
    if (fallback.upstream, model) == (route.upstream, route.model):
        return None
    reason = f"{route.reason}, fallback for {route.model}@{route.upstream}"
    return Route(fallback.upstream, model, _profile_for(base_url, model), reason)


def route(peek: Peek, models: ModelMap, *, base_url: str, upstream: str = "default") -> Route:
    """The upstream model of a request, and why.

    A trailing `[1m]`, Claude Code's mark for the long context, is never part of an upstream's
    name. Raises `RequestError` 404 `model: NAME` for unknown names under `reject_unknown`.
    """
    name = _without_mark(peek.model)
    model, reason = (
        _mapped(name, models) or _configured(name, models) or _tiered(name, models)
    ) or _unknown(name, models)
    return Route(upstream, model, _profile_for(base_url, model), reason)


def _without_mark(name: str) -> str:
    marked = name.lower().endswith(_LONG_CONTEXT) and len(name) > len(_LONG_CONTEXT)
    return name[: -len(_LONG_CONTEXT)] if marked else name


def _mapped(name: str, models: ModelMap) -> tuple[str, str] | None:
    """An exact entry wins over every glob; of the globs the first that matches."""
    lower = name.lower()
    for given, model in models.globs:
        if given.lower() == lower:
            return model, f'model "{given}" to {model}'
    for glob, model in models.globs:
        if fnmatchcase(lower, glob.lower()):
            return model, f'glob "{glob}" to {model}'
    return None


def _configured(name: str, models: ModelMap) -> tuple[str, str] | None:
    # Before the tiers: a gateway's `anthropic/claude-sonnet-4` may well be somebody's BIG.
    return (name, "configured") if models.configured(name) else None


def _tiered(name: str, models: ModelMap) -> tuple[str, str] | None:
    lower = name.lower()
    if lower in TIERS:
        return models.tier(TIERS[lower]), f"{lower} to {TIERS[lower]}"
    found = _CLAUDE.match(lower)
    if found is None:
        return None
    version = lower[found.end() :]
    word = next((word for word in TIERS if word in version), None)
    tier = TIERS[word] if word else "BIG"
    if tier in models.unset:
        return name, "unchanged"
    return models.tier(tier), f"{word or 'claude'} to {tier}"


def _unknown(name: str, models: ModelMap) -> tuple[str, str]:
    if models.reject_unknown:
        raise RequestError(f"model: {name[:_TOLD_NAME]}", status=404)
    return name, "unchanged"
