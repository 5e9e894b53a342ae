"""What a strict OpenAI-compatible server refuses, as a function.

The rules are those of OpenAI's reference and of the error texts that stricter servers are known
for. Nothing here knows our code: a request either keeps the rules or it does not.
"""

import re
from collections.abc import Iterator
from typing import Any

FIELDS = {
    *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
    *("stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "user"),
    *("temperature", "top_p", "top_k", "reasoning_effort"),
}
SWITCHES = {"thinking", "enable_thinking", "reasoning", "chat_template_kwargs"}
VENDORS_FIELDS = {*SWITCHES, "thinking_budget", "reasoning_format", "tool_stream", "extra_body"}
MESSAGE_FIELDS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {
        *("role", "content", "tool_calls", "extra_content"),
        *("reasoning_content", "reasoning", "reasoning_details"),
    },
    "tool": {"role", "content", "tool_call_id"},
}
PART_FIELDS = {
    **{"text": "text", "image_url": "image_url", "file": "file"},
    "document_url": "document_url",  # Mistral's
}
VENDORS_PART_FIELDS = {"document_name"}
WORD = re.compile(r"[a-zA-Z0-9_-]+")


def broken_rules(body: dict[str, Any]) -> list[str]:
    """Every broken rule, with its place; an empty list for a request that passes."""
    return [*_fields(body), *_messages(body["messages"]), *_tools(body), *_choice(body)]


def _fields(body: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in body.keys() - FIELDS - VENDORS_FIELDS)
    if len(SWITCHES & body.keys()) > 1:
        yield "two ways to turn reasoning on"
    if body.keys() & {"reasoning", "extra_body"} and "reasoning_effort" in body:
        yield "two levels of reasoning"
    yield from (f"{name} is null" for name, value in body.items() if value is None)
    if "max_tokens" in body and "max_completion_tokens" in body:
        yield "two limits"
    if not 1 <= len(body.get("stop", ["x"])) <= 16:
        yield "stop must have one to sixteen entries"
    if "stream_options" in body and not body.get("stream"):
        yield "stream_options without stream"
    if len(body.get("user", "")) > 64:
        yield "user is too long"


def _messages(messages: list[dict[str, Any]]) -> Iterator[str]:
    if all(message["role"] == "system" for message in messages):
        yield "nothing but system messages"
    waiting: list[str] = []
    ids: set[str] = set()
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        role = message["role"]
        yield from (f"{place}.{key}" for key in message.keys() - MESSAGE_FIELDS[role])
        if role == "tool":
            if not waiting or message["tool_call_id"] != waiting.pop(0):
                yield f"{place} is not the result of the next call"
        elif waiting:
            yield f"{place} comes before the results of {waiting}"
            waiting = []
        yield from _content(message, place)
        for call in message.get("tool_calls", ()):
            if call["id"] in ids:
                yield f"{place} repeats the id {call['id']}"
            ids.add(call["id"])
            waiting.append(call["id"])
            yield from _call(call, place)
    if waiting:
        yield f"no results for {waiting}"
    for before, after in zip(messages, messages[1:], strict=False):
        if before["role"] == after["role"] == "user":
            yield "two user messages in a row"


def _content(message: dict[str, Any], place: str) -> Iterator[str]:
    content = message["content"]
    if not content and content != [] and message.get("tool_calls"):
        return
    if not content:
        yield f"{place} is empty"
    if isinstance(content, str):
        return
    if message["role"] == "assistant":
        if [part["type"] for part in content] not in (["thinking"], ["thinking", "text"]):
            yield f"{place}: assistant parts other than thinking and text"
        return
    if message["role"] != "user":
        yield f"{place}: only user messages have parts"
    for part in content or ():
        field = PART_FIELDS.get(part["type"])
        if part.keys() - VENDORS_PART_FIELDS != {"type", field} or not part[field]:
            yield f"{place}: bad part {part}"


def _call(call: dict[str, Any], place: str) -> Iterator[str]:
    if call.keys() - {"extra_content"} != {"id", "type", "function"} or call["type"] != "function":
        yield f"{place}: bad call {call}"
    if not WORD.fullmatch(call["id"]) or len(call["id"]) > 40:
        yield f"{place}: bad call id {call['id']}"
    if not _is_name(call["function"]["name"]):
        yield f"{place}: bad name in a call"
    if not isinstance(call["function"]["arguments"], str):
        yield f"{place}: arguments are not a string"


def _is_name(name: str) -> bool:
    return WORD.fullmatch(name) is not None and len(name) <= 64


def _tools(body: dict[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    if tools is not None and not tools:
        yield "tools is empty"
    names = [tool["function"]["name"] for tool in tools or ()]
    if len(set(names)) != len(names):
        yield "two tools of one name"
    for tool in tools or ():
        function = tool["function"]
        allowed = {"name", "description", "parameters", "strict"}
        if tool.keys() != {"type", "function"} or function.keys() - allowed:
            yield f"bad tool {tool}"
        if not _is_name(function["name"]):
            yield f"bad tool name {function['name']}"
        yield from _parameters(function["parameters"])


def _parameters(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        yield "parameters are not an object"
    if schema.keys() & {"anyOf", "oneOf", "allOf", "not", "enum"}:
        yield "parameters have a union at the top"
    required = schema.get("required", [])
    if len(set(required)) != len(required):
        yield "required has an entry twice"


def _choice(body: dict[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    if not tools and ("tool_choice" in body or "parallel_tool_calls" in body):
        yield "a choice without tools"
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        names = [tool["function"]["name"] for tool in tools or ()]
        if choice["function"]["name"] not in names:
            yield "the choice is not among the tools"


def unmarked(chat: dict[str, Any]) -> dict[str, Any]:
    """The request as it is for upstreams without marks."""
    found = {key: value for key, value in chat.items() if key != "cache_control"}
    found["messages"] = [
        {**message, "content": _joined(message["content"])} for message in chat["messages"]
    ]
    if "tools" in chat:
        found["tools"] = [
            {key: value for key, value in tool.items() if key != "cache_control"}
            for tool in chat["tools"]
        ]
    return found


def _joined(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts = [{key: part[key] for key in part if key != "cache_control"} for part in content]
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts
