"""Inputs of calls without what their tool's schema forbids: empty values of optional parameters.

Models that are trained to fill in every parameter send `null` or an empty text for those that
they do not use, and the client refuses the call. Leaving such a value out is what was meant.
"""

from collections.abc import Iterator
from typing import Any

from claude_proxy.codecs.empty_inputs import OPTIONAL, is_empty
from claude_proxy.types import Json

Path = tuple[str, ...]


def usable(tool: str, schema: Json, input: Json) -> tuple[Json, list[str]]:
    """The input that the schema allows, and the dotted paths of what was left out.

    The same object where nothing was.
    """
    lost = [*_forbidden(schema, input, ())]
    name = OPTIONAL.get(tool, "")
    if is_empty(input.get(name)) and name not in _required(schema) and (name,) not in lost:
        lost.append((name,))
    for path in lost:
        input = _without(input, path)
    return input, [".".join(path) for path in lost]


def _forbidden(schema: Any, value: Json, path: Path) -> Iterator[Path]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    required = _required(schema)
    for name, given in value.items():
        rule = properties.get(name)
        if isinstance(given, dict):
            yield from _forbidden(rule, given, (*path, name))
        elif given in (None, "") and name not in required and not _allows(rule, given):
            yield (*path, name)


def _required(schema: Json) -> list[Any]:
    required = schema.get("required")
    return required if isinstance(required, list) else []


def _without(value: Json, path: Path) -> Json:
    name, *inner = path
    if inner:
        return {**value, name: _without(value[name], tuple(inner))}
    return {other: given for other, given in value.items() if other != name}


def _allows(rule: Any, value: str | None) -> bool:
    """Whether a schema lets an empty value pass; whatever is not understood does."""
    if not isinstance(rule, dict):
        return rule is not False
    if value is None and rule.get("nullable") is True:
        return True
    if "const" in rule and rule["const"] != value:
        return False
    if isinstance(rule.get("enum"), list) and value not in rule["enum"]:
        return False
    kinds = rule.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(kinds, list) and ("null" if value is None else "string") not in kinds:
        return False
    least = rule.get("minLength")
    if value == "" and isinstance(least, int) and least > 0:
        return False
    return all(_any_allows(rule.get(name), value) for name in ("anyOf", "oneOf"))


def _any_allows(branches: Any, value: str | None) -> bool:
    if not (isinstance(branches, list) and branches):
        return True
    return any(_allows(branch, value) for branch in branches)
