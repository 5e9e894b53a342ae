"""Agent calls are read out of a stream, as events and as bytes, however they are cut."""

import json
from typing import Any

import pytest

from claude_proxy.codecs.sse import encode_all
from claude_proxy.routing.calls import MOST_BYTES, AgentCalls, PassedAgentCalls

CALL = {"subagent_type": "reviewer", "prompt": "look at it"}


def block(name: str, input: Any, index: int = 0, cuts: int = 3) -> list[Any]:
    whole = input if isinstance(input, str) else json.dumps(input)
    size = max(1, len(whole) // cuts)
    start = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *(
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": "input_json_delta", "partial_json": part},
            }
            for part in parts
        ),
        {"type": "content_block_stop", "index": index},
    ]


TEXT = [
    {"type": "content_block_start", "index": 9, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 9,
        "delta": {"type": "text_delta", "text": 'about "Agent"'},
    },
    {"type": "content_block_stop", "index": 9},
]
FOUND = [("reviewer", "look at it")]
STREAMS = [
    ("a call between texts", [*TEXT, *block("Agent", CALL), *TEXT], FOUND),
    ("its older name", block("Task", CALL), FOUND),
    ("two, one in the other", [*block("Agent", CALL)[:2], *block("Agent", CALL, 1),
     *block("Agent", CALL)[2:]], FOUND * 2),
    ("another tool", block("Bash", CALL), []),
    ("input that is no JSON", block("Agent", '{"prompt": "x'), []),
    ("a call that is cut", block("Agent", CALL)[:-1], []),
    ("too long", block("Agent", {"prompt": "x" * MOST_BYTES}), []),
    ("the next after a long one", [*block("Agent", {"prompt": "x" * MOST_BYTES}),
     *block("Agent", CALL)], FOUND),
]  # fmt: skip


@pytest.mark.parametrize(("why", "events", "found"), STREAMS, ids=[row[0] for row in STREAMS])
def test_streams(why: str, events: list[Any], found: list[tuple[str, str]]) -> None:
    heard: list[tuple[str, str]] = []
    calls = AgentCalls(lambda *call: heard.append(call))
    calls.feed(events)
    assert heard == found
    heard.clear()
    for event in events:
        calls.feed([event])
    assert heard == found


@pytest.mark.parametrize(("why", "events", "found"), STREAMS, ids=[row[0] for row in STREAMS])
def test_the_same_as_bytes(why: str, events: list[Any], found: list[tuple[str, str]]) -> None:
    heard: list[tuple[str, str]] = []
    passed = PassedAgentCalls(lambda *call: heard.append(call))
    for event in events:
        passed.read(encode_all([event]))
    assert heard == found
    heard.clear()
    PassedAgentCalls(lambda *call: heard.append(call)).read(encode_all(events))
    assert heard == found


def test_what_is_no_event_is_left_alone() -> None:
    heard: list[tuple[str, str]] = []
    passed = PassedAgentCalls(lambda *call: heard.append(call))
    passed.read(b'data: {"name": "Agent"\n\n' + b'data: "Agent"\n\n' + b": Agent\n\n")
    passed.read(b'data: {"type":"content_block_start","index":0,"content_block":"Agent"}\n\n')
    assert heard == []
