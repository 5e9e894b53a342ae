"""Wrong types in every field of a Messages request: a part of the table in `hostile.py`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.bodies import HELLO, Hostile, Json, block, called, tool

_VALUES: dict[str, Any] = {
    "null": None,
    "a boolean": True,
    "a number": 7,
    "a fraction": 1.5,
    "a text": "x",
    "an empty list": [],
    "a list": [7],
    "an object": {"x": 1},
}
_NUMBERS = {"a number", "a fraction"}
_LISTS = {"an empty list", "a list"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field, how a request with a value in it looks, and which of `_VALUES` are right."""

    path: str
    put: Callable[[Any], Json]
    right: frozenset[str]
    of: str = ""
    """Of what the field is, where its path does not tell."""
    counts: bool = True
    """Whether count_tokens refuses null too."""


def _block_fields() -> Iterator[Field]:
    for path, right, kind, others in (
        ("text", {"a text"}, "text", {}),
        ("source", set(), "image", {}),
        ("source", set(), "document", {}),
        ("title", {"a text", "null"}, "document", {"source": {"type": "text", "data": "x"}}),
        ("context", {"a text", "null"}, "document", {"source": {"type": "text", "data": "x"}}),
        ("content", set(), "search_result", {"source": "s", "title": "t"}),
        ("source", {"a text"}, "search_result", {"content": [], "title": "t"}),
        ("tool_use_id", {"a text"}, "tool_result", {"content": "x"}),
    ):
        free = {"a text", "an empty list"} if path == "content" else set()
        yield Field(
            f"messages.0.content.0.{path}",
            lambda value, kind=kind, path=path, others=others: block(
                {"type": kind, **others, path: value}
            ),
            frozenset(right | free),
            of=f" of a {kind}",
        )
    for path, right in (("id", {"a text"}), ("name", {"a text"}), ("input", {"an object", "null"})):
        yield Field(
            f"messages.1.content.0.{path}",
            lambda value, path=path: called(**{path: value}),
            frozenset(right),
        )
    yield Field(
        "messages.0.content.0.thinking",
        lambda value: block({"type": "thinking", "thinking": value}, "assistant"),
        frozenset({"a text"}),
    )
    for path in ("data", "media_type"):
        yield Field(
            f"messages.0.content.0.source.{path}",
            lambda value, path=path: block(
                {
                    "type": "image",
                    "source": {
                        "type": "base64",
                        "media_type": "image/png",
                        "data": "aGk=",
                        path: value,
                    },
                }
            ),
            frozenset({"a text"}),
        )
    for kind, path in (("url", "url"), ("file", "file_id"), ("text", "data")):
        yield Field(
            f"messages.0.content.0.source.{path}",
            lambda value, kind=kind, path=path: block(
                {"type": "document", "source": {"type": kind, path: value}}
            ),
            frozenset({"a text"}),
            of=f" of a {kind}",
        )
    yield Field(
        "messages.2.content.0.content",
        lambda value: {
            **called(),
            "messages": [
                *called()["messages"][:2],
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": value}
                    ],
                },
            ],
        },
        frozenset({"a text", "an empty list", "null"}),
    )
    yield Field(
        "messages.2.content.0.is_error",
        lambda value: {
            **called(),
            "messages": [
                *called()["messages"][:2],
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": "x",
                            "is_error": value,
                        }
                    ],
                },
            ],
        },
        frozenset({"a boolean", "null"}),
    )


def _tool_fields() -> Iterator[Field]:
    for path, right in (
        ("name", {"a text"}),
        ("description", {"a text", "null"}),
        ("input_schema", {"an object", "null"}),
        ("type", {"a text", "null"}),
        ("strict", {"a boolean", "null"}),
        ("input_examples", {"an empty list", "null"}),
    ):
        yield Field(
            f"tools.0.{path}", lambda value, path=path: tool(**{path: value}), frozenset(right)
        )


def _top_fields() -> Iterator[Field]:
    null = {"null"}
    for path, right in (
        ("model", {"a text"}),
        ("messages", set()),
        ("max_tokens", {"a number"}),
        ("system", {"a text", "an empty list"} | null),
        ("tools", {"an empty list"} | null),
        ("tool_choice", set(null)),
        ("stop_sequences", {"an empty list"} | null),
        ("stream", {"a boolean"} | null),
        ("temperature", _NUMBERS | null),
        ("top_p", _NUMBERS | null),
        ("top_k", {"a number"} | null),
        ("metadata", {"an object"} | null),
        ("thinking", set(null)),
        ("output_config", {"an object"} | null),
        ("output_format", {"an object"} | null),
    ):
        yield Field(
            path,
            lambda value, path=path: {**HELLO, path: value},
            frozenset(right),
            counts=path != "max_tokens",
        )


def _deeper_fields() -> Iterator[Field]:
    yield Field("messages.0", lambda value: {**HELLO, "messages": [value]}, frozenset())
    yield Field(
        "messages.0.role",
        lambda value: {**HELLO, "messages": [{"role": value, "content": "hi"}]},
        frozenset(),
    )
    yield Field(
        "messages.0.content",
        lambda value: {**HELLO, "messages": [{"role": "user", "content": value}]},
        # Nothing to say is served, as by other lenient servers.
        frozenset({"a text", "an empty list"}),
    )
    yield Field("messages.0.content.0", block, frozenset())
    # Kinds and efforts that we do not know are for whoever does.
    yield Field(
        "messages.0.content.0.type", lambda value: block({"type": value}), frozenset({"a text"})
    )
    yield Field("tools.0", lambda value: {**HELLO, "tools": [value]}, frozenset())
    yield Field("system.0", lambda value: {**HELLO, "system": [value]}, frozenset())
    yield Field(
        "system.0.text",
        lambda value: {**HELLO, "system": [{"type": "text", "text": value}]},
        frozenset({"a text"}),
    )
    yield Field(
        "stop_sequences.0",
        lambda value: {**HELLO, "stop_sequences": [value]},
        frozenset({"a text"}),
    )
    for path, right, others in (
        ("tool_choice.type", {"a text"}, {}),
        ("tool_choice.name", {"a text", "null"}, {"type": "tool"}),
        ("tool_choice.disable_parallel_tool_use", {"a boolean", "null"}, {"type": "auto"}),
        ("metadata.user_id", {"a text", "null"}, {}),
        ("thinking.type", {"a text"}, {}),
        ("thinking.budget_tokens", {"a number", "null"}, {"type": "enabled"}),
        ("output_config.effort", {"a text", "null"}, {}),
        ("output_config.format", {"an object", "null"}, {}),
    ):
        top, _, name = path.partition(".")
        yield Field(
            path,
            lambda value, top=top, name=name, others=others: {
                **tool(),
                "max_tokens": 2000,
                top: {**others, name: value},
            },
            frozenset(right),
        )


FIELDS: tuple[Field, ...] = (*_top_fields(), *_deeper_fields(), *_block_fields(), *_tool_fields())


def wrong_types() -> Iterator[Hostile]:
    for field in FIELDS:
        for name, value in _VALUES.items():
            if name not in field.right:
                yield Hostile(
                    f"{field.path}{field.of} is {name}",
                    lambda put=field.put, value=value: put(value),
                    400,
                    field.path,
                    counts=200 if value is None and not field.counts else None,
                )
