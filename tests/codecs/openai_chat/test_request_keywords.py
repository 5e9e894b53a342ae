"""Schemas without keywords that an upstream has refused."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs import openai_chat, openai_responses
from claude_proxy.codecs.openai_chat.dialects import in_dialect
from claude_proxy.codecs.openai_chat.keywords import MOST_DEPTH
from claude_proxy.codecs.openai_chat.schema import TooManyBranches, Work
from claude_proxy.profiles import GENERIC
from claude_proxy.profiles.schemas import ANY_SCHEMA, GEMINI_SCHEMA, MOONSHOT_SCHEMA

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}

STRIPPED: list[tuple[str, set[str], Any, Any]] = [
    ("nothing of it", {"const"}, {**TEXT, "minLength": 1}, {**TEXT, "minLength": 1}),
    (
        "told in the description",
        {"minLength", "pattern"},
        {**TEXT, "description": "A name.", "minLength": 1, "pattern": "^a"},
        {**TEXT, "description": 'A name. (minLength: 1; pattern: "^a")'},
    ),
    ("a description that is none", {"minLength"}, {"description": 3, "minLength": 1},
     {"description": "(minLength: 1)"}),
    ("a constant as the only choice", {"const"}, {"const": "a"}, {"enum": ["a"]}),
    ("no choice either", {"const", "enum"}, {"const": "a"}, {"description": '(const: "a")'}),
    ("a union", {"oneOf"}, {"oneOf": [TEXT, NUMBER]}, {"anyOf": [TEXT, NUMBER]}),
    ("two unions", {"oneOf"}, {"oneOf": [TEXT], "anyOf": [NUMBER]},
     {"anyOf": [NUMBER], "description": '(oneOf: [{"type":"string"}])'}),
    ("a whole bound", {"exclusiveMinimum", "exclusiveMaximum"},
     {**NUMBER, "exclusiveMinimum": 0, "exclusiveMaximum": 9},
     {**NUMBER, "minimum": 1, "maximum": 8}),
    ("another bound", {"exclusiveMinimum"}, {"type": "number", "exclusiveMinimum": 0},
     {"type": "number", "description": "(exclusiveMinimum: 0)"}),
    ("a property of that name", {"const", "format"},
     {"properties": {"const": {**TEXT, "format": "uri"}}},
     {"properties": {"const": {**TEXT, "description": '(format: "uri")'}}}),
    ("everywhere", {"minimum"},
     {"items": {"minimum": 1}, "prefixItems": [{"minimum": 2}, True],
      "additionalProperties": {"minimum": 3}, "$defs": {"a": {"minimum": 4}}},
     {"items": {"description": "(minimum: 1)"},
      "prefixItems": [{"description": "(minimum: 2)"}, True],
      "additionalProperties": {"description": "(minimum: 3)"},
      "$defs": {"a": {"description": "(minimum: 4)"}}}),
    ("what says nothing", {"$schema", "additionalProperties", "default"},
     {**TEXT, "$schema": "x", "additionalProperties": False, "default": 3}, TEXT),
    ("references", {"$ref"}, {"items": {"$ref": "#/$defs/A"}, "$defs": {"A": NUMBER}},
     {"items": NUMBER}),
    ("definitions", {"$defs", "minimum"},
     {"items": {"$ref": "#/$defs/A"}, "$defs": {"A": {**NUMBER, "minimum": 1}}},
     {"items": {**NUMBER, "description": "(minimum: 1)"}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gone", "schema", "expected"), [row[1:] for row in STRIPPED], ids=[row[0] for row in STRIPPED]
)
def test_without_keywords(gone: set[str], schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    made, told = in_dialect(schema, ANY_SCHEMA, gone=frozenset(gone))
    assert made == expected
    assert told == ("(" in str(expected))
    assert schema == before


def test_a_dialect_with_keywords_of_its_own_loses_one() -> None:
    made, told = in_dialect({**TEXT, "pattern": "a"}, GEMINI_SCHEMA, gone=frozenset({"pattern"}))
    assert made == {**TEXT, "description": '(pattern: "a")'} and told


def test_types_in_branches_stay_where_they_are_wanted() -> None:
    schema = {"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 9}]}
    made, _ = in_dialect(schema, MOONSHOT_SCHEMA, gone=frozenset({"minLength"}))
    assert made == {"anyOf": [{**TEXT, "description": "(minLength: 1)"}, {**TEXT, "maxLength": 9}]}
    made, _ = in_dialect(schema, ANY_SCHEMA, gone=frozenset({"$ref"}))
    assert made == schema


def test_deep_schemas_end() -> None:
    schema: Any = {"const": 1}
    for _ in range(2 * MOST_DEPTH):
        schema = {"items": schema}
    made, told = in_dialect(schema, ANY_SCHEMA, gone=frozenset({"const"}))
    assert told and "const" not in json.dumps(made)


def test_the_work_is_counted() -> None:
    work = Work()
    schema = {"properties": {str(at): TEXT for at in range(3_000)}}
    with pytest.raises(TooManyBranches):
        for _ in range(100):
            in_dialect(schema, ANY_SCHEMA, work, frozenset({"const"}))


def test_both_languages_leave_them_out() -> None:
    schema = {"type": "object", "properties": {"a": {"const": "x"}}}
    request: Any = {
        "model": "m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "t", "input_schema": schema}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }
    profile = replace(GENERIC, schema_without=frozenset({"const"}))
    expected = {"type": "object", "properties": {"a": {"enum": ["x"]}}}
    chat = openai_chat.encode_request(request, profile=profile)
    assert chat["tools"][0]["function"]["parameters"] == expected
    assert chat["response_format"]["json_schema"]["schema"] == expected
    responses = openai_responses.encode_request(request, profile=profile)
    assert responses["tools"][0]["parameters"] == expected
    assert responses["text"]["format"]["schema"] == expected
