"""The client's server tool, and the function that the model is offered in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.jsonio import Body
from claude_proxy.codecs.web_search.history import as_calls
from claude_proxy.errors import RequestError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest

KIND = "web_search_"
"""How the `type` of the tool begins, whatever its version."""
MOST_USES = 20
"""Searches in one answer, and how many there may be where the client does not say it."""
_MOST_DOMAINS, _MOST_DOMAIN, _MOST_PLACE = 100, 253, 100

_ABOUT = (
    "Search the web. The results are pages: title, address, age if it is known, and an extract. "
    "Where your answer rests on a page, name it as a Markdown link with exactly its address."
)
_KNOWN = frozenset(
    {"type", "name", "max_uses", "allowed_domains", "blocked_domains", "user_location"}
    | {"cache_control", "defer_loading", "strict", "allowed_callers"}
)


class Place(NamedTuple):
    """Where the user is, as far as the client says it."""

    city: str = ""
    region: str = ""
    country: str = ""
    """Two letters (ISO 3166-1), upper case."""
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class SearchTool:
    """What a client asks of the search."""

    name: str = "web_search"
    max_uses: int = MOST_USES
    allowed: tuple[str, ...] = ()
    """Domains, with a path or without; if there are any, no other pages are wanted."""
    blocked: tuple[str, ...] = ()
    place: Place = Place()


def find_tool(request: MessagesRequest, on_drop: OnDrop = ignore_drop) -> SearchTool | None:
    """The request's web search, if it has one. `RequestError` (400) where it cannot be read.

    A tool that shares its name with an earlier one is none: the first one of a name counts.
    """
    at = _index(request.get("tools") or ())
    if at is None:
        return None
    tool, path = request["tools"][at], f"tools.{at}"
    for name in sorted(tool.keys() - _KNOWN):
        on_drop(f"{path}.{name}", "not known of a web search")
    callers = tool.get("allowed_callers")
    if isinstance(callers, list) and "direct" not in callers:
        on_drop(f"{path}.allowed_callers", "the model calls it directly")
    return SearchTool(
        tool.get("name") or "web_search",
        _uses(tool.get("max_uses"), f"{path}.max_uses", on_drop),
        _domains(tool.get("allowed_domains"), f"{path}.allowed_domains"),
        _domains(tool.get("blocked_domains"), f"{path}.blocked_domains"),
        _place(tool.get("user_location"), f"{path}.user_location"),
    )


def wants_search(body: Body) -> bool:
    """Whether a body of Messages, of which nothing was checked, has a web search as a tool."""
    if KIND.encode() not in body.raw:
        return False
    tools = body.some("tools").get("tools")
    return isinstance(tools, list) and any(
        isinstance(tool, dict) and str(tool.get("type", "")).startswith(KIND) for tool in tools
    )


def offer(request: MessagesRequest, tool: SearchTool) -> MessagesRequest:
    """The same request with a function in place of the server tool, and with the searches of
    earlier turns as calls of it."""
    at = _index(request.get("tools") or ())
    if at is None:
        return request
    tools = [*request["tools"]]
    marks = {name: tools[at][name] for name in ("cache_control",) if tools[at].get(name)}
    tools[at] = {**_function(tool), **marks}
    return {**request, "tools": tools, "messages": as_calls(request["messages"], tool.name)}


def _index(tools: Sequence[Json]) -> int | None:
    for index, tool in enumerate(tools):
        # All requests with tools come by here, and most tools have no type.
        kind = tool.get("type")
        if kind is not None and kind.startswith(KIND):
            name = tool.get("name") or "web_search"
            return None if any(each.get("name") == name for each in tools[:index]) else index
    return None


def _function(tool: SearchTool) -> Json:
    query = {"type": "string", "description": "What to look for."}
    return {
        "name": tool.name,
        "description": " ".join([_ABOUT, *_told(tool)]),
        "input_schema": {"type": "object", "properties": {"query": query}, "required": ["query"]},
    }


def _told(tool: SearchTool) -> list[str]:
    """What the model has to know to ask well. Services know countries at most, so it is the model
    that makes use of a place."""
    sentences = []
    if tool.allowed:
        sentences.append(f"Only pages of these sites are found: {', '.join(tool.allowed)}.")
    if tool.blocked:
        sentences.append(f"Pages of these sites are never found: {', '.join(tool.blocked)}.")
    place = ", ".join(filter(None, tool.place[:3]))
    if place:
        sentences.append(f"The user is in {place}; use that where it matters.")
    if tool.place.timezone:
        sentences.append(f"The user's time zone is {tool.place.timezone}.")
    return sentences


def _uses(value: object, path: str, on_drop: OnDrop) -> int:
    if value is None:
        return MOST_USES
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RequestError(f"{path}: Input should be a whole number of at least 1")
    if value > MOST_USES:
        on_drop(path, f"at most {MOST_USES} searches are made for one answer")
    return min(value, MOST_USES)


def _domains(value: object, path: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_DOMAINS:
        raise RequestError(f"{path}: Input should be a list of at most {_MOST_DOMAINS} domains")
    return tuple(_domain(entry, f"{path}.{index}") for index, entry in enumerate(value))


def _domain(value: object, path: str) -> str:
    """`example.com` or `example.com/blog`, whatever else stands around it."""
    text = value.strip().lower() if isinstance(value, str) else ""
    bare = text.removeprefix("https://").removeprefix("http://").removeprefix("*.").strip("/")
    plain = bare.isprintable() and not any(char in bare for char in ' "()')
    if not bare or len(bare) > _MOST_DOMAIN or not plain:
        raise RequestError(f"{path}: Input should be a domain like example.com")
    return bare


def _place(value: object, path: str) -> Place:
    if value is None:
        return Place()
    if not isinstance(value, dict):
        raise RequestError(f"{path}: Input should be a valid dictionary")
    parts = {name: " ".join(str(value.get(name) or "").split()) for name in Place._fields}
    place = Place(**{name: part[:_MOST_PLACE] for name, part in parts.items()})
    return place._replace(country=place.country.upper())
