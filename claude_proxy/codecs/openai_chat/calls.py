"""Tool calls, assembled from deltas that say in many ways which call they belong to.

OpenAI numbers its calls by `index` and names them by `id`. Others leave out the index (Gemini,
GLM), send 0 for every call (Ollama), switch the index between head and tail (DeepSeek), put the
tail on an index of its own (Nebius, Cerebras), leave out ids, send them late, empty, repeated in
one answer, or new with every delta (vLLM). So calls stand in the order in which they were
created, and each learns the ids and indexes that it goes by:

- a known id wins over the index; a name that differs, or one that comes when the arguments are
  already complete, begins a new call all the same;
- a new id on an occupied index is a new call, unless that call has no id yet, or the delta has
  no name and the call's arguments are cut in the middle;
- without id and index a delta belongs to the last call; without id, on an unknown index, too, if
  it has no name and the last call's arguments are incomplete.
"""

import re
from typing import NamedTuple

from claude_proxy.codecs.empty_inputs import WithoutEmpty
from claude_proxy.codecs.fold import UNPARSED, is_object, parse_input
from claude_proxy.codecs.jsonio import dumps_text

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class Piece(NamedTuple):
    """One entry of `tool_calls`, checked; empty means absent."""

    place: int | None
    """Its `index`."""
    id: str
    name: str
    arguments: str


def read_piece(entry: object) -> Piece | None:
    """What is usable of an entry; `None` if nothing is.

    Some servers send `{name, arguments}` without `function` around them, or numbers for ids.
    """
    if not isinstance(entry, dict):
        return None
    place, id, function = entry.get("index"), entry.get("id"), entry.get("function", entry)
    name, arguments = None, None
    if isinstance(function, dict):
        name, arguments = function.get("name"), function.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else dumps_text(arguments)
    id = str(id) if isinstance(id, (str, int)) else ""
    name = name if isinstance(name, str) else ""
    if not (id or name or arguments):
        return None
    return Piece(place if type(place) is int else None, id, name, arguments)


class _Scanner:
    """Whether a JSON text in pieces has closed all it opened. Mutable; linear in all pieces."""

    __slots__ = ("_depth", "_escaped", "_quoted", "_started")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False
        self._started = False

    @property
    def complete(self) -> bool:
        return self._started and not self._quoted and self._depth <= 0

    def feed(self, text: str) -> None:
        at = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(text, at):
            at = found.end()
            self._started = True
            match found[0]:
                case '"':
                    self._quoted = not self._quoted
                case "\\":
                    self._escaped = at == len(text)
                    at += 1
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1


