"""Answers in the forms in which servers send them, whole and streamed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs import openai_responses
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.openai_chat import StreamDecoder, decode_response
from claude_proxy.profiles import GENERIC

KNOWN = {"id": "msg_1", "model": "claude-x"}


def events(*deltas: Any, finish: str | None = "tool_calls") -> list[Any]:
    decoder = StreamDecoder(profile=GENERIC, **KNOWN)
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    raw = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return [*decoder.feed(raw + b"data: [DONE]\n\n"), *decoder.close()]


def folded(*pieces: Any, finish: str = "tool_calls") -> Any:
    fold = MessageFold()
    for event in events(*({"tool_calls": [piece]} for piece in pieces), finish=finish):
        fold.feed(event)
    assert fold.complete
    return fold.message


def piece(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None) -> Any:
    """An entry of `tool_calls` without what is not said."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": id, "function": {k: v for k, v in function.items() if v}}
    return {key: value for key, value in entry.items() if value is not None}


A, B = ("a", {"x": 1}), ("b", {"y": 2})
HEAD, TAIL = '{"x":', "1}"

RULES = {
    "a known id wins over the index": [
        piece(0, "i", "a", HEAD),
        piece(1, "j", "b", '{"y":2}'),
        piece(1, "i", None, TAIL),
    ],
    "a new id on an occupied index is a new call": [
        piece(0, "i", "a", '{"x":1}'),
        piece(0, "j", "b", '{"y":2}'),
    ],
    "a name after complete arguments is a new call": [
        piece(0, None, "a", '{"x":1}'),
        piece(0, None, "b", '{"y":2}'),
    ],
    "the same without an index": [
        piece(None, None, "a", '{"x":1}'),
        piece(None, None, "b", '{"y":2}'),
    ],
    "without id and index it is the open call": [
        piece(None, "i", "a", HEAD),
        piece(None, None, None, TAIL),
        piece(None, "j", "b", '{"y":2}'),
    ],
    "a tail on an unknown index is that of the last call": [
        piece(0, "i", "a", HEAD),
        piece(1, None, None, TAIL),
        piece(2, "j", "b", '{"y":2}'),
    ],
    "an empty id is none": [
        piece(0, "i", "a", HEAD),
        piece(0, "", None, TAIL),
        piece(1, "", "b", '{"y":2}'),
    ],
    "null is no index and no id": [
        {**piece(0, "i", "a", HEAD)},
        {**piece(None, None, None, TAIL), "index": None, "id": None},
        piece(1, "j", "b", '{"y":2}'),
    ],
    "whole arguments in one piece": [
        piece(0, "i", "a", '{"x":1}'),
        piece(1, "j", "b", '{"y":2}'),
    ],
    "arguments that are an object": [
        piece(0, "i", "a", {"x": 1}),
        piece(0, "j", "b", {"y": 2}),
    ],
    "indexes that start anywhere": [
        piece(7, "i", "a", HEAD),
        piece(7, None, None, TAIL),
        piece(3, "j", "b", '{"y":2}'),
    ],
    "fragments in turn": [
        piece(0, "i", "a", HEAD),
        piece(1, "j", "b", '{"y":'),
        piece(0, None, None, TAIL),
        piece(1, None, None, "2}"),
    ],
}


@pytest.mark.pitfall(1)
@pytest.mark.parametrize("pieces", RULES.values(), ids=RULES)
def test_parallel_calls_stay_apart(pieces: list[Any]) -> None:
    content = folded(*pieces)["content"]
    assert [(block["name"], block["input"]) for block in content] == [A, B]
    ids = [block["id"] for block in content]
    assert len(set(ids)) == 2 and all(id.startswith("toolu_") for id in ids)


@pytest.mark.pitfall(2)
@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, None, None, HEAD), piece(0, None, None, TAIL), piece(0, "i", "a")],
        [piece(0, None, None, '{"x":1}'), piece(0, "i", "a")],
        [piece(0, "i", None, HEAD), piece(0, None, "a", TAIL)],
    ],
)
def test_arguments_before_the_name_wait_for_it(pieces: list[Any]) -> None:
    sent = events(*({"tool_calls": [entry]} for entry in pieces))
    deltas = [event for event in sent if event["type"] == "content_block_delta"]
    assert [delta["delta"]["type"] for delta in deltas] == ["input_json_delta"]
    assert json.loads(deltas[0]["delta"]["partial_json"]) == {"x": 1}


@pytest.mark.pitfall(4)
@pytest.mark.parametrize("finish", ["stop", "eos", "tool_calls", "function_call"])
def test_a_turn_with_a_call_asks_for_its_result(finish: str) -> None:
    message = folded(piece(0, "i", "a", '{"x":1}'), finish=finish)
    assert message["stop_reason"] == "tool_use"


