"""A Messages request for a server that speaks Messages: only what must be is changed.

Without a change the very bytes go out. With one, each part that stays is copied as the bytes that
it came in: unknown fields keep their order, numbers their digits, texts their escapes.
Pure like every codec.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.carry import MARK
from claude_proxy.codecs.jsonio import Body, dumps, entries, members, raw_json
from claude_proxy.codecs.web_search.ours import holds_ours, without_ours
from claude_proxy.native import Native

_BLOCK = b'"thinking"'
"""Stands in every thinking block, and as a field beside the messages."""

_REDACTED = b'"redacted_thinking"'

_UNSIGNED = "our own, without the upstream's signature"
_REFUSED = "refused by this upstream"
_BARE = "a signature in the thinking was refused"
_NO_HISTORY = "thinking of earlier turns is not sent"
_NEEDS_THINKING = "the last turn's thinking is not the upstream's own"
_OWN_SEARCH = "a web search of this proxy, sent as text"
_OFF_TOO = "it clears thinking, which is not sent"
_CLEARS = "context_management"
"""Clears old thinking, which is an error where thinking is off."""

_THOUGHTS = ("thinking", "redacted_thinking")


def retarget(
    body: Body,
    /,
    *,
    model: str,
    least: int | None = None,
    most: int | None = None,
    native: Native,
    on_drop: OnDrop,
    bare: bool = False,
) -> bytes:
    """The body's bytes for `model` at an upstream described by `native`.

    `least` and `most` are the user's own bounds of `max_tokens`; `bare` leaves out all thinking of
    the history.
    """
    if bare:
        native = replace(native, history_thinking="dropped")
    head = body.some("model", "max_tokens", "thinking")
    changes: dict[str, Any] = {} if head["model"] == model else {"model": model}
    asked = whole_number(head.get("max_tokens"))
    if asked is not None and (bound := bounded(asked, least, most)) != asked:
        changes["max_tokens"] = bound
        on_drop("max_tokens", f"{asked} {'lowered' if bound < asked else 'raised'} to {bound}")
    messages = _history(body, native)
    found = _refused_thinking(messages, native)
    before = body.members() if native.drop_fields else {}
    kept = _without_fields(before, native.drop_fields, on_drop)
    ours = holds_ours(body.raw) and bool(without_ours(body.members().get("messages"))[1])
    if not changes and kept is before and not found and not ours:
        return body.raw
    parts: dict[str, Any] = {**(kept or body.members()), **changes}
    if found:
        _tell(found, native, bare, on_drop)
        if "thinking" in parts and _needs_thinking(head.get("thinking"), messages, found):
            _turn_off(parts, on_drop)
        parts["messages"] = _without(parts["messages"], found)
    if ours:
        _retell(parts, on_drop)
    return dumps(parts)


def _retell(parts: dict[str, Any], on_drop: OnDrop) -> None:
    """Searches that we have made, as the upstream takes them."""
    parts["messages"], changed = without_ours(parts["messages"])
    for index in changed:
        on_drop(f"messages.{index}.content", _OWN_SEARCH)


def _turn_off(parts: dict[str, Any], on_drop: OnDrop) -> None:
    parts["thinking"] = {"type": "disabled"}
    on_drop("thinking", _NEEDS_THINKING)
    if parts.pop(_CLEARS, None) is not None:
        on_drop(_CLEARS, _NEEDS_THINKING)


def _tell(found: Sequence[tuple[int, int]], native: Native, bare: bool, on_drop: OnDrop) -> None:
    why = _NO_HISTORY if native.history_thinking == "dropped" else _UNSIGNED
    for index, block in found:
        on_drop(f"messages.{index}.content.{block}", _BARE if bare else why)


Parts = Mapping[str, msgspec.Raw]


def _without_fields(parts: Parts, paths: Sequence[str], on_drop: OnDrop) -> Parts:
    """The members without what is at these paths; the same object where nothing is."""
    for path in paths:
        less = _less(parts, path.split("."))
        if less is None:
            continue
        on_drop(path, _REFUSED)
        parts = less
        if path == "thinking" and _CLEARS in parts:
            parts = {name: part for name, part in parts.items() if name != _CLEARS}
            on_drop(_CLEARS, _OFF_TOO)
    return parts


def _less(parts: Parts, path: Sequence[str]) -> Parts | None:
    """An object's members without what is at the path; None where there is nothing."""
    name, rest = path[0], path[1:]
    if name not in parts:
        return None
    if not rest:
        return {other: part for other, part in parts.items() if other != name}
    inner = _less_value(parts[name], rest)
    return None if inner is None else {**parts, name: inner}


