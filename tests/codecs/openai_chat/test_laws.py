"""Laws that hold for every stream: the plays, and streams made by hypothesis."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.openai_chat.response import decode_response
from claude_proxy.profiles import GENERIC
from claude_proxy.types import Json
from tests.codecs.openai_chat.grammar import UNUSUAL, assert_legal, cut, fold
from tests.codecs.openai_chat.laws import (
    calls,
    finishes,
    payloads,
    pieces,
    seeds,
    streamed,
    texts,
    usages,
)
from tests.codecs.openai_chat.plays import (
    ID,
    PLAYS,
    TOOL_NAMES,
    chunk,
    decode,
    payload,
    play_bytes,
    profile_of,
)
from tests.fuzz.law import law
from tests.request_cases import NAMED


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_split_and_order_of_plays(path: Path) -> None:
    data, profile = play_bytes(path), profile_of(path)
    whole = decode([data], profile)
    assert_legal(whole)
    assert decode([data[at : at + 1] for at in range(len(data))], profile) == whole
    for seed in range(5):
        assert decode(cut(data, seed), profile) == whole


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_both_ways_to_read_a_chunk_give_the_same_play(path: Path) -> None:
    data, profile = play_bytes(path).removeprefix("\ufeff".encode()), profile_of(path)
    assert decode([UNUSUAL + data], profile) == decode([data], profile)


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_unfolding_a_message_gives_it_back(path: Path) -> None:
    events = decode([play_bytes(path)], profile_of(path))
    if events[-1]["type"] == "message_stop":
        message = fold(events)
        again = unfold(message)
        assert_legal(again)
        assert fold(again) == message


@law(texts, texts, calls, finishes, usages, seeds, few=150)
def test_fold_of_the_stream_is_the_whole_answer(
    reasoning: str,
    text: str,
    calls: list[tuple[str, Json]],
    finish: str,
    usage: Json | None,
    seed: int,
) -> None:
    message = {
        "role": "assistant",
        "content": text,
        "reasoning_content": reasoning,
        "tool_calls": [
            {"id": "x", "function": {"name": name, "arguments": json.dumps(input)}}
            for name, input in calls
        ],
    }
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
    before = copy.deepcopy(body)
    whole = decode_response(
        body,
        profile=GENERIC,
        id=ID,
        model="claude-x",
        tool_names=TOOL_NAMES,
        estimate=lambda: 1000,
    )
    data = streamed(message, finish, usage, seed)
    events = decode(cut(data, seed, 300))
    assert_legal(events)
    assert fold(events) == whole
    assert body == before


@pytest.mark.pitfall(3)
@law(st.lists(payloads, max_size=8), st.booleans(), seeds, few=150)
def test_any_stream_is_legal_and_can_be_cut_anywhere(
    values: list[Json], done: bool, seed: int
) -> None:
    data = b"".join(map(payload, values)) + (b"data: [DONE]\n\n" if done else b"")
    whole = decode([data])
    assert_legal(whole)
    assert decode(cut(data, seed)) == whole
    assert decode([UNUSUAL + data]) == whole
    tagged = decode([data], NAMED["minimax"])
    assert_legal(tagged)
    assert decode(cut(UNUSUAL + data, seed), NAMED["minimax"]) == tagged


@law(st.binary(max_size=60), st.binary(max_size=60), seeds, few=200)
def test_any_bytes_are_legal(before: bytes, after: bytes, seed: int) -> None:
    data = before + b"\n\n" + chunk({"content": "a"}) + after
    whole = decode([data])
    assert_legal(whole)
    assert decode(cut(data, seed, 9)) == whole


@pytest.mark.pitfall(1, 2)
@law(st.lists(st.lists(pieces, min_size=1, max_size=2), max_size=8), few=300)
def test_no_argument_text_is_lost(chunks: list[list[Json]]) -> None:
    """Each piece of marked text comes out in some block, whatever the ids and indexes say."""
    marks = []
    for number, entry in enumerate(entry for entries in chunks for entry in entries):
        marks.append(f"<{number}>")
        entry["function"] = {**entry.get("function", {}), "arguments": f'{{"<{number}>'}
    data = b"".join(chunk({"tool_calls": entries}) for entries in chunks) + chunk({}, "length")
    blocks = json.dumps([block.get("input") or block for block in fold(decode([data]))["content"]])
    assert all(mark in blocks for mark in marks)
