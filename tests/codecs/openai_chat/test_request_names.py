"""Tool names and call ids on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.openai_chat.names import (
    CallIds,
    fits,
    inline_definitions,
    named_tools,
    shorten,
    wire_names,
)

FITS = [("Read", True), ("a-b_9", True), ("n" * 64, True), ("n" * 65, False), ("", False)]
FITS += [("a.b", False), ("é", False), ("²", False), ("a b", False)]


@pytest.mark.parametrize(("word", "expected"), FITS)
def test_only_plain_words_of_64_characters_fit(word: str, expected: bool) -> None:
    assert fits(word, 64) is expected


@pytest.mark.pitfall(24)
def test_a_stand_in_is_readable_and_has_the_hash_of_the_whole_name() -> None:
    first, second = shorten("n" * 70 + "a", 64), shorten("n" * 70 + "b", 64)
    assert first.startswith("n" * 55 + "_")
    assert len(first) == len(second) == 64
    assert first != second


def test_short_limits_leave_room_for_the_hash_alone() -> None:
    short = shorten("call.0", 9)
    assert short[:8] == shorten("call.0", 64)[-8:]
    assert len(short) == 9


def test_names_that_fit_are_not_in_the_map() -> None:
    assert wire_names(["Read", "Write"], 64) == {}


def test_a_stand_in_that_is_somebodys_name_is_not_used() -> None:
    taken = shorten("a.b", 64)
    assert wire_names(["a.b", taken], 64)["a.b"] != taken


def test_stand_ins_that_hash_alike_stay_apart() -> None:
    names = [f"{number}." for number in range(60)]
    assert len(set(wire_names(names, 2).values())) == 60


@pytest.mark.pitfall(24)
@given(st.lists(st.text(max_size=80)))
def test_no_two_names_share_a_wire_name(names: list[str]) -> None:
    renamed = wire_names(names, 64)
    wires = [renamed.get(name, name) for name in set(names)]
    assert len(set(wires)) == len(wires)
    assert all(fits(wire, 64) for wire in wires)


@given(st.lists(st.text(max_size=80)))
def test_names_start_with_a_letter_where_they_must(names: list[str]) -> None:
    renamed = wire_names(names, 64, letter=True)
    wires = [renamed.get(name, name) for name in set(names)]
    assert len(set(wires)) == len(wires)
    assert all(fits(wire, 64) and (wire[0].isalpha() or wire[0] == "_") for wire in wires)


@given(st.lists(st.text(max_size=12) | st.sampled_from(["abcdef123", "abcdef_12"])))
def test_ids_of_nine_letters_and_digits(originals: list[str]) -> None:
    ids = CallIds(9, alphanumeric=True)
    claimed = [ids.claim(original) for original in originals]
    assert len(set(claimed)) == len(claimed)
    assert all(len(id) == 9 and id.isascii() and id.isalnum() for id in claimed)
    assert "abcdef123" not in originals or "abcdef123" in claimed


@given(st.lists(st.text(max_size=50)), st.sampled_from([9, 12, 40]))
def test_no_two_calls_share_an_id(originals: list[str], limit: int) -> None:
    ids = CallIds(limit)
    claimed = [ids.claim(original) for original in originals]
    assert len(set(claimed)) == len(claimed)
    assert all(fits(id, limit) for id in claimed)


def test_a_call_keeps_its_id_when_more_is_said() -> None:
    short, long = CallIds(40), CallIds(40)
    history = ["call_0", "a|b", "call_0"]
    before = [short.claim(original) for original in history]
    after = [long.claim(original) for original in [*history, "call_0", "c"]]
    assert after[:3] == before


def test_names_are_found_wherever_they_stand() -> None:
    definition = {"name": "inline", "input_schema": {}}
    addition = {"type": "tool_addition", "tool": {"definition": definition}}
    body = {
        "tools": [{"name": "listed"}, {"type": "bash_20250124"}],
        "tool_choice": {"type": "tool", "name": "chosen"},
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "called"}]},
            {"role": "system", "content": [addition, {"type": "text", "text": "x"}]},
            {"role": "system", "content": [{"type": "tool_addition", "tool": {"definition": {}}}]},
        ],
    }
    assert list(named_tools(body)) == ["listed", "called", "inline", "chosen"]


def test_only_whole_definitions_count() -> None:
    reference = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "a"}}
    changes = [reference, {"type": "tool_removal"}, "odd"]
    assert list(inline_definitions({"type": "compaction", "tool_changes": changes})) == []
    assert list(inline_definitions({"type": "compaction", "tool_changes": "odd"})) == []
    assert list(inline_definitions({"type": "tool_addition", "tool": None})) == []