@pytest.mark.pitfall(4)
@pytest.mark.parametrize("deltas", [[{"content": "a"}], [{"reasoning_content": "a"}], []])
def test_an_answer_without_a_finish_reason_is_an_error(deltas: list[Any]) -> None:
    sent = [event["type"] for event in events(*deltas, finish=None)]
    assert sent[-1] == "error" and "message_stop" not in sent


THOUGHT = {"type": "thinking", "thinking": "Yes."}


@pytest.mark.pitfall(4)
@pytest.mark.parametrize("said", ["thinking", "text"])
def test_reasoning_alone_may_be_the_text(said: Any) -> None:
    profile = replace(GENERIC, only_reasoning=said)
    message = {"content": None, "reasoning_content": "Yes."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    content: Any = decode_response({"choices": [choice]}, profile=profile, **KNOWN)["content"]
    assert content[0].items() >= THOUGHT.items()
    assert content[1:] == ([{"type": "text", "text": "Yes."}] if said == "text" else [])


@pytest.mark.pitfall(4)
def test_in_responses_too() -> None:
    profile = replace(GENERIC, only_reasoning="text")
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Yes."}]}
    body = {"status": "completed", "output": [item]}
    content: Any = openai_responses.decode_response(body, profile=profile, **KNOWN)["content"]
    assert content[0].items() >= THOUGHT.items()
    assert content[1:] == [{"type": "text", "text": "Yes."}]


def whole(arguments: Any) -> Any:
    call = {"id": "i", "type": "function", "function": {"name": "a", "arguments": arguments}}
    choice = {"index": 0, "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    message = decode_response({"choices": [choice]}, profile=GENERIC, **KNOWN)
    return message["content"][0]["input"]


REPAIRED = {
    "a comma too many": '{"x": [1, 2,],}',
    "Python's quotes": "{'x': [1, 2]}",
    "Python's words": "{'x': [1, 2], 'y': None}",
    "a text that holds the object": '"{\\"x\\": [1, 2]}"',
    "an object": {"x": [1, 2]},
}


@pytest.mark.pitfall(6)
@pytest.mark.parametrize("arguments", REPAIRED.values(), ids=REPAIRED)
def test_arguments_of_whole_answers_are_repaired(arguments: Any) -> None:
    assert whole(arguments)["x"] == [1, 2]


@pytest.mark.pitfall(6)
@pytest.mark.parametrize("arguments", ['{"x": [1, 2', "x=1", "[1]", '{"x": }'])
def test_what_cannot_be_repaired_is_told_to_the_model(arguments: str) -> None:
    # The client answers a call with this key with an error that quotes it.
    assert whole(arguments) == {"__unparsedToolInput": {"raw": arguments, "len": len(arguments)}}


@pytest.mark.pitfall(6)
@pytest.mark.parametrize("arguments", ['{"x": 1,}', '{"x": "cut'])
def test_streamed_arguments_of_an_object_pass_as_they_are(arguments: str) -> None:
    sent = events(*({"tool_calls": [piece(0, "i", "a", arguments)]},))
    texts = [e["delta"]["partial_json"] for e in sent if e["type"] == "content_block_delta"]
    assert "".join(texts) == arguments


REASONS = {
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "sensitive": "refusal",
    "length": "max_tokens",
    "stop": "end_turn",
    "model_context_window_exceeded": "model_context_window_exceeded",
}


@pytest.mark.pitfall(9)
@pytest.mark.parametrize("finish", REASONS)
def test_a_finish_reason_means_the_same(finish: str) -> None:
    last = [event for event in events({"content": "a"}, finish=finish) if "delta" in event][-1]
    assert last["delta"]["stop_reason"] == REASONS[finish]


@pytest.mark.pitfall(9)
def test_a_lack_of_resources_is_an_overload() -> None:
    last = events({"content": "a"}, finish="insufficient_system_resource")[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "overloaded_error")


USAGES = {
    "OpenAI": {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60}},
    "DeepSeek": {"prompt_tokens": 100, "prompt_cache_hit_tokens": 60},
    "Moonshot": {"prompt_tokens": 100, "cached_tokens": 60},
    "more cached than there is": {
        "prompt_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 160},
    },
    "nothing cached": {"prompt_tokens": 100},
}


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("usage", USAGES.values(), ids=USAGES)
def test_usage_adds_up_to_the_prompt(usage: Any) -> None:
    choice = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {**usage, "completion_tokens": 3}}
    told: Any = decode_response(body, profile=GENERIC, **KNOWN)["usage"]
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(told[name] for name in names) == 100 and told["output_tokens"] == 3
