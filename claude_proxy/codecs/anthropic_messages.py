"""The Anthropic Messages wire language, which is also the language inside.

A request is checked only as far as we use it, and then kept as it came: Anthropic adds fields
and block types faster than anyone releases, so whatever is unknown lives on in the dict.
Source: https://docs.anthropic.com/en/api/messages.
"""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from claude_proxy.codecs import OnDrop, Peek, ignore_drop
from claude_proxy.codecs.jsonio import Shared, loads
from claude_proxy.errors import STATUS, ClaudeProxyError, RequestError, UpstreamError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import ErrorType, MessagesRequest

ROLES = ("user", "assistant", "system")
REQUIRED = "Field required"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
MOST_ENTRIES = 10_000
"""Of messages, of tools, and of blocks in one content: what takes a tenth of a second to encode."""

MOST_BLOCKS = 50_000
"""Of blocks in all messages together, blocks inside of blocks included: far more than fit into the
longest context, and few enough to be encoded within a second."""

PEEKED = ("model", "stream")
"""The fields that `peek` looks at."""

Check = Callable[[Any, str], int | None]
"""Raises `RequestError` with the path unless the value has a usable type; gives the number of
content blocks in it, if it may have any."""


def peek(body: Json, /) -> Peek:
    """What routing needs; `RequestError` when even that is not there."""
    _model(body)
    stream = body.get("stream")
    return Peek(model=body["model"], stream=stream is True)


def decode_request(
    body: Json, /, *, on_drop: OnDrop = ignore_drop, require_max_tokens: bool = True
) -> MessagesRequest:
    """The same object, checked; `RequestError` (400) names the first wrong field and its path.

    `require_max_tokens` is false for requests that only count tokens.
    """
    _model(body)
    if "messages" not in body:
        raise _wrong("messages", REQUIRED)
    if require_max_tokens and body.get("max_tokens") is None:
        raise _wrong("max_tokens", REQUIRED)
    for name, value in body.items():
        check = FIELDS.get(name)
        if check is None or value is None:
            continue
        if isinstance(value, Shared):
            value.once("checked", partial(check, value, name))
        else:
            check(value, name)
    _messages(body["messages"])
    checked: Any = body
    request: MessagesRequest = checked
    return request


def encode_error(error: ClaudeProxyError, /, *, request_id: str | None = None) -> tuple[int, Json]:
    """The HTTP status and Anthropic's error envelope."""
    described: Json = {"type": error.type, "message": error.message}
    if error.details:
        described["details"] = error.details
    envelope: Json = {"type": "error", "error": described}
    if request_id is not None:
        envelope["request_id"] = request_id
    return error.status, envelope


def decode_error(status: int, body: bytes, /) -> UpstreamError:
    """What an upstream of this language answered instead of a message."""
    error = _read_error(body)
    told, kind = error.get("message"), error.get("type")
    if not isinstance(told, str) or not told:
        phrase = _PHRASES.get(status, "(unknown status)")
        told = f"The upstream answered {status} {phrase} without a message of its own."
    known: ErrorType | None = kind if isinstance(kind, str) and kind in STATUS else None
    if known and 200 <= status < 300:
        # Some servers say that all is well and what is not in the body.
        status = STATUS[known] if known != "api_error" else 502
    if not 400 <= status < 600:
        return UpstreamError(told, quoted=bool(error))
    return UpstreamError(told, status=status, type=known, quoted=True)


def is_error(body: bytes, /) -> bool:
    """Whether these are the words of a server that speaks this language."""
    return bool(_read_error(body))


def _read_error(body: bytes) -> Json:
    try:
        envelope = loads(body)
    except ValueError:
        return {}
    is_one = isinstance(envelope, dict) and envelope.get("type") == "error"
    error = envelope.get("error") if is_one else None
    return error if isinstance(error, dict) else {}


def _wrong(path: str, why: str) -> RequestError:
    return RequestError(f"{path}: {why}")


