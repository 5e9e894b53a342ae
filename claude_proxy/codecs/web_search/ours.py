"""Searches of ours in a history that goes to a server of Anthropic's language.

It would refuse them: what it has encrypted itself it knows. So their results become the text that
the model was told, and what else belongs to them is left out. Everything else stays the bytes that
it was.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from claude_proxy.codecs.jsonio import entries, loads, members, raw_json
from claude_proxy.codecs.web_search.hits import MARK, pages, told
from claude_proxy.types import Json

_SIGNS = (f'"{MARK}'.encode(), b'"error_message"')
"""One of them stands in every message with a search of ours, but where it has found nothing."""


def holds_ours(raw: bytes) -> bool:
    """Whether there may be such searches, at the price of a look at the bytes."""
    return any(sign in raw for sign in _SIGNS)


def without_ours(messages: msgspec.Raw | Sequence[Any] | None) -> tuple[list[Any], list[int]]:
    """The messages with those searches as texts, and the indexes of those that have changed.

    Whatever is no list holds no messages.
    """
    if isinstance(messages, msgspec.Raw):
        listed: Sequence[Any] = entries(messages) if bytes(messages)[:1] == b"[" else ()
    else:
        listed = messages or ()
    changed: list[Any] = []
    indexes: list[int] = []
    for index, message in enumerate(listed):
        own = _retold(message if isinstance(message, msgspec.Raw) else raw_json(message))
        indexes += [] if own is None else [index]
        changed.append(message if own is None else own)
    return changed, indexes


def _retold(raw: msgspec.Raw) -> Json | None:
    """None for a message without a search of ours."""
    if not holds_ours(bytes(raw)) or bytes(raw)[:1] != b"{":
        return None
    parts: Json = {**members(bytes(raw))}
    content = loads(bytes(parts.get("content", b"null")))
    if not isinstance(content, list):
        return None
    ids = [block["tool_use_id"] for block in content if _is_ours(block)]
    blocks = [own for block in content for own in _blocks(block, ids)]
    return {**parts, "content": blocks} if blocks != content else None


def _is_ours(block: Any) -> bool:
    named = isinstance(block, dict) and "tool_use_id" in block
    if not named or block.get("type") != "web_search_tool_result":
        return False
    content = block.get("content")
    if isinstance(content, dict):
        return "error_message" in content
    return any(_is_marked(page.get("encrypted_content")) for page in pages(content))


def _is_marked(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


def _blocks(block: Any, ids: list[Any]) -> Iterator[Any]:
    if _is_ours(block):
        yield {"type": "text", "text": f"[web search results]\n{told(block['content'])}"}
    elif not isinstance(block, dict) or not _belongs(block, ids):
        yield _uncited(block)


def _belongs(block: Json, ids: list[Any]) -> bool:
    return block.get("type") == "server_tool_use" and block.get("id") in ids


def _uncited(block: Any) -> Any:
    """A text without citations of ours."""
    cited = block.get("citations") if isinstance(block, dict) else None
    if not isinstance(cited, list):
        return block
    kept = [each for each in cited if not _is_marked(_index(each))]
    rest = {name: value for name, value in block.items() if name != "citations"}
    return block if len(kept) == len(cited) else {**rest, **({"citations": kept} if kept else {})}


def _index(citation: Any) -> Any:
    return citation.get("encrypted_index") if isinstance(citation, dict) else None
