"""Parameters of clients' tools that may be left out, but not be empty, whatever their schema says.

Models that fill in each parameter send an empty text for those that they do not use. Claude Code's
Read answered `pages: ""` with an error, and the model tried the same again: gpt-5.5 does that all
the time (Wei-Shaw/sub2api#1995, anthropics/claude-code#56749, 9router#1278 with 2.1.144; 2.1.329
takes it for none). Elsewhere an empty text may be meant, as in the `content` of a file (codex2api
PR#245).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

OPTIONAL: Mapping[str, str] = {"Read": "pages"}
"""The client's name of the tool, and its parameter."""


def is_empty(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


class WithoutEmpty:
    """Pieces of a JSON object in, the same without one member where it is empty. Mutable.

    All flows but a comma and what may be the member behind it, until that is clear. As the first
    member it stays: what stands before it has gone out already.
    """

    __slots__ = ("_begun", "_held", "_whole", "found")

    def __init__(self, name: str) -> None:
        self._whole, self._begun = _patterns(name)
        self._held = ""
        self.found = False
        """Whether the member was there, and is left out."""

    def feed(self, text: str) -> str:
        # Quotes inside of texts are escaped, so this finds members only.
        text, count = self._whole.subn("", self._held + text)
        self.found = self.found or count > 0
        begun = self._begun.search(text)
        end = begun.start() if begun else len(text)
        self._held = text[end:]
        return text[:end]

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


@lru_cache(maxsize=8)
def _patterns(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds the empty member with the comma before it, and what its beginning at the end."""
    tokens = [r"\s*", '"', *map(re.escape, name), '"', r"\s*", ":", r"\s*", '"', r"\s*"]
    begun = ""
    for token in reversed(tokens):
        begun = f"(?:{token}{begun})?"
    return re.compile(f',{"".join(tokens)}"'), re.compile(f",{begun}\\Z")
