"""One Responses answer, from its events or whole: what both have in common.

A whole answer is read like a stream of nothing but its last event. Each event that closes
something repeats the whole of it, so whatever a server leaves out before is filled in there.
"""

from collections.abc import Callable, Mapping
from typing import Any

from claude_proxy.codecs.blocks import BlockWriter
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.errors import stream_error
from claude_proxy.codecs.openai_chat.usage import Estimate, Places, UsageMeter
from claude_proxy.codecs.openai_responses.order import Order, Segment
from claude_proxy.codecs.openai_responses.reasoning import Reasoning, wrap
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StopReason, StreamEvent

INCOMPLETE: Mapping[str, StopReason] = {
    "max_output_tokens": "max_tokens",
    "content_filter": "refusal",
}
"""`incomplete_details.reason`; for anything else the answer was cut as well: `max_tokens`."""

COUNTS: Places = (
    ("prompt", "input_tokens", None),
    ("completion", "output_tokens", None),
    ("total", "total_tokens", None),
    ("cached", "input_tokens_details", "cached_tokens"),
    ("written", "input_tokens_details", "cache_write_tokens"),
    ("reasoning", "output_tokens_details", "reasoning_tokens"),
)

_NO_ANSWER: Mapping[str, str] = {
    "failed": "The upstream's answer failed, without a reason.",
    "cancelled": "The upstream cancelled its answer.",
    "queued": "The upstream has only queued its answer.",
    "in_progress": "The upstream's answer is still in progress.",
}
"""Values of `status` that are no answer."""

_REASONING = ("summary", "content")


class _Item:
    """One item of the output. Mutable."""

    __slots__ = ("done", "id", "index", "kind", "lengths", "segments", "source")

    def __init__(self, kind: str, index: int, id: str) -> None:
        self.kind = kind
        self.index = index
        self.id = id
        self.done = False
        self.segments: dict[int, Segment] = {}
        """By the index of the part; calls and reasoning have one, at 0."""
        self.source = ""
        """Reasoning: whether its text comes from `summary` or from `content`."""
        self.lengths: dict[int, int] = {}
        """Reasoning: characters of each part."""


