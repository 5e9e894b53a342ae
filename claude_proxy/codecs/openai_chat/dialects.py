"""JSON schemas in the subset that an upstream takes.

A keyword that the upstream does not know is rewritten into one that it knows (`const` → `enum`,
`oneOf` → `anyOf`, `[T, "null"]` → `nullable`, `$ref` → what it points at). Where there is none, the
keyword and its value are told in the description of its schema. The upstream then enforces less,
but the model knows as much as before.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.complete import completed
from claude_proxy.codecs.openai_chat.keywords import MOST_DEPTH, REFERENCES, UNSAID, without
from claude_proxy.codecs.openai_chat.schema import UNIONS, Work, names_of
from claude_proxy.profiles import SchemaDialect
from claude_proxy.types import Json

MOST_NODES = 4_000
"""Beyond this, or `MOST_DEPTH`, a schema is any value: references may unfold without end."""

_BOUNDS = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}
_TYPES = (("properties", "object"), ("items", "array"), ("enum", "string"))
"""The type of a schema that does not say it, by a keyword that only one type has."""


def in_dialect(
    schema: Json,
    dialect: SchemaDialect,
    work: Work | None = None,
    gone: frozenset[str] = frozenset(),
) -> tuple[Json, bool]:
    """The schema as the upstream takes it, and whether something is only told to the model.

    `gone`: keywords that are refused besides. Raises `TooManyBranches` when `work` is used up.
    """
    work, told = work or Work(), False
    if gone and dialect.keywords is not None:
        dialect = replace(dialect, keywords=dialect.keywords - gone)
    if not dialect.everything or not gone.isdisjoint(REFERENCES):
        writer = _Writer(schema, dialect, work)
        schema = writer.node(schema, MOST_DEPTH, ())
        told = writer.told
    if dialect.keywords is None:
        schema = completed(schema)
    if gone and dialect.keywords is None:
        schema, more = without(schema, gone, work)
        told = told or more
    return schema, told


class _Writer:
    """Rewrites one schema. Mutable: counts what it made."""

    def __init__(self, root: Json, dialect: SchemaDialect, work: Work) -> None:
        self._work = work
        self._root = root
        self._dialect = dialect
        self._nodes = 0
        self.told = False

    def node(self, schema: object, depth: int, within: tuple[str, ...]) -> Json:
        """`within` are the references that led here, so that none is followed in circles."""
        self._nodes += 1
        self._work.spend(schema)
        if not isinstance(schema, dict) or depth <= 0 or self._nodes > MOST_NODES:
            self.told = self.told or schema is not True
            return {}
        schema, within = self._followed(schema, within)
        if self._dialect.keywords is None:
            typed = _typed_inside(schema) if self._dialect.typed_unions else schema
            return self._children(typed, depth, within)
        return self._limited(schema, self._dialect.keywords, depth, within)

    def _followed(self, schema: Json, within: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        """The schema with the target of its `$ref` in its place."""
        while "$ref" in schema:
            reference = schema["$ref"]
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            if reference in within:
                self.told = True
                name = str(reference).rpartition("/")[2]
                again = {"type": "object", "description": f"Once more what {name} is above."}
                return {**again, **rest}, within
            target = _target(reference, self._root)
            if target is None:
                self.told = True
                return rest, within
            schema, within = {**target, **rest}, (*within, reference)
        return schema, within

    def _children(self, schema: Json, depth: int, within: tuple[str, ...]) -> Json:
        """The schema with its parts rewritten."""
        made = {**schema}
        for keyword in ("$defs", "definitions"):
            made.pop(keyword, None)
        if isinstance(properties := made.get("properties"), dict):
            made["properties"] = {
                name: self.node(kind, depth - 1, within) for name, kind in properties.items()
            }
        for keyword in ("items", "additionalProperties"):
            if isinstance(made.get(keyword), dict):
                made[keyword] = self.node(made[keyword], depth - 1, within)
        for keyword in UNIONS:
            if isinstance(made.get(keyword), list):
                made[keyword] = [self.node(kind, depth - 1, within) for kind in made[keyword]]
        return made

    def _limited(
        self, schema: Json, keywords: frozenset[str], depth: int, within: tuple[str, ...]
    ) -> Json:
        schema, lost = self._rewritten(schema)
        kept = {key: value for key, value in schema.items() if key in keywords}
        lost += [
            f"{key}: {dumps_text(value)}"
            for key, value in schema.items()
            if key not in keywords and key not in UNSAID
        ]
        made = self._children(kept, depth, within)
        if "required" in made:
            known = made.get("properties", ())
            made["required"] = [name for name in names_of(made["required"]) if name in known]
        if lost:
            self.told = True
            words = f"({'; '.join(lost)})"
            made["description"] = f"{made.get('description') or ''} {words}".lstrip()
        return made

    def _rewritten(self, schema: Json) -> tuple[Json, list[str]]:
        """The schema in known keywords as far as that goes, and words for what got lost."""
        schema = {**schema}
        if schema.get("additionalProperties") is False:
            # That a model adds no others is what it does anyway.
            del schema["additionalProperties"]
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]
        _join(schema)
        _one_type(schema)
        lost = _unite(schema)
        _one_type(schema)  # That of a union's only branch.
        lost += _bounded(schema) + _string_enum(schema)
        if "format" in schema and not _is_in(schema["format"], self._dialect.formats):
            lost.append(f"format: {schema.pop('format')}")
        if not isinstance(schema.get("properties", {}), dict):
            del schema["properties"]
        if "type" not in schema and "anyOf" not in schema:
            found = next((kind for keyword, kind in _TYPES if keyword in schema), None)
            schema |= {"type": found} if found else {}
        if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
            # An array of anything cannot be said.
            if "items" in schema:
                lost.append(f"items: {dumps_text(schema['items'])}")
            schema["items"] = {"type": "string"}
        return schema, lost


def _target(reference: object, root: Json) -> Json | None:
    """What a JSON pointer in the same schema points at."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _is_in(value: object, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value in words


