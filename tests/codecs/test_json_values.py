"""How many values a JSON text holds, without parsing it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs import json_values
from claude_proxy.codecs.json_values import MOST_VALUES, too_many_values

MANY = MOST_VALUES + 1


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"[]," * MANY + b"1]",
        b"[" + b"12," * MANY + b"1]",
        b"[" + b'"",' * MANY + b"1]",
        b"[" + b'"",' * 3 * MANY + b"1]",
        b"{" + b'"a":1,' * MANY + b'"b":2}',
        b'["\\"", ' + b"{}," * MANY + b"1]",
    ],
    ids=["lists", "numbers", "texts", "very many texts", "members", "objects behind an escape"],
)
def test_too_many(raw: bytes) -> None:
    assert json.loads(raw) and too_many_values(raw)


@pytest.mark.parametrize(
    "text",
    [
        "a, b, " * MANY,
        "[{" * MANY,
        '{"a": [1, 2, "\\\\"]}, ' * (MANY // 2),
        "\\" * MANY + "," * MANY,
    ],
    ids=["prose", "brackets", "JSON", "backslashes"],
)
def test_what_stands_in_a_text_is_no_value(text: str) -> None:
    assert not too_many_values(json.dumps({"content": [text, text]}).encode())


def test_as_many_as_allowed() -> None:
    assert not too_many_values(b"[" + b"1  ," * (MOST_VALUES - 1) + b"1]")
    assert too_many_values(b"[" + b"1  ," * MOST_VALUES + b"1]")


TEXTS = st.text(st.sampled_from('a,[]{}"\\\n:'), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def begun(value: Any) -> int:
    """Commas, and beginnings of objects and arrays."""
    if not isinstance(value, dict | list):
        return 0
    entries = value.values() if isinstance(value, dict) else value
    return 1 + max(0, len(value) - 1) + sum(begun(entry) for entry in entries)


@given(VALUES)
def test_exactly_those_outside_of_texts_count(value: Any) -> None:
    raw, count = json.dumps(value).encode(), begun(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "NEVER_COUNTED", -1)
        patch.setattr(json_values, "MOST_VALUES", count)
        assert not too_many_values(raw)
        patch.setattr(json_values, "MOST_VALUES", count - 1)
        assert too_many_values(raw) or not count
