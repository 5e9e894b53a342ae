"""Tools and functions of a client, and which of them must be called."""

from typing import Any, NamedTuple

from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    a_list,
    an_object,
    boolean,
    filled,
    given,
    needed,
    note_others,
    string,
    wrong,
)
from claude_proxy.errors import UnsupportedContentError
from claude_proxy.types import Json

WEB_SEARCH = "web_search_20250305"

_CHOICES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
"""Chat's words → Messages'; "any" is Mistral's, and Messages' own."""


_TOOL_FIELDS = frozenset({"type", "function", "cache_control"})
_FUNCTION_FIELDS = frozenset(
    {"type", "name", "description", "parameters", "strict", "cache_control"}
)


class _Choice(NamedTuple):
    path: str
    type: str | None = None
    name: str | None = None
    only: frozenset[str] | None = None
    """The names of the tools that may be called at all; None for all of them."""


def decode_tools(body: Json, notes: Notes) -> Json:
    """`tools` and `tool_choice`, as far as the client gives any."""
    tools = _tools(body, notes)
    choice = _choice(body, notes)
    if choice.only is not None:
        tools = [tool for tool in tools if tool["name"] in choice.only]
    names = {tool["name"] for tool in tools}
    if choice.name is not None and choice.name not in names:
        raise wrong(choice.path, f'there is no tool "{choice.name}" in tools')
    if not tools:
        if choice.type == "any":
            raise wrong(choice.path, "a call can be demanded only where there are tools")
        return {}
    wanted = _wanted(choice, body, notes)
    return {"tools": tools, "tool_choice": wanted} if wanted else {"tools": tools}


def is_demanded(fields: Json) -> bool:
    """Whether the request demands a tool call."""
    return (fields.get("tool_choice") or {}).get("type") in ("any", "tool")


def wants_functions(body: Json, /) -> bool:
    """Whether the client knows `functions` only, so that its answer has a `function_call`."""
    return bool(body.get("functions")) and not body.get("tools")


def _tools(body: Json, notes: Notes) -> list[Json]:
    """All tools by their first definition; two of one name are refused by Messages."""
    found: dict[str, Json] = {}
    for field, read in (("tools", _tool), ("functions", _function)):
        for index, entry in enumerate(given(body, field, a_list) or ()):
            path = f"{field}.{index}"
            tool = read(an_object(entry, path), path, notes)
            if tool["name"] in found:
                notes.drop(path, "a second tool of this name")
            else:
                found[tool["name"]] = tool
    if body.get("web_search_options") is not None and "web_search" not in found:
        found["web_search"] = _web_search(body, notes)
    return list(found.values())


def _tool(entry: Json, path: str, notes: Notes) -> Json:
    kind = given(entry, "type", string, path)
    if "input_schema" in entry:
        return _native(entry, path)
    if kind == "function" and "function" not in entry and "name" in entry:
        return _function(entry, path, notes)  # the Responses API's form
    if kind not in (None, "function"):
        raise UnsupportedContentError(f"{path}.type", f'tools of type "{kind}" cannot be sent')
    function = needed(entry, "function", an_object, path)
    note_others(entry, _TOOL_FIELDS, path, notes)
    tool = _function(function, f"{path}.function", notes)
    mark = given(entry, "cache_control", an_object, path)
    return tool if mark is None else {**tool, "cache_control": mark}


def _native(tool: Json, path: str) -> Json:
    """Messages' own form, which some clients send to every address."""
    needed(tool, "name", filled, path)
    needed(tool, "input_schema", an_object, path)
    given(tool, "description", string, path)
    given(tool, "strict", boolean, path)
    return tool


def _function(function: Json, path: str, notes: Notes) -> Json:
    note_others(function, _FUNCTION_FIELDS, path, notes)
    tool: Json = {"name": needed(function, "name", filled, path)}
    if description := given(function, "description", string, path):
        tool["description"] = description
    schema = given(function, "parameters", an_object, path) or {}
    tool["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
    if given(function, "strict", boolean, path):
        tool["strict"] = True
    if mark := given(function, "cache_control", an_object, path):
        tool["cache_control"] = mark
    return tool


def _web_search(body: Json, notes: Notes) -> Json:
    """Chat's own search is Anthropic's server tool."""
    path = "web_search_options"
    options = an_object(body[path], path)
    tool: Json = {"type": WEB_SEARCH, "name": "web_search"}
    if options.get("search_context_size") not in (None, "medium"):
        notes.drop(f"{path}.search_context_size", notes.foreign)
    location = given(options, "user_location", an_object, path) or {}
    place = given(location, "approximate", an_object, f"{path}.user_location")
    if place:
        tool["user_location"] = {"type": "approximate", **place}
    return tool


def _choice(body: Json, notes: Notes) -> _Choice:
    asked, path = body.get("tool_choice"), "tool_choice"
    if asked is None:
        asked, path = body.get("function_call"), "function_call"
    elif body.get("function_call") is not None:
        notes.drop("function_call", "tool_choice is used")
    if asked is None:
        return _Choice(path)
    if isinstance(asked, str):
        if asked not in _CHOICES:
            raise wrong(path, "Input should be 'none', 'auto', 'required' or an object")
        return _Choice(path, _CHOICES[asked])
    return _chosen(an_object(asked, path), path)


def _chosen(asked: Json, path: str) -> _Choice:
    kind = given(asked, "type", string, path)
    if kind in _CHOICES:  # Messages' form of the words
        return _Choice(path, _CHOICES[kind])
    if kind == "allowed_tools":
        return _allowed(needed(asked, "allowed_tools", an_object, path), f"{path}.allowed_tools")
    if kind not in (None, "function", "tool"):
        why = f'a choice of type "{kind}" cannot be sent'
        raise UnsupportedContentError(f"{path}.type", why)
    named: Any = asked if "name" in asked else needed(asked, "function", an_object, path)
    place = path if named is asked else f"{path}.function"
    return _Choice(f"{place}.name", "tool", needed(named, "name", filled, place))


def _allowed(allowed: Json, path: str) -> _Choice:
    """A choice among some of the tools: the others are not offered at all."""
    mode = given(allowed, "mode", string, path) or "auto"
    if mode not in ("auto", "required"):
        raise wrong(f"{path}.mode", "Input should be 'auto' or 'required'")
    names = []
    for index, tool in enumerate(needed(allowed, "tools", a_list, path)):
        place = f"{path}.tools.{index}"
        function = needed(an_object(tool, place), "function", an_object, place)
        names.append(needed(function, "name", filled, f"{place}.function"))
    return _Choice(path, _CHOICES[mode], only=frozenset(names))


def _wanted(choice: _Choice, body: Json, notes: Notes) -> Json:
    """The `tool_choice`, where it says more than "as you like"."""
    wanted: Json = {} if choice.type is None else {"type": choice.type}
    if choice.name is not None:
        wanted["name"] = choice.name
    one = given(body, "parallel_tool_calls", boolean) is False
    # The older functions never come in parallel.
    if (one or wants_functions(body)) and choice.type != "none":
        return {"type": "auto", **wanted, "disable_parallel_tool_use": True}
    return wanted
