"""A stream of Messages events as one message, and back."""

import json
import re
import warnings
from ast import literal_eval
from typing import Any

from claude_proxy.codecs.blocks import BlockWriter, no_usage
from claude_proxy.codecs.jsonio import dumps, dumps_text, loads
from claude_proxy.types import Json
from claude_proxy.types.anthropic import (
    BlockDelta,
    Citation,
    ContentBlock,
    ErrorBody,
    Message,
    StreamEvent,
    TextBlock,
    Usage,
)

UNPARSED = "__unparsedToolInput"
"""Claude Code's own key for arguments that are no object."""

_STRINGS_AND_LAST_COMMAS = re.compile(r'"(?:[^"\\]|\\.)*+"?|,(?=\s*[}\]])', re.DOTALL)


def parse_input(raw: str) -> Json:
    """The input of a tool call, always an object.

    Nothing and `null` mean no input; a JSON string that holds an object means that object; so
    does an object with line ends in its strings, a comma too many, or the quotes of Python.
    Anything else, even if it was only cut, comes back under Claude Code's own key for it: the
    client answers such a call with an `is_error` result, so that the model gets another try.
    """
    if not raw.strip():
        return {}
    try:
        value = loads(raw)
        if isinstance(value, str):
            value = loads(value)
    except ValueError:
        value = _mended(raw)
    if isinstance(value, dict):
        return value
    return {} if value is None else {UNPARSED: {"raw": raw, "len": len(raw)}}


def is_object(raw: str) -> bool:
    """Whether a text is the JSON of an object, without any mending."""
    try:
        return isinstance(loads(raw), dict)
    except ValueError:
        return False


def _mended(raw: str) -> Any:
    """The object that small models meant; the text itself where that is not certain."""
    text = _STRINGS_AND_LAST_COMMAS.sub(lambda found: "" if found[0] == "," else found[0], raw)
    for parse in (_loads_loosely, _loads_python):
        try:
            value = parse(text)
            if isinstance(value, dict) and loads(dumps(value)) == value:
                return value
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return raw


def _loads_loosely(text: str) -> Any:
    return json.loads(text, strict=False)


def _loads_python(text: str) -> Any:
    with warnings.catch_warnings():
        # Python warns of `\d` in a string, and means its own source.
        warnings.simplefilter("ignore")
        return literal_eval(text)


class _Block:
    """One content block while its deltas come in. Mutable."""

    __slots__ = ("_cited", "_json", "_signature", "_start", "_text")

    def __init__(self, start: ContentBlock) -> None:
        self._start = start
        self._text: list[str] = []
        self._json: list[str] = []
        self._cited: list[Citation] = []
        self._signature = ""

    def add(self, delta: BlockDelta) -> None:
        if delta["type"] == "text_delta":
            self._text.append(delta["text"])
        elif delta["type"] == "thinking_delta":
            self._text.append(delta["thinking"])
        elif delta["type"] == "input_json_delta":
            self._json.append(delta["partial_json"])
        elif delta["type"] == "signature_delta":
            self._signature = delta["signature"]
        elif delta["type"] == "citations_delta":
            self._cited.append(delta["citation"])

    def block(self) -> ContentBlock:
        start = self._start
        if start["type"] == "text":
            said: TextBlock = {**start, "text": start["text"] + "".join(self._text)}
            if self._cited:
                said["citations"] = [*start.get("citations", ()), *self._cited]
            return said
        if start["type"] == "thinking":
            return {
                **start,
                "thinking": start["thinking"] + "".join(self._text),
                "signature": self._signature or start["signature"],
            }
        if not self._json or start["type"] == "web_search_tool_result":
            return start
        given = parse_input("".join(self._json))
        # The same line twice: mypy needs to know which of the two it is.
        if start["type"] == "tool_use":
            return {**start, "input": given}
        return {**start, "input": given}


class MessageFold:
    """Collects events into `message`. Mutable; readable at any moment.

    Events after an `error` or of unknown type change nothing. `error` is set when the stream
    ended in one, `complete` when it ended well.
    """

    __slots__ = ("_blocks", "_start", "_stop", "complete", "error", "usage")

    def __init__(self) -> None:
        self._start: Message | None = None
        self._blocks: dict[int, _Block] = {}
        self._stop: Any = {}
        self.usage: Usage = no_usage()
        self.complete = False
        self.error: ErrorBody | None = None

    def feed(self, event: StreamEvent) -> None:
        if event["type"] == "content_block_delta":
            if event["index"] in self._blocks:
                self._blocks[event["index"]].add(event["delta"])
        elif event["type"] == "content_block_start":
            self._blocks[event["index"]] = _Block(event["content_block"])
        elif event["type"] == "message_start":
            self._start = event["message"]
            self.usage = _merge(self.usage, event["message"]["usage"])
        elif event["type"] == "message_delta":
            self._stop = event["delta"]
            self.usage = _merge(self.usage, event["usage"])
        elif event["type"] == "message_stop":
            self.complete = True
        elif event["type"] == "error":
            self.error = event["error"]

    @property
    def last(self) -> ContentBlock | None:
        """The block that was begun last, as far as it has come."""
        return next((block.block() for block in reversed(self._blocks.values())), None)

    @property
    def message(self) -> Message:
        """What has come so far; an empty message with an empty id before `message_start`."""
        start = self._start
        return {
            "id": start["id"] if start else "",
            "type": "message",
            "role": "assistant",
            "model": start["model"] if start else "",
            "content": [block.block() for block in self._blocks.values()],
            "stop_reason": self._stop.get("stop_reason"),
            "stop_sequence": self._stop.get("stop_sequence"),
            "usage": self.usage,
        }


def unfold(message: Message) -> list[StreamEvent]:
    """The events of a whole message; folding them gives it back."""
    writer = BlockWriter(message["id"], message["model"])
    events = writer.start()
    for block in message["content"]:
        events += _unfold_block(writer, block)
    reason = message["stop_reason"] or "end_turn"
    return events + writer.end(reason, message["stop_sequence"], message["usage"])


def _unfold_block(writer: BlockWriter, block: ContentBlock) -> list[StreamEvent]:
    if block["type"] == "text":
        cited = block.get("citations", ())
        events = writer.begin(
            {**block, "text": "", "citations": []} if cited else {**block, "text": ""}
        )
        events += writer.text(block["text"]) if block["text"] else []
        return events + [event for each in cited for event in writer.citation(each)]
    if block["type"] == "thinking":
        events = writer.begin({**block, "thinking": "", "signature": ""})
        events += writer.thinking(block["thinking"]) if block["thinking"] else []
        return events + writer.signature(block["signature"])
    if block["type"] == "tool_use":
        return _unfold_call(writer, {**block, "input": {}}, block["input"])
    if block["type"] == "server_tool_use":
        return _unfold_call(writer, {**block, "input": {}}, block["input"])
    # A kind that is newer than this code travels whole in its start event.
    return writer.begin(block)


def _unfold_call(writer: BlockWriter, call: ContentBlock, given: Json) -> list[StreamEvent]:
    return writer.begin(call) + (writer.tool_json(dumps_text(given)) if given else [])


def _merge(usage: Usage, later: Usage) -> Usage:
    """Later counts override earlier ones unless they are zero, as the client does it."""
    merged: Any = {**usage, **{name: count for name, count in later.items() if count}}
    result: Usage = merged
    return result
