"""BlockWriter: legal events whatever is asked of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.blocks import BlockWriter, no_usage
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.types.anthropic import Citation, ContentBlock, StreamEvent


def types(events: list[StreamEvent]) -> list[str]:
    return [event["type"].removeprefix("content_block_") for event in events]


def test_the_first_content_starts_the_message_and_its_block() -> None:
    events = BlockWriter("msg_1", "m").text("Hi")
    assert types(events) == ["message_start", "start", "delta"]
    assert events[1:] == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hi"},
        },
    ]


def test_content_of_one_kind_stays_in_its_block() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.text("a")
    assert types(writer.text("b")) == ["delta"]
    writer.thinking("c")
    assert types(writer.thinking("d")) == ["delta"]


@pytest.mark.pitfall(3)
def test_another_kind_closes_the_open_block_and_counts_on() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.text("a")
    events = writer.thinking("b")
    assert types(events) == ["stop", "start", "delta"]
    assert [event.get("index") for event in events] == [0, 1, 1]


def test_each_call_is_a_block() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.tool("toolu_1", "A")
    assert writer.tool_json("{}") == [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        }
    ]
    assert types(writer.tool("toolu_2", "A")) == ["stop", "start"]


def test_thinking_is_signed_before_it_closes() -> None:
    writer = BlockWriter("msg_1", "m", sign="s")
    writer.thinking("a")
    signature, stop = writer.stop()
    assert signature == {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "s"},
    }
    assert stop == {"type": "content_block_stop", "index": 0}


def test_a_signature_of_its_own_is_the_only_one() -> None:
    writer = BlockWriter("msg_1", "m", sign="s")
    writer.thinking("a")
    assert types(writer.signature("t")) == ["delta"]
    assert types(writer.stop()) == ["stop"]


def test_other_blocks_are_not_signed() -> None:
    writer = BlockWriter("msg_1", "m", sign="s")
    writer.text("a")
    assert writer.signature("s") == []
    assert types(writer.stop()) == ["stop"]


def test_json_without_a_call_is_nothing() -> None:
    assert BlockWriter("msg_1", "m").tool_json("{}") == []


def test_the_end_closes_and_carries_usage() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.text("a")
    events = writer.end("stop_sequence", "END", {**no_usage(), "output_tokens": 3})
    assert events == [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {
                "input_tokens": 0,
                "output_tokens": 3,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
        },
        {"type": "message_stop"},
    ]


def test_an_empty_answer_has_start_and_end() -> None:
    events = BlockWriter("msg_1", "m").end("end_turn", None, no_usage())
    assert types(events) == ["message_start", "message_delta", "message_stop"]


def test_an_error_closes_no_block() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.text("a")
    assert writer.error("api_error", "cut") == [
        {"type": "error", "error": {"type": "api_error", "message": "cut"}}
    ]


METHODS = {
    "start": lambda w: w.start(),
    "begin": lambda w: w.begin({"type": "text", "text": ""}),
    "text": lambda w: w.text("a"),
    "thinking": lambda w: w.thinking("a"),
    "signature": lambda w: w.signature("s"),
    "tool": lambda w: w.tool("t", "A"),
    "tool_json": lambda w: w.tool_json("{}"),
    "stop": lambda w: w.stop(),
    "end": lambda w: w.end("end_turn", None, no_usage()),
    "error": lambda w: w.error("api_error", "x"),
}


@pytest.mark.pitfall(3)
@given(st.lists(st.sampled_from(sorted(METHODS))), st.sampled_from(["end", "error"]))
def test_nothing_comes_after_the_end(names: list[str], last: str) -> None:
    writer = BlockWriter("msg_1", "m", sign="s")
    for name in [*names, last]:
        METHODS[name](writer)
    after = [event for name in [*names, *METHODS] for event in METHODS[name](writer)]
    assert writer.ended
    assert after == []


def test_thinking_alone_is_said_again_where_that_is_wanted() -> None:
    writer = BlockWriter("msg_1", "m", sign="s", speak=True)
    events = [
        *writer.thinking("a"),
        *writer.thinking("b"),
        *writer.end("end_turn", None, no_usage()),
    ]
    fold = MessageFold()
    for event in events:
        fold.feed(event)
    assert fold.message["content"] == [
        {"type": "thinking", "thinking": "ab", "signature": "s"},
        {"type": "text", "text": "ab"},
    ]


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
def test_a_turn_that_was_cut_says_nothing_again(reason: Any) -> None:
    writer = BlockWriter("msg_1", "m", speak=True)
    writer.thinking("a")
    assert "start" not in types(writer.end(reason, None, no_usage()))


@pytest.mark.parametrize("name", ["text", "tool"])
def test_a_turn_with_more_than_thinking_says_nothing_again(name: str) -> None:
    writer = BlockWriter("msg_1", "m", speak=True)
    writer.thinking("a")
    METHODS[name](writer)
    writer.thinking("b")
    assert "start" not in types(writer.end("end_turn", None, no_usage()))


def test_citations_belong_to_an_open_text() -> None:
    citation: Citation = {
        "type": "web_search_result_location",
        "cited_text": "They purr.",
        "url": "https://cats.example/",
        "title": "Cats",
        "encrypted_index": "x",
    }
    writer = BlockWriter("msg_1", "m")
    assert writer.citation(citation) == []
    writer.thinking("a")
    assert writer.citation(citation) == []
    writer.text("b")
    assert types(writer.citation(citation)) == ["delta"]


def test_a_whole_block_is_closed_at_once() -> None:
    writer = BlockWriter("msg_1", "m")
    writer.text("a")
    found: ContentBlock = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
    assert types(writer.whole(found)) == ["stop", "start", "stop"]


def test_deltas_of_another_answer_go_on_in_the_open_block() -> None:
    writer = BlockWriter("msg_1", "m", sign="ours")
    assert writer.more({"type": "text_delta", "text": "a"}) == []
    writer.begin({"type": "thinking", "thinking": "", "signature": ""})
    assert types(writer.more({"type": "signature_delta", "signature": "theirs"})) == ["delta"]
    assert types(writer.stop()) == ["stop"]
