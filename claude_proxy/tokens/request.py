"""How many tokens a Messages request will be, by any counter of texts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from claude_proxy.codecs import jsonio
from claude_proxy.codecs.claude_cli.told_tools import RULES
from claude_proxy.codecs.web_search.hits import unpack
from claude_proxy.profiles import Profile
from claude_proxy.tokens.media import Media, media_tokens
from claude_proxy.tokens.text import estimate_text

_MESSAGE = 4
"""Tokens of role and separators around a message (OpenAI cookbook, "How to count tokens")."""

_TOOL = 8
"""Tokens around a function definition (same source: 7 to 10, by model)."""

_REPLY = 3
"""Every reply is primed with three tokens (same source)."""


class Size(NamedTuple):
    """Input tokens: of texts and what stands around them, and of images and documents."""

    text: int
    media: int


def estimate_tokens(request: Mapping[str, Any], *, profile: Profile | None = None) -> int:
    """Input tokens of a Messages request, estimated: system, tools, messages, what they hold.

    Images and documents count as the profile's upstream counts them; as Anthropic does without.
    Never raises on a request that passed the edge check: content of an unknown shape counts as
    its JSON.
    """
    return sum(measure(request, estimate_text, profile=profile))


def measure(
    request: Mapping[str, Any], count_text: Callable[[str], int], *, profile: Profile | None = None
) -> Size:
    """The size of a request, whose texts are counted by `count_text` in one call.

    Cache marks, signatures, and encrypted contents are not text for the model and count nothing.
    """
    try:
        parts = [*_request_parts(request), *_told(request, profile)]
    except RecursionError:  # blocks in blocks in blocks; the server's parser allows a thousand
        parts = [_flat(request)]
    text = "\n".join(part for part in parts if isinstance(part, str))
    frames = sum(part for part in parts if isinstance(part, int))
    media = sum(media_tokens(part, profile) for part in parts if isinstance(part, Media))
    return Size(_REPLY + frames + count_text(text), media)


_Parts = Iterator[str | int | Media]
"""Texts to be counted, counts of what stands around them, and what is not text."""


def _request_parts(request: Mapping[str, Any]) -> _Parts:
    yield from _content(request.get("system"))
    for tool in _items(request.get("tools")):
        yield _TOOL
        yield from _tool(tool)
    for message in _items(request.get("messages")):
        yield _MESSAGE
        yield from _content(message.get("content") if isinstance(message, dict) else message)
    yield from _output_schema(request)


def _told(request: Mapping[str, Any], profile: Profile | None) -> _Parts:
    """What stands around tools that are told in the system prompt."""
    if profile is not None and profile.text_calls == "told" and request.get("tools"):
        yield RULES


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _tool(tool: Any) -> _Parts:
    if not isinstance(tool, dict) or "input_schema" not in tool:
        yield _json(tool)
        return
    yield from _content(tool.get("name"))
    yield from _content(tool.get("description"))
    yield _json(tool["input_schema"])


def _output_schema(request: Mapping[str, Any]) -> _Parts:
    config = request.get("output_config")
    for holder, key in ((config, "format"), (request, "output_format")):
        if isinstance(holder, Mapping) and holder.get(key):
            yield _json(holder[key])


def _content(value: object) -> _Parts:
    """A text, a block, a list of blocks, or whatever else stands where content may stand."""
    if value is None:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _content(item)
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        yield from _BLOCKS.get(value["type"], _other)(value)
    else:
        yield _json(value)


def _fields(*names: str) -> Callable[[dict[str, Any]], _Parts]:
    def parts(block: dict[str, Any]) -> _Parts:
        for name in names:
            yield from _content(block.get(name))

    return parts


def _call(block: dict[str, Any]) -> _Parts:
    yield _MESSAGE
    yield from _content(block.get("name"))
    yield _json(block.get("input"))


def _nothing(block: dict[str, Any]) -> _Parts:
    yield from ()


def _other(block: dict[str, Any]) -> _Parts:
    yield _json(block, _readable)


def _image(block: dict[str, Any]) -> _Parts:
    source = block.get("source")
    data = source.get("data") if isinstance(source, dict) else None
    yield Media("image", data if isinstance(data, str) else None)


def _document(block: dict[str, Any]) -> _Parts:
    yield from _content(block.get("title"))
    yield from _content(block.get("context"))
    source = block.get("source")
    if not isinstance(source, dict):
        yield from _content(source)
    elif source.get("type") == "base64":
        data = source.get("data")
        yield Media("document", data if isinstance(data, str) else "")
    elif source.get("type") in ("url", "file"):
        yield Media("document", None)
    else:
        yield from _fields("data", "content")(source)


_BLOCKS: dict[str, Callable[[dict[str, Any]], _Parts]] = {
    "text": _fields("text"),
    "thinking": _fields("thinking"),
    "redacted_thinking": _nothing,
    "image": _image,
    "document": _document,
    "search_result": _fields("source", "title", "content"),
    "tool_use": _call,
    "server_tool_use": _call,
    "mcp_tool_use": _call,
    "tool_result": _fields("content"),
    "mcp_tool_result": _fields("content"),
    "tool_reference": _fields("tool_name"),
    "compaction": _fields("content"),
}

_UNREAD = {"cache_control", "signature", "encrypted_content", "encrypted_index", "encrypted_stdout"}
"""Fields that the model does not see as text."""


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        # What our own searches have found is told to the model.
        extract = unpack(value.get("encrypted_content"))
        seen = {key: _readable(inner) for key, inner in value.items() if key not in _UNREAD}
        return {**seen, "extract": extract} if extract else seen
    return [_readable(inner) for inner in value] if isinstance(value, list) else value


def _json(value: Any, view: Callable[[Any], Any] = lambda value: value) -> str:
    """Compact JSON of a view of the value; its bare words where JSON cannot carry it."""
    try:
        return jsonio.dumps_text(view(value))
    except (TypeError, ValueError, RecursionError):
        return _flat(value)


def _flat(value: object) -> str:
    words: list[str] = []
    todo = [value]
    while todo:
        match todo.pop():
            case dict() as fields:
                todo += [*fields.keys(), *fields.values()]
            case list() as items:
                todo += items
            case leaf:
                words.append(str(leaf))
    return " ".join(words)
