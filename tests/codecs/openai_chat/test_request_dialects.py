"""Schemas in the subsets that upstreams take."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.openai_chat.dialects import MOST_DEPTH, in_dialect
from claude_proxy.codecs.openai_chat.schema import TooManyBranches, Work
from claude_proxy.profiles.schemas import ANY_SCHEMA, GEMINI_SCHEMA, MOONSHOT_SCHEMA

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}

GEMINI: list[tuple[str, Any, Any]] = [
    ("nullable", {"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ("only null", {"type": ["null"]}, {"nullable": True}),
    ("types", {"type": ["string", "integer"]}, {"anyOf": [TEXT, NUMBER]}),
    ("null in a union", {"oneOf": [TEXT, {"type": "null"}]}, {"type": "string", "nullable": True}),
    ("one branch", {"anyOf": [TEXT], "description": "d"}, {"type": "string", "description": "d"}),
    ("types of the only branch", {"anyOf": [{"type": ["string", "null"]}]},
     {"type": "string", "nullable": True}),
    ("both unions", {"anyOf": [TEXT, NUMBER], "oneOf": [TEXT]}, {"anyOf": [TEXT, NUMBER]}),
    ("no union", {"anyOf": 3}, {}),
    ("type beside a union", {"type": "string", "anyOf": [{"pattern": "a"}, NUMBER]},
     {"anyOf": [{"type": "string", "pattern": "a"}, NUMBER]}),
    ("const", {"const": "a"}, {"type": "string", "enum": ["a"]}),
    ("a number as const", {"const": 3}, {"type": "integer", "description": "(one of: 3)"}),
    ("mixed enum", {"enum": ["a", 1]}, {"description": '(one of: "a", 1)'}),
    ("empty string", {"enum": ["", "a"]}, {"description": '(one of: "", "a")'}),
    ("no enum", {"enum": 5}, {}),
    ("above", {"type": "integer", "exclusiveMinimum": 3}, {"type": "integer", "minimum": 4}),
    ("below", {"type": "integer", "exclusiveMaximum": 3}, {"type": "integer", "maximum": 2}),
    ("above a fraction", {"type": "number", "exclusiveMinimum": 0.5},
     {"type": "number", "minimum": 0.5, "description": "(exclusiveMinimum: 0.5)"}),
    ("the older exclusive", {"type": "number", "exclusiveMinimum": True, "minimum": 1},
     {"type": "number", "minimum": 1}),
    ("a format it knows", {"type": "string", "format": "date-time"},
     {"type": "string", "format": "date-time"}),
    ("another", {"type": "string", "format": "uri", "description": "A link."},
     {"type": "string", "description": "A link. (format: uri)"}),
    ("a tuple", {"type": "array", "items": [TEXT, NUMBER]},
     {"type": "array", "items": TEXT,
      "description": '(items: [{"type":"string"},{"type":"integer"}])'}),
    ("an array of anything", {"type": "array"}, {"type": "array", "items": TEXT}),
    ("an untyped array", {"items": NUMBER}, {"type": "array", "items": NUMBER}),
    ("closed objects", {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
     {"type": "object", "properties": {"a": TEXT}}),
    ("open objects", {"type": "object", "additionalProperties": NUMBER},
     {"type": "object", "description": '(additionalProperties: {"type":"integer"})'}),
    ("required of nothing", {"type": "object", "required": ["a"]},
     {"type": "object", "required": []}),
    ("odd required", {"properties": {"a": TEXT}, "required": 3},
     {"type": "object", "properties": {"a": TEXT}, "required": []}),
    ("odd properties", {"type": "object", "properties": 3, "required": ["a"]},
     {"type": "object", "required": []}),
    ("all of", {"allOf": [{"properties": {"a": TEXT}, "required": ["a"]},
                          {"properties": {"a": NUMBER, "b": NUMBER}, "required": ["b", "a"]}, 3]},
     {"type": "object", "properties": {"a": TEXT, "b": NUMBER}, "required": ["a", "b"]}),
    ("fields that go together",
     {"properties": {"a": TEXT}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
     {"type": "object", "properties": {"a": TEXT},
      "description": '(any of: [{"required":["a"]},{"required":["b"]}])'}),
    ("what constrains nothing", {"type": "string", "title": "T", "default": 3, "$comment": "c"},
     TEXT),
    ("a boolean", True, {}),
    ("a reference", {"$ref": "#/$defs/A", "$defs": {"A": NUMBER}}, NUMBER),
    ("a deep reference", {"items": {"$ref": "#/a~1b/~0c"}, "a/b": {"~c": NUMBER}, "type": "array"},
     {"type": "array", "items": NUMBER, "description": '(a/b: {"~c":{"type":"integer"}})'}),
    ("a reference elsewhere", {"$ref": "https://e.org", "type": "string"}, TEXT),
    ("a reference to nothing", {"$ref": "#/$defs/A/b", "$defs": {"A": 3}}, {}),
    ("an odd reference", {"$ref": 3}, {}),
]  # fmt: skip


@pytest.mark.pitfall(22)
@pytest.mark.parametrize(
    ("schema", "expected"), [row[1:] for row in GEMINI], ids=[row[0] for row in GEMINI]
)
def test_gemini(schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    assert in_dialect(schema, GEMINI_SCHEMA)[0] == expected
    assert schema == before


def test_only_what_is_told_is_noted() -> None:
    assert in_dialect({"type": ["string", "null"]}, GEMINI_SCHEMA)[1] is False
    assert in_dialect({"type": "string", "contentEncoding": "x"}, GEMINI_SCHEMA)[1] is True


@pytest.mark.pitfall(22)
def test_moonshot_has_types_in_branches() -> None:
    union = [{"minLength": 1}, {"type": "null"}, {"$ref": "#/$defs/A"}, True]
    schema = {"type": "string", "anyOf": union, "$defs": {"A": NUMBER}}
    branches = [{"type": "string", "minLength": 1}, {"type": "null"}, NUMBER, {}]
    assert in_dialect(schema, MOONSHOT_SCHEMA) == ({"anyOf": branches}, False)


def test_moonshot_keeps_all_else() -> None:
    inner = {"type": "array", "items": {"const": 1}, "additionalProperties": {"oneOf": 3}}
    schema = {"type": "object", "properties": {"a": inner}, "propertyNames": {}}
    assert in_dialect(schema, MOONSHOT_SCHEMA)[0] == schema


def test_others_get_the_schema_itself() -> None:
    schema = {"$ref": "#"}
    assert in_dialect(schema, ANY_SCHEMA) == (schema, False)


@pytest.mark.parametrize("dialect", [GEMINI_SCHEMA, MOONSHOT_SCHEMA])
def test_references_in_circles_end(dialect: Any) -> None:
    schema = {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/properties/b"}}}
    made, told = in_dialect(schema, dialect)
    assert told and "$ref" not in json.dumps(made)


@pytest.mark.parametrize("dialect", [GEMINI_SCHEMA, MOONSHOT_SCHEMA])
def test_references_that_multiply_end(dialect: Any) -> None:
    both = [{"properties": {f"{n}": {"$ref": f"#/$defs/{i + 1}"} for n in "ab"}} for i in range(40)]
    schema = {"$ref": "#/$defs/0", "$defs": {str(i): kind for i, kind in enumerate(both)}}
    assert len(json.dumps(in_dialect(schema, dialect)[0])) < 1_000_000


def test_the_schemas_of_a_request_share_their_work() -> None:
    schema, work = {"type": "object", "properties": {str(n): TEXT for n in range(3_000)}}, Work()
    with pytest.raises(TooManyBranches):
        for _ in range(100):
            in_dialect(schema, GEMINI_SCHEMA, work)


def test_deep_schemas_end() -> None:
    schema: dict[str, Any] = TEXT
    for _ in range(MOST_DEPTH * 100):
        schema = {"type": "array", "items": schema}
    made, told = in_dialect(schema, GEMINI_SCHEMA)
    assert told and len(json.dumps(made)) < 5_000


keywords = st.sampled_from(
    ["type", "properties", "items", "anyOf", "oneOf", "allOf", "enum", "const", "required", "$ref"]
    + ["format", "exclusiveMinimum", "nullable", "description", "minimum", "not", "x"]
)
leaves = st.sampled_from(["string", "null", "object", "array", "#", "#/properties/a", "", 3, None])
schemas = st.recursive(
    leaves | st.booleans(),
    lambda inner: (
        st.dictionaries(keywords, inner, max_size=4)
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=12,
)


@pytest.mark.pitfall(22)
@given(st.dictionaries(keywords, schemas, max_size=5))
def test_any_schema_gets_into_the_subset(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    made, _ = in_dialect(schema, GEMINI_SCHEMA)
    assert_limited(made)
    assert in_dialect(schema, MOONSHOT_SCHEMA)[0] is not None
    assert schema == before


def assert_limited(schema: dict[str, Any]) -> None:
    assert GEMINI_SCHEMA.keywords is not None
    assert schema.keys() <= GEMINI_SCHEMA.keywords
    assert not isinstance(schema.get("type"), list)
    properties = schema.get("properties")
    children = list(properties.values()) if isinstance(properties, dict) else []
    union = schema.get("anyOf")
    for child in (*children, *(union if isinstance(union, list) else ())):
        assert_limited(child)
