"""What the CLI prints as Messages events."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from claude_proxy.codecs.blocks import BlockWriter, no_usage
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.claude_cli.errors import failure
from claude_proxy.codecs.claude_cli.ndjson import Lines, parsed
from claude_proxy.codecs.claude_cli.turn import Turn, event_of
from claude_proxy.codecs.claude_cli.words import PREFIX, STRUCTURED
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.content import as_object
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, StopReason, StreamEvent, Usage

CUT = "The CLI ended its answer before it was complete."

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_REASONS: Mapping[str, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
    "model_context_window_exceeded": "model_context_window_exceeded",
}


class StreamDecoder:
    """Bytes of the CLI's stdout in, Messages events out. Mutable; nothing is ever raised.

    The events end exactly once: with `message_stop` where `Turn` sees the answer's end, or with an
    `error` event where the CLI says that it failed, stops in the middle, or prints too long a line.
    """

    __slots__ = (
        *("_answer", "_kind", "_lines", "_model", "_turn"),
        *("done", "error", "finished"),
    )

    def __init__(
        self,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None = None,
        stop_sequences: Collection[str] | None = None,
        estimate: Callable[[], int] | None = None,
        seal: Seal | None = None,
    ) -> None:
        structured = STRUCTURED in (tool_names or {}) and not (tool_names or {})[STRUCTURED]
        self._turn = Turn(structured=structured)
        self._answer = _Answer(BlockWriter(id, model), tool_names or {}, structured, estimate)
        self._lines = Lines()
        self._model = model
        self._kind = ""
        self.finished = False
        self.done = False
        self.error: UpstreamError | None = None

    @property
    def faults(self) -> Mapping[str, int]:
        """None: the CLI has read the calls before it prints them."""
        return {}

    def open(self) -> list[StreamEvent]:
        return [] if self.done else self._answer.writer.start()

    def feed(self, data: bytes, /) -> list[StreamEvent]:
        if self.done:
            return []
        try:
            return self._read(self._lines.feed(data))
        except ProtocolError as error:
            return self._fail(error)

    def close(self) -> list[StreamEvent]:
        if self.done:
            return []
        events = self._read(self._lines.close())
        return events if self.done else events + self._fail(UpstreamError(CUT))

    def _read(self, lines: list[bytes]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for raw in lines:
            line = parsed(raw)
            if line is not None:
                events += self._line(line)
            if self.done:
                break
        return events

    def _line(self, line: Json) -> list[StreamEvent]:
        event = event_of(line)
        again = event.get("type") == "message_start" and self._answer.said
        if again and not self._turn.structured:
            # It was cut and is made again; what has gone out already cannot be taken back.
            return self._fail(UpstreamError(CUT))
        self._turn.read(line)
        if line.get("type") == "assistant" and isinstance(line.get("error"), str):
            self._kind = line["error"]
        events = self._answer.event(event) if event else []
        return events + self._end() if self._turn.over else events

    def _end(self) -> list[StreamEvent]:
        turn = self._turn
        if turn.reason is None:
            return self._fail(failure(turn.result or {}, self._model, self._kind))
        self.finished = self.done = True
        return self._answer.end(turn)

    def _fail(self, error: UpstreamError) -> list[StreamEvent]:
        self.finished = self.done = True
        self.error = error
        return self._answer.writer.error(error.type, error.message)


class _Answer:
    """The events of the API, with our own id, order and names. Mutable.

    `structured`: texts are held back, because only the checked answer at the end counts.
    """

    def __init__(
        self,
        writer: BlockWriter,
        tool_names: Mapping[str, str],
        structured: bool,
        estimate: Callable[[], int] | None,
    ) -> None:
        self.writer = writer
        self._tool_names = tool_names
        self._held: list[str] | None = [] if structured else None
        self._estimate = estimate
        self._usage: Usage = no_usage()
        self._stop_sequence: str | None = None
        self._skipping = False
        """Whether the current block is none of the client's."""
        self.said = False
        """Whether anything of the answer has gone out."""

    def event(self, event: Json) -> list[StreamEvent]:
        match event.get("type"):
            case "message_start":
                self._count(as_object(event.get("message")).get("usage"), fresh=True)
                if self._held is not None:
                    self._held = []
                return self.writer.start()
            case "content_block_start":
                return self._said(self._begin(as_object(event.get("content_block"))))
            case "content_block_delta" if not self._skipping:
                return self._said(self._delta(as_object(event.get("delta"))))
            case "content_block_stop":
                return self.writer.stop()
            case "message_delta":
                sequence = as_object(event.get("delta")).get("stop_sequence")
                self._stop_sequence = sequence if isinstance(sequence, str) else None
                self._count(event.get("usage"))
        return []

    def end(self, turn: Turn) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        told = (turn.result or {}).get("result")
        text = turn.structured_text
        if text is None and isinstance(told, str) and not self.said:
            # What the CLI answers by itself has no events.
            text = told
        if text:
            events += self.writer.text(text)
        if turn.structured and turn.result is not None:
            # Of all tries together.
            self._count(turn.result.get("usage"), fresh=True)
        reason = _REASONS.get(turn.reason or "", "end_turn")
        return events + self.writer.end(reason, self._stop_sequence, self._told_usage())

    def _said(self, events: list[StreamEvent]) -> list[StreamEvent]:
        self.said = self.said or bool(events)
        return events

    def _begin(self, block: Json) -> list[StreamEvent]:
        self._skipping = False
        match block.get("type"):
            case "text":
                return self._text_begins(str(block.get("text") or ""))
            case "thinking":
                return self.writer.begin({"type": "thinking", "thinking": "", "signature": ""})
            case "tool_use":
                return self._call(block)
            case "redacted_thinking":
                opaque: Any = block
                return self.writer.begin(opaque)
        self._skipping = True
        return []

    def _text_begins(self, text: str) -> list[StreamEvent]:
        if self._held is not None:
            self._held.append(text)
            return []
        events = self.writer.begin({"type": "text", "text": ""})
        return events + self.writer.text(text) if text else events

    def _call(self, block: Json) -> list[StreamEvent]:
        name = str(block.get("name"))
        if self._held is not None:
            if name == STRUCTURED:
                self._skipping = True
                return []
            held, self._held = "".join(self._held), None
            before = self.writer.text(held) if held else []
        else:
            before = []
        name = name.removeprefix(PREFIX)
        return before + self.writer.tool(str(block.get("id")), self._tool_names.get(name, name))

    def _delta(self, delta: Json) -> list[StreamEvent]:
        match delta.get("type"):
            case "text_delta" if self._held is not None:
                self._held.append(str(delta.get("text") or ""))
            case "text_delta":
                return self.writer.text(str(delta.get("text") or ""))
            case "thinking_delta":
                return self.writer.thinking(str(delta.get("thinking") or ""))
            case "signature_delta":
                return self.writer.signature(str(delta.get("signature") or ""))
            case "input_json_delta":
                return self.writer.tool_json(str(delta.get("partial_json") or ""))
        return []

    def _count(self, told: Any, *, fresh: bool = False) -> None:
        """Counts of a message's start, and those of its end, which add to them."""
        usage = no_usage() if fresh else self._usage
        counts = {
            name: value for name in _COUNTS if type(value := as_object(told).get(name)) is int
        }
        merged: Any = {**usage, **counts}
        details = as_object(as_object(told).get("output_tokens_details"))
        if type(details.get("thinking_tokens")) is int:
            merged["output_tokens_details"] = {"thinking_tokens": details["thinking_tokens"]}
        self._usage = merged

    def _told_usage(self) -> Usage:
        usage = self._usage
        read = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        if self._estimate is not None and not (usage["input_tokens"] or read):
            return {**usage, "input_tokens": self._estimate()}
        return usage


def decode_response(
    body: Json,
    /,
    *,
    profile: Profile,
    id: str,
    model: str,
    tool_names: Mapping[str, str] | None = None,
    stop_sequences: Collection[str] | None = None,
    estimate: Callable[[], int] | None = None,
    seal: Seal | None = None,
) -> Message:
    """The message of an answer that is nothing but its last line. Raises `UpstreamError`.

    The CLI always streams; whoever wants a whole answer folds its events.
    """
    decoder = StreamDecoder(
        profile=profile, id=id, model=model, tool_names=tool_names, estimate=estimate
    )
    fold = MessageFold()
    for event in [*decoder.feed(dumps(body)), *decoder.close()]:
        fold.feed(event)
    if decoder.error is not None:
        raise decoder.error
    return fold.message
