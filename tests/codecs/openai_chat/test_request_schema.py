"""Schemas as function parameters: what is repaired, merged, and called strict."""

from typing import Any

import pytest

from claude_proxy.codecs.openai_chat.schema import is_strict, object_schema

TEXT = {"type": "string"}
CLOSED = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
CLOSED = {**CLOSED, "additionalProperties": False}


def closed(inner: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {"a": inner}}


def test_a_good_schema_is_passed_on_itself() -> None:
    schema = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
    assert object_schema(schema)[0] is schema


MERGED: list[tuple[str, Any, dict[str, Any]]] = [
    ("no schema", None, {"type": "object", "properties": {}}),
    ("odd properties", {"properties": []}, {"type": "object", "properties": {}}),
    ("a union of nothing", {"anyOf": "x"}, {"type": "object", "properties": {}}),
    (
        "the same property in each branch is kept once",
        {"oneOf": [{"properties": {"a": TEXT}}, {"properties": {"a": TEXT, "b": TEXT}}]},
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
    ),
    (
        "branches by reference",
        {
            "anyOf": [{"$ref": "#/definitions/X"}, {"$ref": "#/definitions/Y"}],
            "definitions": {"X": CLOSED, "Y": 3},
        },
        {
            "type": "object",
            "properties": {"a": TEXT},
            "definitions": {"X": CLOSED, "Y": 3},
        },
    ),
    (
        "definitions that are none",
        {"$ref": "#/$defs/X", "$defs": 3},
        {"$ref": "#/$defs/X", "$defs": 3, "type": "object", "properties": {}},
    ),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [row[1:] for row in MERGED], ids=[row[0] for row in MERGED]
)
def test_every_schema_becomes_an_object(schema: Any, expected: dict[str, Any]) -> None:
    assert object_schema(schema)[0] == expected


def test_unions_are_merged_to_a_depth_and_no_further() -> None:
    schema: dict[str, Any] = {"properties": {"deep": TEXT}}
    for _ in range(600):
        schema = {"anyOf": [schema, {"properties": {"near": TEXT}}]}
    merged, lost = object_schema(schema)
    assert merged["properties"] == {"near": TEXT}
    assert lost is not None


def test_the_input_is_left_alone() -> None:
    schema = {"allOf": [{"properties": {"a": TEXT}, "required": ["a"]}], "required": ["b", "b"]}
    before = repr(schema)
    object_schema(schema)
    assert repr(schema) == before


STRICT: list[tuple[str, Any, bool]] = [
    ("closed", CLOSED, True),
    ("closed all the way", closed({"type": "array", "items": CLOSED}), True),
    ("a nullable object that is closed", closed({**CLOSED, "type": ["object", "null"]}), True),
    ("a union inside", closed({"anyOf": [CLOSED, {"type": "null"}]}), True),
    ("definitions that are closed", {**CLOSED, "$defs": {"X": CLOSED}}, True),
    ("no object", TEXT, False),
    ("no schema", True, False),
    ("open", {**CLOSED, "additionalProperties": True}, False),
    ("optional property", {**CLOSED, "required": []}, False),
    ("open inside", closed({"type": "object"}), False),
    ("open in an array", closed({"type": "array", "items": {"properties": {}}}), False),
    ("open in a definition", {**CLOSED, "$defs": {"X": {"type": "object"}}}, False),
    ("a boolean schema", closed(True), False),
    ("a union at the top", {**CLOSED, "anyOf": [CLOSED]}, False),
    ("a keyword outside of the subset", closed({"allOf": [TEXT]}), False),
    ("odd properties", {**CLOSED, "properties": 3, "required": []}, True),
    ("an odd union", closed({"anyOf": 3}), True),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [row[1:] for row in STRICT], ids=[row[0] for row in STRICT]
)
def test_strict_is_for_schemas_that_are_closed_everywhere(schema: Any, expected: bool) -> None:
    assert is_strict(schema) is expected
