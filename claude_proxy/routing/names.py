"""The model that a name means: the user's own map, a model the user has configured, Claude's
tiers, an alias, unchanged, in this order.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from claude_proxy.errors import RequestError

TIERS = {"opus": "BIG", "sonnet": "MIDDLE", "haiku": "SMALL"}
"""The word in a Claude model's name → the tier that serves it."""

CLAUDE = {"BIG": "claude-opus-5-5", "MIDDLE": "claude-sonnet-5-5", "SMALL": "claude-haiku-5-5"}
"""A name of Claude's own in each tier."""

ALIASES: tuple[tuple[str, str], ...] = (
    ("gpt-oss*", ""),
    ("gpt-3.5*", "haiku"),
    ("gpt-*-nano*", "haiku"),
    ("gpt-*-mini*", "haiku"),
    ("o[1-9]*-mini*", "sonnet"),
    ("gpt-5*", "opus"),
    ("o[1-9]*", "opus"),
    ("gpt-*", "sonnet"),
    ("chatgpt-*", "sonnet"),
    ("codex-*", "sonnet"),
    ("text-davinci-*", "haiku"),
)
"""OpenAI's names, as its clients have them built in, and the word of the tier of their size. They
count where nobody but Claude could answer. "" is no alias: whoever asks for a model with open
weights means that one, and has to hear that it is not there."""

# Claude as its resellers write it: `anthropic/claude-…` (OpenRouter), `us.anthropic.claude-…`
# (Bedrock), `vertex_ai/claude-…`. Other owners' models with the word in their name are not
# Claude: `somebody/claude-distill` stays what it is.
_CLAUDE = re.compile(
    r"(?:(?:anthropic|bedrock|claude-code-cli|openrouter|vertex(?:_ai)?)/)*"
    r"(?:(?:[a-z]+(?:-[a-z]+)?\.)?anthropic\.)?claude(?!-code-cli/)"
)
_CLI_OWNER = "claude-code-cli/"
_ALIAS_OWNER = "openai/"
DEFAULT = "default"
"""The name of the upstream that the variables describe."""

_LONG_CONTEXT = "[1m]"
_TOLD_NAME = 200


@dataclass(frozen=True, slots=True)
class Fallback:
    """What may stand in for a route that failed; `model` None: the same model elsewhere."""

    upstream: str
    model: str | None


@dataclass(frozen=True, slots=True)
class ModelMap:
    """Names of upstream models: three tiers, then (glob, model) pairs in the user's order.

    Each may end with `@` and the name of an upstream; without one it is the default one's. `@` and
    the name alone: the model that was asked for, there.
    """

    big: str
    middle: str
    small: str
    globs: tuple[tuple[str, str], ...] = ()
    reject_unknown: bool = False
    unset: frozenset[str] = frozenset()
    """Tiers that stay what they are: Claude's names are the upstream's own, and the user set no
    other model."""
    tiers_only: bool = False
    """A name of Claude's without a tier's word stays what it is, instead of meaning BIG."""
    upstreams: frozenset[str] = frozenset()
    """The names of all upstreams."""

    aliases: tuple[tuple[str, str], ...] = ()
    """(glob, tier's word or model) pairs for names that would else be unknown; "": it is no alias,
    whatever comes after."""

    def tier(self, name: str) -> str:
        return {"BIG": self.big, "MIDDLE": self.middle, "SMALL": self.small}[name]

    def place(self, target: str) -> tuple[str, str]:
        """Upstream and model of a target of the user's own, `MODEL` or `MODEL@UPSTREAM`.

        An `@` that no upstream's name follows is part of the model's name.
        """
        model, at, name = target.rpartition("@")
        return (name, model.strip()) if at and name in self.upstreams else (DEFAULT, target)

    def served(self, target: str, name: str) -> tuple[str, str]:
        """The same for a model that was asked for by this name, which `@UPSTREAM` alone keeps."""
        upstream, model = self.place(target)
        return upstream, model or name

    def fallback(self, entry: str) -> Fallback:
        """`MODEL`, `MODEL@UPSTREAM`, or `@UPSTREAM` for the same model there."""
        upstream, model = self.place(entry)
        return Fallback(upstream, model or None)

    def configured(self, name: str) -> str | None:
        """The target by which the user named this upstream model, with or without its upstream."""
        targets = (self.big, self.middle, self.small, *(model for _, model in self.globs))
        if name in targets and self.place(name)[1]:
            return name
        return next((target for target in targets if self.place(target)[1] == name), None)


Named = tuple[str, str, str]
"""Upstream, model, and the reason for people."""


def by_name(name: str, models: ModelMap) -> Named:
    """What serves a name.

    A trailing `[1m]`, Claude Code's mark for the long context, is never part of an upstream's
    name. A name never chooses an upstream by itself: only what the user has set does. Raises
    `RequestError` 404 `model: NAME` for unknown names under `reject_unknown`.
    """
    name = without_mark(name)
    return (
        _mapped(name, models)
        or _configured(name, models)
        or _tiered(name, models)
        or _aliased(name, models)
        or _unknown(name, models)
    )


def without_mark(name: str) -> str:
    marked = name.lower().endswith(_LONG_CONTEXT) and len(name) > len(_LONG_CONTEXT)
    return name[: -len(_LONG_CONTEXT)] if marked else name


def _mapped(name: str, models: ModelMap) -> Named | None:
    """An exact entry wins over every glob; of the globs the first that matches."""
    lower = name.lower()
    for given, model in models.globs:
        if given.lower() == lower:
            return *models.served(model, name), f'model "{given}" to {model}'
    for glob, model in models.globs:
        if fnmatchcase(lower, glob.lower()):
            return *models.served(model, name), f'glob "{glob}" to {model}'
    return None


def _configured(name: str, models: ModelMap) -> Named | None:
    # Before the tiers: a gateway's `anthropic/claude-sonnet-4` may well be somebody's BIG.
    found = models.configured(name)
    return None if found is None else (*models.place(found), "configured")


def _tiered(name: str, models: ModelMap) -> Named | None:
    lower = name.lower().removeprefix(_CLI_OWNER)
    if lower in TIERS:
        target = models.tier(TIERS[lower])
        return *models.served(target, name), f"{lower} to {TIERS[lower]}"
    found = _CLAUDE.match(lower)
    if found is None:
        return None
    version = lower[found.end() :]
    word = next((word for word in TIERS if word in version), None)
    tier = TIERS[word] if word else "BIG"
    if tier in models.unset or (models.tiers_only and not word):
        return DEFAULT, name, "unchanged"
    return *models.served(models.tier(tier), name), f"{word or 'claude'} to {tier}"


def _aliased(name: str, models: ModelMap) -> Named | None:
    bare = name.lower().removeprefix(_ALIAS_OWNER)
    for glob, meant in models.aliases:
        if fnmatchcase(bare, glob.lower()):
            if not meant:
                return None
            model = models.tier(TIERS[meant.lower()]) if meant.lower() in TIERS else meant
            reason = f'alias "{glob}" to {TIERS.get(meant.lower(), meant)}'
            return *models.served(model, name), reason
    return None


def _unknown(name: str, models: ModelMap) -> Named:
    if models.reject_unknown:
        raise RequestError(f"model: {name[:_TOLD_NAME]}", status=404)
    return DEFAULT, name, "unchanged"