class Answer:
    """Events in, Messages events out; then `end`. Mutable."""

    def __init__(
        self,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None,
        seal: Seal | None,
    ) -> None:
        self._seal = seal or Seal.plain(profile.name)
        speak = profile.only_reasoning == "text"
        self.writer = BlockWriter(id, model, sign=self._seal.sign(), speak=speak)
        self._profile = profile
        prefix = f"toolu_{id.removeprefix('msg_')}_"
        self.order = Order(self.writer, prefix, tool_names or {})
        self._meter = UsageMeter(COUNTS)
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_id: dict[str, _Item] = {}
        self._refused = False
        self._reason: StopReason = "end_turn"
        self.finished = False
        """Whether the last event of the answer has come."""
        self.failure: UpstreamError | None = None
        """Set when that event says that the answer failed."""

    def event(self, event: Json) -> list[StreamEvent]:
        """Whatever is usable of an event; unknown ones, and parts of a wrong type, are left out."""
        read = READERS.get(_text(event, "type"))
        return read(self, event) if read else []

    def end(self, estimate: Estimate | None) -> list[StreamEvent]:
        """All that waited, and the end of the message."""
        events = self.order.finish()
        reason = self._reason
        if reason == "end_turn":
            # What was called has to run.
            if self.order.called:
                reason = "tool_use"
            elif self._refused:
                reason = "refusal"
        return events + self.writer.end(reason, None, self._meter.usage(estimate))

    def fail(self, error: ClaudeProxyError) -> list[StreamEvent]:
        return self.writer.error(error.type, error.message)

    def final(self, response: Json, event: str = "") -> list[StreamEvent]:
        """The whole response, which ends the answer; `event` says so where there was one."""
        self.finished = True
        status = _text(response, "status") or "completed"
        if event and status in ("queued", "in_progress"):
            # Some servers do not set it before they send it.
            status = event
        error = response.get("error")
        if error:
            self.failure = stream_error({"error": error})
        elif message := _NO_ANSWER.get(event) or _NO_ANSWER.get(status):
            self.failure = UpstreamError(message)
        if self.failure is not None:
            return []
        self._meter.read(response.get("usage"))
        if "incomplete" in (status, event):
            details = response.get("incomplete_details")
            reason = _text(details, "reason") if isinstance(details, dict) else ""
            self._reason = INCOMPLETE.get(reason, "max_tokens")
        return self._output(response)

    def _output(self, response: Json) -> list[StreamEvent]:
        output, text = response.get("output"), response.get("output_text")
        if not output and isinstance(text, str) and text and not self._items:
            # Not part of the API, but of what its SDKs make of an answer.
            output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
        seen: dict[str, int] = {}
        events: list[StreamEvent] = []
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, dict):
                kind = _text(item, "type")
                ordinal = seen[kind] = seen.get(kind, -1) + 1
                events += self._whole(self._match(item, index, ordinal), item)
        return events

    def _match(self, item: Json, index: int, ordinal: int) -> _Item:
        """The item that was streamed, by index or as the first, second … of its kind."""
        kind = _text(item, "type")
        known = self._by_index.get(index)
        if known is None or known.kind != kind:
            alike = [each for each in self._items if each.kind == kind]
            known = alike[ordinal] if ordinal < len(alike) else None
        return known or self._new(kind, index, _id(item))

    def _added(self, event: Json) -> list[StreamEvent]:
        item = event.get("item")
        if not isinstance(item, dict):
            return []
        kind, id, index = _text(item, "type"), _id(item), self._index(event)
        known = self._by_index.get(index)
        if known is None or known.kind != kind or known.id != id or known.done:
            known = self._new(kind, index, id)
        if kind == "function_call":
            return self._call(known, item)
        return self.order.changed(self._segment(known)) if kind == "reasoning" else []

    def _item_done(self, event: Json) -> list[StreamEvent]:
        item = event.get("item")
        if not isinstance(item, dict):
            return []
        kind, id = _text(item, "type"), _id(item)
        known = self._find({**event, "item_id": id}, kind)
        if known.done and known.id != id:
            known = self._new(kind, self._index(event), id)
        return self._whole(known, item)

    def _whole(self, known: _Item, item: Json) -> list[StreamEvent]:
        """All of an item, which ends it."""
        known.done = True
        events: list[StreamEvent] = []
        if known.kind == "message":
            content = item.get("content")
            for index, part in enumerate(content if isinstance(content, list) else ()):
                events += self._part(known, index, part)
        elif known.kind == "function_call":
            events = self._call(known, item)
        elif known.kind == "reasoning":
            events = self._whole_reasoning(known, item)
        for segment in known.segments.values():
            segment.done = True
            events += self.order.changed(segment)
        return events

    def _part(self, item: _Item, index: int, part: object) -> list[StreamEvent]:
        """A whole part of a message."""
        if not isinstance(part, dict):
            return []
        kind = part.get("type")
        text = part.get("refusal") if kind == "refusal" else part.get("text")
        if not isinstance(text, str):
            text = f'[The upstream sent content of type "{kind}", which cannot be shown.]'
        self._refused = self._refused or (kind == "refusal" and bool(text))
        return self._say(item, index, self._segment(item, index).missing(text))

    def _part_done(self, event: Json) -> list[StreamEvent]:
        part, index = event.get("part"), _int(event, "content_index")
        if not isinstance(part, dict) or part.get("type") == "reasoning_text":
            return []
        return self._part(self._find(event, "message"), index, part)

    def _text_delta(self, event: Json) -> list[StreamEvent]:
        text = _text(event, "delta")
        return self._say(self._find(event, "message"), _int(event, "content_index"), text)

    def _refusal_delta(self, event: Json) -> list[StreamEvent]:
        self._refused = self._refused or bool(_text(event, "delta"))
        return self._text_delta(event)

    def _text_done(self, event: Json) -> list[StreamEvent]:
        part = {"type": "output_text", "text": _text(event, "text")}
        return self._part_done({**event, "part": part})

    def _refusal_done(self, event: Json) -> list[StreamEvent]:
        part = {"type": "refusal", "refusal": _text(event, "refusal")}
        return self._part_done({**event, "part": part})

    def _say(self, item: _Item, index: int, text: str) -> list[StreamEvent]:
        if not text:
            return []
        segment = self._segment(item, index)
        segment.add(text)
        self._meter.characters += len(text)
        return self.order.changed(segment)

    def _call(self, item: _Item, fields: Json) -> list[StreamEvent]:
        """What is known of a call: its name, and all of its arguments so far."""
        segment = self._segment(item)
        segment.call.name = segment.call.name or _text(fields, "name")
        arguments = fields.get("arguments")
        if arguments is not None:
            whole = arguments if isinstance(arguments, str) else dumps_text(arguments)
            self._meter.characters += segment.call.fill(whole)
        return self.order.changed(segment)

    def _arguments_delta(self, event: Json) -> list[StreamEvent]:
        delta = _text(event, "delta")
        if not delta:
            return []
        segment = self._segment(self._find(event, "function_call"))
        segment.call.add(delta)
        self._meter.characters += len(delta)
        return self.order.changed(segment)

    def _arguments_done(self, event: Json) -> list[StreamEvent]:
        if event.get("arguments") is None:
            return []
        return self._call(self._find(event, "function_call"), event)

    def _summary_delta(self, event: Json) -> list[StreamEvent]:
        return self._think(event, "summary", _text(event, "delta"))

    def _summary_done(self, event: Json) -> list[StreamEvent]:
        return self._think(event, "summary", _text(event, "text"), whole=True)

    def _reasoning_delta(self, event: Json) -> list[StreamEvent]:
        return self._think(event, "content", _text(event, "delta"))

    def _reasoning_done(self, event: Json) -> list[StreamEvent]:
        return self._think(event, "content", _text(event, "text"), whole=True)

    def _think(
        self, event: Json, source: str, text: str, *, whole: bool = False
    ) -> list[StreamEvent]:
        item = self._find(event, "reasoning")
        return self._thought(item, source, _int(event, f"{source}_index"), text, whole=whole)

    def _thought(
        self, item: _Item, source: str, index: int, text: str, *, whole: bool
    ) -> list[StreamEvent]:
        """More of one part of an item's reasoning; parts are paragraphs."""
        # Some servers send their reasoning both as its summary and as its content.
        if not text or item.source not in ("", source):
            return []
        known = item.lengths.get(index, 0)
        if whole:
            text = text[known:]
        item.source = source
        segment = self._segment(item)
        if text and not known and segment.length:
            segment.add("\n\n")
        item.lengths[index] = known + len(text)
        segment.add(text)
        self._meter.characters += len(text)
        return self.order.changed(segment)

    def _whole_reasoning(self, known: _Item, item: Json) -> list[StreamEvent]:
        texts = {source: _texts(item.get(source)) for source in _REASONING}
        source = known.source or next((each for each in _REASONING if any(texts[each])), "")
        events: list[StreamEvent] = []
        for index, text in enumerate(texts.get(source, ())):
            events += self._thought(known, source, index, text, whole=True)
        encrypted = item.get("encrypted_content")
        if isinstance(encrypted, str) and encrypted and self._profile.reasoning_items != "drop":
            summary = [text for text in texts["summary"] if text]
            reasoning = Reasoning(encrypted, summary)
            self._segment(known).signature = wrap(reasoning, self._seal)
        return events

    def _completed(self, event: Json) -> list[StreamEvent]:
        response = event.get("response")
        kind = _text(event, "type").removeprefix("response.")
        return self.final(response if isinstance(response, dict) else {}, kind)

    def _index(self, event: Json) -> int:
        index = event.get("output_index")
        return index if type(index) is int else len(self._items)

    def _find(self, event: Json, kind: str) -> _Item:
        """The item that an event belongs to, or a new one if nothing has told of it before."""
        index, id = event.get("output_index"), _text(event, "item_id")
        known = self._by_index.get(index) if type(index) is int else None
        if known is not None and known.kind == kind:
            return known
        known = self._by_id.get(id)
        if known is not None and known.kind == kind:
            return known
        last = self._items[-1] if self._items else None
        if type(index) is not int and last and last.kind == kind and not last.done:
            return last
        return self._new(kind, self._index(event), id)

    def _new(self, kind: str, index: int, id: str) -> _Item:
        item = _Item(kind, index, id)
        self._items.append(item)
        self._by_index[index] = item
        if id:
            self._by_id[id] = item
        return item

    def _segment(self, item: _Item, index: int = 0) -> Segment:
        segment = item.segments.get(index)
        if segment is None:
            encrypted = self._profile.reasoning_items == "encrypted"
            place = (item.index, index)
            match item.kind:
                case "function_call":
                    segment = Segment("tool_use", place)
                case "reasoning":
                    segment = Segment("thinking", place, waits=encrypted)
                case _:
                    segment = Segment("text", place)
            item.segments[index] = segment
            self.order.add(segment)
        return segment


