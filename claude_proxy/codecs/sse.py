"""Server-sent events: bytes to payloads, Messages events to bytes.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import Iterable

from claude_proxy.codecs.json_values import MOST_VALUES, NEVER_COUNTED, too_many_values
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.errors import ProtocolError
from claude_proxy.types.anthropic import StreamEvent

LIMIT = 8 * 1024 * 1024
"""Longest line or event, in bytes."""

_BOM = b"\xef\xbb\xbf"

_PREFIXES = {
    type: f"event: {type}\ndata: ".encode()
    for type in (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    )
}


def encode_sse(event: StreamEvent) -> bytes:
    """One event with the `event:` line that Messages clients need."""
    return _PREFIXES[event["type"]] + dumps(event) + b"\n\n"


def encode_all(events: Iterable[StreamEvent]) -> bytes:
    return b"".join([_PREFIXES[event["type"]] + dumps(event) + b"\n\n" for event in events])


class SSEDecoder:
    """The `data:` payloads of a byte stream, however it is cut. Mutable.

    Lines end at CR, LF or CRLF and at nothing else: JSON may hold U+2028 and U+0085 raw, which
    the usual line splitters take for line ends. Event names, ids and comments are left out; a
    line of bare JSON counts as a payload, because some servers break into a stream with an error
    object that has no `data:` in front. Pieces of an unfinished line wait in a list, so a large
    event in small reads costs linear time. `ProtocolError` when a line or event exceeds `limit`,
    or holds too many values to be parsed.
    """

    __slots__ = ("_data", "_first", "_held", "_limit", "_pieces", "_short", "_skip_lf", "_waiting")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._short = min(limit, NEVER_COUNTED)
        self._pieces: list[bytes] = []
        self._waiting = 0
        """Bytes in `_pieces`, an unfinished line."""
        self._data: list[bytes] = []
        self._held = 0
        """Bytes in `_data`, the `data:` lines of an unfinished event."""
        self._first = True
        self._skip_lf = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes; they are bytes, valid UTF-8 or not."""
        # The usual read is whole events of one line each: `data: {…}` and two line feeds.
        if (
            data.startswith(b"data: ")
            and data.endswith(b"\n\n")
            and b"\r" not in data
            and len(data) <= self._short
            and not self._pieces
            and not self._data
        ):
            payloads = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(payloads) and b"" not in payloads:
                self._first = self._skip_lf = False
                return payloads
        return self._feed_lines(data)

    def close(self) -> list[bytes]:
        """The last payload: some servers end without the blank line, and it is complete."""
        return self._feed_lines(b"\n\n")

    def _feed_lines(self, data: bytes) -> list[bytes]:
        *lines, rest = self._unify(data).split(b"\n")
        payloads: list[bytes] = []
        for line in lines:
            if self._pieces:
                line = b"".join([*self._pieces, line])
                self._pieces, self._waiting = [], 0
            self._line(line, payloads)
        if rest:
            self._pieces.append(rest)
            self._waiting += len(rest)
            self._check(self._waiting)
        return payloads

    def _unify(self, data: bytes) -> bytes:
        """The same lines, all ended by LF; a CRLF may be cut between two reads."""
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" not in data:
            return data
        self._skip_lf = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes, payloads: list[bytes]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        self._check(self._held + len(line))
        if not line:
            self._end_event(payloads)
        elif line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            self._held += len(line)
        elif line.startswith(b"{"):
            payloads.append(_parsable(line))

    def _end_event(self, payloads: list[bytes]) -> None:
        payload = b"\n".join(self._data)
        if payload:
            payloads.append(_parsable(payload))
        self._data, self._held = [], 0

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ProtocolError(f"The upstream sent an event of more than {self._limit} bytes.")


def _parsable(payload: bytes) -> bytes:
    if too_many_values(payload):
        raise ProtocolError(f"The upstream sent an event of more than {MOST_VALUES:,} JSON values.")
    return payload
