"""The calls in an answer that begin a subagent's run, read while the answer passes by.

Of no other call anything is kept, and of these at most `MOST_BYTES` of input until they end.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.routing.agents import AGENT_TOOLS, agent_call

MOST_BYTES = 256 * 1024
"""Of one call's input. A longer prompt is a whole book: its run is not recognized by it."""

_MOST_CALLS = 64
_NAMES = tuple(f'"{name}"'.encode() for name in AGENT_TOOLS)

Found = Callable[[str, str], None]
"""Told each call once it is whole: the kind of agent, and its prompt."""


class _Input:
    """The pieces of one call's input. Mutable."""

    __slots__ = ("parts", "size")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def add(self, part: str) -> bool:
        """False once it is too long."""
        self.parts.append(part)
        self.size += len(part)
        return self.size <= MOST_BYTES


class AgentCalls:
    """Events of a stream in; `found` is told each call before its last event goes on. Mutable."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._open: dict[int, _Input] = {}

    @property
    def waiting(self) -> bool:
        """Whether a call has begun and not ended."""
        return bool(self._open)

    def feed(self, events: Sequence[Any]) -> None:
        for event in events:
            if event["type"] == "content_block_start":
                self._start(event)
            elif self._open and event.get("index") in self._open:
                self._go_on(event)

    def _start(self, event: Any) -> None:
        block = event["content_block"]
        if block.get("name") in AGENT_TOOLS and len(self._open) < _MOST_CALLS:
            self._open[event["index"]] = _Input()

    def _go_on(self, event: Any) -> None:
        index = event["index"]
        if event["type"] == "content_block_stop":
            self._end("".join(self._open.pop(index).parts))
            return
        part = event.get("delta", {}).get("partial_json")
        if isinstance(part, str) and not self._open[index].add(part):
            del self._open[index]

    def _end(self, text: str) -> None:
        try:
            call = agent_call(loads(text.encode()))
        except ValueError:
            return  # The client cannot read it either.
        if call is not None:
            self._found(*call)


class _Block(msgspec.Struct):
    name: str | None = None


class _Delta(msgspec.Struct):
    partial_json: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None


_event = msgspec.json.Decoder(_Event)


def may_call(raw: bytes) -> bool:
    """Whether the name of the tool is anywhere in it."""
    return any([name in raw for name in _NAMES])


class PassedAgentCalls:
    """The same of whole events as the bytes that they pass by in. Mutable."""

    def __init__(self, found: Found) -> None:
        self._calls = AgentCalls(found)

    def read(self, events: bytes) -> None:
        if self._calls.waiting or may_call(events):
            self._calls.feed(list(_events(events)))


def _events(raw: bytes) -> Iterator[Any]:
    decoder = SSEDecoder(limit=len(raw) + 1)
    for payload in [*decoder.feed(raw), *decoder.close()]:
        try:
            event = _event.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue  # What cannot be read here, the client may read: it goes on all the same.
        yield {
            "type": event.type,
            "index": event.index,
            "content_block": {"name": event.content_block and event.content_block.name},
            "delta": {"partial_json": event.delta and event.delta.partial_json},
        }
