"""Schemas without single keywords that an upstream has refused; everything else stays.

What a keyword says is said by another one where there is one that means the same; else it is told
in the description of its schema, as in `dialects`.
"""

from collections.abc import Mapping

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.schema import UNIONS, Work
from claude_proxy.types import Json

UNSAID = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "title", "examples"}
    | {"default", "readOnly", "writeOnly", "deprecated", "strict"}
)
"""Keywords that constrain nothing, or whose content is carried elsewhere."""

REFERENCES = frozenset({"$ref", "$defs", "definitions"})
"""Without one of them all references are replaced by what they point at."""

_SAME: Mapping[str, str] = {"oneOf": "anyOf"}
ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
MANY = (*UNIONS, "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""The keywords that hold one schema, a list of them, and schemas by name."""

MOST_DEPTH = 30


def without(schema: Json, gone: frozenset[str], work: Work) -> tuple[Json, bool]:
    """The schema without these keywords, and whether something is only told to the model.

    Raises `TooManyBranches` when `work` is used up.
    """
    stripper = _Stripper(gone, work)
    made = stripper.node(schema, MOST_DEPTH)
    return (made if isinstance(made, dict) else {}), stripper.told


class _Stripper:
    """Rewrites one schema. Mutable: remembers whether something got lost."""

    def __init__(self, gone: frozenset[str], work: Work) -> None:
        self._gone = gone
        self._work = work
        self.told = False

    def node(self, schema: object, depth: int) -> object:
        self._work.spend(schema)
        if not isinstance(schema, dict):
            return schema
        if depth <= 0:
            self.told = True
            return {}
        made = self._renamed(schema)
        lost = [
            f"{keyword}: {dumps_text(value)}"
            for keyword, value in made.items()
            if keyword in self._gone and not _says_nothing(keyword, value)
        ]
        made = {keyword: value for keyword, value in made.items() if keyword not in self._gone}
        made = self._children(made, depth - 1)
        if lost:
            self.told = True
            said = made.get("description")
            words = f"({'; '.join(lost)})"
            made["description"] = f"{said} {words}" if isinstance(said, str) and said else words
        return made

    def _renamed(self, schema: Json) -> Json:
        """With other words for what is refused, where there are any."""
        made = {**schema}
        if self._lacks("const", "enum", made):
            made["enum"] = [made.pop("const")]
        for keyword, same in _SAME.items():
            if self._lacks(keyword, same, made):
                made[same] = made.pop(keyword)
        for keyword, same, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            # Exact for integers only.
            whole = made.get("type") == "integer" and type(made.get(keyword)) is int
            if whole and self._lacks(keyword, same, made):
                made[same] = made.pop(keyword) + step
        return made

    def _lacks(self, keyword: str, same: str, schema: Json) -> bool:
        known = same not in self._gone and same not in schema
        return keyword in self._gone and keyword in schema and known

    def _children(self, made: Json, depth: int) -> Json:
        for keyword in ONE:
            if isinstance(made.get(keyword), dict):
                made[keyword] = self.node(made[keyword], depth)
        for keyword in MANY:
            if isinstance(made.get(keyword), list):
                made[keyword] = [self.node(kind, depth) for kind in made[keyword]]
        for keyword in NAMED:
            if isinstance(made.get(keyword), dict):
                kinds = made[keyword]
                made[keyword] = {name: self.node(kind, depth) for name, kind in kinds.items()}
        return made


def _says_nothing(keyword: str, value: object) -> bool:
    """That a model adds no other properties is what it does anyway."""
    return keyword in UNSAID or (keyword == "additionalProperties" and value is False)
