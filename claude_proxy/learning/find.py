"""An upstream's refusal → the corrections that it asks for, if its words are known."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from claude_proxy.errors import UpstreamError
from claude_proxy.learning.correction import Correction
from claude_proxy.learning.refusal import NEVER, NEVER_CODES, Refusal
from claude_proxy.learning.rule import Rule
from claude_proxy.learning.rules import RULES
from claude_proxy.profiles import Profile

_SAID_LENGTH = 200
_MOST = 5


class Finding(NamedTuple):
    """What is to be corrected, and the words that say so, without what stands around them."""

    corrections: tuple[Correction, ...]
    said: str


def find_corrections(
    error: UpstreamError, profile: Profile, *, rules: Sequence[Rule] = RULES
) -> Finding | None:
    """What `error` says is wrong with requests made by `profile`; None if it says nothing known.

    `rules`: `PASSED_RULES` for requests that were passed on in Messages.

    Only refusals of the request's form: never a prompt that is too long, a key, a quota, a
    policy. The first rule that changes the profile wins; an upstream may name several fields in
    one refusal.
    """
    refusal = Refusal.of(error)
    if refusal is None or NEVER.search(refusal.text) or not error.codes.isdisjoint(NEVER_CODES):
        return None
    for rule in rules:
        if refusal.status in rule.statuses and (finding := _by(rule, refusal, profile)):
            return finding
    return None


def _by(rule: Rule, refusal: Refusal, profile: Profile) -> Finding | None:
    corrections: dict[Correction, None] = {}
    said = ""
    for found in islice(rule.pattern.finditer(refusal.text), _MOST):
        for correction in rule.make(found, refusal, profile):
            if correction.legal and correction.apply(profile) != profile:
                corrections[correction] = None
                said = said or _one_line(found[0])
    return Finding(tuple(corrections)[:_MOST], said) if corrections else None


def _one_line(text: str) -> str:
    """For logs and terminals, which control characters of an upstream must not reach."""
    line = " ".join(text.split())[:_SAID_LENGTH]
    return "".join(char if char.isprintable() else "?" for char in line)
