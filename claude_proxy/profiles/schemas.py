"""Which JSON schemas an upstream takes, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchemaDialect:
    """A subset of JSON schema. What is outside of it is rewritten, or told in descriptions."""

    keywords: frozenset[str] | None = None
    """The keywords that are understood; `None`: all, and nothing is looked at."""

    formats: frozenset[str] = frozenset()
    """The values of `format` that are understood, where `keywords` are limited."""

    typed_unions: bool = False
    """Whether `type` stands in the branches of a union and not beside it. Moonshot: "when using
    anyOf, type should be defined in anyOf items instead of the parent schema"
    (MoonshotAI/kimi-code#2661)."""

    @property
    def everything(self) -> bool:
        return self.keywords is None and not self.typed_unions


ANY_SCHEMA = SchemaDialect()

MOONSHOT_SCHEMA = SchemaDialect(typed_unions=True)

GEMINI_SCHEMA = SchemaDialect(
    keywords=frozenset(
        {"type", "format", "description", "nullable", "enum", "items", "minItems", "maxItems"}
        | {"properties", "required", "minProperties", "maxProperties", "anyOf"}
        | {"minLength", "maxLength", "pattern", "minimum", "maximum"}
    ),
    formats=frozenset({"enum", "date-time"}),
)
"""What Gemini's own `Schema` has (https://ai.google.dev/api/caching#Schema, 2026-11). Others are
400 "Unknown name … Cannot find field" (agentic-flow#55, llmgateway#1763); an `enum` is of strings,
and "only 'enum' and 'date-time' are supported for STRING type"."""
