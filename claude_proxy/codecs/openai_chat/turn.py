"""The order of one answer's blocks.

Chat may interleave: fragments of two calls in turn, or text between the fragments of one. A
Messages answer has at most one open block. So the parts of a turn stand in a queue in the order
in which they were created, and only the *head* goes out as it arrives. Text and thinking close as
soon as something else follows. A call that is the head holds all that follows back until it has
its name and its arguments are complete JSON, or until the answer is finished; then the queue goes
out in order. Text that comes in the middle of a call therefore waits: nothing is lost, and no
call is cut. Whether the arguments are complete is looked at only while something waits.
Fragments for a call that is closed already cannot be part of its JSON; they become text.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from claude_proxy.codecs.blocks import BlockWriter
from claude_proxy.codecs.empty_inputs import OPTIONAL, WithoutEmpty
from claude_proxy.codecs.openai_chat.calls import Call, Piece, ToolCalls
from claude_proxy.types.anthropic import StreamEvent

UNNAMED = "unknown_tool"
"""The name of a call that never got one: the client answers that there is no such tool."""


@dataclass(slots=True)
class _Prose:
    """Text or thinking that waits. Mutable."""

    kind: Literal["text", "thinking"]
    parts: list[str] = field(default_factory=list)


class Turn:
    """Text, thinking and pieces of calls in, events out. Mutable."""

    __slots__ = (
        *("_calls", "_head", "_queue", "_streamed", "_tool_names", "_writer"),
        *("broken", "mended"),
    )

    def __init__(
        self,
        writer: BlockWriter,
        *,
        call_prefix: str,
        tool_names: Mapping[str, str],
        streamed: bool = False,
    ) -> None:
        self._writer = writer
        self._streamed = streamed
        self._tool_names = tool_names
        self._calls = ToolCalls(call_prefix)
        self._head: Call | None = None
        self._queue: deque[_Prose | Call] = deque()
        self.broken = self.mended = 0
        """Calls that are over: whose arguments are no JSON object, or were put right."""

    @property
    def called(self) -> bool:
        return len(self._calls) > 0

    def text(self, text: str) -> list[StreamEvent]:
        return self._writer.text(text) if self._head is None else self._hold("text", text)

    def thinking(self, text: str) -> list[StreamEvent]:
        return self._writer.thinking(text) if self._head is None else self._hold("thinking", text)

    def thought(self) -> list[StreamEvent]:
        """A thinking block, be it empty, in the place where thinking would stand now."""
        if self._head is None:
            return self._writer.open_thinking()
        return self._hold("thinking", "")

    def call(self, piece: Piece, *, fresh: bool = False) -> list[StreamEvent]:
        call, new = self._calls.add(piece, fresh=fresh)
        if new:
            self._queue.append(call)
            return self._advance()
        if call is self._head:
            events = self._write_head()
            return events + self._advance() if self._queue else events
        if call.closed and (late := call.take()).strip():
            return self.text(late)
        return []

    def finish(self) -> list[StreamEvent]:
        """Everything that waits; the last block stays open."""
        return self._advance(finished=True)

    def _hold(self, kind: Literal["text", "thinking"], text: str) -> list[StreamEvent]:
        last = self._queue[-1] if self._queue else None
        if not (isinstance(last, _Prose) and last.kind == kind):
            last = _Prose(kind)
            self._queue.append(last)
        last.parts.append(text)
        return self._advance()

    def _advance(self, *, finished: bool = False) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        while self._queue and (finished or self._may_close_head()):
            events += self._close_head()
            part = self._queue.popleft()
            if isinstance(part, Call):
                self._head = part
                events += self._write_head()
            else:
                events += self._write_prose(part.kind, "".join(part.parts))
        return events + self._close_head() if finished else events

    def _write_prose(self, kind: Literal["text", "thinking"], text: str) -> list[StreamEvent]:
        if kind == "text":
            return self._writer.text(text)
        return self._writer.thinking(text) if text else self._writer.open_thinking()

    def _may_close_head(self) -> bool:
        return self._head is None or bool(self._head.name and self._head.complete)

    def _write_head(self) -> list[StreamEvent]:
        head = self._head
        if head is None or not head.name:
            return []
        events = [] if head.opened else self._open(head, head.name)
        if ready := head.take():
            events += self._writer.tool_json(ready)
        return events

    def _close_head(self) -> list[StreamEvent]:
        head, self._head = self._head, None
        if head is None:
            return []
        events = self._open(head, head.name or UNNAMED)
        head.closed = True
        self.broken += head.broken
        without, rest = head.without, head.rest()
        self.mended += without is not None and without.found
        events += self._writer.tool_json(rest) if rest else []
        return events + self._writer.stop()

    def _open(self, call: Call, name: str) -> list[StreamEvent]:
        if call.opened:
            return []
        call.opened = True
        name = self._tool_names.get(name, name)
        if self._streamed and name in OPTIONAL:
            call.without = WithoutEmpty(OPTIONAL[name])
        return self._writer.tool(call.id, name)
