"""Lines of JSON out of bytes that come in any pieces."""

from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_chat.stream import salvage
from claude_proxy.codecs.sse import LIMIT
from claude_proxy.errors import ProtocolError
from claude_proxy.types import Json


def parsed(line: bytes) -> Json | None:
    """The object of a line; None for a warning, or whatever else a program may print.

    Bytes that are no UTF-8, and halves of emojis, become U+FFFD.
    """
    try:
        value = loads(line)
    except ValueError:
        value = salvage(line) if line.lstrip()[:1] == b"{" else None
    return value if isinstance(value, dict) else None


class Lines:
    """Bytes in, whole lines out, without their end. Mutable.

    `ProtocolError` when one line has more than `limit` bytes.
    """

    __slots__ = ("_held", "_limit", "_waiting")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._waiting = 0

    def feed(self, data: bytes) -> list[bytes]:
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join([*self._held, whole[0]])
            self._held, self._waiting = [], 0
        if rest:
            self._held.append(rest)
            self._waiting += len(rest)
        if self._waiting > self._limit or any(len(line) > self._limit for line in whole):
            raise ProtocolError(f"The CLI printed a line of more than {self._limit} bytes.")
        return [line for line in whole if line.strip()]

    def close(self) -> list[bytes]:
        """The last line, if nothing ended it."""
        last = b"".join(self._held)
        self._held, self._waiting = [], 0
        return [last] if last.strip() else []
