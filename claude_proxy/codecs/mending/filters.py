"""Events in, mended events out: calls out of the text, and inputs that their tools take.

Both work on Messages events, so they are the same for every language of an upstream.
"""

from collections.abc import Iterator, Sequence

from claude_proxy.codecs.fold import UNPARSED, is_object, parse_input
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.mending.inputs import usable
from claude_proxy.codecs.mending.offered import Offered
from claude_proxy.codecs.mending.text_calls import Piece, TextCalls
from claude_proxy.codecs.mending.written import TextCall
from claude_proxy.types.anthropic import ContentBlock, StreamEvent


class CallsInText:
    """Makes blocks of the calls that stand in the text. Mutable; one for each answer.

    Ids of calls are `prefix` and a number, from 0. `last`: calls end the answer. Whatever is said
    behind them was said before any result was known, results that the model made up among it, and
    is left out.
    """

    def __init__(self, offered: Offered, prefix: str, *, last: bool = False) -> None:
        self._offered = offered
        self._prefix = prefix
        self._last = last
        self._text: TextCalls | None = None
        """What reads the block of text that is open."""
        self._open = False
        """Whether a block of text has gone out, and is open."""
        self._index = -1
        self.read = 0
        """How many calls there were."""
        self.overrun = False
        """Whether something behind them was left out."""
        self._skipping = False
        """Whether the open block is left out."""

    def feed(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        return [mended for event in events for mended in self._event(event)]

    def _event(self, event: StreamEvent) -> Iterator[StreamEvent]:
        if event["type"] == "content_block_start":
            yield from self._begin(event["content_block"])
        elif event["type"] == "content_block_delta":
            if self._skipping:
                return
            if self._text is not None and event["delta"]["type"] == "text_delta":
                yield from self._pieces(self._text.feed(event["delta"]["text"]))
            else:
                yield {**event, "index": self._index}
        elif event["type"] == "content_block_stop":
            yield from self._stop()
        elif event["type"] == "message_delta":
            delta = event["delta"]
            called = self.read and delta["stop_reason"] == "end_turn"
            yield {**event, "delta": {**delta, "stop_reason": "tool_use"}} if called else event
        else:
            yield event

    def _begin(self, block: ContentBlock) -> Iterator[StreamEvent]:
        if block["type"] == "text":
            self._text = TextCalls(self._offered)
            yield from self._pieces(self._text.feed(block["text"]))
            return
        if self._last and self.read:
            self.overrun = self._skipping = True
            return
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _stop(self) -> Iterator[StreamEvent]:
        if self._skipping:
            self._skipping = False
            return
        if self._text is None:
            yield {"type": "content_block_stop", "index": self._index}
            return
        yield from self._pieces(self._text.finish())
        yield from self._close()
        self._text = None

    def _pieces(self, pieces: Sequence[Piece]) -> Iterator[StreamEvent]:
        for piece in pieces:
            if isinstance(piece, str):
                yield from self._said(piece)
            elif not self.overrun:
                yield from self._called(piece)

    def _said(self, text: str) -> Iterator[StreamEvent]:
        if not (self._last and self.read):
            yield from self._say(text)
        elif text.strip():
            self.overrun = True

    def _called(self, call: TextCall) -> Iterator[StreamEvent]:
        yield from self._close()
        id = f"{self._prefix}{self.read}"
        self.read += 1
        yield from self._start({"type": "tool_use", "id": id, "name": call.name, "input": {}})
        if call.input:
            yield _json_delta(self._index, dumps_text(call.input))
        yield {"type": "content_block_stop", "index": self._index}

    def _say(self, text: str) -> Iterator[StreamEvent]:
        if not self._open:
            self._open = True
            yield from self._start({"type": "text", "text": ""})
        yield {
            "type": "content_block_delta",
            "index": self._index,
            "delta": {"type": "text_delta", "text": text},
        }

    def _close(self) -> Iterator[StreamEvent]:
        if self._open:
            self._open = False
            yield {"type": "content_block_stop", "index": self._index}

    def _start(self, block: ContentBlock) -> Iterator[StreamEvent]:
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}


class WholeInputs:
    """Holds the input of each call back until it is complete, and mends it. Mutable."""

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._tool: str | None = None
        """The tool of the open call."""
        self._parts: list[str] = []
        self.broken = self.mended = 0

    def feed(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        return [mended for event in events for mended in self._event(event)]

    def _event(self, event: StreamEvent) -> Iterator[StreamEvent]:
        if event["type"] == "content_block_start":
            block = event["content_block"]
            self._tool = block["name"] if block["type"] == "tool_use" else None
        elif event["type"] == "content_block_delta":
            if event["delta"]["type"] == "input_json_delta":
                self._parts.append(event["delta"]["partial_json"])
                return
        elif event["type"] == "content_block_stop" and self._tool is not None:
            if text := self._whole(self._tool):
                yield _json_delta(event["index"], text)
            self._tool, self._parts = None, []
        yield event

    def _whole(self, name: str) -> str:
        """All of the input, the same text where nothing was wrong with it."""
        raw = "".join(self._parts)
        input = parse_input(raw)
        if UNPARSED in input:
            self.broken += 1
            return dumps_text(input)
        tool = self._offered.get(name)
        input, lost = usable(name, tool.schema, input) if tool else (input, [])
        if not lost and (not raw or is_object(raw)):
            return raw
        self.mended += 1
        return dumps_text(input)


def _json_delta(index: int, text: str) -> StreamEvent:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "input_json_delta", "partial_json": text},
    }
