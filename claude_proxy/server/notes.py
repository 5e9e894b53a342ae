"""What the answer's own headers tell: the route, and what was dropped. ASCII, and bounded."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from claude_proxy.codecs import OnDrop
from claude_proxy.routing import Route
from claude_proxy.types.anthropic import MessagesRequest

_NOTES = "x-claude-proxy-notes"
_NOTES_BYTES = 2048
_NAME_LENGTH = 100
_REASON_SAFE = " !#$&'()*/:;<>?@[]^_`{|}~.-"


class Notes:
    """What was dropped on the way out, in order, as `path=why`. Mutable."""

    def __init__(self) -> None:
        self.items: list[str] = []

    def __call__(self, path: str, why: str) -> None:
        self.items.append(_item(path, why))

    def header(self) -> str:
        """At most 2 KiB; the rest is counted (`+3`)."""
        text = ", ".join(self.items)
        if len(text) <= _NOTES_BYTES:
            return text
        kept = text[: _NOTES_BYTES - 8].rpartition(", ")[0]
        return f"{kept}, +{len(self.items) - kept.count(', ') - 1}"


def answer_headers(route: Route, notes: Notes, facts: dict[str, Any]) -> dict[str, str]:
    """The answer's own headers; the number of notes goes into `facts`."""
    headers = {"x-claude-proxy-route": route_header(route.upstream, route.model, route.reason)}
    if notes.items:
        headers[_NOTES] = notes.header()
        facts["notes"] = len(notes.items)
    return headers


def noted(headers: Mapping[str, str], path: str, why: str) -> dict[str, str]:
    """The answer's own headers with one more note, which stands first."""
    others = headers.get(_NOTES, "")
    return {**headers, _NOTES: ", ".join(filter(None, [_item(path, why), others]))}


def more_noted(headers: Mapping[str, str], notes: Notes, facts: dict[str, Any]) -> dict[str, str]:
    """The answer's own headers with what was dropped of the answer itself, which stands first."""
    facts["notes"] = facts.get("notes", 0) + len(notes.items)
    both = Notes()
    both.items = [*notes.items, *filter(None, headers.get(_NOTES, "").split(", "))]
    return {**headers, _NOTES: both.header()}


def count_late(facts: dict[str, Any]) -> OnDrop:
    """What is dropped of a stream, whose headers have left, is counted for the access line."""

    def count(path: str, why: str) -> None:
        facts["notes"] = facts.get("notes", 0) + 1

    return count


def tell_learned(route: Route, request: MessagesRequest, notes: Notes) -> None:
    """What a request is changed by that its upstream has refused before, or just now."""
    for correction in route.learned:
        if note := correction.note(request):
            notes(*note)
    for correction in route.trial:
        notes("corrected", correction.sentence)


# Clients send the same few things with every request.
@lru_cache(maxsize=1024)
def _item(path: str, why: str) -> str:
    path = quote(shortened(path), safe=".[]_-")
    return f"{path}={quote(shortened(why), safe=_REASON_SAFE)}"


@lru_cache(maxsize=256)
def route_header(upstream: str, model: str, reason: str) -> str:
    """`upstream=NAME; model=M; reason="sonnet to MIDDLE"`, percent-encoded where needed."""
    return (
        f"upstream={quote(shortened(upstream))}; "
        f"model={quote(shortened(model), safe='/:.-_')}; "
        f'reason="{quote(shortened(reason), safe=_REASON_SAFE)}"'
    )


def shortened(text: str) -> str:
    """Clients choose model and field names; headers and log lines have their limits."""
    return text if len(text) <= _NAME_LENGTH else f"{text[:_NAME_LENGTH]}..."
