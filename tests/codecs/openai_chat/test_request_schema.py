"""Schemas as function parameters: what is repaired, merged, and called strict."""

from typing import Any

import pytest

from claude_proxy.codecs.openai_chat import encode_request
from claude_proxy.codecs.openai_chat.complete import completed
from claude_proxy.codecs.openai_chat.schema import TooManyBranches, is_strict, object_schema
from claude_proxy.errors import RequestError
from tests.request_cases import NAMED

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


@pytest.mark.pitfall(23)
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
    ("an array of anything", closed({"type": ["array", "null"]}), False),
    ("any value", closed({"description": "anything"}), False),
    ("odd properties", {**CLOSED, "properties": 3, "required": []}, True),
    ("an odd union", closed({"anyOf": 3}), True),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [row[1:] for row in STRICT], ids=[row[0] for row in STRICT]
)
def test_strict_is_for_schemas_that_are_closed_everywhere(schema: Any, expected: bool) -> None:
    assert is_strict(schema) is expected


ARRAY = {"type": "array"}
FULL = {"type": "array", "items": {}}
COMPLETED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("an array of anything", {"properties": {"a": ARRAY}}, {"properties": {"a": FULL}}),
    ("in a list of types", {"type": ["null", "array"]}, {"type": ["null", "array"], "items": {}}),
    ("items that are null", {**ARRAY, "items": None}, FULL),
    ("in items", {**ARRAY, "items": ARRAY}, {**ARRAY, "items": FULL}),
    ("in a union", {"anyOf": [TEXT, ARRAY, True]}, {"anyOf": [TEXT, FULL, True]}),
    ("in a definition", {"$defs": {"X": ARRAY, "Y": 3}}, {"$defs": {"X": FULL, "Y": 3}}),
    ("names twice, inside", closed({"required": ["b", "b"]}), closed({"required": ["b"]})),
    ("no list of names, inside", closed({"required": True}), closed({"required": []})),
]


@pytest.mark.pitfall(23)
@pytest.mark.parametrize(
    ("schema", "expected"), [row[1:] for row in COMPLETED], ids=[row[0] for row in COMPLETED]
)
def test_inner_schemas_are_completed(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(schema)
    assert completed(schema) == expected
    assert repr(schema) == before


def test_what_is_complete_or_no_schema_stays_itself() -> None:
    schema = {
        "properties": {"a": {**ARRAY, "items": TEXT}, "items": TEXT, "b": True},
        "anyOf": [{**ARRAY, "items": [TEXT]}],
        "default": ARRAY,
        "enum": [ARRAY],
        "required": ["a"],
    }
    assert completed(schema) is schema


def test_what_lies_deeper_than_real_schemas_stays() -> None:
    schema: dict[str, Any] = ARRAY
    for _ in range(10_000):
        schema = {"not": schema}
    assert completed(schema) is schema


def test_arrays_get_items_in_tools_and_in_formats_where_openai_looks() -> None:
    schema = closed(ARRAY)
    body: Any = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    body["tools"] = [{"name": "f", "input_schema": schema, "strict": True}]
    body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    chat = encode_request(body, profile=NAMED["openai/gpt-4o"])
    assert chat["tools"][0]["function"] == {"name": "f", "parameters": closed(FULL)}
    form = {"name": "response", "schema": closed(FULL), "strict": False}
    assert chat["response_format"]["json_schema"] == form


def nested(width: int, depth: int = 4) -> dict[str, Any]:
    """Branches that all refer to one schema, which has such branches itself."""
    schema: dict[str, Any] = {"properties": {"a": {}}}
    for _ in range(depth):
        schema = {"anyOf": [{"$ref": "#/$defs/X"}] * width, "$defs": {"X": schema}}
    return schema


ENDLESS: dict[str, dict[str, Any]] = {
    "references that multiply": nested(200),
    "many branches": {"anyOf": [{"type": "object"}] * 200_000},
    "many references to something large": {
        "oneOf": [{"$ref": "#/$defs/X"}] * 1000,
        "$defs": {"X": {"properties": {str(n): {} for n in range(1000)}}},
    },
    "many references to something long": {
        "allOf": [{"$ref": "#/$defs/X"}] * 1000,
        "$defs": {"X": {"required": [str(n) for n in range(1000)]}},
    },
    "long ways to what is meant": {
        "anyOf": [{"$ref": "#/$defs/0"}] * 1000,
        "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(1000)},
    },
}


@pytest.mark.parametrize("schema", ENDLESS.values(), ids=ENDLESS.keys())
def test_schemas_that_would_take_minutes_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(TooManyBranches):
        object_schema(schema)


def test_the_work_is_counted_over_all_tools() -> None:
    tools = [{"name": f"t{n}", "input_schema": nested(10, 3)} for n in range(100)]
    body: Any = {"model": "m", "max_tokens": 1, "tools": tools}
    body["messages"] = [{"role": "user", "content": "hi"}]
    with pytest.raises(RequestError, match=r"tools\.\d+\.input_schema: .* too many branches") as it:
        encode_request(body, profile=NAMED["openai/gpt-4o"])
    assert it.value.limit == "entries"
    encode_request({**body, "tools": tools[:2]}, profile=NAMED["openai/gpt-4o"])


def test_large_unions_take_linear_time() -> None:
    """Each of many names, or kinds of one property, was compared with all the others."""
    names = [[f"{branch}{n}" for n in range(20_000)] for branch in "ab"]
    merged, _ = object_schema({"anyOf": [{"required": each} for each in names]})
    assert "required" not in merged
    kinds = [{"const": n} for n in range(5_000)]
    merged, _ = object_schema({"anyOf": [{"properties": {"a": kind}} for kind in kinds]})
    assert merged["properties"]["a"]["anyOf"] == kinds