def _less_value(value: msgspec.Raw, path: Sequence[str]) -> msgspec.Raw | None:
    """The same for a value: of a list, all of its entries."""
    start = bytes(value)[:1]
    if start == b"{":
        less = _less(members(bytes(value)), path)
        return None if less is None else raw_json(less)
    if start != b"[":
        return None
    found = [(each, _less_value(each, path)) for each in entries(value)]
    if all(less is None for _, less in found):
        return None
    return raw_json([each if less is None else less for each, less in found])


def kept_betas(value: str, native: Native, on_drop: OnDrop) -> str:
    """The header `anthropic-beta` without what the upstream refuses; verbatim without a change."""
    names = [name.strip() for name in value.split(",")] if native.drop_betas else []
    gone = {name for name in names if any(fnmatchcase(name, glob) for glob in native.drop_betas)}
    if not gone:
        return value
    for name in gone:
        on_drop(f"anthropic-beta.{name}", _REFUSED)
    return ",".join(name for name in names if name not in gone)


def whole_number(value: object) -> int | None:
    """A limit of tokens, also one that is written `1e3`; None for what is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def bounded(asked: int, least: int | None, most: int | None) -> int:
    """A limit of tokens between the user's own, as far as there are any; `most` counts more."""
    raised = asked if least is None else max(asked, least)
    return raised if most is None else min(raised, most)


Found = Sequence[tuple[int, int]]
"""Indexes of messages and of blocks in them."""


def _history(body: Body, native: Native) -> list[Any]:
    """The messages, where some of them may have to change; most often none is even read."""
    everything = native.history_thinking == "dropped"
    if native.own_thinking == "keep" and not everything:
        return []
    if _BLOCK not in body.raw and not (everything and _REDACTED in body.raw):
        return []
    said = bytes(body.members().get("messages", b""))
    if _BLOCK not in said and not (everything and _REDACTED in said):
        return []
    messages = body.some("messages").get("messages")
    return messages if isinstance(messages, list) else []


def _refused_thinking(messages: list[Any], native: Native) -> Found:
    """Thinking blocks of the history that the upstream would answer with 400."""
    return [
        (index, at)
        for index, message in enumerate(messages)
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for at, block in enumerate(message["content"])
        if isinstance(block, dict) and _is_refused(block, native)
    ]


def _is_refused(block: Mapping[str, Any], native: Native) -> bool:
    if native.history_thinking == "dropped":
        return block.get("type") in _THOUGHTS
    if block.get("type") != "thinking":
        return False
    signature = block.get("signature")
    if isinstance(signature, str) and signature.startswith(MARK):
        return True
    # Clients send a block that came without a signature back with an empty one.
    return native.claude and not signature


def _needs_thinking(thinking: object, messages: list[Any], found: Found) -> bool:
    """Whether thinking is on, and a turn that must begin with its thinking lost it.

    "Expected `thinking` or `redacted_thinking`, but found `tool_use`": a turn goes on as long as
    the user answers with tool results. With adaptive thinking nothing is expected.
    """
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return False
    lost = {index for index, _ in found}
    return any(index in lost for index in _last_turn(messages))


def _last_turn(messages: Sequence[Any]) -> Iterator[int]:
    """Indexes of the assistant's messages since the user last said something, from the end."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        role = message.get("role") if isinstance(message, dict) else None
        if role == "assistant":
            yield index
        elif role == "user" and not _has_results(message.get("content")):
            return


def _has_results(content: object) -> bool:
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )


def _without(raw: msgspec.Raw, found: Found) -> list[Any]:
    """The messages without these blocks, and without messages that would be empty."""
    gone: dict[int, set[int]] = {}
    for index, at in found:
        gone.setdefault(index, set()).add(at)
    return [
        changed
        for index, message in enumerate(entries(raw))
        if (changed := _message(message, gone.get(index))) is not None
    ]


def _message(raw: msgspec.Raw, gone: set[int] | None) -> Mapping[str, Any] | msgspec.Raw | None:
    if gone is None:
        return raw
    parts: dict[str, Any] = {**members(bytes(raw))}
    content = [block for at, block in enumerate(entries(parts["content"])) if at not in gone]
    return {**parts, "content": content} if content else None
