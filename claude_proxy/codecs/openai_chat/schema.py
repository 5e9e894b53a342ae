"""JSON schemas that Chat Completions accepts as function parameters.

OpenAI wants an object at the top, without `anyOf`, `oneOf`, `allOf`, `not` or `enum` there
("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top
level"), and refuses doubled entries in `required`. A schema that is fine is passed on itself.
Source: https://platform.openai.com/docs/guides/function-calling.
"""

from typing import Any

from claude_proxy.types import Json

UNIONS = ("anyOf", "oneOf", "allOf")
REFUSED = frozenset({*UNIONS, "not", "enum"})
REFERENCES = ("#/$defs/", "#/definitions/")

MERGE_DEPTH = 4
MOST_COMPARED = 32
"""Kinds of one property that a new one is compared with. A double does no harm; to compare each of
ten thousand with all the others blocks the server for seconds."""

NOT_STRICT = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "propertyNames"}
    | {"dependentRequired", "dependentSchemas", "unevaluatedProperties", "prefixItems"}
)
"""Keywords outside of the subset in which OpenAI enforces a schema strictly."""

KINDS = frozenset({"type", "anyOf", "$ref", "enum", "const"})
"""Of which each part of a strict schema has one: "schema must have a 'type' key"."""


MOST_WORK = 100_000
"""Properties and branches that are looked at for all tools of a request: a fifth of a second. A few
hundred are usual; but references inside of references multiply, and 20 kB could take hours."""


class TooManyBranches(Exception):
    """Merging the schemas of a request would take too long."""


class Work:
    """How much may still be looked at. Mutable; one for the tools of a request."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MOST_WORK

    def spend(self, *parts: object) -> None:
        """Counts one for each part, and one for each entry in it."""
        for part in parts:
            self._left -= 1 + (len(part) if isinstance(part, list | dict) else 0)
        if self._left < 0:
            raise TooManyBranches


def object_schema(schema: object, work: Work | None = None) -> tuple[Json, str | None]:
    """An acceptable schema for function parameters, and what was lost on the way, if anything.

    Raises `TooManyBranches` when `work` is used up.
    """
    work = work or Work()
    if not isinstance(schema, dict):
        return {"type": "object", "properties": {}}, "not a schema; sent as an empty object"
    lost = None
    if "$ref" in schema:
        schema = _resolved(schema, schema, work)
    if not REFUSED.isdisjoint(schema):
        schema = _merged(schema, work)
        lost = "top-level anyOf, oneOf, allOf, not or enum merged into one object"
    return _repaired(schema), lost


def _repaired(schema: Json) -> Json:
    fixes: Json = {}
    if schema.get("type") != "object":
        fixes["type"] = "object"
    if not isinstance(schema.get("properties"), dict):
        fixes["properties"] = {}
    if "required" in schema:
        names = names_of(schema["required"])
        if names != schema["required"]:
            fixes["required"] = names
    return {**schema, **fixes} if fixes else schema


def names_of(required: object) -> list[str]:
    """The entries of a `required` list that are names, each once."""
    entries = required if isinstance(required, list) else []
    return list(dict.fromkeys(name for name in entries if isinstance(name, str)))


def _resolved(schema: Json, root: Json, work: Work) -> Json:
    """The schema with its local top-level `$ref` replaced by what it points at, if that exists."""
    seen: set[str] = set()
    while isinstance(reference := schema.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        target = _target(reference, root)
        if target is None:
            break
        work.spend(schema, target)
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**target, **rest}
    return schema


def _target(reference: str, root: Json) -> Json | None:
    for start in REFERENCES:
        if reference.startswith(start):
            definitions = root.get(start[2:-1])
            name = reference[len(start) :]
            target = definitions.get(name) if isinstance(definitions, dict) else None
            return target if isinstance(target, dict) else None
    return None


def _merged(schema: Json, work: Work, depth: int = 0) -> Json:
    """One object that allows what the top-level unions allow, and somewhat more.

    `anyOf` and `oneOf` require what all their branches require, `allOf` what any requires.
    Unions inside of branches are merged too, to a depth that real schemas do not reach.
    """
    choices: dict[str, list[Any]] = {}
    work.spend(schema)
    _collect(choices, schema, work)
    required = names_of(schema.get("required"))
    for keyword in UNIONS:
        branches = _branches(schema, keyword, work, depth)
        needed = [names_of(branch.get("required")) for branch in branches]
        for branch in branches:
            _collect(choices, branch, work)
        if keyword == "allOf":
            required += [name for names in needed for name in names]
        elif needed:
            others = [frozenset(names) for names in needed[1:]]
            required += [name for name in needed[0] if all(name in names for names in others)]
    merged = {key: value for key, value in schema.items() if key not in REFUSED}
    merged["properties"] = {
        name: kinds[0] if len(kinds) == 1 else {"anyOf": kinds} for name, kinds in choices.items()
    }
    return {**merged, "required": required} if required else merged


def _branches(schema: Json, keyword: str, work: Work, depth: int) -> list[Json]:
    union = schema.get(keyword)
    entries = union if isinstance(union, list) else []
    work.spend(entries)
    branches = [_resolved(entry, schema, work) for entry in entries if isinstance(entry, dict)]
    return [_merged(b, work, depth + 1) for b in branches] if depth < MERGE_DEPTH else branches


def _collect(choices: dict[str, list[Any]], schema: Json, work: Work) -> None:
    properties = schema.get("properties")
    work.spend(properties, schema.get("required"))
    for name, kind in properties.items() if isinstance(properties, dict) else ():
        kinds = choices.setdefault(name, [])
        if len(kinds) >= MOST_COMPARED or kind not in kinds:
            kinds.append(kind)


def is_strict(schema: object) -> bool:
    """Whether OpenAI would take this schema with `strict: true`.

    Every object must forbid further properties and require all of its own. Walks a list instead
    of recursing: a client may nest deeper than Python's stack.
    """
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    waiting: list[object] = [schema]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or not NOT_STRICT.isdisjoint(node):
            return False
        if KINDS.isdisjoint(node) or (is_of(node.get("type"), "array") and not node.get("items")):
            return False
        if "properties" in node or is_of(node.get("type"), "object"):
            if not _is_closed(node):
                return False
        for keyword in ("properties", "$defs", "definitions"):
            children = node.get(keyword)
            waiting += children.values() if isinstance(children, dict) else ()
        if "items" in node:
            waiting.append(node["items"])
        union = node.get("anyOf")
        waiting += union if isinstance(union, list) else ()
    return "anyOf" not in schema


def is_of(kind: object, word: str) -> bool:
    """Whether a schema's `type` is `word`, or a list with it."""
    return kind == word or (isinstance(kind, list) and word in kind)


def _is_closed(node: Json) -> bool:
    properties = node.get("properties")
    names = properties if isinstance(properties, dict) else {}
    return node.get("additionalProperties") is False and set(names) == set(
        names_of(node.get("required"))
    )
