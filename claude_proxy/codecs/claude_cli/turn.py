"""Where one answer ends in what the CLI prints, and what was said in it.

The CLI would go on by itself where a client of the API has to hear: it runs tools, asks the model
to go on after `max_tokens`, repeats what a classifier stopped. So an answer is over with the first
message that has a `stop_reason`, not with the CLI's own `result`. The exception is an answer that
has to follow a schema: there the CLI checks a call of its own tool, lets the model try again, and
only the `result` has what counts.
"""

from typing import Any

from claude_proxy.codecs.claude_cli.words import PREFIX
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.types import Json

RESTING = frozenset({"end_turn", "stop_sequence"})
"""Reasons after which the CLI waits for the user, as a client of the API does."""


def is_ours(line: Json) -> bool:
    """Whether a line belongs to the conversation itself, not to some agent inside of it."""
    return line.get("parent_tool_use_id") is None


def event_of(line: Json) -> Json:
    """The event of the API in a line; empty for none."""
    event = line.get("event") if line.get("type") == "stream_event" and is_ours(line) else None
    return event if isinstance(event, dict) else {}


class Turn:
    """One answer. Mutable: give it every line, in order.

    `structured`: the answer has to follow a schema.
    """

    __slots__ = ("_reason", "content", "over", "reason", "result", "structured")

    def __init__(self, *, structured: bool) -> None:
        self.structured = structured
        self.content: list[Json] = []
        """What the model has said, in whole blocks; names of tools as the CLI writes them."""
        self.reason: str | None = None
        """The answer's `stop_reason`, once it is over and did not fail."""
        self.result: Json | None = None
        """The CLI's own end of its turn."""
        self.over = False
        self._reason: str | None = None
        """What the current message gave as its reason."""

    def read(self, line: Json) -> None:
        match line.get("type"):
            case "stream_event":
                self._event(event_of(line))
            case "assistant" if is_ours(line) and not self.over:
                self.content += content_of(line.get("message"))
            case "result":
                self._end(line)

    def _event(self, event: Json) -> None:
        if self.over:
            return
        match event.get("type"):
            case "message_start":
                self.content, self._reason = [], None
            case "message_delta":
                delta = event.get("delta")
                reason = delta.get("stop_reason") if isinstance(delta, dict) else None
                self._reason = reason if isinstance(reason, str) else self._reason
            case "message_stop" if self._reason and (not self.structured or self.calls):
                self.over, self.reason = True, self._reason

    def _end(self, result: Json) -> None:
        self.result = result
        if self.over:
            return
        self.over = True
        if not self.failed:
            self.reason = "end_turn" if self._reason in (None, "tool_use") else self._reason
            if self.structured_text is not None:
                self.content = [{"type": "text", "text": self.structured_text}]

    @property
    def failed(self) -> bool:
        """Whether the CLI says so. An error of the API is a `success` with `is_error`."""
        result = self.result or {}
        return bool(result.get("is_error")) or result.get("subtype", "success") != "success"

    @property
    def structured_text(self) -> str | None:
        """The answer that follows the schema, as JSON text."""
        told = (self.result or {}).get("structured_output")
        return None if told is None else dumps_text(told)

    @property
    def calls(self) -> frozenset[str]:
        """The ids of the client's tools that were called."""
        called = (block for block in self.content if block.get("type") == "tool_use")
        return frozenset(str(c.get("id")) for c in called if str(c.get("name")).startswith(PREFIX))

    @property
    def called(self) -> frozenset[str]:
        """The names of all tools that were called, as the CLI writes them."""
        called = (block for block in self.content if block.get("type") == "tool_use")
        return frozenset(str(block.get("name")) for block in called)

    @property
    def waits(self) -> bool:
        """Whether the CLI now waits for the results of nothing but the client's tools."""
        if self.reason != "tool_use":
            return False
        called = [block for block in self.content if block.get("type") == "tool_use"]
        return bool(called) and len(self.calls) == len(called)

    @property
    def rests(self) -> bool:
        """Whether it has ended its turn well, and takes another one."""
        return self.reason in RESTING and self.result is not None and not self.failed


def content_of(message: Any) -> list[Json]:
    """The blocks of a message; none of what is no message."""
    content = message.get("content") if isinstance(message, dict) else None
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
