"""Messages events → the bytes of a Chat Completions stream.

Every chunk has one choice; the first one names the role, the last one of the answer has its
finish reason, and what the client asked for follows: the usage, then `[DONE]`. An error in the
middle is OpenAI's error object, after which nothing comes, not even `[DONE]`.
Source: https://platform.openai.com/docs/api-reference/chat/streaming (seen 2026-11).
"""

from typing import Any

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.blocks import no_usage
from claude_proxy.codecs.jsonio import dumps, dumps_text
from claude_proxy.codecs.openai_chat.content import as_objects
from claude_proxy.codecs.openai_chat.inbound.response import NO_CITATION, NO_PLACE, SECOND_CALL
from claude_proxy.codecs.openai_chat.inbound.wire import (
    CUT,
    DONE,
    KEEP_ALIVE,
    REFUSED,
    annotations,
    answer_id,
    chat_usage,
    encrypted_detail,
    error_chunk,
    finish_reason,
    merged,
    reasoning_detail,
)
from claude_proxy.types import Json
from claude_proxy.types.anthropic import BlockDelta, ErrorBody, Message, StreamEvent, Usage


class StreamEncoder:
    """Events in, bytes out. Mutable; one for each answer.

    `created` is a Unix time in seconds; `include_usage` and `functions` are what the functions
    `include_usage` and `wants_functions` say of the request.
    """

    def __init__(
        self,
        *,
        created: int,
        include_usage: bool = False,
        functions: bool = False,
        on_drop: OnDrop = ignore_drop,
    ) -> None:
        self._created = created
        self._include_usage = include_usage
        self._functions = functions
        self._drop = on_drop
        self._head = self._tail = b""
        self._fields: Json = {}
        self._block: _Block | None = None
        self._calls = self._details = self._characters = 0
        self._thought = False
        self._finish = ""
        self._refused = False
        self._usage: Usage = no_usage()
        self.ended = False

    def feed(self, event: StreamEvent) -> bytes:
        if self.ended:
            return b""
        # The hot path: a piece of text.
        if event["type"] == "content_block_delta":
            return self._delta(event["delta"])
        if event["type"] == "content_block_start":
            return self._start_block(event["content_block"], event["index"])
        if event["type"] == "content_block_stop":
            return self._stop_block()
        if event["type"] == "message_start":
            return self._start(event["message"])
        if event["type"] == "message_delta":
            reason = event["delta"]["stop_reason"]
            self._finish = finish_reason(reason, functions=self._functions)
            self._refused = reason == "refusal"
            self._usage = merged(self._usage, event["usage"])
        elif event["type"] == "message_stop":
            return self._end()
        elif event["type"] == "ping":
            return KEEP_ALIVE
        elif event["type"] == "error":
            return self._error(event["error"])
        return b""

    def close(self) -> bytes:
        """Nothing after an end; else the error that the answer was cut."""
        return b"" if self.ended else self._error(CUT)

    def _start(self, message: Message) -> bytes:
        self._usage = merged(self._usage, message["usage"])
        self._fields = {
            "id": answer_id(message["id"]),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": message["model"],
        }
        # All that is the same in every chunk is written only once.
        self._head = b"data: " + dumps(self._fields)[:-1] + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if self._include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _chunk(self, delta: Json) -> bytes:
        return self._head + dumps(delta) + self._tail

    def _start_block(self, block: Any, index: int) -> bytes:
        self._block = opened = _Block(block, f"content.{index}", self._characters)
        match block["type"]:
            case "text":
                return self._text(block["text"]) if block["text"] else b""
            case "thinking":
                opened.separator = "\n" if self._thought else ""
                return self._thinking(block["thinking"]) if block["thinking"] else b""
            case "tool_use":
                return self._start_call(block)
            case "redacted_thinking":
                return self._chunk(
                    {"reasoning_details": [encrypted_detail(self._place(opened), block)]}
                )
        self._drop(opened.path, NO_PLACE)
        return b""

    def _delta(self, delta: BlockDelta) -> bytes:
        match delta["type"]:
            case "text_delta":
                return self._text(delta["text"])
            case "thinking_delta":
                return self._thinking(delta["thinking"])
            case "input_json_delta":
                return self._arguments(delta["partial_json"])
            case "signature_delta":
                if self._block:
                    self._block.signature = delta["signature"]
            case "citations_delta":
                if self._block:
                    self._block.citations += as_objects([delta["citation"]])
        return b""

    def _stop_block(self) -> bytes:
        block, self._block = self._block, None
        if block is None:
            return b""
        match block.kind:
            case "text":
                return self._cite(block)
            case "thinking":
                return self._sign(block)
            case "tool_use" if not block.argued and not block.left_out:
                return self._call_delta({"arguments": dumps_text(block.input)})
        return b""

    def _text(self, text: str) -> bytes:
        self._characters += len(text)
        return self._chunk({"content": text})

    def _thinking(self, text: str) -> bytes:
        block = self._block
        if block is None or not text:
            return b""
        separator, block.separator = block.separator, ""
        self._thought = True
        detail = reasoning_detail(self._place(block), text)
        return self._chunk({"reasoning_content": separator + text, "reasoning_details": [detail]})

    def _sign(self, block: "_Block") -> bytes:
        if not block.signature:
            return b""
        # Its text is out already.
        detail = reasoning_detail(self._place(block), "", block.signature)
        return self._chunk({"reasoning_details": [detail]})

    def _place(self, block: "_Block") -> int:
        """The block's index among the details."""
        if block.place is None:
            block.place = self._details
            self._details += 1
        return block.place

    def _start_call(self, block: Json) -> bytes:
        self._calls += 1
        if self._functions:
            if self._calls > 1 and self._block:
                self._block.left_out = True
                self._drop("content", SECOND_CALL.format(block["name"]))
                return b""
            return self._chunk({"function_call": {"name": block["name"], "arguments": ""}})
        function = {"name": block["name"], "arguments": ""}
        call = {"index": self._calls - 1, "id": block["id"], "type": "function"}
        return self._chunk({"tool_calls": [{**call, "function": function}]})

    def _arguments(self, text: str) -> bytes:
        block = self._block
        if block is None or block.kind != "tool_use" or block.left_out or not text:
            return b""
        block.argued = True
        return self._call_delta({"arguments": text})

    def _call_delta(self, function: Json) -> bytes:
        if self._functions:
            return self._chunk({"function_call": function})
        return self._chunk({"tool_calls": [{"index": self._calls - 1, "function": function}]})

    def _cite(self, block: "_Block") -> bytes:
        found = annotations(block.citations, block.start, self._characters)
        if len(found) < len(block.citations):
            self._drop(f"{block.path}.citations", NO_CITATION)
        return self._chunk({"annotations": found}) if found else b""

    def _end(self) -> bytes:
        self.ended = True
        refused = b""
        if self._refused and not self._characters:
            refused = self._chunk({"refusal": REFUSED})
        finish = {
            "index": 0,
            "delta": {},
            "logprobs": None,
            "finish_reason": self._finish or "stop",
        }
        usage = {"usage": None} if self._include_usage else {}
        last = b"data: " + dumps({**self._fields, "choices": [finish], **usage}) + b"\n\n"
        if self._include_usage:
            counts = {**self._fields, "choices": [], "usage": chat_usage(self._usage)}
            last += b"data: " + dumps(counts) + b"\n\n"
        return refused + last + DONE

    def _error(self, error: ErrorBody) -> bytes:
        self.ended = True
        return error_chunk(error)


class _Block:
    """The block that is open. Mutable."""

    __slots__ = (
        *("argued", "citations", "input", "kind", "left_out", "path", "separator", "signature"),
        *("place", "start"),
    )

    def __init__(self, block: Json, path: str, start: int) -> None:
        self.kind = block["type"]
        self.path = path
        self.start = start
        """Characters of text before it."""
        self.input = block.get("input") or {}
        self.signature = block.get("signature") or ""
        self.citations = as_objects(block.get("citations"))
        self.place: int | None = None
        """Its index among the details of reasoning, once it has one."""
        self.separator = ""
        self.argued = False
        """Whether any of a call's arguments came apart from its start."""
        self.left_out = False
