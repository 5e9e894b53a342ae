"""Tool names and tool call ids that every upstream accepts.

OpenAI takes function names of `[a-zA-Z0-9_-]{1,64}` and ids of at most 40 characters. Anthropic
takes longer names, MCP servers make names with dots and slashes, and some servers call every
tool `call_0`. What fits stays as it is; the rest becomes a readable start plus a hash, so equal
inputs give equal bytes and an upstream's prompt cache goes on working.
"""

from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import count

from claude_proxy.types import Json

HASH_LENGTH = 8

DEFINING = frozenset({"tool_addition", "compaction"})
NAMING = DEFINING | {"tool_use"}
"""Types of blocks that may define tools by value."""


@lru_cache(maxsize=4096)
def fits(word: str, limit: int) -> bool:
    """Whether `word` is `[a-zA-Z0-9_-]{1,limit}`."""
    plain = word.replace("_", "a").replace("-", "a")
    return len(word) <= limit and plain.isascii() and plain.isalnum()


def shorten(word: str, limit: int, *, salt: str = "", empty: str = "tool") -> str:
    """A readable stand-in for `word` in the allowed characters: its start and a hash of it all."""
    digest = sha256(f"{word}{salt}".encode("utf-8", "surrogatepass")).hexdigest()
    room = limit - HASH_LENGTH - 1
    if room < 1:
        return digest[:limit]
    start = "".join(c if fits(c, 1) else "_" for c in word[:room]) or empty[:room]
    return f"{start}_{digest[:HASH_LENGTH]}"


def wire_names(names: Iterable[str], limit: int, *, letter: bool = False) -> dict[str, str]:
    """Original name → wire name where they differ; no two originals share a wire name.

    `letter`: a name begins with a letter or an underscore.
    """
    unique = dict.fromkeys(names)
    odd = [name for name in unique if not fits(name, limit) or (letter and not _is_letter(name))]
    if not odd:
        return {}
    taken = set(unique).difference(odd)
    renamed: dict[str, str] = {}
    for name in odd:
        word = name if _is_letter(name) or not letter else f"_{name}"
        renamed[name] = next(w for w in _stand_ins(word, limit, "tool") if w not in taken)
        taken.add(renamed[name])
    return renamed


def _is_letter(name: str) -> bool:
    return name[:1] == "_" or name[:1].isalpha()


def _stand_ins(word: str, limit: int, empty: str) -> Iterator[str]:
    """Shortened words without end, each with another hash."""
    yield shorten(word, limit, empty=empty)
    for number in count(2):
        yield shorten(word, limit, salt=f"#{number}", empty=empty)


class CallIds:
    """Gives every tool call of a conversation an id of its own. Mutable: knows what is taken."""

    __slots__ = ("_alphanumeric", "_limit", "_stand_ins", "_taken")

    def __init__(self, limit: int, *, alphanumeric: bool = False) -> None:
        self._limit = limit
        self._alphanumeric = alphanumeric
        """Whether an id has exactly `limit` letters and digits."""
        self._taken: set[str] = set()
        # Kept, so that the thousandth call of one id does not try a thousand words.
        self._stand_ins: dict[str, Iterator[str]] = {}

    def claim(self, original: str) -> str:
        """The id on the wire: the original where it is allowed and still free."""
        wire = original
        if wire in self._taken or not self._fits(wire):
            words = self._stand_ins.setdefault(original, _stand_ins(original, self._limit, "call"))
            wire = next(word for word in words if word not in self._taken)
        self._taken.add(wire)
        return wire

    def _fits(self, id: str) -> bool:
        if not self._alphanumeric:
            return fits(id, self._limit)
        return len(id) == self._limit and id.isascii() and id.isalnum()


def blocks_of(body: Json, types: Container[str]) -> list[Json]:
    """The blocks of these types in a request's messages, in order."""
    return [
        block
        for message in body.get("messages") or ()
        if isinstance(content := message.get("content"), list)
        for block in content
        if block["type"] in types
    ]


def named_tools(body: Json) -> Iterator[str]:
    """Every tool name of a request: tools, inline definitions, history and tool choice."""
    for tool in body.get("tools") or ():
        if name := tool.get("name"):
            yield name
    for block in blocks_of(body, NAMING):
        if block["type"] == "tool_use":
            yield block["name"]
        else:
            yield from _defined_in(block)
    choice = body.get("tool_choice")
    if choice and choice.get("name"):
        yield choice["name"]


def _defined_in(block: Json) -> Iterator[str]:
    for definition in inline_definitions(block):
        if isinstance(name := definition.get("name"), str) and name:
            yield name


def inline_definitions(block: Json) -> Iterator[Json]:
    """The tools that a `tool_addition` (or the changes kept in a `compaction`) defines by value."""
    if block["type"] == "compaction":
        changes = block.get("tool_changes")
        for change in changes if isinstance(changes, list) else ():
            if isinstance(change, dict) and change.get("type") == "tool_addition":
                yield from inline_definitions(change)
        return
    tool = block.get("tool")
    definition = tool.get("definition") if isinstance(tool, dict) else None
    if isinstance(definition, dict):
        yield definition
