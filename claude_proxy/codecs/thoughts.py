"""Reasoning of earlier turns for clients that drop it: what to keep of an answer, and where it
belongs in a later request.

Some providers refuse a conversation whose tool calls have lost their reasoning, and clients drop
thinking blocks on some of their ways. Ids of tool calls always come back, so the blocks before a
call are found again by its id.
"""

from collections.abc import Callable, Iterator, Sequence

from claude_proxy.codecs.fold import MessageFold
from claude_proxy.types import Json
from claude_proxy.types.anthropic import ContentBlock, MessageParam, StreamEvent

Thoughts = tuple[ContentBlock, ...]
"""The thinking blocks that stood before a tool call, after the call before it."""
Recall = Callable[[str], Thoughts]
"""Tool call id → its thoughts; empty when nothing is known of it."""

_KINDS = ("thinking", "redacted_thinking")


def thoughts_of(content: Sequence[ContentBlock]) -> Iterator[tuple[str, Thoughts]]:
    """Each tool call of an answer that had thoughts before it: its id, and them."""
    waiting: list[ContentBlock] = []
    for block in content:
        if block["type"] == "thinking":
            waiting.append(block)
        elif block["type"] == "tool_use" and waiting:
            yield block["id"], tuple(waiting)
            waiting = []


class ThoughtTap:
    """Stream events in, the same as `thoughts_of` out. Mutable; one for each stream.

    Text is not kept, and nothing at all once the stream has failed.
    """

    __slots__ = ("_fold", "_kept")

    def __init__(self) -> None:
        self._fold = MessageFold()
        self._kept: set[int] = set()

    def feed(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            if event["type"] == "content_block_start":
                if event["content_block"]["type"] != "text":
                    self._kept.add(event["index"])
                    self._fold.feed(event)
            elif event["type"] == "content_block_delta":
                if event["index"] in self._kept and event["delta"]["type"] != "input_json_delta":
                    self._fold.feed(event)
            elif event["type"] == "error":
                self._fold = MessageFold()

    def thoughts(self) -> Iterator[tuple[str, Thoughts]]:
        return thoughts_of(self._fold.message["content"])


def restore(messages: Sequence[MessageParam], recall: Recall) -> list[MessageParam]:
    """The messages with the thoughts that their tool calls have lost, each before its call.

    A message that holds any thinking came from a client that keeps it, and stays as it is.
    """
    return [_restored(message, recall) for message in messages]


def _restored(message: MessageParam, recall: Recall) -> MessageParam:
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, list):
        return message
    if any(block["type"] in _KINDS for block in content):
        return message
    found: list[Json] = []
    for block in content:
        if block["type"] == "tool_use":
            found += [{**thought} for thought in recall(block["id"])]
        found.append(block)
    return message if len(found) == len(content) else {**message, "content": found}
