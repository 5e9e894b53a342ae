"""What a strict server of the Responses API refuses, as a function.

The rules are those of OpenAI's reference and of the error texts that it is known for. Nothing
here knows our code: a request either keeps the rules or it does not.
"""

import re
from collections.abc import Iterator
from typing import Any

FIELDS = {
    *("model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "text"),
    *("stream", "store", "include", "max_output_tokens", "temperature", "top_p", "top_k"),
    *("reasoning", "user", "prompt_cache_key"),
}
ITEM_FIELDS = {
    "message": {"type", "role", "content"},
    "function_call": {"type", "call_id", "name", "arguments"},
    "function_call_output": {"type", "call_id", "output"},
    "reasoning": {"type", "summary", "encrypted_content"},
}
PART_FIELDS = {
    "input_text": {"type", "text"},
    "input_image": {"type", "detail", "image_url"},
    "input_file": {"type", "filename", "file_data"},
}
TOOL_FIELDS = {"type", "name", "description", "parameters", "strict"}
WORD = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def broken_rules(body: dict[str, Any]) -> list[str]:
    """Every broken rule, with its place; an empty list for a request that passes."""
    return [*_fields(body), *_pairs(body["input"]), *_items(body["input"]), *_tools(body)]


def _fields(body: dict[str, Any]) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in body.keys() - FIELDS)
    yield from (f"{name} is null" for name, value in body.items() if value is None)
    if body.get("store") is not False:
        yield "the answer would be stored"
    if body.get("max_output_tokens", 16) < 16:
        yield "max_output_tokens is below its minimum"
    for name in ("user", "prompt_cache_key"):
        if not 0 < len(body.get(name, "x")) <= 64:
            yield f"{name} is too long"
    if body.get("instructions") == "":
        yield "instructions are empty"


def _pairs(items: list[dict[str, Any]]) -> Iterator[str]:
    """Reasoning before what it led to; one output for each call, before anybody else speaks."""
    waiting: set[str] = set()
    called: set[str] = set()
    for index, item in enumerate(items):
        kind, after = item["type"], items[index + 1] if index + 1 < len(items) else {}
        speaker = item.get("role", kind)
        if kind == "reasoning":
            led_to = after.get("role") == "assistant" or after.get("type") in (
                "function_call",
                "reasoning",
            )
            if not led_to:
                yield f"input[{index}]: reasoning without its required following item"
        elif kind == "function_call":
            if item["call_id"] in called:
                yield f"input[{index}] repeats a call id"
            called.add(item["call_id"])
            waiting.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in waiting:
                yield f"input[{index}] is the output of no call"
            waiting.discard(item["call_id"])
        elif speaker in ("user", "system") and waiting:
            yield f"input[{index}] comes before the outputs of {waiting}"
    if waiting:
        yield f"no outputs for {waiting}"
    if all(item.get("role") == "system" for item in items):
        yield "nothing but system messages"
    for before, after in zip(items, items[1:], strict=False):
        if before.get("role") == after.get("role") == "user":
            yield "two user messages in a row"


def _items(items: list[dict[str, Any]]) -> Iterator[str]:
    for index, item in enumerate(items):
        place, kind = f"input[{index}]", item["type"]
        if item.keys() != ITEM_FIELDS[kind]:
            yield f"{place} has the fields {sorted(item)}"
        if kind == "message":
            yield from _content(item["content"], f"{place}.content", item["role"] == "user")
        elif kind == "function_call_output":
            yield from _content(item["output"], f"{place}.output", True)
        elif kind == "reasoning":
            if not item["encrypted_content"]:
                yield f"{place} has no content: it would be looked up, and not found"
        elif not isinstance(item["arguments"], str) or not WORD.fullmatch(item["name"]):
            yield f"{place}: bad call {item}"
        if "call_id" in item and not WORD.fullmatch(item["call_id"]):
            yield f"{place}: bad call id"


def _content(content: Any, place: str, parts: bool) -> Iterator[str]:
    if not content:
        yield f"{place} is empty"
    if isinstance(content, str):
        return
    if not parts:
        yield f"{place}: only user messages and outputs have parts"
    for part in content:
        if part.keys() != PART_FIELDS[part["type"]] or not all(part.values()):
            yield f"{place}: bad part {part}"


def _tools(body: dict[str, Any]) -> Iterator[str]:
    tools = body.get("tools")
    if tools is not None and not tools:
        yield "tools is empty"
    names = [tool["name"] for tool in tools or ()]
    if len(set(names)) != len(names):
        yield "two tools of one name"
    for tool in tools or ():
        if tool.keys() - TOOL_FIELDS or "strict" not in tool or tool["type"] != "function":
            yield f"bad tool {tool}"
        if not WORD.fullmatch(tool["name"]):
            yield f"bad tool name {tool['name']}"
        schema = tool["parameters"]
        if schema.get("type") != "object" or schema.keys() & {"anyOf", "oneOf", "allOf", "enum"}:
            yield "parameters are not a plain object"
    choice = body.get("tool_choice")
    if choice is not None and not tools:
        yield "a choice without tools"
    if isinstance(choice, dict) and (choice["type"] != "function" or choice["name"] not in names):
        yield "the choice is not among the tools"
