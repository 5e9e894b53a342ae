"""Responses streams: every play, and what the decoder says about itself."""

from pathlib import Path
from typing import Any

import pytest

from claude_proxy.codecs.openai_responses import StreamDecoder
from claude_proxy.codecs.openai_responses.stream import CUT
from claude_proxy.profiles import GENERIC
from tests.codecs.openai_chat.plays import line, payload, read_play
from tests.codecs.openai_responses.plays import (
    GPT_5,
    PLAYS,
    decode,
    decoder,
    delta,
    end,
    item,
    read,
)


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_play(path: Path) -> None:
    stream = decoder()
    for inputs, expected in read_play(path, read):
        events = []
        for data in inputs:
            events += stream.close() if data is None else stream.feed(data)
        assert [line(event) for event in events] == expected
    assert stream.done


def test_there_are_plays() -> None:
    assert len(PLAYS) >= 50


def test_open_sends_message_start_once() -> None:
    stream = decoder()
    assert [event["type"] for event in stream.open()] == ["message_start"]
    assert stream.open() == []
    assert [event["type"] for event in stream.feed(delta("text", 0, "a"))] == [
        "content_block_start",
        "content_block_delta",
    ]


def test_the_last_event_ends_the_answer_at_once() -> None:
    stream = decoder()
    stream.feed(delta("text", 0, "a"))
    assert (stream.finished, stream.done) == (False, False)
    stream.feed(end({"status": "completed"}))
    assert (stream.finished, stream.done, stream.error) == (True, True, None)
    assert stream.open() == stream.close() == stream.feed(b"x") == []


def test_a_failure_is_kept_for_the_status() -> None:
    stream = decoder()
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    stream.feed(end({"status": "failed", "error": error}, "failed"))
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
    assert stream.finished and stream.feed(delta("text", 0, "a")) == []


def test_without_estimate_the_input_is_unknown() -> None:
    stream = StreamDecoder(profile=GPT_5, id="msg_1", model="m")
    stream.feed(delta("text", 0, "abcde"))
    assert line(stream.feed(end({}))[-2]) == "end end_turn 0+0+0>2"


def test_an_upstream_without_encrypted_reasoning_holds_nothing_back() -> None:
    stream = decoder(GENERIC)
    stream.feed(item("added", 0, {"type": "reasoning"}))
    stream.feed(delta("summary", 0, "Hm"))
    lines = [line(event) for event in stream.feed(delta("text", 1, "a"))]
    assert lines[:2] == ['delta 0 signature_delta "cpx1:generic"', "stop 0"]


def test_encrypted_reasoning_that_nobody_asked_for_is_left_out() -> None:
    reasoning: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "encrypted_content": "ENC"}
    lines = [line(event) for event in decode([item("done", 0, reasoning), end({})], GENERIC)]
    assert lines == ["message_start", "end end_turn 1000+0+0>0", "message_stop"]


def test_many_small_deltas_cost_linear_time() -> None:
    text, call = delta("text", 0, "ab"), delta("args", 1, "ab")
    events = decode([text * 20_000, call * 20_000, end({"status": "completed"})])
    assert len(events) > 20_000


def test_json_nested_too_deeply_is_garbage() -> None:
    assert decoder().feed(b"data: " + b"[" * 200_000 + b"\n\n") == []
    assert decoder().feed(payload([])) == []


def test_broken_arguments_are_counted() -> None:
    stream = decoder()
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "Read", "arguments": ""}
    stream.feed(item("added", 0, call) + item("done", 0, {**call, "arguments": '{"li'}))
    stream.feed(end({"status": "completed", "output": []}))
    stream.close()
    assert stream.faults == {"broken": 1}
