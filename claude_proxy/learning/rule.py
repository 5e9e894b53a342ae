"""What a rule of the tables of wordings is."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from claude_proxy.learning.correction import Correction
from claude_proxy.learning.refusal import Refusal
from claude_proxy.profiles import Profile

Corrections = tuple[Correction, ...]
Make = Callable[[re.Match[str], Refusal, Profile], Corrections]

USUAL = frozenset({400, 422})
TEMPLATE = USUAL | {502}
"""Local servers answer 500, which is our 502, when the model's chat template refuses."""

_NAME = r"[`'\"]?([A-Za-z_][\w.\[\]]{0,79})[`'\"]?"
_NUMBER = r"[`'\"]?(\d[\d,]{1,9})[`'\"]?"


@dataclass(frozen=True, slots=True)
class Rule:
    """One wording. `sources`: the threads or pages where it was seen."""

    sources: str
    pattern: re.Pattern[str]
    make: Make
    statuses: frozenset[int] = USUAL


def rule(sources: str, pattern: str, make: Make, statuses: frozenset[int] = USUAL) -> Rule:
    text = pattern.replace("NAME", _NAME).replace("#", _NUMBER)
    return Rule(sources, re.compile(text, re.IGNORECASE), make, statuses)
