"""Streams of Chat, and of Completions, as the whole answers that they tell."""

import json
import time

import pytest

from claude_proxy.codecs.chat_fold import ChatFold
from tests.upstream import DONE, call, chunk, text_stream, usage


def folded(*chunks):
    fold = ChatFold()
    for each in chunks:
        fold.feed(each.encode() if isinstance(each, str) else json.dumps(each).encode())
    return fold


def test_texts_reasons_and_counts_come_together():
    fold = folded(*text_stream("Hel", "lo"))
    assert fold.complete and fold.ended and fold.error is None
    answer = json.loads(fold.message)
    assert answer["object"] == "chat.completion" and answer["id"] == "chatcmpl-scripted"
    assert answer["usage"] == usage()
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hello"}
    assert choice["finish_reason"] == "stop" and choice["index"] == 0


def test_calls_come_in_pieces_and_several_in_one_chunk():
    first, second = call("add", "", id="1"), call("sub", "{}", id="2", index=1)
    more = {"index": 0, "id": "1", "type": "function", "function": {"arguments": '{"a"'}}
    rest = {"index": 0, "function": {"name": None, "arguments": ": 1}"}}
    answer = json.loads(
        folded(
            chunk({"role": "assistant", "content": None}),
            chunk({"role": "assistant", "tool_calls": [first, second, more]}),
            chunk({"tool_calls": [rest, 7]}),
            chunk({}, "tool_calls"),
        ).message
    )
    made = answer["choices"][0]["message"]
    assert made["content"] is None and made["role"] == "assistant"
    assert made["tool_calls"] == [
        {"type": "function", "id": "1", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"type": "function", "id": "2", "function": {"name": "sub", "arguments": "{}"}},
    ]


def test_what_is_unknown_grows_too():
    first = {"text": "a", "logprobs": {"tokens": ["a"], "base": 1}, "new": {"x": "1"}, "n": 1}
    second = {"text": "b", "logprobs": {"tokens": ["b"], "base": 2}, "new": None, "n": "2"}
    fold = folded({"object": "text_completion", "choices": [first]}, {"choices": [second]})
    assert not fold.complete
    answer = json.loads(fold.message)
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"text": "ab", "logprobs": {"tokens": ["a", "b"], "base": 2}, "new": {"x": "1"}, "n": "2"}
    ]


def test_several_answers_stay_apart_and_all_must_end():
    one, other = ({"index": at, "delta": {"content": str(at)}} for at in (1, 0))
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    fold = folded({"choices": [one]}, {"choices": [other]}, {"choices": [end]})
    assert not fold.complete
    fold.feed(json.dumps({"choices": [{**end, "index": 1}, 7], "usage": None}).encode())
    assert fold.complete and not fold.ended
    said = [choice["message"]["content"] for choice in json.loads(fold.message)["choices"]]
    assert said == ["0", "1"]


def test_an_error_is_kept_as_it_came():
    fold = folded(chunk({"content": "x"}), {"error": {"message": "no"}})
    assert fold.ended and not fold.complete
    assert json.loads(fold.error) == {"error": {"message": "no"}}


@pytest.mark.parametrize("payload", ["", "x", "[1]", "null", '{"choices": 7}', '{"choices": [7]}'])
def test_what_is_no_chunk_changes_nothing(payload):
    fold = folded(payload, chunk({"content": "x"}, "stop"), DONE)
    assert json.loads(fold.message)["choices"][0]["message"] == {"content": "x"}


def test_a_stream_without_a_chunk_is_none():
    assert not folded().complete and json.loads(folded(DONE).message) == {"choices": []}


def test_very_many_pieces_take_no_time_for_each_other():
    fold, more = (
        ChatFold(),
        json.dumps(
            {
                "choices": [
                    {"delta": {"content": "x" * 9}, "logprobs": {"content": [{"token": "x"}]}}
                ]
            }
        ).encode(),
    )
    began = time.process_time()
    for _ in range(50_000):
        fold.feed(more)
    message = json.loads(fold.message)["choices"][0]
    assert len(message["message"]["content"]) == 450_000
    assert len(message["logprobs"]["content"]) == 50_000
    assert time.process_time() - began < 10
