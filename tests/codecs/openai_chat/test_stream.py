"""Chat streams: every play, and what the decoder says about itself."""

from pathlib import Path

import pytest

from claude_proxy.codecs.openai_chat.calls import Call
from claude_proxy.codecs.openai_chat.stream import CUT, StreamDecoder, salvage
from claude_proxy.profiles import GENERIC
from tests.codecs.openai_chat.plays import (
    PLAYS,
    chunk,
    decoder,
    line,
    payload,
    profile_of,
    read_play,
)
from tests.request_cases import CHAT_PROVIDERS


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_play(path: Path) -> None:
    stream = decoder(profile_of(path))
    for inputs, expected in read_play(path):
        events = []
        for data in inputs:
            events += stream.close() if data is None else stream.feed(data)
        assert [line(event) for event in events] == expected
    assert stream.done


def test_there_are_plays() -> None:
    assert len(PLAYS) >= 60
    assert {profile_of(path).provider for path in PLAYS} == CHAT_PROVIDERS


@pytest.mark.parametrize(
    "text",
    ["", "no reason\n>> eof", "# why", "# why\n>> done", "# why\n?? eof", "# why\n>> huh 3"],
)
def test_a_broken_play_fails(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(ValueError):
        read_play(path)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (rb'{"a":"\ud83d"}', {"a": "\ufffd"}),
        (b'{"a":NaN}', {"a": None}),
        (b'{"a":1e999}', None),
        (b'{"a":', None),
    ],
)
def test_json_that_is_nearly_valid_is_made_valid(payload: bytes, value: object) -> None:
    assert salvage(payload) == value


def test_message_start_has_the_ids_of_the_caller_and_no_usage() -> None:
    [start] = decoder().open()
    assert start == {
        "type": "message_start",
        "message": {
            "id": "msg_0",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 0,
                "output_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
        },
    }


def test_open_sends_message_start_once() -> None:
    stream = decoder()
    stream.open()
    assert stream.open() == []
    assert [event["type"] for event in stream.feed(chunk({"content": "a"}))] == [
        "content_block_start",
        "content_block_delta",
    ]


def test_role_only_chunk_is_no_content() -> None:
    assert decoder().feed(chunk({"role": "assistant", "content": ""})) == []


def test_finished_comes_before_done() -> None:
    stream = decoder()
    stream.feed(chunk({"content": "a"}))
    assert (stream.finished, stream.done) == (False, False)
    stream.feed(chunk({}, "stop"))
    assert (stream.finished, stream.done) == (True, False)
    stream.feed(b"data: [DONE]\n\n")
    assert (stream.finished, stream.done, stream.error) == (True, True, None)
    assert stream.open() == []


def test_an_upstream_error_is_kept_for_the_status() -> None:
    stream = decoder()
    stream.feed(payload({"error": {"message": "slow down", "code": 429}}))
    assert stream.finished and stream.done
    assert stream.error is not None
    assert (stream.error.status, stream.error.type) == (429, "rate_limit_error")


def test_a_cut_stream_is_not_finished() -> None:
    stream = decoder()
    stream.close()
    assert (stream.finished, stream.done) == (False, True)
    assert stream.error is not None
    assert (stream.error.status, stream.error.type, stream.error.message) == (502, "api_error", CUT)


def test_an_endless_line_is_an_error_event() -> None:
    stream = decoder()
    piece = b"data: " + b"x" * 1_000_000
    events = [event for _ in range(10) for event in stream.feed(piece)]
    assert [event["type"] for event in events] == ["error"]
    assert stream.feed(chunk({"content": "a"})) == []


def test_without_estimate_the_input_is_unknown() -> None:
    stream = StreamDecoder(profile=GENERIC, id="msg_1", model="m")
    stream.feed(chunk({"content": "abcde"}, "stop"))
    assert line(stream.close()[-2]) == "end end_turn 0+0+0>2"


def test_estimate_is_not_called_when_usage_came() -> None:
    stream = StreamDecoder(profile=GENERIC, id="m", model="m", estimate=lambda: 1 // 0)
    stream.feed(chunk({"content": "a"}, "stop"))
    stream.feed(payload({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}))
    assert line(stream.close()[-2]) == "end end_turn 3+0+0>1"


def test_ids_of_calls_differ_between_answers_and_are_short() -> None:
    stream = StreamDecoder(profile=GENERIC, id="msg_" + "a" * 24, model="m")
    call = {"index": 0, "id": "call_0", "function": {"name": "A", "arguments": "{}"}}
    start = stream.feed(chunk({"tool_calls": [call]}))[1]
    assert start["type"] == "content_block_start"
    assert start["content_block"] == {
        "type": "tool_use",
        "id": f"toolu_{'a' * 24}_0",
        "name": "A",
        "input": {},
    }


def test_json_nested_too_deeply_is_garbage() -> None:
    assert decoder().feed(b"data: " + b"[" * 200_000 + b"\n\n") == []


def test_whole_arguments_fill_in_what_is_missing() -> None:
    call = Call("toolu_0")
    assert (call.fill('{"a":'), call.fill('{"a":1}'), call.fill("{}")) == (5, 2, 0)
    assert call.take() == '{"a":1}'


@pytest.mark.parametrize(
    ("asked", "matched", "reason"),
    [
        (("END",), "END", "stop_sequence"),
        (("END",), "<|eot_id|>", "end_turn"),
        ((), "stop", "end_turn"),
        (None, "END", "stop_sequence"),
    ],
)
def test_only_a_requested_stop_sequence_is_one(
    asked: tuple[str, ...] | None, matched: str, reason: str
) -> None:
    stream = StreamDecoder(profile=GENERIC, id="msg_0", model="m", stop_sequences=asked)
    end = {"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": matched}]}
    delta = [*stream.feed(payload(end)), *stream.close()][-2]
    assert delta["type"] == "message_delta"
    sequence = matched if reason == "stop_sequence" else None
    assert delta["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


def test_broken_arguments_are_counted() -> None:
    stream = decoder()
    function = {"name": "Read", "arguments": '{"li'}
    stream.feed(chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}]}, "stop"))
    stream.close()
    assert stream.faults == {"broken": 1}
