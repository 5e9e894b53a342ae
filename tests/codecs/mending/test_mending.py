"""Answers whose calls are put right: plays, laws, and whole messages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs import Decoder
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.fold import UNPARSED, MessageFold, unfold
from claude_proxy.codecs.mending import mended, mended_message
from claude_proxy.codecs.openai_chat.stream import StreamDecoder
from claude_proxy.codecs.openai_responses import StreamDecoder as ResponsesDecoder
from claude_proxy.profiles import GENERIC, Profile
from tests.codecs.mending.test_text_calls import A, words
from tests.codecs.openai_chat.grammar import assert_legal, cut
from tests.codecs.openai_chat.plays import (
    PLAYS,
    TOOL_NAMES,
    chunk,
    line,
    payload,
    play_bytes,
    profile_of,
    read_play,
)
from tests.fuzz.law import law

MENDING = sorted((Path(__file__).parents[2] / "cases" / "mending").glob("*.txt"))
BOTH = replace(GENERIC, text_calls="read", call_inputs="mended")
READ = {
    "name": "Read",
    "input_schema": {
        "type": "object",
        "properties": {
            "file_path": {"type": "string"},
            "limit": {"type": "integer"},
            "pages": {"type": "string"},
        },
        "required": ["file_path"],
    },
}
LONG = {"name": "a/very.long name", "input_schema": {"type": "object"}}


def request(*tools: Any, **more: Any) -> Any:
    hi = {"role": "user", "content": "hi"}
    return decode_request(
        {"model": "m", "max_tokens": 9, "messages": [hi], "tools": [*tools], **more}
    )


ASKED = request(READ, LONG)


def reader(profile: Profile = BOTH, asked: Any = ASKED) -> Decoder:
    decoder = StreamDecoder(
        profile=profile, id="msg_0", model="m", tool_names=TOOL_NAMES, estimate=lambda: 1000
    )
    return mended(decoder, asked, profile=profile, id="msg_0", tool_names=TOOL_NAMES)


def events(pieces: list[bytes], profile: Profile = BOTH) -> list[Any]:
    decoder = reader(profile)
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return [*found, *decoder.close()]


def message(sent: list[Any]) -> Any:
    fold = MessageFold()
    for event in sent:
        fold.feed(event)
    return fold.message


@pytest.mark.pitfall(5, 6)
@pytest.mark.parametrize("path", MENDING, ids=lambda path: path.stem)
def test_play(path: Path) -> None:
    decoder = reader()
    for inputs, expected in read_play(path):
        sent: list[Any] = []
        for data in inputs:
            sent += decoder.close() if data is None else decoder.feed(data)
        assert [line(event) for event in sent] == expected
    assert decoder.done and decoder.finished and decoder.error is None


@pytest.mark.parametrize("path", MENDING, ids=lambda path: path.stem)
def test_it_does_not_matter_how_plays_are_cut(path: Path) -> None:
    data = play_bytes(path)
    whole = message(events([data]))
    assert message(events([data[at : at + 1] for at in range(len(data))])) == whole
    for seed in range(5):
        assert message(events(cut(data, seed))) == whole


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_answers_without_faults_are_the_same(path: Path) -> None:
    data = play_bytes(path)
    profile = replace(profile_of(path), text_calls="read")
    sent = events([data], profile)
    assert_legal(sent)
    if sent[-1]["type"] == "message_stop":
        assert message(sent) == message(events([data], profile_of(path)))


@law(st.lists(words), st.integers(0, 99))
def test_streams_are_legal_and_like_whole_answers(texts: list[str], seed: int) -> None:
    data = b"".join(chunk({"content": text}) for text in texts) + chunk({}, "stop")
    sent = events(cut(data, seed))
    assert_legal(sent)
    plain = replace(GENERIC, text_calls="text")
    before = message(events([data], plain))
    found = mended_message(before, ASKED, profile=BOTH, tool_names=TOOL_NAMES)
    assert message(sent) == found.message


def test_nothing_is_mended_where_nobody_asks_for_it() -> None:
    assert isinstance(reader(GENERIC), StreamDecoder)
    assert isinstance(reader(BOTH, request()), StreamDecoder)
    assert isinstance(reader(BOTH, request(READ, tool_choice={"type": "none"})), StreamDecoder)


@pytest.mark.pitfall(5)
def test_the_responses_api_has_the_same() -> None:
    decoder = mended(
        ResponsesDecoder(profile=BOTH, id="msg_0", model="m"),
        ASKED,
        profile=BOTH,
        id="msg_0",
        tool_names={},
    )
    text = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
    call = f"<tool_call>{A}</tool_call>"
    end = {"type": "response.completed", "response": {"status": "completed"}}
    sent = [*decoder.open()]
    for event in ({**text, "delta": call[:20]}, {**text, "delta": call[20:]}, end):
        sent += decoder.feed(payload(event))
    assert message(sent)["content"][0]["input"] == {"text": "a"}
    assert message(sent)["stop_reason"] == "tool_use"
    assert decoder.faults == {"read": 1}


@pytest.mark.pitfall(6)
def test_faults_are_counted() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "Read", "arguments": '{"limit": null}'}}
    cut_off = {**call, "index": 1, "id": "d", "function": {"name": "Read", "arguments": '{"li'}}
    data = chunk({"tool_calls": [call]}) + chunk({"tool_calls": [cut_off]}) + chunk({}, "stop")
    for profile, faults in ((BOTH, {"mended": 1, "broken": 1}), (GENERIC, {"broken": 1})):
        decoder = reader(profile)
        assert decoder.faults == {}
        decoder.feed(data)
        decoder.close()
        assert decoder.faults == faults


@pytest.mark.pitfall(6)
@pytest.mark.parametrize("arguments", ["", "{}", '{"a": {}}', '"{}"', "null"])
def test_whole_arguments_are_no_fault(arguments: str) -> None:
    decoder = reader(GENERIC)
    call = {"index": 0, "id": "c", "function": {"name": "Read", "arguments": arguments}}
    decoder.feed(chunk({"tool_calls": [call]}) + chunk({}, "stop"))
    decoder.close()
    assert decoder.faults == {}


def whole(*content: Any, stop: str = "tool_use") -> Any:
    start = message(unfold(message([])))
    return {**start, "id": "msg_0", "content": [*content], "stop_reason": stop}


def call(**input: Any) -> Any:
    return {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": input}


@pytest.mark.pitfall(6)
def test_whole_answers_lose_what_their_tools_forbid() -> None:
    given = whole({"type": "text", "text": "a"}, call(file_path="/a", limit=None, pages=""))
    found = mended_message(given, ASKED, profile=GENERIC, tool_names={})
    assert found.message["content"][1] == call(file_path="/a")
    assert found.notes == ["content.1.input.limit", "content.1.input.pages"]
    assert found.faults == {"mended": 1}
    assert given["content"][1]["input"]["limit"] is None


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{"type": "text", "text": "<tool_call>"}],
        [call(file_path="/a")],
        [{**call(limit=None), "name": "Unknown"}],
    ],
)
def test_a_right_answer_is_the_same_object(content: Any) -> None:
    given = whole(*content)
    for profile in (GENERIC, BOTH):
        found = mended_message(given, ASKED, profile=profile, tool_names={})
        assert found.message is given and found.faults == {}


def test_a_whole_answer_tells_what_is_broken() -> None:
    given = whole(call(**{UNPARSED: {"raw": "{", "len": 1}}))
    found = mended_message(given, ASKED, profile=GENERIC, tool_names={})
    assert found.faults == {"broken": 1} and found.message is given
