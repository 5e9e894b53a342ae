"""Models for OpenAI's clients, one for each language of an upstream; they answer by the last word
of the user."""

import json
from abc import ABC, abstractmethod
from typing import Any

from tests.messages_upstream import event, message, refused, said
from tests.upstream import (
    Received,
    Reply,
    call,
    call_stream,
    chunk,
    completion,
    refusal,
    text_stream,
)

Json = dict[str, Any]
CALLS = (("call_a", {"a": 2, "b": 3}), ("call_b", {"a": 4, "b": 5}))
LONG = "This model's maximum context length is 100 tokens."


class Model(ABC):
    """`request` is what it was asked last."""

    def __init__(self) -> None:
        self.request: Json = {}

    def __call__(self, received: Received) -> Reply:
        self.request = received.json
        return self.answer(*self.word())

    def answer(self, word: str, result: str) -> Reply:
        if result:
            return self.text(f"result {result}")
        match word:
            case "tool":
                return self.calls(1)
            case "tools":
                return self.calls(2)
            case "json":
                return self.text('{"number": 42}')
            case "limit" | "long" | "key" | "model" | "busy":
                return self.error(word)
            case "broken":
                return self.broken()
            case "slow":
                return Reply(stream=[*self.beginning(), 30])
        return self.text("one ", "two")

    @property
    def streams(self) -> bool:
        return bool(self.request.get("stream"))

    @abstractmethod
    def word(self) -> tuple[str, str]:
        """The user's last word, and the last result if a tool gave one."""

    @abstractmethod
    def text(self, *pieces: str) -> Reply: ...

    @abstractmethod
    def calls(self, count: int) -> Reply: ...

    @abstractmethod
    def error(self, kind: str) -> Reply: ...

    @abstractmethod
    def broken(self) -> Reply: ...

    @abstractmethod
    def beginning(self) -> list[Any]: ...


def last(content: Any) -> Any:
    return content if isinstance(content, str) else content[-1]


class ChatModel(Model):
    """Of an OpenAI-compatible upstream."""

    def word(self) -> tuple[str, str]:
        if "prompt" in self.request:
            return self.request["prompt"], ""
        messages = self.request["messages"]
        asked = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        result = messages[-1]["content"] if messages[-1]["role"] in ("tool", "function") else ""
        found = last(asked)
        return found if isinstance(found, str) else found.get("text", ""), result

    def text(self, *pieces: str) -> Reply:
        if "prompt" in self.request:
            return self.completion(*pieces)
        if self.streams:
            return Reply(stream=text_stream(*pieces))
        return Reply(completion("".join(pieces)))

    def completion(self, *pieces: str) -> Reply:
        def made(text: str, finish: str | None) -> Json:
            choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
            head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
            return {**head, "choices": [choice]}

        if self.streams:
            return Reply(stream=[*(made(p, None) for p in pieces), made("", "stop"), "[DONE]"])
        return Reply(made("".join(pieces), "stop"))

    def calls(self, count: int) -> Reply:
        if "functions" in self.request:
            made = {"name": "add", "arguments": json.dumps(CALLS[0][1])}
            return Reply(completion(None, function_call=made))
        asked = [call("add", args, id, n) for n, (id, args) in enumerate(CALLS[:count])]
        if self.streams:
            return Reply(stream=call_stream(*asked))
        return Reply(completion(None, calls=asked))

    def error(self, kind: str) -> Reply:
        return {
            "limit": refusal(429, "slow down", code="rate_limit_exceeded"),
            "long": refusal(400, LONG, code="context_length_exceeded"),
            "key": refusal(401, "no such key", code="invalid_api_key"),
            "model": refusal(404, "no such model", code="model_not_found"),
            "busy": refusal(503, "overloaded", code="overloaded"),
        }[kind]

    def broken(self) -> Reply:
        return Reply(stream=[*self.beginning(), {"error": {"message": "engine stopped"}}])

    def beginning(self) -> list[Any]:
        return [chunk({"role": "assistant", "content": "x"})]


class MessagesModel(Model):
    """Of an upstream that speaks Messages."""

    def word(self) -> tuple[str, str]:
        messages = self.request["messages"]
        found = last(messages[-1]["content"])
        if isinstance(found, str):
            return found, ""
        return found.get("text", ""), found.get("content") or ""

    def text(self, *pieces: str) -> Reply:
        return Reply(stream=said(*pieces)) if self.streams else Reply(message("".join(pieces)))

    def calls(self, count: int) -> Reply:
        blocks = [
            {"type": "tool_use", "id": id, "name": "add", "input": args} for id, args in CALLS
        ][:count]
        if not self.streams:
            return Reply(message(content=blocks, stop_reason="tool_use"))
        play = said()[:1]
        for index, block in enumerate(blocks):
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            play += [
                event("content_block_start", index=index, content_block={**block, "input": {}}),
                event("content_block_delta", index=index, delta=delta),
                event("content_block_stop", index=index),
            ]
        return Reply(stream=[*play, *said(stop="tool_use")[-2:]])

    def error(self, kind: str) -> Reply:
        return {
            "limit": refused(429, "rate_limit_error", "slow down"),
            "long": refused(400, "invalid_request_error", "prompt is too long: 9 tokens > 5"),
            "key": refused(401, "authentication_error", "no such key"),
            "model": refused(404, "not_found_error", "model: no such model"),
            "busy": refused(529, "overloaded_error", "Overloaded"),
        }[kind]

    def broken(self) -> Reply:
        error = {"type": "api_error", "message": "engine stopped"}
        return Reply(stream=[*self.beginning(), event("error", error=error)])

    def beginning(self) -> list[Any]:
        return [*said("x")[:4]]
