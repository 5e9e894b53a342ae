"""What a search found: for the model as text, for the client as the blocks of the real tool.

A client sends the blocks back with later requests, so they hold all that the model was told:
`encrypted_content`, which only Anthropic's servers are meant to read, holds the page's extract
behind a mark of ours. It is no secret, and nobody needs a key to read it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from claude_proxy.types import Json
from claude_proxy.types.anthropic import Usage, WebSearchToolResultBlock

MARK = "cpws1:"
"""How everything that Anthropic would have encrypted begins, where we have made it."""

MOST_HITS = 10
MOST_URL = 2_000
"""Characters; a longer address is of no use when it is cut, so its page is left out."""
MOST_TITLE, MOST_TEXT, MOST_AGE = 300, 2_000, 60
"""Characters, beyond which they are cut: ten pages are then some five thousand tokens at most."""

ErrorCode = Literal[
    "invalid_tool_input", "unavailable", "max_uses_exceeded", "too_many_requests", "query_too_long"
]
"""As the SDK of Anthropic names them (`WebSearchToolResultErrorCode`)."""

_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
"""Some upstreams refuse a request with U+0000, and nobody can see any of them."""

NOTHING = "The search found no pages."


class Hit(NamedTuple):
    """One page."""

    url: str
    title: str
    text: str = ""
    """An extract of it, or what the service says of it."""
    age: str = ""
    """When it was written or changed, in whatever form the service says it."""


class Found(NamedTuple):
    """A search that was made."""

    hits: tuple[Hit, ...]
    usage: Usage | None = None
    """What it cost in tokens, where a model has made it."""


class Failure(NamedTuple):
    """One that was not."""

    code: ErrorCode
    why: str
    """A sentence for the model, and through it for the user; it holds nothing secret."""


Outcome = Found | Failure


def hit(url: object, title: object, text: object = "", age: object = "") -> Hit | None:
    """A page as a service names it, within bounds; None if its address is not one of the web."""
    address = _text(url, MOST_URL + 1)
    if len(address) > MOST_URL or not _is_web(address):
        return None
    named = _text(title, MOST_TITLE) or address[:MOST_TITLE]
    return Hit(address, named, _text(text, MOST_TEXT), _text(age, MOST_AGE))


def _text(value: object, most: int) -> str:
    """In one line: its parts stand in lines of their own in what the model reads."""
    return " ".join(value.translate(_CONTROLS).split())[:most] if isinstance(value, str) else ""


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # Browsers read a backslash as a slash: the host would be another one for them.
    plain = url.isprintable() and not set(url) & set(" \\")
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain


def pack(text: str) -> str:
    """What stands where Anthropic's servers would write something encrypted."""
    return MARK + urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")


def unpack(encrypted: object) -> str | None:
    """The text that `pack` was given; None for what is not ours, or damaged."""
    if not isinstance(encrypted, str) or not encrypted.startswith(MARK):
        return None
    raw = encrypted[len(MARK) : len(MARK) + 8 * MOST_TEXT]
    try:
        return urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode()[:MOST_TEXT]
    except ValueError:
        return None


def result_block(id: str, outcome: Outcome) -> WebSearchToolResultBlock:
    """The block that answers the `server_tool_use` of this id."""
    content: list[Json] | Json
    if isinstance(outcome, Failure):
        # The last field is ours: with it the block says as much later as the model was told now.
        named = {"type": "web_search_tool_result_error", "error_code": outcome.code}
        content = {**named, "error_message": outcome.why}
    else:
        content = [_result(found) for found in outcome.hits]
    return {"type": "web_search_tool_result", "tool_use_id": id, "content": content}


def _result(found: Hit) -> Json:
    return {
        "type": "web_search_result",
        "title": found.title,
        "url": found.url,
        "encrypted_content": pack(found.text),
        "page_age": found.age or None,
    }


def is_failure(content: object) -> bool:
    """Whether the content of a result block says why there are no results."""
    return isinstance(content, dict)


def told(content: object) -> str:
    """What the model reads of the content of a result block; never empty."""
    if isinstance(content, dict):
        code, why = content.get("error_code"), content.get("error_message")
        return f"The search failed: {code}. {why if isinstance(why, str) else ''}".rstrip()
    return "\n\n".join(map(_told_page, pages(content))) or NOTHING


def pages(content: object) -> Iterator[Json]:
    """The objects in the content of a result block."""
    for result in content if isinstance(content, list) else ():
        if isinstance(result, dict):
            yield result


def _told_page(result: Json) -> str:
    age = result.get("page_age")
    lines: Sequence[Any] = (
        result.get("title"),
        result.get("url"),
        f"Age: {age}" if age else "",
        unpack(result.get("encrypted_content")),
    )
    return "\n".join(line for line in lines if isinstance(line, str) and line)
