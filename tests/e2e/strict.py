"""What a strict OpenAI-compatible server refuses in a chat request, as a list of complaints."""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

FIELDS = frozenset(
    "model messages tools tool_choice stream stream_options max_tokens max_completion_tokens"
    " temperature top_p stop user metadata n seed response_format parallel_tool_calls"
    " reasoning_effort store service_tier prompt_cache_key safety_identifier verbosity"
    " frequency_penalty presence_penalty logprobs top_k reasoning".split()
)
ROLES = ("system", "developer", "user", "assistant", "tool")
PARTS = ("text", "image_url", "input_audio", "file", "refusal")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def complaints(body: Json) -> list[str]:
    """Everything that is wrong with the request; empty when a strict server would take it."""
    found = [f"unknown field {name}" for name in body if name not in FIELDS]
    messages = body.get("messages") or []
    for at, message in enumerate(messages):
        found += [f"messages[{at}] {what}" for what in _message(message)]
    found += _pairing(messages)
    found += _tools(body.get("tools") or [])
    if "tools" in body and not body["tools"]:
        found.append("tools is empty")
    if "tool_choice" in body and not body.get("tools"):
        found.append("tool_choice without tools")
    return found


def _message(message: Json) -> Iterator[str]:
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        yield f"role {role!r}"
    if content in (None, "", []) and not (role == "assistant" and message.get("tool_calls")):
        yield f"empty content of {role}"
    for part in content if isinstance(content, list) else []:
        if part.get("type") not in PARTS:
            yield f"part type {part.get('type')!r}"
        elif part["type"] == "text" and not part.get("text"):
            yield "empty text part"
    for call in message.get("tool_calls") or []:
        if not isinstance(call["function"]["arguments"], str):
            yield "arguments are not a string"


def _pairing(messages: list[Json]) -> Iterator[str]:
    """Every call is answered at once and only once, and every answer belongs to a call."""
    waiting: list[str] = []
    for at, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield f"messages[{at}] answers no call: {message.get('tool_call_id')!r}"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"messages[{at}] {role} comes before the results of {waiting}"
        waiting = [call.get("id") or "" for call in message.get("tool_calls") or []]
        if len(set(waiting)) != len(waiting) or not all(waiting):
            yield f"messages[{at}] ids of its calls: {waiting}"
    if waiting:
        yield f"calls without results: {waiting}"


def _tools(tools: list[Json]) -> Iterator[str]:
    names = [tool.get("function", {}).get("name") for tool in tools]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"tool {name!r} is there twice"
    for tool in tools:
        function = tool.get("function", {})
        extra = set(tool) - {"type", "function"}
        extra |= set(function) - {"name", "description", "parameters", "strict"}
        if extra or tool.get("type") != "function":
            yield f"tool {function.get('name')!r} has {sorted(extra)}, type {tool.get('type')!r}"
        if not TOOL_NAME.fullmatch(function.get("name") or ""):
            yield f"tool name {function.get('name')!r}"
        if function.get("parameters", {}).get("type") != "object":
            yield f"parameters of {function.get('name')!r} are not an object"
