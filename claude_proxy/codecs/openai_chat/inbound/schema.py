"""JSON schemas of answers, as Messages can enforce them."""

from claude_proxy.types import Json

_MAPS = ("properties", "$defs", "definitions")
_OPEN = frozenset(
    {"patternProperties", "unevaluatedProperties", "propertyNames", "dependentSchemas"}
    | {"allOf", "oneOf", "not", "if"}
)
"""Keywords whose meaning would change if the objects in them or beside them were closed."""
MOST_DEPTH = 100
"""Deeper schemas are told instead: whoever walks them later may recurse."""


class _CannotClose(Exception):
    """An object in the schema must stay open."""


def closed(schema: Json) -> Json | None:
    """The schema with every object closed; None where an object must be open.

    Messages enforces only schemas whose objects forbid further properties. Who does not say
    whether there may be any gets none: such an answer is valid under the open schema too.
    """
    try:
        return _closed(schema, MOST_DEPTH)
    except _CannotClose:
        return None


def _closed(node: Json, depth: int) -> Json:
    further = node.get("additionalProperties")
    nameless = _is_object(node) and "properties" not in node and further is None
    if depth == 0 or nameless or further not in (None, False) or not _OPEN.isdisjoint(node):
        raise _CannotClose
    made = {name: _inside(name, value, depth - 1) for name, value in node.items()}
    if "properties" in node or _is_object(node):
        made["additionalProperties"] = False
    return made


def _inside(name: str, value: object, depth: int) -> object:
    """A keyword's value, with the schemas in it closed."""
    if name in _MAPS and isinstance(value, dict):
        return {key: _each(inner, depth) for key, inner in value.items()}
    if name == "anyOf" and isinstance(value, list):
        return [_each(inner, depth) for inner in value]
    return _each(value, depth) if name == "items" else value


def _each(value: object, depth: int) -> object:
    return _closed(value, depth) if isinstance(value, dict) else value


def _is_object(node: Json) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)