def _bounded(entries: list[Any], path: str) -> None:
    if len(entries) > MOST_ENTRIES:
        why = f"List should have at most {MOST_ENTRIES} items, not {len(entries)}"
        raise RequestError(f"{path}: {why}", limit="entries")


def _string(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(path, "Input should be a valid string")


def _object(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, "Input should be a valid dictionary")


def _number(value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(path, "Input should be a valid number")


def _integer(value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, "Input should be a valid integer")


def _positive(value: Any, path: str) -> None:
    _integer(value, path)
    if value < 1:
        raise _wrong(path, "Input should be greater than or equal to 1")


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(path, "Input should be a valid boolean")


def _list_of(check: Check) -> Check:
    def check_list(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong(path, "Input should be a valid list")
        _bounded(value, path)
        for index, entry in enumerate(value):
            check(entry, f"{path}.{index}")

    return check_list


def _fields(optional: Mapping[str, Check], required: Mapping[str, Check] | None = None) -> Check:
    """A check of an object's fields; others may be there, and optional ones may be null."""
    needed = required or {}

    def check_fields(value: Any, path: str) -> int:
        _object(value, path)
        blocks = 0
        for name, check in needed.items():
            if name not in value:
                raise _wrong(f"{path}.{name}", REQUIRED)
            blocks += check(value[name], f"{path}.{name}") or 0
        for name, check in optional.items():
            if value.get(name) is not None:
                blocks += check(value[name], f"{path}.{name}") or 0
        return blocks

    return check_fields


def _model(body: Json) -> None:
    if "model" not in body:
        raise _wrong("model", REQUIRED)
    _string(body["model"], "model")
    if not body["model"].strip():
        raise _wrong("model", "String should have at least 1 character")


def _messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise _wrong("messages", "Input should be a valid list")
    if not messages:
        raise _wrong("messages", "at least one message is required")
    _bounded(messages, "messages")
    blocks = 0
    for index, message in enumerate(messages):
        inside = _usual_message(message)
        blocks += _message(message, f"messages.{index}") if inside is None else inside
        if blocks > MOST_BLOCKS:
            why = f"All messages together should have at most {MOST_BLOCKS} content blocks"
            raise RequestError(f"messages: {why}", limit="entries")


def _message(message: Any, path: str) -> int:
    _object(message, path)
    role = message.get("role")
    if role not in ROLES:
        why = "Input should be 'user', 'assistant' or 'system'" if "role" in message else REQUIRED
        raise _wrong(f"{path}.role", why)
    if role == "system":
        _system_message_fields(message, path)
        if message.get("content") is None and message.get("output_config") is not None:
            return 0
    if message.get("content") is None:
        raise _wrong(f"{path}.content", REQUIRED)
    return _content(message["content"], f"{path}.content")


def _content(content: Any, path: str) -> int:
    """A string or a list of typed blocks."""
    if isinstance(content, str):
        return 0
    if not isinstance(content, list):
        raise _wrong(path, "Input should be a valid string or a list of blocks")
    _bounded(content, path)
    inside = (_block(block, f"{path}.{index}") for index, block in enumerate(content))
    return len(content) + sum(inside)


def _usual_message(message: Any) -> int | None:
    """The number of blocks in a message that is plainly right, as nearly all are; None for one
    that is to be checked field by field, which takes five times as long."""
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
        return None
    content = message.get("content")
    if isinstance(content, str):
        return 0
    if not isinstance(content, list) or len(content) > MOST_ENTRIES:
        return None
    blocks = len(content)
    for block in content:
        if not isinstance(block, dict):
            return None
        kind = block.get("type")
        if kind == "text" or kind == "thinking":
            right = isinstance(block.get(kind), str)
        elif kind == "tool_use":
            right = (
                isinstance(block.get("id"), str)
                and isinstance(block.get("name"), str)
                and isinstance(block.get("input"), dict)
            )
        else:
            inside = _usual_result(block) if kind == "tool_result" else None
            right = inside is not None
            blocks += inside or 0
        if not right:
            return None
    return blocks


def _usual_result(block: Json) -> int | None:
    right = isinstance(block.get("tool_use_id"), str)
    content = block.get("content")
    if not right or not isinstance(block.get("is_error", False), bool):
        return None
    if isinstance(content, str):
        return 0
    if not isinstance(content, list) or len(content) > MOST_ENTRIES:
        return None
    for each in content:
        if not isinstance(each, dict) or each.get("type") != "text":
            return None
        if not isinstance(each.get("text"), str):
            return None
    return len(content)


def _block(block: Any, path: str) -> int:
    _object(block, path)
    if "type" not in block:
        raise _wrong(f"{path}.type", REQUIRED)
    _string(block["type"], f"{path}.type")
    check = BLOCKS.get(block["type"], _object)
    return check(block, path) or 0


def _source(source: Any, path: str) -> int:
    _SOURCE(source, path)
    check = SOURCES.get(source["type"], _object)
    return check(source, path) or 0


def _tool(tool: Any, path: str) -> None:
    _TOOL(tool, path)
    if tool.get("type") in (None, "custom") and not tool.get("name"):
        raise _wrong(f"{path}.name", REQUIRED)


def _tool_change(change: Any, path: str) -> None:
    _fields({"tool": _fields({"name": _string, "definition": _TOOL})})(change, path)


_NOTHING: Mapping[str, Check] = {}
_TOOL = _fields(
    {
        "type": _string,
        "name": _string,
        "description": _string,
        "input_schema": _object,
        "input_examples": _list_of(_object),
        "strict": _boolean,
    }
)
_SOURCE = _fields(_NOTHING, {"type": _string})
_EFFORT = _fields({"effort": _string})
_system_message_fields = _fields({"output_config": _EFFORT, "clear_at": _string})

SOURCES: Mapping[str, Check] = {
    "base64": _fields(_NOTHING, {"data": _string, "media_type": _string}),
    "text": _fields(_NOTHING, {"data": _string}),
    "url": _fields(_NOTHING, {"url": _string}),
    "file": _fields(_NOTHING, {"file_id": _string}),
    "content": _fields(_NOTHING, {"content": _content}),
}
"""What each kind of image or document source must have; unknown kinds may have anything."""

BLOCKS: Mapping[str, Check] = {
    "text": _fields(_NOTHING, {"text": _string}),
    "image": _fields(_NOTHING, {"source": _source}),
    "document": _fields({"title": _string, "context": _string}, {"source": _source}),
    "search_result": _fields(_NOTHING, {"source": _string, "title": _string, "content": _content}),
    "thinking": _fields(_NOTHING, {"thinking": _string}),
    "tool_use": _fields({"input": _object}, {"id": _string, "name": _string}),
    "tool_result": _fields({"content": _content, "is_error": _boolean}, {"tool_use_id": _string}),
    "tool_reference": _fields(_NOTHING, {"tool_name": _string}),
    "tool_addition": _tool_change,
    "compaction": _fields({"content": _string, "tool_changes": _list_of(_tool_change)}),
}
"""What each block must have as far as we use it; unknown blocks may have anything."""

FIELDS: Mapping[str, Check] = {
    "max_tokens": _positive,
    "system": _content,
    "tools": _list_of(_tool),
    "tool_choice": _fields(
        {"name": _string, "disable_parallel_tool_use": _boolean}, {"type": _string}
    ),
    "stop_sequences": _list_of(_string),
    "stream": _boolean,
    "temperature": _number,
    "top_p": _number,
    "top_k": _integer,
    "metadata": _fields({"user_id": _string}),
    "thinking": _fields({"budget_tokens": _integer}, {"type": _string}),
    "output_config": _fields({"effort": _string, "format": _object}),
    "output_format": _object,
}
"""The top-level fields that we use, but for `model` and `messages`; all may be null."""
