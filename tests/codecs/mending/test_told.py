"""Calls that are taught in the prompt: they end the answer."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.mending import mended, mended_message
from claude_proxy.codecs.mending.filters import CallsInText
from claude_proxy.codecs.mending.offered import offered
from claude_proxy.profiles import GENERIC
from claude_proxy.types.anthropic import Message
from tests.codecs.mending.test_mending import ASKED, events, message, reader, whole
from tests.codecs.mending.test_text_calls import A, words
from tests.codecs.openai_chat.grammar import assert_legal, cut
from tests.codecs.openai_chat.plays import chunk
from tests.fuzz.law import law

TOLD = replace(GENERIC, text_calls="told")
CALL = f"<tool_call>{A}</tool_call>"
INPUT = {"text": "a"}


def text(words: str) -> Any:
    return {"type": "text", "text": words}


def thinking() -> Any:
    return {"type": "thinking", "thinking": "So it is.", "signature": "s"}


def read(*content: Any, stop: str = "end_turn") -> tuple[list[Any], Message, Any]:
    """What is left of the blocks, the message, and the faults."""
    found = mended_message(whole(*content, stop=stop), ASKED, profile=TOLD, tool_names={})
    blocks = [
        block["input"] if block["type"] == "tool_use" else block["type"]
        for block in found.message["content"]
    ]
    return blocks, found.message, found.faults


def test_words_in_front_of_calls_stay() -> None:
    blocks, message, faults = read(thinking(), text(f"I look.\n{CALL}\n{CALL}\n"))
    assert blocks == ["thinking", "text", INPUT, INPUT]
    assert message["stop_reason"] == "tool_use"
    assert faults == {"read": 2}


@pytest.mark.parametrize(
    "more",
    [
        [text(f"{CALL}\n<tool_result>\nmade up\n</tool_result>\nDone.")],
        [text(f"{CALL} So: {CALL}")],
        [text(CALL), text("And more.")],
        [text(CALL), thinking(), text(CALL)],
        [text(f'{CALL}\n<tool_call>{{"name": "Read", "arguments": {{"te')],
        [text(f'{CALL}\n<tool_call>{{"name": "Delete", "arguments": {{}}}}</tool_call>')],
    ],
)
def test_what_stands_behind_calls_is_left_out(more: Any) -> None:
    blocks, message, faults = read(*more)
    calls = [block for block in blocks if block == INPUT]
    assert blocks == calls
    assert message["stop_reason"] == "tool_use"
    assert faults["overrun"] == 1


def test_white_space_behind_calls_is_nothing() -> None:
    blocks, _, faults = read(text(f"{CALL} \n"), text("\n \n"), text(CALL))
    assert blocks == [INPUT, INPUT] and faults == {"read": 2}


def test_an_answer_without_calls_is_the_same_object() -> None:
    given = whole(text("<tool_call> is how it is written."), stop="end_turn")
    found = mended_message(given, ASKED, profile=TOLD, tool_names={})
    assert found.message is given and found.faults == {}


def test_a_cut_answer_says_so() -> None:
    _, message, _ = read(text(f"{CALL}\n<tool_call>{A[:20]}"), stop="max_tokens")
    assert message["stop_reason"] == "max_tokens"


def test_streams_count_what_was_left_out() -> None:
    decoder = reader(TOLD)
    for piece in (*CALL, "\n", "Made", " up."):
        assert "Made" not in str(decoder.feed(chunk({"content": piece})))
    assert decoder.faults == {"read": 1, "overrun": 1}


def test_blocks_are_numbered_without_those_that_are_left_out() -> None:
    reading = CallsInText(offered(ASKED, {}), "toolu_", last=True)
    sent = reading.feed(unfold(whole(text(CALL), thinking(), text("x"), stop="end_turn")))
    assert_legal(sent)
    assert [block["type"] for block in message(sent)["content"]] == ["tool_use"]


@law(st.lists(words), st.integers(0, 99))
def test_streams_are_legal_and_like_whole_answers(texts: list[str], seed: int) -> None:
    data = b"".join(chunk({"content": text}) for text in texts) + chunk({}, "stop")
    sent = events(cut(data, seed), TOLD)
    assert_legal(sent)
    before = message(events([data], replace(GENERIC, text_calls="text")))
    found = mended_message(before, ASKED, profile=TOLD, tool_names={})
    assert message(sent) == found.message
    kinds = [block["type"] for block in found.message["content"]]
    assert "tool_use" not in kinds or set(kinds[kinds.index("tool_use") :]) == {"tool_use"}


def test_without_tools_nothing_is_looked_for() -> None:
    asked: Any = {**ASKED, "tools": []}
    decoder = reader(GENERIC)
    assert mended(decoder, asked, profile=TOLD, id="msg_0", tool_names={}) is decoder
