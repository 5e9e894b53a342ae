"""A stream of Messages events that passes by unchanged, and what is read of it on the way.

Bytes leave in whole events, so that between two of them a comment or an error can stand without
touching either. Of most events nothing is read: only those that carry usage or end the answer are
decoded, from a copy. Pure like every codec.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from claude_proxy.codecs.sse import LIMIT, SSEDecoder
from claude_proxy.errors import ProtocolError

_BLANK = (b"\n\n", b"\n\r\n", b"\r\r")
"""How an event ends, but for lines that end in different ways."""

_OVERLAP = max(map(len, _BLANK)) - 1
_MOST_COMMENTS = 64 * 1024
EVENT_END = re.compile(rb"\r?\n\r?\n|\r\r")
"""The end of an event."""

Usage = dict[str, int]
"""`input_tokens`, `cached_tokens`, `output_tokens`, as far as they were told."""


class WholeEvents:
    """Bytes in, the whole events among them out, unchanged. Mutable; one for each answer.

    `ProtocolError` when one event has more than `limit` bytes.
    """

    __slots__ = ("_held", "_last", "_limit", "_waiting")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        """The beginning of an event."""
        self._waiting = 0
        """Its bytes so far."""
        self._last = b""
        """The last few of them: the end may be cut between two reads."""

    def feed(self, data: bytes) -> bytes:
        if not self._held and data.endswith(_BLANK):
            return data
        seen = self._last + data
        end = max([at + len(blank) if (at := seen.rfind(blank)) >= 0 else 0 for blank in _BLANK])
        end -= len(self._last)
        if end <= 0:
            self._hold(data)
            return b""
        whole = b"".join([*self._held, data[:end]])
        self._held, self._waiting, self._last = [], 0, b""
        self._hold(data[end:])
        return whole

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._waiting += len(data)
            self._last = (self._last + data)[-_OVERLAP:]
        if self._waiting > self._limit:
            raise ProtocolError(f"The upstream sent an event of more than {self._limit} bytes.")

    def close(self) -> bytes:
        """The beginning of an event whose end did not come."""
        held = b"".join(self._held)
        self._held, self._waiting, self._last = [], 0, b""
        return held


class Opening:
    """Holds the comments before the first event back: they are no answer yet. Mutable."""

    __slots__ = ("_held", "_open")

    def __init__(self) -> None:
        self._held = b""
        self._open = False

    def feed(self, events: bytes) -> bytes:
        if self._open:
            return events
        held = self._held + events
        self._open = b"data" in events
        # So many comments say nothing that would be missed.
        self._held = b"" if self._open or len(held) > _MOST_COMMENTS else held
        return held if self._open else b""


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Message(msgspec.Struct):
    usage: _Counts | None = None


class _Typed(msgspec.Struct):
    type: Any = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    usage: _Counts | None = None


_event = msgspec.json.Decoder(_Event)
_whole = msgspec.json.Decoder(_Message)
_typed = msgspec.json.Decoder(_Typed)


class MessagesTap:
    """Reads usage, beginning and end out of whole events. Mutable; one for each answer."""

    __slots__ = ("finished", "started", "usage")

    failure = b""
    """An error passes as it is: its clients know it when they see it."""

    def __init__(self) -> None:
        self.usage: Usage = {}
        self.started = False
        """Whether content has begun."""
        self.finished = False
        """Whether the answer ended, with `message_stop` or with an error of the upstream's own."""

    @property
    def complete(self) -> bool:
        """Messages says at its end that it is one."""
        return self.finished

    def read(self, events: bytes, /) -> None:
        if not self.started and b"content_block_" in events:
            self.started = True
        if b"message_" in events or b"error" in events:
            self._read(events)

    def _read(self, events: bytes) -> None:
        decoder = SSEDecoder(limit=len(events) + 1)
        for payload in [*decoder.feed(events), *decoder.close()]:
            if payload.startswith(b'{"type":"content_block_delta"'):
                continue  # It says one of the words.
            event = _decode(_event, payload)
            if event is None:
                continue
            if event.type in ("message_stop", "error"):
                self.finished = True
            for counts in (event.message and event.message.usage, event.usage):
                self.usage |= _usage(counts)


class Finishing(Protocol):
    """What reads an answer's end, as `MessagesTap` does."""

    @property
    def finished(self) -> bool: ...

    def read(self, events: bytes, /) -> None: ...


def until_end(events: bytes, new_tap: Callable[[], Finishing]) -> bytes:
    """Whole events up to the one that ends the answer; all of them where none does."""
    start = 0
    for found in EVENT_END.finditer(events):
        tap = new_tap()
        tap.read(events[start : found.end()])
        if tap.finished:
            return events[: found.end()]
        start = found.end()
    return events


def type_of(answer: bytes) -> str | None:
    """What a whole answer calls itself, "" if nothing; None if it is no JSON object."""
    read = _decode(_typed, answer)
    if read is not None:
        return read.type if isinstance(read.type, str) else ""
    try:
        # It takes more: half an emoji, as models say it, or a byte order mark.
        body = json.loads(answer[: LIMIT + 1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    return body["type"] if isinstance(body.get("type"), str) else ""


def usage_of(message: bytes) -> Usage:
    """The usage of a whole answer, as far as it tells one."""
    read = _decode(_whole, message)
    return _usage(read.usage) if read is not None else {}


def _decode(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # What the tap cannot read, the client may: it goes out all the same.


def _usage(counts: _Counts | None) -> Usage:
    """The numbers that were told. Those of `message_delta` are totals, and zero where unknown."""
    if counts is None:
        return {}
    fresh = (counts.input_tokens or 0) + (counts.cache_creation_input_tokens or 0)
    told = {
        "input_tokens": fresh,
        "cached_tokens": counts.cache_read_input_tokens,
        "output_tokens": counts.output_tokens,
    }
    return {name: number for name, number in told.items() if number}
