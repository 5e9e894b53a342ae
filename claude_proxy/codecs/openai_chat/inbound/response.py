"""A message → a whole Chat Completions answer.

Source: https://platform.openai.com/docs/api-reference/chat/object (seen 2026-11).
"""

from typing import Any

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.content import as_objects
from claude_proxy.codecs.openai_chat.inbound.wire import (
    REFUSED,
    annotations,
    answer_id,
    chat_usage,
    encrypted_detail,
    finish_reason,
    reasoning_detail,
)
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message

NO_PLACE = "Chat has no place for blocks of this type"
SECOND_CALL = 'a second call, of "{}", where one is possible'
NO_CITATION = "Chat cites addresses only"


def encode_response(
    message: Message, /, *, created: int, functions: bool = False, on_drop: OnDrop = ignore_drop
) -> Json:
    """The `chat.completion` object of a message.

    `created` is a Unix time in seconds. `functions`: the client knows `function_call` only (see
    `wants_functions`). What Anthropic's own servers did (a search, code) is noted and left out.
    """
    told = _Told(on_drop)
    content: Any = message["content"]
    for index, block in enumerate(content):
        told.add(block, f"content.{index}")
    reason = message["stop_reason"]
    answer = told.message(functions=functions, refused=reason == "refusal")
    return {
        "id": answer_id(message["id"]),
        "object": "chat.completion",
        "created": created,
        "model": message["model"],
        "choices": [
            {
                "index": 0,
                "message": answer,
                "logprobs": None,
                "finish_reason": finish_reason(reason, functions=functions),
            }
        ],
        "usage": chat_usage(message["usage"]),
    }


class _Told:
    """Collects the blocks of an answer. Mutable."""

    def __init__(self, on_drop: OnDrop) -> None:
        self._drop = on_drop
        self._text = ""
        self._thoughts: list[str] = []
        self._details: list[Json] = []
        self._annotations: list[Json] = []
        self._calls: list[Json] = []

    def add(self, block: Json, path: str) -> None:
        match block["type"]:
            case "text":
                self._add_text(block, path)
            case "thinking" | "redacted_thinking":
                self._add_thinking(block)
            case "tool_use":
                self._calls.append(_call(block))
            case _:
                self._drop(path, NO_PLACE)

    def _add_text(self, block: Json, path: str) -> None:
        start = len(self._text)
        self._text += block["text"]
        cited = as_objects(block.get("citations"))
        found = annotations(cited, start, len(self._text))
        self._annotations += found
        if len(found) < len(cited):
            self._drop(f"{path}.citations", NO_CITATION)

    def _add_thinking(self, block: Json) -> None:
        index = len(self._details)
        if block["type"] == "redacted_thinking":
            self._details.append(encrypted_detail(index, block))
            return
        text, signature = block["thinking"], block.get("signature") or ""
        if text:
            self._thoughts.append(text)
        if text or signature:
            self._details.append(reasoning_detail(index, text, signature))

    def message(self, *, functions: bool, refused: bool) -> Json:
        message: Json = {"role": "assistant", "content": self._text or None, "refusal": None}
        if refused and not self._text:
            message["refusal"] = REFUSED
        if self._thoughts:
            message["reasoning_content"] = "\n".join(self._thoughts)
        if self._details:
            message["reasoning_details"] = self._details
        if self._annotations:
            message["annotations"] = self._annotations
        if self._calls and functions:
            message["function_call"] = self._calls[0]["function"]
            for call in self._calls[1:]:
                self._drop("content", SECOND_CALL.format(call["function"]["name"]))
        elif self._calls:
            message["tool_calls"] = self._calls
        elif not self._text and not refused:
            # An empty string: clients expect text where there is no call.
            message["content"] = ""
        return message


def _call(block: Json) -> Json:
    function = {"name": block["name"], "arguments": dumps_text(block["input"])}
    return {"id": block["id"], "type": "function", "function": function}
