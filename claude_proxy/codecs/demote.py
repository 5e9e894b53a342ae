"""A whole answer by way of a stream: the request made to stream, its events folded into a message.

`fold.MessageFold` makes our own messages of our own events. Here both are somebody else's, of
whom fields and kinds may be unknown: what is not joined travels as the bytes that it came in, so
that numbers keep their digits, texts their escapes, and nothing is lost. Pure like every codec.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from claude_proxy.codecs.fold import parse_input
from claude_proxy.codecs.jsonio import dumps, entries, loads, members, mended, raw_json
from claude_proxy.errors import ProtocolError

Raw = msgspec.Raw
Parts = dict[str, Raw]

_NO_EVENT = "The upstream's answer is not a stream of Messages events."
_LESS = (b"null", b"0")
"""Later counts that do not take the place of earlier ones, as clients do it too."""
_JOINED = {"text_delta": "text", "thinking_delta": "thinking"}
"""Delta → its text, which goes on in the block's member of the same name."""
_OF_EVENTS = frozenset({"type", "delta", "usage"})


def as_stream(body: bytes) -> bytes:
    """The same request, which asks for a stream."""
    return dumps({**members(body), "stream": True})


class RawFold:
    """Collects the payloads of a stream. Mutable; one for each answer.

    `error` is the payload of the error that the stream ended in, `complete` whether it ended well.
    """

    __slots__ = ("_blocks", "_message", "_usage", "complete", "error")

    def __init__(self) -> None:
        self._message: Parts = {}
        self._blocks: dict[int, _Block] = {}
        self._usage: Raw | None = None
        self.complete = False
        self.error: bytes | None = None

    @property
    def ended(self) -> bool:
        return self.complete or self.error is not None

    def feed(self, payload: bytes) -> None:
        """Raises `ProtocolError` for what is no event. Unknown kinds of events change nothing."""
        try:
            self._feed(payload)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ProtocolError(_NO_EVENT) from error

    def _feed(self, payload: bytes) -> None:
        event = _members(payload)
        kind = _text(event.get("type"))
        if kind == "content_block_delta":
            # Of a block that has not begun nobody knows the kind: told, or its words would be lost.
            self._blocks[_index(event)].add(members(bytes(event["delta"])))
        elif kind == "content_block_start":
            self._blocks[_index(event)] = _Block(members(bytes(event["content_block"])))
        elif kind == "message_start":
            self._message = members(bytes(event["message"]))
            self._count(self._message.get("usage"))
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self.complete = True
        elif kind == "error":
            self.error = payload

    def _end(self, event: Parts) -> None:
        """The message's last fields; those beside `delta` belong to it too."""
        self._message |= members(bytes(event["delta"])) if "delta" in event else {}
        beside = {name: raw for name, raw in event.items() if name not in _OF_EVENTS}
        self._message |= beside
        self._count(event.get("usage"))

    def _count(self, usage: Raw | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else _merged(self._usage, usage)

    @property
    def message(self) -> bytes:
        """The whole message, as far as it has come."""
        whole: dict[str, Any] = {**self._message}
        if self._blocks:
            whole["content"] = [block.raw() for _, block in sorted(self._blocks.items())]
        if self._usage is not None:
            whole["usage"] = self._usage
        return dumps(whole)


class _Block:
    """One content block while its deltas come in. Mutable."""

    __slots__ = ("_input", "_lists", "_parts", "_texts")

    def __init__(self, start: Parts) -> None:
        self._parts = start
        self._texts: dict[str, list[bytes]] = {}
        """What follows in texts, still escaped as in JSON, without the quotes."""
        self._lists: dict[str, list[Raw]] = {}
        self._input: list[bytes] = []

    def add(self, delta: Parts) -> None:
        kind = _text(delta.pop("type", None))
        if kind in _JOINED:
            self._join(_JOINED[kind], delta.get(_JOINED[kind]))
        elif kind == "input_json_delta":
            if (part := delta.get("partial_json")) is not None and _is_text(part):
                self._input.append(bytes(part)[1:-1])
        elif kind == "signature_delta":
            self._parts |= delta
        elif kind == "citations_delta":
            self._lists.setdefault("citations", []).extend(_some(delta.get("citation")))
        else:
            self._add_unknown(delta)

    def _join(self, name: str, part: Raw | None) -> None:
        if part is not None and _is_text(part):
            self._texts.setdefault(name, []).append(bytes(part)[1:-1])

    def _add_unknown(self, delta: Parts) -> None:
        """As far as one can tell: texts go on, lists and objects grow, anything else is new."""
        for name, part in delta.items():
            first = bytes(part)[:1]
            if first == b'"':
                self._join(name, part)
            elif first == b"[":
                self._lists.setdefault(name, []).extend(entries(part))
            elif first == b"{" and name in self._parts:
                self._parts[name] = _merged(self._parts[name], part)
            elif bytes(part) != b"null":
                self._parts[name] = part

    def raw(self) -> Raw:
        joined = {name: self._joined(name, parts) for name, parts in self._texts.items()}
        lists = {name: self._grown(name, added) for name, added in self._lists.items()}
        given = {"input": self._called()} if self._input else {}
        return raw_json({**self._parts, **joined, **lists, **given})

    def _joined(self, name: str, parts: Iterable[bytes]) -> Raw:
        start = self._parts.get(name)
        before = bytes(start)[1:-1] if start is not None and _is_text(start) else b""
        return Raw(b'"' + before + b"".join(parts) + b'"')

    def _grown(self, name: str, added: list[Raw]) -> Raw:
        start = self._parts.get(name)
        is_list = start is not None and bytes(start)[:1] == b"["
        return raw_json([*(entries(start) if start is not None and is_list else []), *added])

    def _called(self) -> Raw:
        """The input of a call: the text that came in parts, if it is an object."""
        text: str = loads(b'"' + b"".join(self._input) + b'"')
        if not text.strip():
            return self._parts.get("input", Raw(b"{}"))
        try:
            members(text.encode())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return raw_json(parse_input(text))
        return Raw(text.encode())


def _merged(before: Raw, later: Raw) -> Raw:
    """Counts, and objects of counts: later ones override earlier ones, unless they are none."""
    if bytes(before)[:1] == b"{" and bytes(later)[:1] == b"{":
        old, new = members(bytes(before)), members(bytes(later))
        return raw_json({**old, **dict(_pairs(old, new))})
    none = bytes(later) in _LESS and bytes(before) != b"null"
    return before if none else later


def _pairs(old: Mapping[str, Raw], new: Mapping[str, Raw]) -> Iterator[tuple[str, Raw]]:
    for name, raw in new.items():
        yield name, _merged(old[name], raw) if name in old else raw


def _members(payload: bytes) -> Parts:
    if not payload.isascii():
        payload = payload.decode("utf-8", "replace").encode()
    try:
        return members(payload)
    except msgspec.MsgspecError:
        return members(mended(payload))  # Half an emoji, perhaps.


def _index(event: Parts) -> int:
    index = loads(bytes(event["index"]))
    if type(index) is not int:
        raise TypeError("a block's index is a number")
    return index


def _text(raw: Raw | None) -> str:
    return str(loads(bytes(raw))) if raw is not None else ""


def _is_text(raw: Raw) -> bool:
    return bytes(raw)[:1] == b'"'


def _some(raw: Raw | None) -> list[Raw]:
    return [] if raw is None else [raw]