class Call:
    """One tool call. Mutable."""

    __slots__ = (
        "_direct",
        "_parts",
        "_scanned",
        "_scanner",
        "_sent",
        "closed",
        "id",
        "name",
        "opened",
        "wire_id",
        "without",
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.wire_id = ""
        self.opened = False
        self.closed = False
        self.without: WithoutEmpty | None = None
        """What takes a parameter out of arguments that go out as they come."""
        self._parts: list[str] = []
        self._sent = 0
        self._scanned = 0
        self._scanner = _Scanner()
        self._direct: bool | None = None

    def add(self, arguments: str) -> None:
        """More arguments; the whole of them once more, from servers that repeat, is ignored."""
        if not arguments:
            return
        # Most pieces open nothing, which is told faster than where a piece begins.
        if self._direct is None or "{" in arguments:
            opening = arguments.lstrip()[:1]
            if opening == "{" and self.repeats(arguments):
                return
            if opening and self._direct is None:
                self._direct = opening == "{"
        self._parts.append(arguments)

    def fill(self, arguments: str) -> int:
        """Adds what is missing of the whole arguments, unless these are others; its length."""
        known = "".join(self._parts)
        if not arguments.startswith(known):
            return 0
        self.add(arguments[len(known) :])
        return len(arguments) - len(known)

    @property
    def begun(self) -> bool:
        return bool(self._parts)

    @property
    def complete(self) -> bool:
        """Whether the arguments can hold no more. Scans only what came since the last time."""
        for part in self._parts[self._scanned :]:
            self._scanner.feed(part)
        self._scanned = len(self._parts)
        return self._scanner.complete

    def take(self) -> str:
        """Arguments that may go out now. Those which are no object wait for `rest`."""
        if not self._direct:
            return ""
        sent, self._sent = self._sent, len(self._parts)
        text = self._parts[sent] if self._sent == sent + 1 else "".join(self._parts[sent:])
        return text if self.without is None else self.without.feed(text)

    def rest(self) -> str:
        """Arguments that are left at the end of the call, as JSON of an object; "" for none."""
        raw = "".join(self._parts)
        if self._direct or not raw.strip():
            without, rest = self.without, self.take()
            self.without = None
            return rest if without is None else rest + without.rest()
        return dumps_text(parse_input(raw))

    @property
    def broken(self) -> bool:
        """Whether the whole arguments are no JSON object; looked at when the call is over."""
        raw = "".join(self._parts)
        if not self._direct:
            return UNPARSED in parse_input(raw)
        return not is_object(raw)

    def repeats(self, arguments: str) -> bool:
        """Whether `arguments` are all of the complete ones once more."""
        # A complete object followed by itself is never one valid JSON text.
        return self.complete and arguments.strip() == "".join(self._parts).strip()


class ToolCalls:
    """Finds the call of each piece. Mutable. Ids are `prefix` and the call's number, from 0."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._calls: list[Call] = []
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, piece: Piece, *, fresh: bool = False) -> tuple[Call, bool]:
        """The piece's call with the piece in it, and whether it is new; `fresh` forces that."""
        place = piece.place
        if place in self._by_index and not (fresh or piece.id or piece.name):
            # The hot path: more arguments.
            call = self._by_index[place]
            call.add(piece.arguments)
            return call, False
        known = None if fresh else self._find(piece)
        call = known or self._new(piece)
        if piece.id:
            self._by_id.setdefault(piece.id, call)
            call.wire_id = call.wire_id or piece.id
        if piece.place is not None:
            self._by_index.setdefault(piece.place, call)
        call.name = call.name or piece.name
        call.add(piece.arguments)
        return call, known is None

    def _new(self, piece: Piece) -> Call:
        call = Call(f"{self._prefix}{len(self._calls)}")
        self._calls.append(call)
        self._by_id.pop(piece.id, None)
        if piece.place is not None:
            self._by_index.pop(piece.place, None)
        return call

    def _find(self, piece: Piece) -> Call | None:
        if piece.id in self._by_id:
            call = self._by_id[piece.id]
            return None if self._id_used_again(call, piece) else call
        last = self._calls[-1] if self._calls else None
        if piece.place is not None and piece.place not in self._by_index:
            tail = last and not (piece.id or piece.name or last.complete)
            return last if tail else None
        call_here = last if piece.place is None else self._by_index[piece.place]
        if call_here is None or _starts_over(call_here, piece):
            return None
        if piece.id and call_here.wire_id and not _cut(call_here, piece):
            return None
        return call_here

    def _id_used_again(self, call: Call, piece: Piece) -> bool:
        """Whether a known id stands for another call, as `call_0` does on some servers."""
        if not _starts_over(call, piece):
            return False
        here = piece.place is None or self._by_index.get(piece.place) is call
        again = not piece.arguments.strip() or call.repeats(piece.arguments)
        return not (here and piece.name == call.name and again)


def _starts_over(call: Call, piece: Piece) -> bool:
    if not piece.name:
        return False
    if call.name and piece.name != call.name:
        return True
    return call.complete and bool(call.name or piece.arguments.strip())


def _cut(call: Call, piece: Piece) -> bool:
    """Whether the piece can only be the call's next one, though its id is new."""
    return bool(not piece.name and call.name and call.begun and not call.complete)
