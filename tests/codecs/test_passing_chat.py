"""What is read of Chat Completions that pass by: usage, beginning, end, and nothing else."""

import json

import pytest

from claude_proxy.codecs.passing import until_end
from claude_proxy.codecs.passing_chat import ChatTap, completion_usage, in_events, is_failure
from tests.upstream import DONE, call, chunk, completion, framed, text_stream, usage

COUNTS = {"input_tokens": 17, "cached_tokens": 4, "output_tokens": 7}


def read(*items, choices=1):
    tap = ChatTap(choices)
    for item in items:
        tap.read(framed(item))
    return tap


def test_a_role_or_an_empty_text_is_no_beginning():
    assert not read(chunk({"role": "assistant", "content": ""})).started
    assert read(chunk({"content": "x"})).started
    assert read(chunk({"reasoning_content": "x"})).started
    assert read({"choices": [{"text": "x"}]}).started


def test_done_is_the_end_and_a_finish_reason_may_be_one():
    tap = read(chunk({"content": "x"}))
    assert not tap.complete
    tap.read(framed(chunk({}, "stop")))
    assert tap.complete and not tap.finished
    tap.read(framed(DONE))
    assert tap.finished


def test_each_of_several_answers_must_end():
    one = chunk({}, "stop")
    other = {"choices": [{"index": 1, "finish_reason": "length"}]}
    assert not read(one, one, choices=2).complete
    assert read(one, other, choices=2).complete
    assert not read({"choices": [{"index": "x", "finish_reason": "stop"}]}, choices=2).complete
    assert not read({"choices": [{"index": 0, "finish_reason": "stop"}, 7]}).complete
    assert read({"choices": 7, "usage": usage(21, 7, 4), "error": "no"}).usage == COUNTS


def test_an_error_of_the_upstream_is_an_end():
    assert read({"error": {"message": "no"}}).finished
    assert read({"error": "no"}).finished
    assert not read({**chunk({"content": "x"}), "error": None}).finished
    assert read(chunk({"content": "x"})).failure == b""


@pytest.mark.parametrize(
    "error",
    [{"error": "no"}, {"object": "error", "message": "no", "code": 400}, {"detail": "no"}]
    + [{"choices": [{"finish_reason": "error"}], "error": {"message": "no"}}],
)
@pytest.mark.parametrize("before", [[], [chunk({"content": "x"})]])
def test_its_payload_is_kept_however_it_came(error, before):
    payload = json.dumps(error).encode()
    tap = ChatTap()
    tap.read(b"".join(map(framed, before)) + b"event: error\n" + framed(payload.decode()))
    assert tap.finished and tap.failure == payload


def test_a_chunk_without_answers_is_no_error():
    first = {"choices": [], "prompt_filter_results": [{}], "object": ""}
    assert not read(first, {"id": "x"}, {"object": "chat.completion.chunk"}).finished


def test_a_text_that_looks_like_an_end_is_none():
    said = 'data: [DONE] "error": {} "finish_reason": "stop" "usage": {'
    tap = read(chunk({"content": said}))
    assert tap.started and not tap.complete and tap.usage == {}


def test_usage_is_read_where_it_stands():
    tap = read(chunk({"content": "x"}, usage=None), {"choices": [], "usage": usage(21, 7, 4)})
    assert tap.usage == COUNTS
    assert read({"choices": [], "usage": {"prompt_tokens": "many", "x": 1}}).usage == {}


@pytest.mark.parametrize("raw", [b'data: {"error": \n\n', b"data: \xff [DONE]x\n\n"])
def test_what_cannot_be_read_is_no_end(raw):
    tap = ChatTap()
    tap.read(raw)
    assert not tap.complete


def test_several_chunks_in_one_read_are_all_looked_at():
    tap = ChatTap()
    tap.read(framed(chunk({"content": "x"})) + framed(chunk({"content": "y"})))
    assert tap.started and not tap.complete
    tap.read(b"event: x\n" + framed(chunk({}, "stop", usage=usage(21, 7, 4))))
    assert tap.complete and tap.usage == COUNTS


def test_nothing_behind_the_end_is_part_of_it():
    whole = b"".join(map(framed, text_stream("x")))
    assert until_end(whole + b"data: late\n\n", ChatTap) == whole


def test_a_whole_answer_tells_its_usage_and_whether_it_is_one():
    assert completion_usage(b'{"usage": %s}' % framed(usage(21, 7, 4))[6:]) == COUNTS
    assert completion_usage(b"[1]") == completion_usage(b'{"usage": 7}') == {}
    assert is_failure(b'{"error": {"message": "no"}}') is True
    assert is_failure(b'{"choices": [{}], "error": {"code": 1}}') is False
    assert is_failure(b'{"choices": []}') is False
    assert is_failure(b'{"object": "error", "message": "no"}') is True
    assert is_failure(b"<html>") is None


@pytest.mark.parametrize("text", [rb"\ud83d", b"\xff", b"\x01"])
def test_a_whole_answer_may_have_half_an_emoji(text):
    raw = b'{"choices": [{"message": {"content": "' + text + b'"}}], "usage": {"prompt_tokens": 3}}'
    assert is_failure(raw) is False and completion_usage(raw) == {"input_tokens": 3}


def events_of(answer, *, usage=False):
    raw = in_events(json.dumps(answer).encode(), usage)
    return [json.loads(line[6:]) for line in raw.decode().split("\n\n")[:-2]]


def test_a_whole_answer_is_a_stream_of_one_chunk_for_each_choice():
    calls = [call("a", {}, id="1"), {"id": "2", "type": "function"}, 7]
    del calls[0]["index"]
    answer = completion("Hello", calls=calls)
    other = {"index": 1, "message": {"content": "Bye"}, "finish_reason": "length"}
    first, second = events_of({**answer, "choices": [*answer["choices"], other]})
    assert first["object"] == "chat.completion.chunk" and first["id"] == answer["id"]
    delta = first["choices"][0]["delta"]
    assert delta["content"] == "Hello" and first["choices"][0]["finish_reason"] == "tool_calls"
    assert [each["index"] for each in delta["tool_calls"][:2]] == [0, 1]
    assert second["choices"] == [
        {"index": 1, "delta": {"content": "Bye"}, "finish_reason": "length"}
    ]


def test_its_usage_comes_last_if_it_is_wanted():
    whole = {"object": "text_completion", "choices": [{"text": "x"}], "usage": {"total_tokens": 3}}
    assert [*events_of(whole)] == [{"object": "text_completion", "choices": [{"text": "x"}]}]
    *_, last = events_of(whole, usage=True)
    assert last["usage"] == {"total_tokens": 3} and last["choices"] == []
    assert in_events(b'{"choices": []}', True) == framed(DONE)


@pytest.mark.parametrize("raw", [b"[1]", b"<html>", b'{"choices": 7}', b"{}"])
def test_what_is_no_answer_makes_no_stream(raw):
    assert in_events(raw, True) == b""
