"""MessageFold and unfold."""

import time

import pytest

from claude_proxy.codecs.blocks import BlockWriter, no_usage
from claude_proxy.codecs.fold import MessageFold, parse_input, unfold
from claude_proxy.types.anthropic import Citation, Message, StreamEvent

INPUTS = [
    ("nothing", "", {}),
    ("blanks", " \n", {}),
    ("null", "null", {}),
    ("an object", '{"a": [1]}', {"a": [1]}),
    ("a string that holds an object", '"{\\"a\\": 1}"', {"a": 1}),
    ("a string that holds null", '"null"', {}),
    ("a string", '"abc"', {"__unparsedToolInput": {"raw": '"abc"', "len": 5}}),
    ("a list", "[1]", {"__unparsedToolInput": {"raw": "[1]", "len": 3}}),
    ("cut", '{"a": ', {"__unparsedToolInput": {"raw": '{"a": ', "len": 6}}),
    ("a line end in a string", '{"a": "x\ny"}', {"a": "x\ny"}),
    ("a comma too many", '{"a": [1, 2,], "b": ",}",\n}', {"a": [1, 2], "b": ",}"}),
    ("Python's quotes and a warning of its", "{'a': r'\\d', 'b': '\\d'}", {"a": "\\d", "b": "\\d"}),
    ("Python, not JSON", "{'a': {1}}", {"__unparsedToolInput": {"raw": "{'a': {1}}", "len": 10}}),
    ("Python's quotes", "{'a': True, 'b': None}", {"a": True, "b": None}),
    ("no number of JSON", '{"a": NaN}', {"__unparsedToolInput": {"raw": '{"a": NaN}', "len": 10}}),
    ("Python, no object", "['a']", {"__unparsedToolInput": {"raw": "['a']", "len": 5}}),
    ("two objects", "{}{}", {"__unparsedToolInput": {"raw": "{}{}", "len": 4}}),
]

MESSAGE: Message = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": ""},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "tool_use", "id": "toolu_1", "name": "A", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "B", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 4,
    },
}


def fold(events: list[StreamEvent]) -> MessageFold:
    message = MessageFold()
    for event in events:
        message.feed(event)
    return message


@pytest.mark.parametrize(
    ("raw", "value"), [case[1:] for case in INPUTS], ids=[c[0] for c in INPUTS]
)
def test_parse_input(raw: str, value: dict[str, object]) -> None:
    assert parse_input(raw) == value


def test_a_message_unfolds_and_folds_back() -> None:
    folded = fold(unfold(MESSAGE))
    assert folded.message == MESSAGE
    assert folded.complete and folded.error is None


def test_a_message_without_reason_ends_the_turn() -> None:
    assert fold(unfold({**MESSAGE, "stop_reason": None})).message["stop_reason"] == "end_turn"


def test_a_block_of_a_newer_kind_travels_whole() -> None:
    block = {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {"q": 1}}
    message: Message = {**MESSAGE, "content": [block]}  # type: ignore[list-item]  # newer than us
    assert fold(unfold(message)).message == message


def test_deltas_of_a_newer_kind_are_left_out() -> None:
    events = [*BlockWriter("m", "m").text("a")]
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "sparkle_delta"}}
    assert fold([*events, delta]).message["content"] == [{"type": "text", "text": "a"}]  # type: ignore[list-item]  # newer than us


def test_a_delta_without_its_block_is_left_out() -> None:
    delta: StreamEvent = {
        "type": "content_block_delta",
        "index": 7,
        "delta": {"type": "text_delta", "text": "a"},
    }
    assert fold([delta]).message["content"] == []


def test_non_zero_later_counts_override() -> None:
    start = BlockWriter("m", "m").start()[0]
    assert start["type"] == "message_start"
    start["message"]["usage"] = {**no_usage(), "input_tokens": 5, "output_tokens": 1}
    end = BlockWriter("m", "m").end("end_turn", None, {**no_usage(), "output_tokens": 9})
    usage = fold([start, *end[1:]]).message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (5, 9)


def test_it_can_be_read_at_any_moment() -> None:
    message = MessageFold()
    assert message.message["id"] == ""
    writer = BlockWriter("msg_1", "m")
    for event in writer.text("a") + writer.text("b"):
        message.feed(event)
    assert message.message["content"] == [{"type": "text", "text": "ab"}]
    assert message.message["stop_reason"] is None
    assert not message.complete


def test_an_error_is_kept_beside_what_came() -> None:
    writer = BlockWriter("msg_1", "m")
    folded = fold([*writer.text("a"), *writer.error("api_error", "cut"), {"type": "ping"}])
    assert folded.error == {"type": "api_error", "message": "cut"}
    assert folded.message["content"] == [{"type": "text", "text": "a"}]
    assert not folded.complete


def test_events_are_not_changed() -> None:
    writer = BlockWriter("msg_1", "m")
    events = writer.text("a") + writer.text("b")
    before = repr(events)
    assert fold(events).message["content"]
    assert repr(events) == before


@pytest.mark.parametrize("raw", ['{"a": "' + '\\"' * 200_000, "{" * 200_000, "[1," * 200_000])
def test_a_broken_input_is_given_up_in_linear_time(raw):
    began = time.process_time()
    assert parse_input(raw)["__unparsedToolInput"]["raw"] == raw
    assert time.process_time() - began < 5


CITED: Citation = {
    "type": "web_search_result_location",
    "cited_text": "They purr.",
    "url": "https://cats.example/",
    "title": "Cats",
    "encrypted_index": "x",
}


def test_blocks_of_a_search_and_citations_unfold_and_fold() -> None:
    message = fold(BlockWriter("msg_1", "m").end("end_turn", None, no_usage())).message
    message["content"] = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "a"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "text", "text": "Cats purr.", "citations": [CITED, CITED]},
    ]
    assert fold(unfold(message)).message == message


def test_the_last_block_can_be_looked_at_alone() -> None:
    writer = BlockWriter("msg_1", "m")
    assert MessageFold().last is None
    events = [*writer.text("a"), *writer.tool("t1", "A"), *writer.tool_json('{"x":1}')]
    assert fold(events).last == {"type": "tool_use", "id": "t1", "name": "A", "input": {"x": 1}}
