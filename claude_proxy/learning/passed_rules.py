"""The same table for upstreams that are asked in Messages, whose requests are only passed on.

There a correction is a field that is left out (`without`), a value of `anthropic-beta` that is
(`without_betas`), or a limit of output tokens. Third parties copy Anthropic's wordings, which are
those of pydantic, or have the wordings of OpenAI's API.
"""

import re
from collections.abc import Iterator

from claude_proxy.learning.correction import PASSED_PATHS, Correction
from claude_proxy.learning.refusal import Refusal
from claude_proxy.learning.rule import Corrections, Rule, rule
from claude_proxy.learning.rules import LIMITS, NAMED
from claude_proxy.profiles import Profile

_EXTRA = "Extra inputs are not permitted"
_PATH = re.compile(r"[.\[\]]+")
_VALUE = re.compile(r"[a-z0-9][a-z0-9-]{2,79}")


def refused_path(place: str) -> Corrections:
    """What is left out when the field at `place` is refused: that, or what it stands in.

    `place` may have indexes and names of kinds in it: `tools.0.custom.strict`,
    `system.1.text.cache_control.ephemeral.scope`.
    """
    words = [word for word in _PATH.split(place.lower()) if word]
    for path in PASSED_PATHS:
        if _leads(path.split("."), words):
            return (Correction("without", path),)
    return ()


def _leads(path: list[str], words: list[str]) -> bool:
    """Whether a way along the words goes over this path, from the first of them on."""
    if words[:1] != path[:1]:
        return False
    rest = iter(words)
    return all(name in rest for name in path)


def _named(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return refused_path(found[1])


def _placed(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return tuple(correction for name in refusal.params for correction in refused_path(name))


def _thinking(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return (Correction("without", "thinking"),)


def _betas(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    values = _VALUE.findall(found[1].lower())
    return tuple(Correction("without_betas", value) for value in values)


def _rules() -> Iterator[Rule]:
    yield rule(
        "Anthropic's wording: new-api#2975, zed#42715, claude-code#21767",
        r"Unexpected value\(s\) ([`'\", \w-]{3,300}) for the `?anthropic-beta`? header",
        _betas,
    )
    yield rule(
        "any, unverified",
        r"(?:unknown|invalid|unsupported) (?:anthropic.)?beta (?:flag|value|header)s?:? ?"
        r"[`'\"]([a-z0-9-]{3,80})[`'\"]",
        _betas,
    )
    yield rule(
        "Anthropic's wording: litellm#26240, claude-code#51700, claude-code-proxy PR#14",
        # Behind a quote it may be a client's own words.
        rf"(?<![\w.'`])([a-z_][\w.\[\]]{{1,160}}): {_EXTRA}",
        _named,
    )
    yield rule(
        "Anthropic's wording, unverified",
        r"([a-z_][\w.]{1,80}): Input tag '[\w-]{1,60}' found using 'type' does not match",
        _named,
    )
    yield rule(
        "Anthropic's wording, unverified", r"(output_config\.effort): Input should be", _named
    )
    yield rule(
        "any, unverified",
        r"thinking\.type\b.{0,40}(?:Input should be|not supported|unsupported|invalid)"
        r"|adaptive thinking is not supported|does not support thinking",
        _thinking,
    )
    yield rule("teamclaude PR#297", r"unknown parameter:? NAME", _named)
    yield from LIMITS
    for sources, pattern in NAMED:
        if _EXTRA not in pattern:  # Without the way to it the name could be anywhere.
            yield rule(sources, pattern, _named)
    yield rule("FastAPI, unverified", _EXTRA, _placed)


PASSED_RULES: tuple[Rule, ...] = tuple(_rules())
"""In the order in which they are tried: what is special stands before what is general."""
