"""What the CLI prints → Messages events."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs.claude_cli import decode_error, decode_response
from claude_proxy.codecs.claude_cli.errors import MOST_TOLD, clean
from claude_proxy.codecs.claude_cli.ndjson import Lines, parsed
from claude_proxy.codecs.claude_cli.turn import Turn
from claude_proxy.codecs.fold import unfold
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.types import Json
from tests.codecs.claude_cli.plays import (
    CLI,
    ID,
    PLAYS,
    call,
    decode,
    decoder,
    event,
    failed,
    load,
    printed,
    result,
    said,
    text,
)
from tests.codecs.openai_chat.grammar import assert_legal, cut, fold
from tests.fuzz.law import law

each_play = pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)

words = st.text(min_size=1, max_size=20)
blocks = st.lists(
    st.builds(text, words)
    | st.builds(lambda t: {"type": "thinking", "thinking": t, "signature": "EqQB"}, words)
    | st.builds(lambda n, v: call(f"toolu_{n}", value=v), st.integers(0, 99), words),
    max_size=5,
)


@each_play
def test_golden(path: Path) -> None:
    play = load(path)
    assert decode([play.data], play.tool_names) == play.events


@each_play
def test_split_and_order(path: Path) -> None:
    play = load(path)
    events = decode([play.data], play.tool_names)
    assert_legal(events)
    single = [play.data[at : at + 1] for at in range(len(play.data))]
    assert decode(single, play.tool_names) == events
    for seed in range(5):
        assert decode(cut(play.data, seed), play.tool_names) == events
    assert decode([play.data.rstrip(b"\n")], play.tool_names) == events


@law(blocks, st.integers(0, 99), few=200)
def test_what_the_model_said_is_what_the_client_gets(content: list[Json], seed: int) -> None:
    calls = any(block["type"] == "tool_use" for block in content)
    data = printed([*said(*content, stop="tool_use" if calls else "end_turn"), result()])
    events = decode(cut(data, seed, 300))
    assert_legal(events)
    message = fold(events)
    names = [{**b, "name": "Read"} if b["type"] == "tool_use" else b for b in content]
    assert message["content"] == names
    assert fold(unfold(message)) == message


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "event", "message", "content", "delta", "usage", "index"]),
            inner,
        )
    ),
    max_leaves=5,
)
kinds = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "content_block_stop"]
    + ["message_delta", "message_stop", "error"]
)
events_of_any_kind = st.builds(
    lambda kind, fields: event(kind, **fields),
    kinds,
    st.dictionaries(st.sampled_from(["message", "content_block", "delta", "usage"]), junk),
)
lines_of_any_kind = st.lists(
    events_of_any_kind
    | st.builds(lambda fields: {"type": "result", **fields}, st.dictionaries(words, junk))
    | st.builds(lambda fields: {"type": "assistant", **fields}, st.dictionaries(words, junk))
    | junk,
    max_size=12,
)


@law(lines_of_any_kind, st.integers(0, 99), few=300)
def test_whatever_is_printed_gives_a_legal_answer(lines: list[Any], seed: int) -> None:
    data = printed(lines)
    random.seed(seed)
    events = decode(cut(data, seed))
    assert_legal(events)
    assert decode([data]) == events


def test_the_message_starts_when_the_client_cannot_wait() -> None:
    reading = decoder()
    opened = reading.open()
    assert [event["type"] for event in opened] == ["message_start"]
    assert reading.open() == []
    rest = reading.feed(printed([*said(text("Hi")), result("Hi")]))
    assert rest[0]["type"] == "content_block_start"
    assert (reading.finished, reading.done) == (True, True)
    assert reading.faults == {}
    assert reading.feed(b"more\n") == reading.close() == reading.open() == []


def test_tokens_are_estimated_where_none_are_told() -> None:
    lines = [event("message_start"), event("message_delta", delta={"stop_reason": "end_turn"})]
    data = printed([*lines, event("message_stop")])
    assert fold(decode([data], estimate=lambda: 1000))["usage"]["input_tokens"] == 1000
    told = fold(decode([printed(said(text("Hi")))], estimate=lambda: 1000))
    assert told["usage"]["input_tokens"] == 10


def test_a_line_without_end_is_refused() -> None:
    reading = decoder()
    events = reading.feed(b"x" * (9 << 20))
    assert [event["type"] for event in events] == ["error"]
    assert isinstance(reading.error, ProtocolError)
    with pytest.raises(ProtocolError):
        Lines(4).feed(b"12345\n")


def test_whole_answers_are_one_line() -> None:
    known: Any = {"profile": CLI, "id": ID, "model": "opus"}
    message = decode_response(result("Hi"), **known)
    assert message["content"] == [{"type": "text", "text": "Hi"}]
    with pytest.raises(UpstreamError) as caught:
        decode_response(failed("API Error: 429 slow", 429), **known)
    assert caught.value.status == 429
    assert decode_error(503, b"").status == 503


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ENOENT: no such file '/root/.claude/x.json'", "ENOENT: no such file '[path]'"),
        (r"in C:\Users\me\x and ~/.claude/y", "in [path] and [path]"),
        ("ANTHROPIC_API_KEY=sk-1 and $HOME", "[variable] and [variable]"),
        ("at https://user:pw@host/x or 10.0.0.1:80", "at [address] or [address]"),
        ("and/or 3/4 stay, messages.0.content too", "and/or 3/4 stay, messages.0.content too"),
        ("a\x1b[31mred\n\n  b", "a [31mred b"),
    ],
)
def test_texts_for_clients_name_nothing_of_the_machine(said: str, told: str) -> None:
    assert clean(said) == told
    assert len(clean(said * 999)) <= MOST_TOLD


def test_a_turn_knows_how_the_cli_stands() -> None:
    def after(*lines: Json, structured: bool = False) -> Turn:
        turn = Turn(structured=structured)
        for line in lines:
            turn.read(line)
        return turn

    ended = said(text("Hi"))
    assert not after(*ended).rests
    assert after(*ended, *said(text("more"))).content == [text("Hi")]
    assert after(*ended, result("Hi")).rests
    assert not after(*ended, failed("x", 500)).rests
    assert not after(*said(text("Hi"), stop="max_tokens"), result("Hi")).rests
    assert after(*said(call("toolu_1"), stop="tool_use")).waits
    assert not after(*said(call("toolu_1"), call("t", "Bash"), stop="tool_use")).waits
    assert not after(*ended).waits
    structured = after(
        *said(call("t", "StructuredOutput"), stop="tool_use"),
        result(structured_output={"a": 1}),
        structured=True,
    )
    assert structured.rests
    assert structured.content == [text('{"a":1}')]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (rb'{"a": "\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": ', None),
        (b"\xff {", None),
        (b"[1]", None),
        (b"Warning: odd", None),
    ],
)
def test_a_line_is_an_object_or_none(line, value):
    assert parsed(line) == value
