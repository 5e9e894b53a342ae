"""Reasoning in tags, however the pieces of a stream cut it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.openai_chat.think_tags import ThinkTags


def split(pieces: list[str], tags: tuple[str, ...] = ("think", "thought")) -> tuple[str, str]:
    """All the thinking, and all the text."""
    reader = ThinkTags(tags)
    read = [part for piece in pieces for part in reader.feed(piece)] + reader.finish()
    assert reader.finish() == []
    return tuple("".join(text for kind, text in read if kind == k) for k in ("thinking", "text"))


WHOLE = [
    ("text", "", "text"),
    ("<think>a</think>b", "a", "b"),
    ("<thought>a</thought>b", "a", "b"),
    (" \n<think>a</think>\n\nb", "a", "b"),
    ("<think>a</think>\n<think>b</think>c <think>d</think>", "ab", "c <think>d</think>"),
    ("<think></think>", "", ""),
    ("<think>a", "a", ""),
    ("<think>a</thi", "a</thi", ""),
    ("<think>a</thought></think>", "a</thought>", ""),
    ("<thinking>a", "", "<thinking>a"),
    ("< think>a", "", "< think>a"),
    ("  ", "", "  "),
    ("  a", "", "  a"),
    ("a<think>b</think>", "", "a<think>b</think>"),
    ("<", "", "<"),
    ("<think>a</think> \n", "a", ""),
    ("<think>a</think>  <b", "a", "<b"),
]


@pytest.mark.parametrize(("text", "thinking", "rest"), WHOLE)
def test_tags_at_the_start_are_reasoning(text: str, thinking: str, rest: str) -> None:
    assert split([text]) == (thinking, rest)
    assert split(list(text)) == (thinking, rest)


parts = st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", " ", "\n", "a", "</t"]))


@given(parts)
def test_it_does_not_matter_where_pieces_are_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert split(pieces) == split([text]) == split(list(text))


@given(st.text(), st.lists(st.integers(0, 9)))
def test_ordinary_text_stays_whole(text: str, cuts: list[int]) -> None:
    pieces, rest = [], f"a{text}"
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert split([*pieces, rest]) == ("", f"a{text}")


def test_text_without_tags_is_not_held_back() -> None:
    reader = ThinkTags(("think",))
    assert reader.feed("He") == [("text", "He")]
    assert reader.feed("<think>") == [("text", "<think>")]


def test_reasoning_is_not_held_back() -> None:
    reader = ThinkTags(("think",))
    assert reader.feed("<think>a <") == [("thinking", "a ")]
    assert reader.feed("b") == [("thinking", "<b")]
