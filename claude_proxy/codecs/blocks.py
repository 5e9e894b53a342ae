"""The legal order of Messages events, in one place.

A Messages answer is a small language:

    answer := message_start  block*  end
    block  := content_block_start  content_block_delta*  content_block_stop
    end    := message_delta  message_stop  |  error

Blocks are numbered from 0 without gaps, and never overlap. The client aborts on a delta whose
kind does not fit its block, loses a block that is not stopped, and breaks on an index that does
not start at 0. So nobody but `BlockWriter` builds these events. It has two facts to remember:
which kind of block is open (at most one), and whether the answer has ended. Content methods open
the block they need, after closing another one; `stop` and `end` close what is open; an `error`
closes nothing, because a block that was cut must not look complete. After the end every method
returns no events.
"""

from collections.abc import Callable

from claude_proxy.types.anthropic import (
    BlockDelta,
    Citation,
    ContentBlock,
    ErrorType,
    StopReason,
    StreamEvent,
    Usage,
)


def no_usage() -> Usage:
    """All zero: the client lets the non-zero numbers of `message_delta` override these."""
    return {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }


class BlockWriter:
    """Content in, legal Messages events out. Mutable; one for each answer.

    `sign` is the signature that every thinking block gets before it closes, unless `signature`
    gave it one, or what makes it; empty for none. With `speak`, an answer that ends its turn with
    nothing but thinking says it once more as its text.
    """

    __slots__ = (
        "_id",
        "_index",
        "_model",
        "_open",
        "_sign",
        "_signed",
        "_started",
        "_thoughts",
        "ended",
    )

    def __init__(
        self,
        message_id: str,
        model: str,
        *,
        sign: str | Callable[[], str] = "",
        speak: bool = False,
    ) -> None:
        self._id = message_id
        self._model = model
        self._sign = sign
        self._open: str | None = None
        self._index = -1
        self._signed = False
        self._started = False
        self._thoughts: list[str] | None = [] if speak else None
        """What is said at the end as long as nothing else is; `None` for nothing."""
        self.ended = False

    def start(self) -> list[StreamEvent]:
        """`message_start`, the first time; the other methods do this where it is missing."""
        if self._started or self.ended:
            return []
        self._started = True
        return [
            {
                "type": "message_start",
                "message": {
                    "id": self._id,
                    "type": "message",
                    "role": "assistant",
                    "model": self._model,
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": no_usage(),
                },
            }
        ]

    def begin(self, block: ContentBlock) -> list[StreamEvent]:
        """A new block, even if one of its kind is open."""
        if self.ended:
            return []
        events = [*self.start(), *self.stop()]
        self._index += 1
        self._open = block["type"]
        if self._open != "thinking":
            self._thoughts = None
        self._signed = False
        events.append({"type": "content_block_start", "index": self._index, "content_block": block})
        return events

    def text(self, text: str) -> list[StreamEvent]:
        # The hot path: one chunk of text, its block open.
        if self._open == "text":
            return [
                {
                    "type": "content_block_delta",
                    "index": self._index,
                    "delta": {"type": "text_delta", "text": text},
                }
            ]
        events = self.begin({"type": "text", "text": ""})
        return events + self._delta({"type": "text_delta", "text": text})

    def thinking(self, text: str) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._open != "thinking":
            events = self.begin({"type": "thinking", "thinking": "", "signature": ""})
        if self._thoughts is not None:
            self._thoughts.append(text)
        return events + self._delta({"type": "thinking_delta", "thinking": text})

    def open_thinking(self) -> list[StreamEvent]:
        """A thinking block, unless one is open: for what has no text of its own."""
        if self._open == "thinking":
            return []
        return self.begin({"type": "thinking", "thinking": "", "signature": ""})

    def signature(self, signature: str) -> list[StreamEvent]:
        """Signs the open thinking block; nothing when there is none."""
        if self._open != "thinking":
            return []
        self._signed = True
        return self._delta({"type": "signature_delta", "signature": signature})

    def tool(self, id: str, name: str) -> list[StreamEvent]:
        return self.begin({"type": "tool_use", "id": id, "name": name, "input": {}})

    def tool_json(self, text: str) -> list[StreamEvent]:
        """More of the open call's input; nothing when no call is open."""
        if self._open != "tool_use" and self._open != "server_tool_use":
            return []
        return [
            {
                "type": "content_block_delta",
                "index": self._index,
                "delta": {"type": "input_json_delta", "partial_json": text},
            }
        ]

    def citation(self, citation: Citation) -> list[StreamEvent]:
        """What the open text rests on; nothing when no text is open."""
        if self._open != "text":
            return []
        return self._delta({"type": "citations_delta", "citation": citation})

    def whole(self, block: ContentBlock) -> list[StreamEvent]:
        """A block that comes all at once."""
        return [*self.begin(block), *self.stop()]

    def more(self, delta: BlockDelta) -> list[StreamEvent]:
        """A delta of another answer's block, which `begin` has opened here again."""
        if self._open is None:
            return []
        self._signed = self._signed or delta["type"] == "signature_delta"
        return self._delta(delta)

    def stop(self) -> list[StreamEvent]:
        """Closes the open block, if any."""
        if self._open is None:
            return []
        events: list[StreamEvent] = []
        if self._open == "thinking" and self._sign and not self._signed:
            events = self.signature(self._sign if isinstance(self._sign, str) else self._sign())
        self._open = None
        events.append({"type": "content_block_stop", "index": self._index})
        return events

    def end(
        self, stop_reason: StopReason, stop_sequence: str | None, usage: Usage
    ) -> list[StreamEvent]:
        if self.ended:
            return []
        events = self.start()
        if self._thoughts and stop_reason == "end_turn":
            events += self.text("".join(self._thoughts))
        events += self.stop()
        self.ended = True
        events.append(
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason, "stop_sequence": stop_sequence},
                "usage": usage,
            }
        )
        events.append({"type": "message_stop"})
        return events

    def error(self, type: ErrorType, message: str) -> list[StreamEvent]:
        """The other end. It may come before `message_start`."""
        if self.ended:
            return []
        self.ended = True
        self._open = None
        return [{"type": "error", "error": {"type": type, "message": message}}]

    def _delta(self, delta: BlockDelta) -> list[StreamEvent]:
        if self.ended:
            return []
        return [{"type": "content_block_delta", "index": self._index, "delta": delta}]