READERS: Mapping[str, Callable[[Answer, Json], list[StreamEvent]]] = {
    "response.output_item.added": Answer._added,
    "response.output_item.done": Answer._item_done,
    "response.content_part.done": Answer._part_done,
    "response.output_text.delta": Answer._text_delta,
    "response.output_text.done": Answer._text_done,
    "response.refusal.delta": Answer._refusal_delta,
    "response.refusal.done": Answer._refusal_done,
    "response.function_call_arguments.delta": Answer._arguments_delta,
    "response.function_call_arguments.done": Answer._arguments_done,
    "response.reasoning_summary_text.delta": Answer._summary_delta,
    "response.reasoning_summary_text.done": Answer._summary_done,
    "response.reasoning_text.delta": Answer._reasoning_delta,
    "response.reasoning_text.done": Answer._reasoning_done,
    "response.completed": Answer._completed,
    "response.incomplete": Answer._completed,
    "response.failed": Answer._completed,
    "response.cancelled": Answer._completed,
}
"""What reads which event; the others tell nothing that these do not."""


def _text(fields: Json, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _id(item: Json) -> str:
    return _text(item, "id") or _text(item, "call_id")


def _int(fields: Json, name: str) -> int:
    value = fields.get(name)
    return value if type(value) is int else 0


def _texts(parts: Any) -> list[str]:
    """The texts of a list of parts, in place: empty where a part has none."""
    entries = parts if isinstance(parts, list) else []
    return [_text(part, "text") if isinstance(part, dict) else "" for part in entries]
