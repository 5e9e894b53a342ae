"""The scripted model behind the two other languages, with servers that refuse what they are told.

Whoever asks in the Responses API is held to the rules of a strict server of it. What the model
says is that of `Model`, which is asked in Chat Completions here.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.doctor.model import Model
from tests.messages_upstream import USAGE, event, refused
from tests.responses_rules import broken_rules
from tests.upstream import Json, Received, Reply, refusal

Rule = tuple[Callable[[Json], object], str]
"""What a request of a server must not be, and how that is refused."""


@dataclass(frozen=True, slots=True)
class Responses:
    """A server of the Responses API."""

    model: Model = Model()
    rules: tuple[Rule, ...] = ()
    reasons: bool = False
    shows: bool = True
    """Whether its reasoning has a summary without being asked for one."""
    encrypts: bool = False

    def __call__(self, received: Received) -> Reply:
        body = received.json
        assert received.path == "/v1/responses", received.path
        wrong = broken_rules(body) or [says for broken, says in self.rules if broken(body)]
        if wrong:
            return refusal(400, wrong[0])
        asked = chat_of_responses(body)
        calls, text = said(self.model, asked)
        cut = len(text) > 4 * body["max_output_tokens"]
        output = [*self._reasoning(body), *items(text[: 4 * body["max_output_tokens"]], calls)]
        whole = {
            "id": "resp_1",
            "object": "response",
            "status": "incomplete" if cut else "completed",
            "output": output,
            "usage": {"input_tokens": 21, "output_tokens": 7, "total_tokens": 28},
        }
        if cut:
            whole["incomplete_details"] = {"reason": "max_output_tokens"}
        return Reply(stream=list(events(whole))) if body.get("stream") else Reply(whole)

    def _reasoning(self, body: Json) -> list[Json]:
        if not self.reasons:
            return []
        shown = self.shows or "summary" in body.get("reasoning", {})
        summary = [{"type": "summary_text", "text": "Let me see."}] if shown else []
        item: Json = {"type": "reasoning", "id": "rs_1", "summary": summary}
        if self.encrypts and "reasoning.encrypted_content" in body.get("include", ()):
            item["encrypted_content"] = "gAAAA"
        return [item]


@dataclass(frozen=True, slots=True)
class Passed:
    """A server of Messages; what is not a field that it knows, it refuses."""

    model: Model = Model()
    rules: tuple[Rule, ...] = ()
    reasons: bool = False
    pieces: bool = True

    def __call__(self, received: Received) -> Reply:
        body = received.json
        assert received.path.endswith("/v1/messages?beta=true"), received.path
        assert received.headers["anthropic-version"]
        if "context_management" in body:
            assert "context-management-" in received.headers["anthropic-beta"]
        for broken, says in self.rules:
            if broken(body):
                return refused(400, "invalid_request_error", says)
        calls, text = said(self.model, chat_of_messages(body))
        cut = len(text) > 4 * body["max_tokens"]
        content = self._thinking(body) + blocks(text[: 4 * body["max_tokens"]], calls)
        whole: Json = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": "max_tokens" if cut else "tool_use" if calls else "end_turn",
            "usage": {**USAGE, "output_tokens": 42},
        }
        return Reply(stream=list(self._events(whole))) if body.get("stream") else Reply(whole)

    def _thinking(self, body: Json) -> list[Json]:
        wanted = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        thought = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQB"}
        return [thought] if self.reasons and wanted else []

    def _events(self, whole: Json) -> Iterator[bytes]:
        yield event("message_start", message={**whole, "content": [], "stop_reason": None})
        for index, block in enumerate(whole["content"]):
            empty, deltas = self._parts(block)
            yield event("content_block_start", index=index, content_block=empty)
            for delta in deltas:
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        yield event("message_delta", delta={"stop_reason": whole["stop_reason"]}, usage={})
        yield event("message_stop")

    def _parts(self, block: Json) -> tuple[Json, list[Json]]:
        if block["type"] == "text":
            words = [f"{word} " for word in block["text"].split()]
            texts = words if self.pieces else [block["text"]]
            return {"type": "text"}, [{"type": "text_delta", "text": text} for text in texts]
        if block["type"] == "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            thinking = {"type": "thinking_delta", "thinking": block["thinking"]}
            return {"type": "thinking"}, [thinking, signature]
        text = json.dumps(block["input"])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]


def said(model: Model, asked: Json) -> tuple[list[Json], str]:
    """The model's calls, and its text where it calls nothing."""
    answer = replace(model, streams=False, heeds_limit=False)._reply
    calls = model._calls(asked)
    text = "" if calls else model._text(asked)
    message = answer(asked, text, calls, "stop").body
    assert isinstance(message, dict)
    return message["choices"][0]["message"].get("tool_calls", []), text


