"""Content blocks of a conversation as the CLI takes them.

It hands Anthropic's blocks on as they are, so most are carried. What only Anthropic's servers
could have made (results of server tools, uploaded files) is told to the model in words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from claude_proxy.codecs.carry import is_ours
from claude_proxy.codecs.claude_cli.pairing import Said
from claude_proxy.codecs.claude_cli.words import PREFIX
from claude_proxy.codecs.openai_chat.blocks import render
from claude_proxy.codecs.openai_chat.content import as_object, texts_of
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.types import Json

Carrier = Callable[[Json, str, Context], list[Json]]
"""A block, its path and the context → the blocks that the CLI gets for it."""


def user_blocks(content: str | Sequence[Json], path: str, context: Context) -> list[Said]:
    return list(_blocks(content, path, context, _USER))


def assistant_blocks(content: str | Sequence[Json], path: str, context: Context) -> list[Said]:
    return list(_blocks(content, path, context, _ASSISTANT))


def reminder(content: str | Sequence[Json], path: str, context: Context) -> list[Said]:
    """A system message in mid-conversation, for which the CLI has no line: user text, marked."""
    texts = [block["text"] for _, block in _blocks(content, path, context, {"text": _text})]
    if not texts:
        return []
    context.notes.once("reminder", path, "a system message inside the conversation: user text")
    joined = "\n\n".join(texts)
    told = f"<system-reminder>\n{joined}\n</system-reminder>"
    return [(path, {"type": "text", "text": told})]


def _blocks(
    content: str | Sequence[Json], path: str, context: Context, carriers: Mapping[str, Carrier]
) -> Iterator[Said]:
    if isinstance(content, str):
        if content:
            yield path, {"type": "text", "text": content}
        return
    for index, block in enumerate(content):
        where = f"{path}.content.{index}"
        if block.get("cache_control"):
            context.notes.cache_control(where)
        carried = carriers.get(block["type"], _told)(block, where, context)
        yield from ((where, own) for own in carried)


def _told(block: Json, path: str, context: Context) -> list[Json]:
    texts = texts_of(render(block, path, context, media=False))
    return [{"type": "text", "text": text} for text in texts if text]


def _text(block: Json, path: str, context: Context) -> list[Json]:
    if block.get("citations"):
        context.notes.once("citations", f"{path}.citations", context.notes.foreign)
    return [{"type": "text", "text": block["text"]}] if block["text"] else []


def _media(block: Json, path: str, context: Context) -> list[Json]:
    """An image or a document, as it is: the CLI hands them on."""
    if as_object(block.get("source")).get("type") == "file":
        return _told(block, path, context)
    return [_unmarked(block)]


def _unmarked(block: Json) -> Json:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _result(block: Json, path: str, context: Context) -> list[Json]:
    result: Json = {"type": "tool_result", "tool_use_id": block["tool_use_id"]}
    inner = [own for _, own in _blocks(block.get("content") or "", path, context, _RESULT)]
    if inner:
        result["content"] = inner
    if block.get("is_error"):
        result["is_error"] = True
    return [result]


def _call(block: Json, path: str, context: Context) -> list[Json]:
    name = PREFIX + context.tool_name(block["name"])
    call = {"type": "tool_use", "id": block["id"], "name": name, "input": block.get("input") or {}}
    return [call]


def _thinking(block: Json, path: str, context: Context) -> list[Json]:
    """Claude's own goes back to Claude; other models' has no signature that it would take."""
    signature = block.get("signature")
    if isinstance(signature, str) and signature and not is_ours(signature):
        return [_unmarked(block)]
    context.notes.once("thinking", path, "thinking that Claude has not signed")
    return []


def _redacted(block: Json, path: str, context: Context) -> list[Json]:
    return [_unmarked(block)]


_RESULT: Mapping[str, Carrier] = {
    "text": _text,
    "image": _media,
    "document": _media,
    "search_result": _media,
}
_USER: Mapping[str, Carrier] = {**_RESULT, "tool_result": _result}
_ASSISTANT: Mapping[str, Carrier] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
}
