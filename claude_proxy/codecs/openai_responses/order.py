"""The order of one answer's blocks.

Items of an answer may come interleaved; a Messages answer has at most one open block. So the
blocks-to-be, *segments*, stand in a queue by their place in the output, and only the *head* goes
out as it arrives. A head that is done closes. Text closes as soon as something else waits, a call
when its arguments are complete JSON; reasoning waits for the end of its item, which brings the
encrypted content for its signature. What comes for a closed segment becomes a block of its own.
"""

from bisect import insort
from collections.abc import Mapping
from typing import Literal

from claude_proxy.codecs.blocks import BlockWriter
from claude_proxy.codecs.empty_inputs import OPTIONAL, WithoutEmpty
from claude_proxy.codecs.openai_chat.calls import Call
from claude_proxy.codecs.openai_chat.turn import UNNAMED
from claude_proxy.types.anthropic import StreamEvent

Kind = Literal["text", "thinking", "tool_use"]


class Segment:
    """One block-to-be. Mutable."""

    __slots__ = (
        "call",
        "closed",
        "done",
        "heir",
        "kind",
        "length",
        "opened",
        "parts",
        "place",
        "sent",
        "signature",
        "waits",
    )

    def __init__(self, kind: Kind, place: tuple[int, int], *, waits: bool = False) -> None:
        self.kind = kind
        self.place = place
        """Index of the item in the output, and of the part in the item."""
        self.waits = waits
        """Whether only `done` closes it."""
        self.parts: list[str] = []
        self.length = 0
        """Characters in `parts`."""
        self.sent = 0
        """How many of `parts` have gone out."""
        self.call = Call("")
        self.signature = ""
        self.done = self.opened = self.closed = False
        self.heir: Segment | None = None
        """Has what came after this one was closed."""

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def missing(self, whole: str) -> str:
        """What has not come of the whole text; nothing if that is another one."""
        if len(whole) <= self.length:
            return ""
        known = "".join(self.parts)
        return whole[len(known) :] if whole.startswith(known) else ""

    def take(self) -> str:
        """The text that has not gone out."""
        text = "".join(self.parts[self.sent :])
        self.sent = len(self.parts)
        return text

    @property
    def may_close(self) -> bool:
        if self.kind == "tool_use":
            return bool(self.call.name and self.call.complete)
        return not self.waits


class Order:
    """Segments in, events out. Mutable. Ids of calls are `prefix` and a number, from 0."""

    __slots__ = (
        "_calls",
        "_head",
        "_prefix",
        "_queue",
        "_tool_names",
        "_writer",
        "broken",
        "mended",
        "streamed",
    )

    def __init__(self, writer: BlockWriter, prefix: str, tool_names: Mapping[str, str]) -> None:
        self._writer = writer
        self._prefix = prefix
        self._tool_names = tool_names
        self._calls = 0
        self._head: Segment | None = None
        self._queue: list[Segment] = []
        self.streamed = False
        """Whether the arguments of calls go out as they come."""
        self.broken = self.mended = 0
        """Calls that are over: whose arguments are no JSON object, or were put right."""

    @property
    def called(self) -> bool:
        return self._calls > 0

    def add(self, segment: Segment) -> None:
        """A new segment; `changed` lets it out."""
        insort(self._queue, segment, key=lambda waiting: waiting.place)

    def changed(self, segment: Segment) -> list[StreamEvent]:
        """After the segment got more, or was done."""
        if segment is self._head:
            events = self._write(segment)
            return events + self._advance() if segment.done or self._queue else events
        return self._late(segment) if segment.closed else self._advance()

    def finish(self) -> list[StreamEvent]:
        """Everything that waits."""
        return self._advance(finished=True)

    def _late(self, segment: Segment) -> list[StreamEvent]:
        call = segment.kind == "tool_use"
        text = segment.call.take() if call else segment.take()
        heir = segment.heir
        if not (text.strip() if call else text):
            return []
        if heir is None or heir.closed:
            heir = segment.heir = Segment("text" if call else segment.kind, segment.place)
            self.add(heir)
        heir.add(text)
        return self.changed(heir)

    def _advance(self, *, finished: bool = False) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        while True:
            head = self._head
            if head is None:
                if not self._queue:
                    return events
                self._head = self._queue.pop(0)
                events += self._write(self._head)
            elif finished or head.done or (self._queue and head.may_close):
                self._head = None
                events += self._close(head)
            else:
                return events

    def _write(self, segment: Segment) -> list[StreamEvent]:
        if segment.kind == "tool_use":
            return self._write_call(segment, segment.call.name)
        text = segment.take()
        if not text:
            return []
        segment.opened = True
        return self._writer.text(text) if segment.kind == "text" else self._writer.thinking(text)

    def _write_call(self, segment: Segment, name: str) -> list[StreamEvent]:
        if not name:
            return []
        events: list[StreamEvent] = []
        if not segment.opened:
            segment.opened = True
            id, self._calls = f"{self._prefix}{self._calls}", self._calls + 1
            name = self._tool_names.get(name, name)
            if self.streamed and name in OPTIONAL:
                segment.call.without = WithoutEmpty(OPTIONAL[name])
            events = self._writer.tool(id, name)
        ready = segment.call.take()
        return events + self._writer.tool_json(ready) if ready else events

    def _close(self, segment: Segment) -> list[StreamEvent]:
        segment.closed = True
        events: list[StreamEvent] = []
        if segment.kind == "tool_use":
            events = self._write_call(segment, segment.call.name or UNNAMED)
            self.broken += segment.call.broken
            without, rest = segment.call.without, segment.call.rest()
            self.mended += without is not None and without.found
            events += self._writer.tool_json(rest) if rest else []
        elif segment.signature:
            if not segment.opened:
                events = self._writer.begin({"type": "thinking", "thinking": "", "signature": ""})
            events += self._writer.signature(segment.signature)
        return events + self._writer.stop()
