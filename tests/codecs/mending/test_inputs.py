"""Which empty values of an input its tool's schema forbids; and which tools there are."""

from typing import Any

import pytest

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.mending.inputs import usable
from claude_proxy.codecs.mending.offered import Tool, offered

FORBIDDEN = [
    (None, {"type": "string"}),
    (None, {"type": ["string", "integer"]}),
    (None, {"enum": ["a"]}),
    (None, {"const": "a"}),
    (None, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    (None, False),
    ("", {"type": "integer"}),
    ("", {"type": ["integer", "null"]}),
    ("", {"type": "string", "enum": ["a"]}),
    ("", {"type": "string", "minLength": 1}),
    ("", {"oneOf": [{"type": "integer"}, {"type": "boolean"}]}),
]
ALLOWED = [
    (None, {}),
    (None, True),
    (None, {"type": ["string", "null"]}),
    (None, {"type": "string", "nullable": True}),
    (None, {"enum": ["a", None]}),
    (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (None, {"anyOf": []}),
    (None, {"$ref": "#/$defs/a"}),
    ("", {"type": "string"}),
    ("", {"type": "string", "minLength": 0}),
    ("", {"enum": ["", "a"]}),
    ("", {"type": 3}),
    (0, {"type": "string"}),
    (False, {"type": "string"}),
]


@pytest.mark.pitfall(6)
@pytest.mark.parametrize(("value", "rule"), FORBIDDEN)
def test_an_empty_value_that_is_forbidden_is_left_out(value: Any, rule: Any) -> None:
    schema = {"properties": {"a": rule, "b": {}}}
    assert usable("T", schema, {"a": value, "b": 1}) == ({"b": 1}, ["a"])
    required = {**schema, "required": ["a"]}
    assert usable("T", required, {"a": value}) == ({"a": value}, [])


@pytest.mark.parametrize(("value", "rule"), ALLOWED)
def test_what_is_allowed_stays(value: Any, rule: Any) -> None:
    given = {"a": value}
    input, lost = usable("T", {"properties": {"a": rule}}, given)
    assert input is given and lost == []


@pytest.mark.parametrize("schema", [{}, {"properties": 3}, {"properties": {"b": {}}}])
def test_a_schema_that_says_nothing_forbids_nothing(schema: Any) -> None:
    assert usable("T", schema, {"a": None}) == ({"a": None}, [])


def test_objects_within_the_input_are_looked_at_too() -> None:
    inner = {"properties": {"x": {"type": "integer"}, "y": {}}, "required": 3}
    given = {"a": {"x": None, "y": None}, "b.c": 1}
    input, lost = usable("T", {"properties": {"a": inner}}, given)
    assert (input, lost) == ({"a": {"y": None}, "b.c": 1}, ["a.x"])
    assert given["a"] == {"x": None, "y": None}


@pytest.mark.pitfall(6)
def test_an_empty_range_of_pages_is_none() -> None:
    schema = {"properties": {"pages": {"type": "string"}}}
    assert usable("Read", schema, {"pages": ""}) == ({}, ["pages"])
    assert usable("Other", schema, {"pages": ""}) == ({"pages": ""}, [])
    assert usable("Read", {**schema, "required": ["pages"]}, {"pages": ""})[1] == []


def test_tools_have_both_their_names() -> None:
    tools: list[Any] = [
        {"name": "Own", "input_schema": {"type": "object"}},
        {"name": "a.b", "input_schema": {}},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "DeferredToolPlaceholder", "input_schema": {}},
        {"name": "Bad", "input_schema": 3},
    ]
    added = {"type": "tool_addition", "tool": {"definition": {"name": "Late", "input_schema": {}}}}
    request = decode_request(
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, added]}],
            "tools": tools[:5],
        }
    )
    request["tools"] = tools
    found = offered(request, {"a_b": "a.b", "gone": "Gone"})
    assert {name: tool.name for name, tool in found.items()} == {
        **{"Own": "Own", "a.b": "a.b", "a_b": "a.b", "bash": "bash", "Late": "Late"},
    }
    assert found["Own"] == Tool("Own", {"type": "object"})
    assert "command" in found["bash"].schema["properties"]
