"""The body of a call that was written as text: where it ends, and what it says."""

import re
from typing import Any, NamedTuple

from claude_proxy.codecs.fold import UNPARSED, parse_input
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.mending.forms import FIRST_KEYS, WRAPPERS, Body
from claude_proxy.codecs.mending.offered import Offered
from claude_proxy.types import Json


class TextCall(NamedTuple):
    """One call, by the client's name of its tool."""

    name: str
    input: Json


class JsonEnd:
    """Finds where a JSON object or list ends that comes in pieces. Mutable; linear."""

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False

    def feed(self, text: str) -> int:
        """Where in this piece the value is over; -1 if it goes on."""
        at = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(text, at):
            at = found.end()
            match found[0]:
                case '"':
                    self._quoted = not self._quoted
                case "\\":
                    self._escaped = at == len(text)
                    at += 1
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth == 0:
                        return at
        return -1


class TagsEnd:
    """Finds the closing tag behind parameters that come in pieces. Mutable."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = ""

    def feed(self, text: str) -> int:
        """Where in this piece the closing tag ends; -1 if it has not come."""
        seen = self._before + text
        found = _CLOSING.search(seen)
        if found is not None:
            return found.end() - len(self._before)
        self._before = seen[1 - _LONGEST :]
        return -1


_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')
_CLOSING = re.compile(r"</function>|</tool_call>")
_LONGEST = len("</tool_call>")
_PARAMETER = re.compile(
    r"<parameter=([^>\s]{1,128})>(.*?)(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)

_NAMES = ("name", "tool", "tool_name", "function")
_INPUTS = ("arguments", "parameters", "args", "input", "tool_input")


def calls_in(raw: str, body: Body, offered: Offered) -> list[TextCall] | None:
    """The calls of a whole body; None if it is none, or not of tools that were offered."""
    if body.kind == "tags":
        return [TextCall(offered[body.name].name, _parameters(raw, offered[body.name].schema))]
    if body.name:
        input = _input(raw)
        return None if input is None else [TextCall(offered[body.name].name, input)]
    value = _json(raw)
    entries = value if isinstance(value, list) else [value]
    calls = [_call(entry, offered, strict=body.strict) for entry in entries]
    found = [call for call in calls if call is not None]
    return found if found and len(found) == len(calls) else None


def _json(raw: str) -> Any:
    try:
        return loads(raw)
    except ValueError:
        return parse_input(raw)  # Small models forget commas and mistake quotes, too.


def _call(entry: Any, offered: Offered, *, strict: bool) -> TextCall | None:
    entry = _unwrapped(entry)
    if not isinstance(entry, dict) or (strict and not entry.keys() <= FIRST_KEYS):
        return None
    if isinstance(inner := entry.get("function"), dict):
        entry = inner
    name = next((entry[key] for key in _NAMES if isinstance(entry.get(key), str)), "")
    given: Any = next((entry[key] for key in _INPUTS if key in entry), None if strict else {})
    if name not in offered or (strict and given is None):
        return None
    input = given if isinstance(given, dict) else _input(given)
    return None if input is None else TextCall(offered[name].name, input)


def _unwrapped(entry: Any) -> Any:
    """The call in an object that holds nothing else."""
    if isinstance(entry, dict) and len(entry) == 1:
        (key,) = entry
        return entry[key] if key in WRAPPERS else entry
    return entry


def _input(given: Any) -> Json | None:
    """Arguments as text, or null for none; None for what is no object."""
    if not isinstance(given, str | None):
        return None
    input = parse_input(given or "")
    return None if UNPARSED in input else input


def _parameters(raw: str, schema: Json) -> Json:
    """The parameters between tags. A value is a text, unless its schema wants something else."""
    body = _CLOSING.sub("", raw)
    return {
        name: _value(value.removeprefix("\n").removesuffix("\n"), _rule(schema, name))
        for name, value in _PARAMETER.findall(body)
    }


def _rule(schema: Json, name: str) -> Json:
    properties = schema.get("properties")
    rule = properties.get(name) if isinstance(properties, dict) else None
    return rule if isinstance(rule, dict) else {}


def _value(text: str, rule: Json) -> Any:
    kind = rule.get("type")
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return text
    try:
        return loads(text)
    except ValueError:
        return _TRUTHS.get(text.strip().lower(), text) if kind == "boolean" else text


_TRUTHS = {"true": True, "false": False}
