"""Any stream, however it is cut, broken off or spoiled, ends once and tells the truth."""

import json
import random
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat import decode_error, decode_response
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types.anthropic import StreamEvent
from tests.codecs.openai_chat.grammar import assert_legal, cut, fold
from tests.codecs.openai_chat.laws import calls, seeds, streamed, texts
from tests.codecs.openai_chat.plays import PLAYS, TOOL_NAMES, chunk, decode, payload, play_bytes
from tests.fuzz.checks import check_stream
from tests.fuzz.law import MANY, law
from tests.fuzz.strategies import PROFILES, answers, any_json

FINISH = b'"finish_reason": "tool_calls"}]}'
RECORDED = {path.stem: play_bytes(path) for path in PLAYS}


@pytest.mark.parametrize("splits", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_recorded_streams_split_anywhere_give_the_same_events(splits: int) -> None:
    """122 recorded streams: with the slow count, more than 10,000 random splits."""
    assert len(RECORDED) * 200 > MANY
    for name, data in RECORDED.items():
        whole = decode([data])
        assert decode([data[at : at + 1] for at in range(len(data))]) == whole, name
        for seed in range(splits):
            longest = 1 << random.Random(seed).randint(0, 10)
            assert decode(cut(data, seed, longest)) == whole, (name, seed)


def answer(reasoning: str, text: str, asked: list[tuple[str, Any]]) -> dict[str, Any]:
    tool_calls = [
        {"id": "x", "function": {"name": name, "arguments": json.dumps(input)}}
        for name, input in asked
    ]
    return {"content": text, "reasoning_content": reasoning, "tool_calls": tool_calls}


def arguments(events: list[StreamEvent]) -> tuple[list[str], str | None]:
    """Of each tool call: those that were closed, and the one that was open at the end."""
    closed, open_text = [], None
    for event in events:
        if event["type"] == "content_block_start":
            open_text = "" if event["content_block"]["type"] == "tool_use" else None
        elif event["type"] == "content_block_delta" and open_text is not None:
            open_text += event["delta"].get("partial_json", "")
        elif event["type"] == "content_block_stop" and open_text is not None:
            closed.append(open_text)
            open_text = None
    return closed, open_text


@law(texts, texts, calls, seeds, few=150)
def test_a_stream_that_breaks_off_is_never_finished(
    reasoning: str, text: str, asked: list[tuple[str, Any]], seed: int
) -> None:
    data = streamed(answer(reasoning, text, asked), "tool_calls", None, seed)
    complete = data.index(FINISH) + len(FINISH)
    rng = random.Random(seed)
    for at in (rng.randrange(complete), complete - 1, complete, rng.randint(complete, len(data))):
        events = decode(cut(data[:at], seed))
        assert_legal(events)
        assert (events[-1]["type"] == "message_stop") == (at >= complete)
        if at < complete:
            closed, _ = arguments(events)
            sent = sorted(json.dumps(input) for _, input in asked)
            for whole in closed:
                # A call that is closed is one that the upstream sent completely.
                assert whole in sent or json.loads(whole) in [input for _, input in asked]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A right stream with pieces replaced, doubled, moved, or with other things between."""
    seed = draw(seeds)
    data = streamed(answer(draw(texts), draw(texts), draw(calls)), "stop", None, seed)
    events = data.split(b"\n\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(events)))
        events[at : at + draw(st.integers(0, 2))] = [
            draw(
                st.sampled_from([*events, b"data: [DONE]", b": comment", b"event: x", b"id: 7"])
                | any_json.map(lambda value: payload(value).strip())
                | any_json.map(lambda value: chunk(value).strip())
                | st.binary(max_size=20)
            )
        ]
    return draw(st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])).join(events)


@law(spoiled(), seeds, few=200)
def test_a_spoiled_stream_ends_once_however_it_is_cut(data: bytes, seed: int) -> None:
    check_stream(data, seed)
    whole = decode([data])
    for event in whole:
        json.loads(dumps(event))
    if whole[-1]["type"] == "message_stop":
        json.loads(dumps(fold(whole)))


@law(answers, PROFILES, few=200)
def test_any_answer_is_a_message_or_an_upstream_error(body: Any, profile: Profile) -> None:
    before = json.dumps(body)
    try:
        message = decode_response(
            body, profile=profile, id="msg_0", model="m", tool_names=TOOL_NAMES
        )
    except UpstreamError as error:
        check_error(error)
    else:
        assert message["type"] == "message" and isinstance(message["content"], list)
        assert min(message["usage"][f"{side}put_tokens"] for side in ("in", "out")) >= 0
        json.loads(dumps(message))
    assert json.dumps(body) == before


def check_error(error: ClaudeProxyError) -> None:
    assert 400 <= error.status < 600 and error.status != 500
    assert 0 < len(error.message) <= 2_100
    json.loads(dumps({"type": error.type, "message": error.message}))


bodies = (
    st.binary(max_size=40)
    | any_json.map(dumps)
    | any_json.map(lambda value: dumps({"error": value}))
    | st.builds(lambda a, b: dumps({"error": {"message": a, "code": b}}), any_json, any_json)
    | st.sampled_from([b"a", b"[", b'{"a":', b"<html>", b"9", b"\xff"]).map(lambda b: b * 9_000)
)


@law(st.integers(100, 999), bodies, few=200)
def test_any_error_of_an_upstream_is_read_and_bounded(status: int, body: bytes) -> None:
    check_error(decode_error(status, body))
