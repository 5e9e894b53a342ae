"""Searches of earlier turns, as the calls and results that the model knows them by.

The model searched by calling a function, and the client saw one message with the blocks of the
server tool. Read back as calls and results the conversation is what it was, to the byte, so that
a prompt cache goes on working; told as text, models begin to write such texts themselves.
"""

from collections.abc import Sequence
from typing import Any

from claude_proxy.codecs.web_search.hits import is_failure, told
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam

_CALL, _RESULT = "server_tool_use", "web_search_tool_result"
_OURS, _SEARCH = "toolu_", "srvtoolu_"


def search_id(call: str) -> str:
    """The id by which a client knows the search that a call of the model asks for."""
    return _SEARCH + call.removeprefix(_OURS)


def call_id(search: str) -> str:
    """The call again: it has to keep its id where an upstream remembers it."""
    return _OURS + search.removeprefix(_SEARCH) if search.startswith(_SEARCH) else search


def as_calls(messages: Sequence[MessageParam], name: str) -> list[MessageParam]:
    """The messages with each search as a call of the function `name` and its result."""
    read: list[MessageParam] = []
    waiting: list[Json] = []
    """Results for the user's next message."""
    for message in messages:
        content = message.get("content")
        if message["role"] == "assistant" and isinstance(content, list) and _has_search(content):
            parts, left = _split(content, name)
            waiting += left
            read += parts
        elif waiting and message["role"] == "user":
            said = [{"type": "text", "text": content}] if isinstance(content, str) else content
            read.append({**message, "content": [*waiting, *said]})
            waiting = []
        else:
            read.append(message)
    if waiting:
        read.append({"role": "user", "content": waiting})
    return read


def tool_result(search: str, content: object) -> Json:
    """The result of a call, of what the client sees of its search."""
    id = call_id(search)
    result: Json = {"type": "tool_result", "tool_use_id": id, "content": told(content)}
    return {**result, "is_error": True} if is_failure(content) else result


def _has_search(content: Sequence[Json]) -> bool:
    return any(block["type"] == _RESULT for block in content)


def _split(content: Sequence[Json], name: str) -> tuple[list[MessageParam], list[Json]]:
    """What the model said in one turn after the other, with the results between them.

    Results after which it said nothing more are left over: what its other calls gave, which the
    user sends, belongs beside them.
    """
    answered = {block.get("tool_use_id") for block in content if block["type"] == _RESULT}
    parts: list[MessageParam] = []
    said: list[Json] = []
    results: list[Json] = []
    for block in content:
        if block["type"] == _RESULT:
            results.append(tool_result(str(block.get("tool_use_id")), block.get("content")))
            continue
        if results:
            parts += _turn(said, results)
            said, results = [], []
        searched = block["type"] == _CALL and block.get("id") in answered
        said.append(_call(block, name) if searched else block)
    return [*parts, *_turn(said, [])], results


def _call(block: Json, name: str) -> Json:
    id = call_id(str(block["id"]))
    return {"type": "tool_use", "id": id, "name": name, "input": block.get("input") or {}}


def _turn(said: list[Json], results: list[Json]) -> list[MessageParam]:
    messages: list[Any] = [("assistant", said), ("user", results)]
    return [{"role": role, "content": content} for role, content in messages if content]
