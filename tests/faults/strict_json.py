"""JSON as the strictest upstream reads it: what `json.loads` lets through is a flaw here."""

import json
from typing import Any


def flaws(raw: bytes) -> list[str]:
    """What is wrong with these bytes as JSON, in words; empty when nothing is."""
    found: list[str] = []

    def constant(name: str) -> None:
        found.append(f"the constant {name}")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            found.append(f"a key twice among {[key[:40] for key, _ in pairs][:20]}")
        return made

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=constant, object_pairs_hook=members)
    except ValueError as error:  # UnicodeDecodeError and too long numbers too
        return [f"{type(error).__name__}: {error}"]
    for text in _texts(value):
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            found.append(f"half a surrogate pair in {ascii(text[:40])}")
    return found


def _texts(value: Any) -> list[str]:
    """All the texts and keys in a value, without recursion."""
    found, todo = [], [value]
    while todo:
        match todo.pop():
            case str() as text:
                found.append(text)
            case dict() as members:
                found += members
                todo += members.values()
            case list() as items:
                todo += items
            case float() as number if number in (float("inf"), float("-inf")):
                found.append("\ud800 infinity")
    return found
