"""What a model says in a conversation, before any provider has put it into its own words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PROMPT, CACHED, ANSWER = 100, 64, 10
"""Token counts: an answer's prompt has `PROMPT` more than the one before, of which `CACHED` are
read from a cache; its length is `ANSWER` and its number."""


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: the thought first, then the text, then the calls at once."""

    thought: str
    text: str = ""
    calls: tuple[tuple[str, Json], ...] = ()


def prompt_tokens(number: int) -> int:
    return PROMPT * (number + 1)


def answer_tokens(number: int) -> int:
    return ANSWER + number


def pieces(text: str, size: int = 7) -> Iterator[str]:
    """The text as a stream cuts it: anywhere."""
    return (text[at : at + size] for at in range(0, len(text), size))
