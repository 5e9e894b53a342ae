"""Checks that every law of streams uses: the grammar of events, random cuts, the fold."""

import random

from claude_proxy.codecs.fold import MessageFold
from claude_proxy.types.anthropic import Message, StreamEvent
from tests.codecs.openai_chat.plays import payload

# The grammar of Messages events, written down here once more: state, event -> next state.
GRAMMAR = {
    ("new", "message_start"): "between",
    ("new", "error"): "ended",
    ("between", "content_block_start"): "block",
    ("between", "message_delta"): "closing",
    ("between", "error"): "ended",
    ("block", "content_block_delta"): "block",
    ("block", "content_block_stop"): "between",
    ("block", "error"): "ended",
    ("closing", "message_stop"): "ended",
}
DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
    "web_search_tool_result": set(),
}

# After this the decoder takes no chunk for a usual one, and reads all the long way.
UNUSUAL = payload({"choices": []}) * 20


def assert_legal(events: list[StreamEvent]) -> None:
    state, index, kind = "new", -1, ""
    for event in events:
        assert (state, event["type"]) in GRAMMAR, events
        state = GRAMMAR[state, event["type"]]
        if event["type"] == "content_block_start":
            index, kind = index + 1, event["content_block"]["type"]
            assert event["index"] == index
        elif event["type"] == "content_block_delta":
            assert event["index"] == index
            assert event["delta"]["type"] in DELTAS[kind]
        elif event["type"] == "content_block_stop":
            assert event["index"] == index
    assert state == "ended"


def fold(events: list[StreamEvent]) -> Message:
    message = MessageFold()
    for event in events:
        message.feed(event)
    assert message.complete
    return message.message


def cut(data: bytes, seed: int, longest: int = 40) -> list[bytes]:
    rng, pieces, at = random.Random(seed), [], 0
    while at < len(data):
        size = rng.randint(1, longest)
        pieces.append(data[at : at + size])
        at += size
    return pieces
