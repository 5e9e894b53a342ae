"""What an upstream's prompt cache looks at in a request, as hashes, and where two differ.

A cache holds for the common beginning of two prompts. So a prompt is read in the order in which
upstreams build it (tools, then system prompt and conversation), each part as hashes of its pieces,
and nothing of its content is kept. Marks for caches (`cache_control`) are no part of it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from claude_proxy.codecs.jsonio import entries, members

_SECTIONS = ("tools", "instructions", "system", "messages", "input")
_TALK = ("messages", "input")
_MARKS = re.compile(
    rb',\s*"cache_control"\s*:\s*(?:\{[^{}]*\}|null)|"cache_control"\s*:\s*(?:\{[^{}]*\}|null)\s*,?'
)
_DEEPEST = 4
_PIECE = 1024
"""Bytes of a long text that are hashed together: as exactly the place of a change is told."""
_SHORT = 512
_HASH = 8


class Parts(NamedTuple):
    """One prompt."""

    names: tuple[str, ...]
    """The path of each part: `tools.0`, `messages.3`."""
    hashes: tuple[bytes, ...]
    """For each part the hashes of its pieces, 8 bytes each."""
    talk: int
    """Where the first message of the conversation stands that is not the system prompt."""


class Change(NamedTuple):
    """Where a prompt is no longer the one before it."""

    part: int
    piece: int


def parts_of(raw: bytes) -> Parts:
    """The parts of a request's body in any of the three languages; none of what is no JSON."""
    found = [part for part in _parts(raw)]
    talk = next((at for at, (name, value) in enumerate(found) if _is_talk(name, value)), len(found))
    names, values = (tuple(column) for column in zip(*found, strict=True)) if found else ((), ())
    return Parts(names, tuple(b"".join(_hashes(value)) for value in values), talk)


def change(before: Parts, now: Parts) -> Change | None:
    """The first difference of two prompts; None where one of them begins with all of the other."""
    for part, (old, new) in enumerate(zip(before.hashes, now.hashes, strict=False)):
        if old != new or before.names[part] != now.names[part]:
            return Change(part, _first_difference(old, new))
    return None


def same_talk(before: Parts, now: Parts, found: Change) -> bool:
    """Whether it is the same conversation all the same: a message behind the change is as it was.

    Where none is, it is another conversation, or one that was rewound or compacted.
    """
    old = dict(zip(before.names[before.talk :], before.hashes[before.talk :], strict=True))
    return any(
        old.get(now.names[part]) == now.hashes[part]
        for part in range(max(now.talk, found.part + 1), len(now.names))
    )


def place(raw: bytes, now: Parts, found: Change) -> str:
    """The path of a change, with the byte of a long text from which on it may be."""
    name = now.names[found.part]
    value = next(value for other, value in _parts(raw) if other == name)
    pieces = [*_pieces(value, name)]
    return pieces[min(found.piece, len(pieces) - 1)][0] if pieces else name


def _parts(raw: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        # In a text its quotes are escaped, so this finds members only.
        body = members(_MARKS.sub(b"", raw) if b'"cache_control"' in raw else raw)
        for section in _SECTIONS:
            value = bytes(body.get(section, b""))
            if value.startswith(b"["):
                for at, entry in enumerate(entries(msgspec.Raw(value))):
                    yield f"{section}.{at}", bytes(entry)
            elif value:
                yield section, value
    except (msgspec.MsgspecError, UnicodeError):
        return


def _is_talk(name: str, value: bytes) -> bool:
    if not name.startswith(_TALK):
        return False
    return b'"role":"system"' not in value[:64] and b'"role":"developer"' not in value[:64]


def _hashes(value: bytes) -> Iterator[bytes]:
    for _, piece in _pieces(value, ""):
        yield hash(piece).to_bytes(_HASH, "little", signed=True)


def _pieces(value: bytes, path: str, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """The pieces of a JSON value, with their paths; a short one is a piece of its own."""
    if len(value) <= _SHORT:
        yield path, value
    elif depth < _DEEPEST and value[:1] == b"{":
        for name, member in members(value).items():
            yield from _pieces(bytes(member), f"{path}.{name}", depth + 1)
    elif depth < _DEEPEST and value[:1] == b"[":
        for at, entry in enumerate(entries(msgspec.Raw(value))):
            yield from _pieces(bytes(entry), f"{path}.{at}", depth + 1)
    else:
        yield path, value[:_PIECE]
        for at in range(_PIECE, len(value), _PIECE):
            yield f"{path}@{at}", value[at : at + _PIECE]


def _first_difference(old: bytes, new: bytes) -> int:
    same = next(
        (at for at in range(min(len(old), len(new))) if old[at] != new[at]),
        min(len(old), len(new)),
    )
    return same // _HASH
