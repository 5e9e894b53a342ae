"""Laws that hold for every answer: the plays, and answers made by hypothesis."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.openai_responses import decode_response, encode_request, tool_names
from claude_proxy.profiles import GENERIC
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message
from tests.codecs.openai_chat.grammar import assert_legal, cut, fold
from tests.codecs.openai_chat.laws import seeds
from tests.codecs.openai_chat.plays import ID, TOOL_NAMES, payload
from tests.codecs.openai_responses.laws import payloads, responses, streamed
from tests.codecs.openai_responses.plays import GPT_5, PLAYS, bytes_of, decode, delta
from tests.fuzz.law import law
from tests.responses_rules import broken_rules


def whole(response: Json, profile: Any = GPT_5) -> Message:
    return decode_response(
        response,
        profile=profile,
        id=ID,
        model="claude-x",
        tool_names=TOOL_NAMES,
        estimate=lambda: 1000,
    )


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_split_and_order_of_plays(path: Path) -> None:
    data = bytes_of(path)
    events = decode([data])
    assert_legal(events)
    assert decode([data[at : at + 1] for at in range(len(data))]) == events
    for seed in range(5):
        assert decode(cut(data, seed)) == events


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_unfolding_a_message_gives_it_back(path: Path) -> None:
    events = decode([bytes_of(path)])
    if events[-1]["type"] == "message_stop":
        message = fold(events)
        again = unfold(message)
        assert_legal(again)
        assert fold(again) == message


@law(responses, seeds, few=300)
def test_fold_of_the_stream_is_the_whole_answer(response: Json, seed: int) -> None:
    before = copy.deepcopy(response)
    for profile in (GPT_5, GENERIC):
        events = decode(cut(streamed(response, seed), seed, 300), profile)
        assert_legal(events)
        assert fold(events) == whole(response, profile)
    assert response == before


@law(responses, few=300)
def test_what_was_answered_goes_back_as_it_was(response: Json) -> None:
    """Round trip: items that say something come back in their order, reasoning untouched."""
    content = whole(response)["content"]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}
        for block in content
        if block["type"] == "tool_use"
    ]
    follow = [*results, {"type": "text", "text": "And?"}]
    body: Any = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
    body["messages"] += [{"role": "assistant", "content": content}]
    body["messages"] += [{"role": "user", "content": follow}]
    sent = encode_request(body, profile=GPT_5)
    assert broken_rules(sent) == []
    spoken = [item for item in sent["input"][1:-1] if item["type"] != "function_call_output"]
    names = tool_names(body, profile=GPT_5)
    said = _said(response["output"])
    assert [_essence(item, names) for item in spoken] == said


def _essence(item: Json, names: Mapping[str, str] = TOOL_NAMES) -> Any:
    match item["type"]:
        case "message":
            return item["content"]
        case "function_call":
            return names.get(item["name"], item["name"]), json.loads(item["arguments"])
    return item["encrypted_content"], [part["text"] for part in item["summary"] if part["text"]]


def _said(output: list[Json]) -> list[Any]:
    """The same of the items of an answer; texts in a row are one, last reasoning is left out."""
    said: list[Any] = []
    joins = False
    for item in output:
        if item["type"] == "message":
            for part in item["content"]:
                text = part.get("text") or part.get("refusal")
                if text:
                    said[-1:] = [f"{said[-1]}\n\n{text}"] if joins else [*said[-1:], text]
                    joins = True
        elif item["type"] == "function_call" or item["encrypted_content"]:
            said.append(_essence(item))
            joins = False
    while said and isinstance(said[-1], tuple) and isinstance(said[-1][1], list):
        said.pop()
    return said


@pytest.mark.pitfall(3)
@law(st.lists(payloads, max_size=8), seeds, few=150)
def test_any_stream_is_legal_and_can_be_cut_anywhere(values: list[Json], seed: int) -> None:
    data = b"".join(map(payload, values))
    events = decode([data])
    assert_legal(events)
    assert decode(cut(data, seed)) == events


@law(st.binary(max_size=60), st.binary(max_size=60), seeds, few=200)
def test_any_bytes_are_legal(before: bytes, after: bytes, seed: int) -> None:
    data = before + b"\n\n" + delta("text", 0, "a") + after
    events = decode([data])
    assert_legal(events)
    assert decode(cut(data, seed, 9)) == events


@law(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["text", "args", "summary"])), max_size=9)
)
def test_no_text_is_lost(pieces: list[tuple[int, str]]) -> None:
    """Each marked piece comes out in some block, whatever the indexes say."""
    data = b"".join(delta(kind, index, f"<{n}>") for n, (index, kind) in enumerate(pieces))
    told = json.dumps(fold(decode([data + payload({"type": "response.completed"})]))["content"])
    assert all(f"<{n}>" in told for n in range(len(pieces)))
