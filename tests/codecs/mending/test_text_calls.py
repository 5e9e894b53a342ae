"""Calls that stand in a text, however the pieces of a stream cut it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.mending.offered import Tool
from claude_proxy.codecs.mending.text_calls import MOST_BODY, TextCalls
from claude_proxy.codecs.mending.written import TextCall

SCHEMA = {"properties": {"text": {"type": "string"}, "count": {"type": "integer"}}}
OFFERED = {
    "Read": Tool("Read", SCHEMA),
    "Write": Tool("Write", {}),
    "short_1": Tool("a/very.long name", {}),
}


def read(pieces: list[str]) -> list[Any]:
    """All the text and calls, in order; a call as its name and input."""
    reader = TextCalls(OFFERED)
    found = [part for piece in pieces for part in reader.feed(piece)] + reader.finish()
    assert reader.finish() == []
    merged: list[Any] = []
    for part in found:
        if isinstance(part, TextCall):
            merged.append((part.name, part.input))
        elif merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def both(text: str) -> list[Any]:
    whole = read([text])
    assert read(list(text)) == whole
    return whole


A = '{"name": "Read", "arguments": {"text": "a"}}'
B = '{"name": "Write", "arguments": {}}'
WRAPPED_OPENINGS = ['{"tool_call"', '\n{"tool_call": {', '{"tool_use": ', '\n{"tool_use"']
READ, WRITE = ("Read", {"text": "a"}), ("Write", {})

CALLS = {
    "tags": (f"<tool_call>\n{A}\n</tool_call>", [READ]),
    "text before": (f"I look.\n<tool_call>{A}</tool_call>", ["I look.\n", READ]),
    "text behind": (f"<tool_call>{A}</tool_call>\n\nSo.", [READ, "So."]),
    "two": (f"<tool_call>{A}</tool_call>\n<tool_call>\n{B}\n</tool_call>\n", [READ, WRITE]),
    "two in one": (f"<tool_call>\n{A}\n{B}\n</tool_call>", [READ, WRITE]),
    "no end": (f"<tool_call>{A}", [READ]),
    "half an end": (f"<tool_call>{A}</tool", [READ, "</tool"]),
    "white space around": (f" \n<tool_call>{A}</tool_call> \n", [READ]),
    "a list": (f"<tool_call>[{A}, {B}]</tool_call>", [READ, WRITE]),
    "nested": (
        f'<tool_call>{{"type": "function", "function": {A}}}</tool_call>',
        [READ],
    ),
    "parameters": ('<tool_call>{"name": "Read", "parameters": {"text": "a"}}</tool_call>', [READ]),
    "arguments as a text": (
        '<tool_call>{"name": "Read", "arguments": "{\\"text\\": \\"a\\"}"}</tool_call>',
        [READ],
    ),
    "no arguments": ('<tool_call>{"name": "Write"}</tool_call>', [WRITE]),
    "null for arguments": ('<tool_call>{"name": "Write", "arguments": null}</tool_call>', [WRITE]),
    "Python's quotes": (
        "<tool_call>{'name': 'Read', 'arguments': {'text': 'a'}}</tool_call>",
        [READ],
    ),
    "an end within a string": (
        '<tool_call>{"name": "Read", "arguments": {"text": "</tool_call>\\"}"}}</tool_call>',
        [("Read", {"text": '</tool_call>"}'})],
    ),
    "a name on the wire": (
        '<tool_call>{"name": "short_1", "arguments": {}}</tool_call>',
        [("a/very.long name", {})],
    ),
    "a fence": (f"So:\n```json\n{A}\n```\nDone.", ["So:\n", READ, "Done."]),
    "a fence without a name": (f"```\n{A}\n```", [READ]),
    "a fence of calls": (f"``` tool_call \n[{A}]\n```", [READ]),
    "two fences": (f"```json\n{A}\n```\n\n```json\n{B}\n```", [READ, WRITE]),
    "a fence that is indented": (f"  ```json\n{A}\n  ```", [READ]),
    "an open fence": (f"```json\n{A}", [READ]),
    "Llama": (f"<|python_tag|>{A}; {B}<|eom_id|>", [READ, WRITE]),
    "Mistral": (f"[TOOL_CALLS] [{A}]</s>", [READ]),
    "Mistral's names": ('[TOOL_CALLS]Read[ARGS]{"text": "a"}[TOOL_CALLS]Write{}', [READ, WRITE]),
    "Mistral's ids": ('[TOOL_CALLS]Read[CALL_ID]abc123xyz[ARGS]{"text": "a"}', [READ]),
    "a function": ('<function=Read>{"text": "a"}</function>', [READ]),
    "a function without its bracket": ('<function=Read{"text": "a"}</function>', [READ]),
    "a function without arguments": ("<function=Write></function>", [WRITE]),
    "Qwen3-Coder": (
        "<tool_call>\n<function=Read>\n<parameter=text>\na\n</parameter>\n"
        "<parameter=count>\n3\n</parameter>\n</function>\n</tool_call>",
        [("Read", {"text": "a", "count": 3})],
    ),
    "a parameter that looks like JSON": (
        "<function=Read><parameter=text>[1]</parameter></function>",
        [("Read", {"text": "[1]"})],
    ),
    "a parameter that no schema knows": (
        "<function=Write><parameter=x>[1]</parameter><parameter=y>b</parameter></function>",
        [("Write", {"x": [1], "y": "b"})],
    ),
    "parameters without an end": (
        "<tool_call><function=Read><parameter=text>a<parameter=count>x</tool_call>",
        [("Read", {"text": "a", "count": "x"})],
    ),
    "under a key": (f'{{"tool_call": {A}}}', [READ]),
    "under a key, with the API's own words": (
        '{"tool_use": {"type": "tool_use", "id": "t", "name": "Read", "input": {"text": "a"}}}',
        [READ],
    ),
    "under a key, at a line's start": (
        f'I look.\n{{"tool_call": {A}}}\n  {{"tool_use":\n  {B}\n}}\nSo.',
        ["I look.\n", READ, WRITE, "So."],
    ),
    "under a key, over many lines": (
        '{\n  "tool_call": {\n    "name": "Read",\n    "arguments": {"text": "a"}\n  }\n}\n',
        [READ],
    ),
    "under a key, in a fence": (f'```json\n{{"tool_call": {A}}}\n```', [READ]),
    "under a key, in tags": (f'<tool_call>{{"tool_use": {A}}}</tool_call>', [READ]),
    "nothing else": (A, [READ]),
    "nothing else but white space": (f"\n {A}\n", [READ]),
}


@pytest.mark.pitfall(5)
@pytest.mark.parametrize(("text", "found"), CALLS.values(), ids=CALLS)
def test_a_call_in_a_text_is_a_call(text: str, found: list[Any]) -> None:
    assert both(text) == found


TEXTS = [
    *("", " ", "a", "<", "<tool", "`", "``", "```", "```json", "```json\n", "[TOOL_CALLS]"),
    *("a < b", "<tool_call>", "<tool_call> is a tag", "<tool_call>{", '<tool_call>{"a": 1}'),
    '<tool_call>{"name": "Delete", "arguments": {}}</tool_call>',
    '<tool_call>[{"name": "Read", "arguments": {}}, {"name": "Delete"}]</tool_call>',
    '<tool_call>{"name": "Read", "arguments": 3}</tool_call>',
    '<tool_call>{"name": "Read", "arguments": "x"}</tool_call>',
    "<tool_call>[]</tool_call>",
    "<tool_call>[1]</tool_call>",
    '<tool_call>{"name": "Read", "arguments": {"text": "a',
    "```python\nprint({'name': 'Read'})\n```",
    '```json\n{"version": 3, "name": "Read", "arguments": {}}\n```',
    '```json\n{"name": "Read", "arguments": {}, "version": 3}\n```',
    '```json\n{"name": "Read"}\n```',
    '```json\n{"name": "Read", "version": "1"}\n```',
    "```json\n[1, 2, 3]\n```",
    f"see ```json\n{A}\n```",
    f"{' ' * 12}```json\n{A}\n```",
    "<|python_tag|>search.call(query='a')",
    "<|python_tag|>",
    "[TOOL_CALLS]Delete[ARGS]{}",
    "[TOOL_CALLS] of nothing",
    "<function=Delete>{}</function>",
    "<function=Read>a</function>",
    "<function=Read><parameter=text>a",
    "<function=Read>{'text: 1}</function>",
    "<function=\nDelete>{}</function>x<function=Delete>",
    '{"a": 1}',
    "{not: json}",
    *(
        '{"tool_call": "invalid"}',
        'So:\n{"tool_use": "invalid"}\n',
        '{"tool_call"',
        '\n{"tool_use": {',
    ),
    f'{{"tool_call": {A}, "version": 3}}',
    f'So: {{"tool_call": {A}}}',
    'So:\n{"tool_call": {"name": "Delete", "arguments": {}}}',
    'So:\n{"tool_call": {"name": "Read"}}',
    'So:\n{"tool_call": {"name": "Read", "arguments": {}, "version": 3}}',
    'So:\n{"tool_call": [1]}\n{"tool_calls": []}',
    f"{' ' * 2000}{A}",
    f"a {A}",
    f"<tool_call>{' ' * 300}{A}</tool_call>",
]


@pytest.mark.pitfall(5)
@pytest.mark.parametrize("text", TEXTS)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert "".join(both(text)) == text


def test_what_no_call_began_may_hold_one() -> None:
    assert both(f"<tool_call> <tool_call>{A}") == ["<tool_call> ", READ]
    assert both(f"```json\n<tool_call>{A}</tool_call>") == ["```json\n", READ]


def test_text_behind_a_call_may_be_far_away() -> None:
    assert both(f"<tool_call>{A}{' ' * 2000}b") == [READ, f"{' ' * 2000}b"]
    assert both(f"<tool_call>{A}; b") == [READ, "; b"]
    assert both(f"<tool_call>{A}\n{{b}}") == [READ, "{b}"]


def test_only_what_may_be_a_call_is_held_back() -> None:
    reader = TextCalls(OFFERED)
    assert reader.feed("Hello <") == ["Hello "]
    assert reader.feed("b> `") == ["<b> "]
    assert reader.feed("x\n```js") == ["`x\n"]
    assert reader.feed("x") == ["```", "jsx"]
    assert reader.feed('\n```json\n{"version"') == ["\n"]
    assert "".join(reader.feed(": 1")) == '```json\n{"version": 1'
    assert "".join(reader.feed("\n[TOOL_CALLS]Ra")) == "\n[TOOL_CALLS]Ra"


def test_a_call_without_end_does_not_fill_the_memory() -> None:
    reader = TextCalls(OFFERED)
    text = '<tool_call>{"name": "Read", "arguments": {"text": "' + "x" * MOST_BODY
    said = "".join(str(piece) for piece in reader.feed(text))
    assert len(said) >= MOST_BODY and "".join([said, *map(str, reader.finish())]) == text


@pytest.mark.parametrize(
    "text", ["<tool_call>", "```json\n{", '<tool_call>{"a', "```", " \n", *WRAPPED_OPENINGS]
)
def test_openings_without_calls_take_linear_time(text: str) -> None:
    many = text * (200_000 // len(text))
    assert "".join(map(str, read([many]))) == many


words = st.sampled_from(
    [
        *('{"tool_call": ', '\n{"tool_use": ', "}", "}}"),
        *("<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "<function=Read>"),
        *("<parameter=text>", "</parameter>", "</function>", "```", "```json\n", "\n", " ", "{"),
        *('{"name": "Read", "arguments": ', "{}", "}", '"', "[", "]", ",", ";", "a", "\\", "<"),
        *("[ARGS]", "Read", "<function=", '{"x": 1}', "<|eom_id|>", A, B),
    ]
)


@pytest.mark.pitfall(5)
@given(st.lists(words))
def test_it_does_not_matter_where_pieces_are_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert read(pieces) == both(text)


@given(st.text(st.characters(exclude_characters='<`[{"')), st.lists(st.integers(0, 9)))
def test_ordinary_text_is_not_touched(text: str, cuts: list[int]) -> None:
    pieces, rest = [], text
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert "".join(read([*pieces, rest])) == text


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(-9, 9), max_size=3))
def test_any_input_comes_through(input: dict[str, Any]) -> None:
    call = json.dumps({"name": "Write", "arguments": input})
    assert both(f"a<tool_call>{call}</tool_call>") == ["a", ("Write", input)]
