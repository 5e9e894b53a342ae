"""Thoughts of an answer, whole or streamed, and their way back before the calls they led to."""

import copy

import pytest

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.thoughts import ThoughtTap, restore, thoughts_of

A, B = (
    {"type": "thinking", "thinking": "first A", "signature": "cpx1:x"},
    {"type": "thinking", "thinking": "then B", "signature": "cpx1:x:d:m"},
)
TEXT = {"type": "text", "text": "I shall look."}


def call(id):
    return {"type": "tool_use", "id": id, "name": "Read", "input": {"path": "a"}}


CASES = {
    "none": ([TEXT, call("t1")], []),
    "one": ([A, TEXT, call("t1")], [("t1", (A,))]),
    "two calls after one thought": ([A, call("t1"), call("t2")], [("t1", (A,))]),
    "interleaved": ([A, call("t1"), B, call("t2")], [("t1", (A,)), ("t2", (B,))]),
    "two thoughts": ([A, B, call("t1")], [("t1", (A, B))]),
    "thought without a call": ([A, TEXT], []),
    "thought after the call": ([call("t1"), A], []),
}


def message(content):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1,
            "output_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


@pytest.mark.parametrize(("content", "found"), CASES.values(), ids=CASES)
def test_each_call_has_the_thoughts_before_it(content, found):
    assert list(thoughts_of(content)) == found


@pytest.mark.parametrize(("content", "found"), CASES.values(), ids=CASES)
def test_a_stream_gives_the_same(content, found):
    tap = ThoughtTap()
    for event in unfold(message(content)):
        tap.feed([event])
    assert list(tap.thoughts()) == found


def test_a_stream_that_failed_gives_nothing():
    tap = ThoughtTap()
    events = unfold(message(CASES["one"][0]))
    tap.feed(events[:-2])
    tap.feed([{"type": "error", "error": {"type": "api_error", "message": "cut"}}])
    assert list(tap.thoughts()) == []


@pytest.mark.pitfall(10)
@pytest.mark.parametrize(("content", "found"), CASES.values(), ids=CASES)
def test_dropped_thoughts_stand_before_their_calls_again(content, found):
    kept = dict(found)
    without = [block for block in content if block["type"] != "thinking"]
    asked = [{"role": "user", "content": "go"}, {"role": "assistant", "content": without}]
    before = copy.deepcopy(asked)
    restored = restore(asked, lambda id: kept.get(id, ()))
    assert asked == before
    assert restored[0] is asked[0]
    assert list(thoughts_of(restored[1]["content"])) == found
    assert [b for b in restored[1]["content"] if b["type"] != "thinking"] == without


@pytest.mark.parametrize(
    "kept",
    [
        {"role": "assistant", "content": [A, call("t2")]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": ""}, call("t1")]},
        {"role": "assistant", "content": "text"},
        {"role": "user", "content": [call("t1")]},
        {"role": "assistant", "content": [call("unknown")]},
        {"role": "system"},
    ],
)
def test_other_messages_stay_the_same_object(kept):
    known = {"t1": (A,), "t2": (B,)}
    assert restore([kept], lambda id: known.get(id, ()))[0] is kept