def _typed_inside(schema: Json) -> Json:
    """The schema with the `type` beside its union moved into the union's branches."""
    union = next((name for name in UNIONS if isinstance(schema.get(name), list)), None)
    if union is None or "type" not in schema:
        return schema
    branches = [
        {"type": schema["type"], **branch} if _is_untyped(branch) else branch
        for branch in schema[union]
    ]
    rest = {key: value for key, value in schema.items() if key != "type"}
    return {**rest, union: branches}


def _is_untyped(branch: object) -> bool:
    return isinstance(branch, dict) and "type" not in branch and "$ref" not in branch


def _join(schema: Json) -> None:
    """`allOf`: all its branches in one; what two of them say differently is the first's."""
    branches = schema.pop("allOf", None)
    for branch in _objects(branches):
        for keyword, value in branch.items():
            mine = schema.setdefault(keyword, value)
            if keyword == "properties" and isinstance(mine, dict) and isinstance(value, dict):
                schema[keyword] = {**value, **mine}
            elif keyword == "required" and isinstance(mine, list) and isinstance(value, list):
                schema[keyword] = [*mine, *(name for name in value if name not in mine)]


def _one_type(schema: Json) -> None:
    """A list of types as one type, nullable or not, or as a union."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return
    real = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
    del schema["type"]
    if "null" in kinds:
        schema["nullable"] = True
    if len(real) == 1:
        schema["type"] = real[0]
    elif real:
        schema["anyOf"] = [{"type": kind} for kind in real]


def _unite(schema: Json) -> list[str]:
    """`oneOf` as `anyOf`; null as `nullable`; a union that says nothing here is left out."""
    if "oneOf" in schema:
        schema.setdefault("anyOf", schema.pop("oneOf"))
    branches = list(_objects(schema.pop("anyOf", None)))
    real = [branch for branch in branches if branch.get("type") != "null"]
    if len(real) < len(branches):
        schema["nullable"] = True
    if len(real) == 1:
        for keyword, value in real[0].items():
            schema.setdefault(keyword, value)
    elif real and "properties" in schema:
        # Which of the object's own fields go together: the upstream has no union beside them.
        return [f"any of: {dumps_text(real)}"]
    elif real:
        schema["anyOf"] = [
            {"type": schema["type"], **b} if "type" in schema and _is_untyped(b) else b
            for b in real
        ]
        schema.pop("type", None)
    return []


def _objects(value: object) -> Iterator[Json]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield entry


def _bounded(schema: Json) -> list[str]:
    """Exclusive bounds as inclusive ones: exact for integers, else told."""
    lost = []
    for exclusive, (inclusive, step) in _BOUNDS.items():
        bound = schema.pop(exclusive, None)
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            continue
        whole = schema.get("type") == "integer" and isinstance(bound, int)
        schema.setdefault(inclusive, bound + step if whole else bound)
        lost += [] if whole else [f"{exclusive}: {dumps_text(bound)}"]
    return lost


def _string_enum(schema: Json) -> list[str]:
    """An `enum` of strings that are not empty; anything else is told."""
    values = schema.get("enum")
    if values is None:
        return []
    listed = values if isinstance(values, list) else []
    if listed and all(isinstance(value, str) and value for value in listed):
        return []
    del schema["enum"]
    if listed and "type" not in schema and all(type(value) is int for value in listed):
        schema["type"] = "integer"
    return [f"one of: {', '.join(dumps_text(value) for value in listed)}"] if listed else []