def blocks(text: str, calls: list[Json]) -> list[Json]:
    found: list[Json] = [{"type": "text", "text": text}] if text else []
    for one in calls:
        arguments = json.loads(one["function"]["arguments"])
        name = one["function"]["name"]
        found.append({"type": "tool_use", "id": one["id"], "name": name, "input": arguments})
    return found


def items(text: str, calls: list[Json]) -> list[Json]:
    part = {"type": "output_text", "text": text, "annotations": []}
    found: list[Json] = [{"type": "message", "id": "msg_1", "content": [part]}] if text else []
    for one in calls:
        call_id, function = one["id"], one["function"]
        found.append({"type": "function_call", "id": call_id, "call_id": call_id, **function})
    return found


def events(whole: Json) -> Iterator[Json]:
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": started}
    for index, item in enumerate(whole["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        if item["type"] == "message":
            place = {"output_index": index, "content_index": 0, "item_id": item["id"]}
            for word in item["content"][0]["text"].split():
                yield {"type": "response.output_text.delta", "delta": f"{word} ", **place}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def chat_of_responses(body: Json) -> Json:
    """The same conversation in Chat Completions, as far as the model looks at it."""
    messages = [_chat_item(item) for item in body["input"]]
    if "instructions" in body:
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    tools = [{"type": "function", "function": tool} for tool in body.get("tools", ())]
    choice = body.get("tool_choice", "auto")
    asked: Json = {"messages": messages, "tools": tools, "tool_choice": choice}
    if isinstance(choice, dict):
        asked["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    if "text" in body:
        asked["response_format"] = body["text"]["format"]
    return asked


def _chat_item(item: Json) -> Json:
    if item["type"] == "function_call":
        return {"role": "assistant", "content": None, "tool_calls": [item]}
    if item["type"] == "reasoning":
        return {"role": "assistant", "content": "", "reasoning": item["encrypted_content"]}
    output = item["type"] == "function_call_output"
    content = item["output"] if output else item["content"]
    if isinstance(content, list):
        content = [_chat_part(part) for part in content]
    return {"role": "tool" if output else item["role"], "content": content}


def _chat_part(part: Json) -> Json:
    if part["type"] == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return {"type": "text", "text": part["text"]}


def chat_of_messages(body: Json) -> Json:
    messages = [_chat_message(message) for message in body["messages"]]
    tools = [{"type": "function", "function": tool} for tool in body.get("tools", ())]
    choice = body.get("tool_choice", {"type": "auto"})
    asked: Json = {"messages": messages, "tools": tools, "tool_choice": choice["type"]}
    if choice["type"] == "tool":
        asked["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    if choice["type"] == "any":
        asked["tool_choice"] = "required"
    if "stop_sequences" in body:
        asked["stop"] = body["stop_sequences"]
    if "format" in body.get("output_config", {}):
        asked["response_format"] = body["output_config"]["format"]
    return asked


def _chat_message(message: Json) -> Json:
    content = message["content"]
    if isinstance(content, str):
        return message
    inner = [
        each
        for block in content
        for each in (block["content"] if block["type"] == "tool_result" else [block])
        if isinstance(each, dict)
    ]
    results = any(block["type"] == "tool_result" for block in content)
    return {
        "role": "tool" if results else message["role"],
        "content": [_chat_block(block) for block in inner if block["type"] in ("text", "image")],
    }


def _chat_block(block: Json) -> Json:
    if block["type"] == "text":
        return block
    source = block["source"]
    url = f"data:{source['media_type']};base64,{source['data']}"
    return {"type": "image_url", "image_url": {"url": url}}
