"""Anthropic Messages as an upstream's language: requests as they are, answers checked."""

import json

import pytest

from claude_proxy.codecs import anthropic_upstream as codec
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import GENERIC
from tests.messages_upstream import USAGE, event, message, said

KNOWN = {"profile": GENERIC, "id": "msg_ours", "model": "gpt-5"}


def decoded(*parts, cut=None, **more):
    """The events of a stream that comes in these reads, and its decoder."""
    decoder = codec.StreamDecoder(**KNOWN, **more)
    raw = b"".join(parts)
    reads = [raw[at : at + cut] for at in range(0, len(raw), cut)] if cut else parts
    events = [each for read in reads for each in decoder.feed(read)]
    return events + decoder.close(), decoder


def test_a_request_goes_out_as_it_is():
    request = {"model": "m", "max_tokens": 1, "messages": [], "new_field": {"a": 1}}
    assert codec.encode_request(request, profile=GENERIC) == request
    assert codec.tool_names(request, profile=GENERIC) == {}


@pytest.mark.parametrize("cut", [None, 1, 7])
def test_a_stream_has_our_id_the_clients_model_and_its_usage_last(cut):
    events, decoder = decoded(*said("Hel", "lo"), cut=cut)
    assert [each["type"] for each in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = events[0]["message"]
    assert (start["id"], start["model"]) == ("msg_ours", "gpt-5")
    assert events[-2]["usage"] == {**USAGE, "output_tokens": 42}
    assert decoder.done and decoder.finished and decoder.error is None


def test_tools_thinking_and_citations_keep_all_they_have():
    parts = [
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
        event("content_block_stop", index=0),
        event(
            "content_block_start",
            index=1,
            content_block={"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ),
        event(
            "content_block_delta",
            index=1,
            delta={"type": "input_json_delta", "partial_json": '{"a":1}'},
        ),
        event("content_block_stop", index=1),
        event("message_delta", delta={"stop_reason": "tool_use"}),
        event("message_stop"),
    ]
    events, _ = decoded(*parts)
    assert events[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert events[2]["delta"] == {"type": "signature_delta", "signature": "s"}
    assert events[4]["content_block"]["id"] == "toolu_1"
    assert events[5]["delta"]["partial_json"] == '{"a":1}'
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


def test_usage_that_nobody_counted_is_estimated():
    parts = [event("message_delta", delta={"stop_reason": "end_turn"}), event("message_stop")]
    events, _ = decoded(*parts, estimate=lambda: 17)
    assert events[-2]["usage"]["input_tokens"] == 17


def test_an_end_without_message_stop_is_one_after_the_stop_reason():
    events, decoder = decoded(*said("x")[:-1])
    assert events[-1] == {"type": "message_stop"} and decoder.error is None


def test_an_end_without_a_stop_reason_is_an_error():
    events, decoder = decoded(*said("x")[:-2])
    assert events[-1]["error"]["message"] == codec.CUT
    assert decoder.error is not None and decoder.error.status == 502


def test_nothing_comes_after_the_end():
    decoder = codec.StreamDecoder(**KNOWN)
    decoder.feed(b"".join(said("x")))
    assert decoder.feed(b"".join(said("y"))) == decoder.close() == decoder.open() == []


def test_an_error_event_has_the_status_of_its_type():
    error = {"type": "overloaded_error", "message": "Overloaded"}
    events, decoder = decoded(*said("x")[:4], event("error", error=error))
    assert events[-1]["error"] == error
    assert decoder.error.status == 529 and decoder.done


@pytest.mark.parametrize(
    "part",
    [
        {"type": "content_block_start", "index": 0, "content_block": {}},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": 7}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "delta": {}},
    ],
)
def test_what_cannot_be_read_is_an_error_and_no_crash(part):
    events, decoder = decoded(b"data: " + json.dumps(part).encode() + b"\n\n")
    assert events[-1]["type"] == "error" and isinstance(decoder.error, ProtocolError)
    again = codec.StreamDecoder(**KNOWN)
    again.feed(b"data: " + json.dumps(part).encode())
    assert again.close()[-1]["type"] == "error"


def test_deltas_and_events_that_are_newer_pass_or_are_skipped():
    newer = {"type": "newer_delta", "x": 1}
    events, _ = decoded(
        event("newer_event"), b"data: [1]\n\n", event("content_block_delta", index=3, delta=newer)
    )
    assert events[1] == {"type": "content_block_delta", "index": 3, "delta": newer}


def test_half_an_emoji_is_no_reason_to_lose_the_rest():
    raw = said("x")[3].replace(b'"x"', b'"\\ud83d!"')
    events, _ = decoded(raw)
    assert events[1]["delta"]["text"] == "\ufffd!"


def test_a_line_without_end_is_an_error():
    events, decoder = decoded(b"data: " + b"x" * (9 << 20))
    assert events[-1]["type"] == "error" and decoder.done


def test_a_whole_message_is_checked_and_named_anew():
    found = codec.decode_response(json.loads(message("hi", new=1)), **KNOWN)
    assert found["content"] == [{"type": "text", "text": "hi"}]
    assert (found["id"], found["model"]) == ("msg_ours", "gpt-5")
    assert found["usage"] == {**USAGE, "output_tokens": 42}
    assert "new" not in found


def test_a_whole_answer_that_is_no_message_is_an_error():
    with pytest.raises(ProtocolError):
        codec.decode_response({"choices": []}, **KNOWN)
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    with pytest.raises(UpstreamError) as caught:
        codec.decode_response(error, **KNOWN)
    assert (caught.value.status, caught.value.message) == (429, "slow")


@pytest.mark.parametrize(
    "body", [None, [], [{"type": "error"}], "message", 1, {}, {"content": "a"}]
)
def test_what_is_no_message_is_an_error_of_the_upstream(body):
    with pytest.raises(ProtocolError):
        codec.decode_response(body, **KNOWN)
