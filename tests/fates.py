"""What becomes of a part of a request, told by what is sent with it and without it.

Nothing here knows how our code decides: it is asked, and what it sends is looked at.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from claude_proxy.codecs import OnDrop, RequestEncoder, openai_chat, openai_responses
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import Body, dumps
from claude_proxy.codecs.retarget import retarget
from claude_proxy.errors import RequestError
from claude_proxy.images import Tiles
from claude_proxy.native import NATIVES, Native
from claude_proxy.profiles import PROFILES, Profile

Request = dict[str, Any]
Pair = tuple[Request, Request]
"""A request without the part, and the same with it."""
Leaf = tuple[str, Any]
"""A value and the name of its type."""
Send = Callable[[Request, OnDrop], Request]
"""A request and a place for notes → what one upstream gets."""

FATES = ("carried", "translated", "told", "dropped", "refused")
"""From the best to the worst."""

MARKS = {
    *("type", "role", "id", "tool_use_id", "media_type", "ttl", "trigger"),
    *("signature", "encrypted_content", "encrypted_stdout", "stop_reason"),
}
"""Fields of blocks whose values are the protocol's and no content."""

ALIKE: Mapping[str, Any] = {
    **{"name": "any", "images": Tiles(0, 0), "token_counters": (), "context_window": None},
    **{"max_output_tokens": None, "cap_assumed": False},
}
"""What is of no matter here in a profile."""


def _profiles() -> list[Profile]:
    """One profile of each kind, the first with its own limit of tokens."""
    found: dict[Profile, Profile] = {}
    for row in PROFILES:
        found.setdefault(replace(row.profile, **ALIKE), row.profile)
    return list(found.values())


def _translated(codec: RequestEncoder, profile: Profile, request: Request, note: OnDrop) -> Request:
    return codec.encode_request(decode_request(request), profile=profile, on_drop=note)


def _passed(native: Native, most: int | None, request: Request, note: OnDrop) -> Request:
    model = str(request["model"])
    body = Body(dumps(request))
    out = retarget(body, model=model, most=most, native=native, on_drop=note)
    sent: Request = json.loads(out)
    return sent


DIALECTS: Mapping[str, tuple[Send, ...]] = {
    "chat": tuple(partial(_translated, openai_chat, profile) for profile in _profiles()),
    "responses": tuple(partial(_translated, openai_responses, profile) for profile in _profiles()),
    # With a user's own bound of `max_tokens`, too.
    "messages": tuple(partial(_passed, row, most) for row in NATIVES for most in (None, 50)),
}
"""Every kind of upstream that we know, by the language in which it is asked."""


def field_fate(pair: Pair, name: str, send: Send) -> str:
    """What one upstream gets of a field.

    "lost" is none of `FATES`: the value is neither sent nor noted.
    """
    value = pair[1][name]
    after, seen = _seen(pair, send)
    if after.get(name) == value:
        return "carried"
    if isinstance(seen, str):
        return seen
    wanted = list(_leaves(value, marks=name != "messages"))
    if all(leaf in seen for leaf in wanted):
        return "carried"
    return "told" if all(_is_told(leaf, seen) for leaf in wanted) else "translated"


def block_fate(pair: Pair, block: Request, send: Send) -> str:
    """What one upstream gets of a block: itself, or words in its place."""
    after, seen = _seen(pair, send)
    if isinstance(seen, str):
        return seen
    if _holds(after, block):
        return "carried"
    wanted = list(_leaves(block, marks=False))
    return "carried" if wanted and all(_is_whole(leaf, seen) for leaf in wanted) else "told"


def _holds(value: Any, part: Request) -> bool:
    if isinstance(value, dict):
        return value == part or any(_holds(inner, part) for inner in value.values())
    return isinstance(value, list) and any(_holds(inner, part) for inner in value)


def _seen(pair: Pair, send: Send) -> tuple[Request, str | set[Leaf]]:
    """What is sent with the part, and the values that are new in it, or the fate of the part."""
    without, whole = pair
    notes: list[str] = []
    try:
        after = send(whole, lambda path, _: notes.append(path))
    except RequestError:
        return {}, "refused"
    before = send(without, lambda path, why: None)
    if after == before:
        return after, "dropped" if notes else "lost"
    return after, set(Counter(_leaves(after)) - Counter(_leaves(before)))


def _leaves(value: Any, *, marks: bool = True) -> Iterator[Leaf]:
    """The strings, numbers and truth values in a value; JSON in a string is looked into."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if marks or name not in MARKS:
                yield from _leaves(inner, marks=marks)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, marks=marks)
    elif isinstance(value, str) and value[:1] == "{" and value[-1:] == "}":
        yield from _leaves(json.loads(value), marks=marks)
    elif value is not None:
        # 1 and true are not the same.
        yield type(value).__name__, value


def _is_told(leaf: Leaf, seen: Iterable[Leaf]) -> bool:
    return any(kind == leaf[0] == "str" and leaf[1] in text for kind, text in seen)


def _is_whole(leaf: Leaf, seen: Iterable[Leaf]) -> bool:
    """Whether it stands for itself: as a value, a paragraph, or the data of a URL."""
    kind, value = leaf
    if leaf in seen or kind != "str":
        return leaf in seen
    texts = [text for kind, text in seen if kind == "str"]
    return any(
        value in text.split("\n\n") or (text.startswith("data:") and text.endswith(f",{value}"))
        for text in texts
    )


def cell(fates: Iterable[str]) -> str:
    """A table's cell: the best that happens, with a star if something else happens, too."""
    found = set(fates)
    assert found and found <= set(FATES), found
    best = min(found, key=FATES.index)
    return best if found == {best} else f"{best}*"
