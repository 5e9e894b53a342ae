"""A Messages request for a server that speaks Messages: only what must be is changed.

Without a change the very bytes go out. With one, each part that stays is copied as the bytes that
it came in: unknown fields keep their order, numbers their digits, texts their escapes.
Pure like every codec.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.carry import MARK
from claude_proxy.codecs.jsonio import Body, dumps, entries, members
from claude_proxy.native import Native

_BLOCK = b'"thinking"'
"""Stands in every thinking block, and as a field beside the messages."""

_KINDS = ("thinking", "redacted_thinking")

_UNSIGNED = "our own, without the upstream's signature"
_BARE = "a signature in the thinking was refused"
_REFUSED = "refused by this upstream"
_NEEDS_THINKING = "the last turn's thinking is not the upstream's own"


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
    head = body.some("model", "max_tokens", "thinking", *native.drop_fields)
    changes: dict[str, Any] = {} if head["model"] == model else {"model": model}
    asked = head.get("max_tokens")
    if type(asked) is int and (bound := _bounded(asked, least, most)) != asked:
        changes["max_tokens"] = bound
        on_drop("max_tokens", f"{asked} {'lowered' if bound < asked else 'raised'} to {bound}")
    gone = [name for name in native.drop_fields if name in head]
    for name in gone:
        on_drop(name, _REFUSED)
    messages = _history(body, native, bare)
    found = _refused_thinking(messages, native, bare)
    if not changes and not gone and not found:
        return body.raw
    parts: dict[str, Any] = {**body.members(), **changes}
    for index, block in found:
        on_drop(f"messages.{index}.content.{block}", _BARE if bare else _UNSIGNED)
    if found:
        parts["messages"] = _without(parts["messages"], found)
    if _needs_thinking(head.get("thinking"), messages, found):
        parts["thinking"] = {"type": "disabled"}
        on_drop("thinking", _NEEDS_THINKING)
        gone += _cleared(parts, on_drop)
    return dumps({name: part for name, part in parts.items() if name not in gone})


def kept_betas(value: str, native: Native, on_drop: OnDrop) -> str:
    """The header `anthropic-beta` without what the upstream refuses; verbatim without a change."""
    names = [name.strip() for name in value.split(",")] if native.drop_betas else []
    gone = {name for name in names if any(fnmatchcase(name, glob) for glob in native.drop_betas)}
    if not gone:
        return value
    for name in gone:
        on_drop(f"anthropic-beta.{name}", _REFUSED)
    return ",".join(name for name in names if name not in gone)


def _cleared(parts: Mapping[str, Any], on_drop: OnDrop) -> Sequence[str]:
    """Fields that clear old thinking, which is an error where thinking is off."""
    if "context_management" not in parts:
        return ()
    on_drop("context_management", _NEEDS_THINKING)
    return ("context_management",)


def _bounded(asked: int, least: int | None, most: int | None) -> int:
    raised = asked if least is None else max(asked, least)
    return raised if most is None else min(raised, most)


Found = Sequence[tuple[int, int]]
"""Indexes of messages and of blocks in them."""


def _history(body: Body, native: Native, bare: bool) -> list[Any]:
    """The messages, where some of them may have to change; most often none is even read."""
    if not bare and (native.own_thinking == "keep" or _BLOCK not in body.raw):
        return []
    if not bare and _BLOCK not in bytes(body.members().get("messages", b"")):
        return []
    messages = body.some("messages").get("messages")
    return messages if isinstance(messages, list) else []


def _refused_thinking(messages: list[Any], native: Native, bare: bool) -> Found:
    """Thinking blocks of the history that the upstream would answer with 400."""
    return [
        (index, at)
        for index, message in enumerate(messages)
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for at, block in enumerate(message["content"])
        if isinstance(block, dict)
        and block.get("type") in _KINDS
        and (bare or _is_refused(block, native))
    ]


def _is_refused(block: Mapping[str, Any], native: Native) -> bool:
    signature = block.get("signature")
    if block["type"] != "thinking":
        return False
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
