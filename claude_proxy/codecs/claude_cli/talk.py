"""Which conversation a process already has in its memory.

A process can answer a request if it was started with the same things and remembers the same
conversation. What the model said comes back from clients in other forms than it went out (texts
joined, thinking left out, cache marks added), so messages are compared by what they mean.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.types import Json

_UNSAID = frozenset({"thinking", "redacted_thinking"})


def fingerprint(role: str, content: Sequence[Json]) -> str:
    """Equal for messages that say the same."""
    return _hash([role, list(_meaning(content))])


def fingerprint_of(line: Json) -> str:
    """That of a line's message."""
    message = line["message"]
    return fingerprint(message["role"], message["content"])


def _meaning(content: Sequence[Json]) -> Iterator[object]:
    text = ""
    for block in content:
        kind = block.get("type")
        if kind in _UNSAID:
            continue
        if kind == "text":
            text += str(block.get("text"))
            continue
        if text.strip():
            yield text.strip()
        text = ""
        yield sorted((name, value) for name, value in block.items() if name != "cache_control")
    if text.strip():
        yield text.strip()


class Asked(NamedTuple):
    """What a process must be like to answer a request."""

    start: str
    """A hash of what it was started with, and for whom."""
    history: tuple[str, ...]
    """Fingerprints of the conversation before the line that asks."""

    @classmethod
    def of(cls, document: Json, client: str = "") -> "Asked":
        """`client` is equal for requests with the same key."""
        start = _hash([document["start"], document.get("session"), client])
        return cls(start, tuple(fingerprint_of(line) for line in document["history"]))


def _hash(value: object) -> str:
    return sha256(dumps(in_order(value))).hexdigest()


def in_order(value: object) -> object:
    """The same with the members of its objects in order."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [in_order(entry) for entry in value]
    return value
