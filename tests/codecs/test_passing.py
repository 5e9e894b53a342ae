"""Streams that pass by: unchanged however they are cut, always between events, and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.passing import (
    MessagesTap,
    Opening,
    WholeEvents,
    type_of,
    until_end,
    usage_of,
)
from claude_proxy.errors import ProtocolError

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":'
    b'{"input_tokens":5,"cache_creation_input_tokens":7,"cache_read_input_tokens":11,'
    b'"output_tokens":1}}}\n\n'
)
TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"message_stop and error"}}\n\n'
)
BLOCK = b'event: content_block_start\ndata: {"type":"content_block_start","index":0}\n\n'
DELTA = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
WHOLE = START + b": comment\n\n" + BLOCK + TEXT + b"id: 7\nretry: 10\n\n" + DELTA + STOP


def passed(parts):
    events = WholeEvents()
    out = [events.feed(part) for part in parts]
    return out, events.close()


def cuts(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_bytes_leave_unchanged_and_in_whole_events(size, line_end):
    data = WHOLE.replace(b"\n", line_end)
    out, rest = passed(cuts(data, size))
    assert b"".join(out) == data and rest == b""
    for part in out:
        assert not part or part.endswith(line_end * 2)


def test_an_event_leaves_with_its_last_byte():
    events = WholeEvents()
    assert events.feed(TEXT[:-1]) == b""
    assert events.feed(b"\n" + DELTA[:9]) == TEXT
    assert events.close() == DELTA[:9]
    assert events.close() == b""


@given(st.binary(), st.lists(st.integers(0, 60), max_size=8))
def test_nothing_is_lost_or_made_up(data, places):
    at = sorted({0, *(place for place in places if place < len(data)), len(data)})
    out, rest = passed([data[a:b] for a, b in zip(at, at[1:], strict=False)])
    assert b"".join(out) + rest == data


EVENTS = [b"a\n\n", b"data: x\r\n\r\n", b"b\r\r", b"c\nd\n\r\n", b"e\r\nf\n\n"]


@given(st.lists(st.sampled_from(EVENTS), max_size=9), st.sampled_from([b"", b"x", b"x\r\ny\n"]))
def test_what_leaves_does_not_depend_on_the_cuts(events, rest):
    data = b"".join([*events, rest])
    whole, _ = passed([data])
    single, _ = passed(cuts(data, 1))
    assert b"".join(whole) == b"".join(single)


def test_an_event_without_end_is_bounded():
    events = WholeEvents(limit=10)
    assert events.feed(b"data: 123") == b""
    with pytest.raises(ProtocolError, match="more than 10 bytes"):
        events.feed(b"45")


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_the_tap_reads_usage_and_the_end(line_end):
    tap = MessagesTap()
    for event in WHOLE.replace(b"\n", line_end).split(line_end * 2)[:-1]:
        assert not tap.finished
        tap.read(event + line_end * 2)
    assert tap.usage == {"input_tokens": 12, "cached_tokens": 11, "output_tokens": 42}
    assert tap.finished and tap.started


def test_words_in_a_text_are_no_end():
    tap = MessagesTap()
    tap.read(START)
    assert not tap.started
    tap.read(TEXT.replace(b'"type":"content_block_delta",', b"") + BLOCK)
    assert tap.started and not tap.finished


def test_the_totals_of_the_end_win_over_those_of_the_beginning():
    tap = MessagesTap()
    tap.read(START)
    tap.read(
        b'data: {"usage":{"output_tokens":3,"input_tokens":100,"cache_read_input_tokens":0},'
        b'"type":"message_delta"}\n\n'
    )
    assert tap.usage == {"input_tokens": 100, "cached_tokens": 11, "output_tokens": 3}


@pytest.mark.parametrize(
    "event",
    [b'data: {"type":"error","error":{}}\n\n', b'data: {"type":"message_stop","x":1}'],
)
def test_other_ends(event):
    tap = MessagesTap()
    tap.read(event)
    assert tap.finished


@pytest.mark.parametrize(
    "event",
    [
        b"data: message_stop\n\n",
        b'data: {"type":["message_stop"]}\n\n',
        b'data: {"type":"message_delta","usage":{"output_tokens":"many"}}\n\n',
        b'data: {"type":"message_delta","usage":null}\n\n',
        b'data: {"type":"message_start","message":null}\n\n',
        b"data: \xff message_stop\n\n",
        b": message_stop\n\n",
    ],
)
def test_what_cannot_be_read_is_let_pass(event):
    tap = MessagesTap()
    tap.read(event)
    assert tap.usage == {} and not tap.finished


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("behind", [b"", b": late\n\n", WHOLE])
def test_nothing_stands_behind_the_end(behind, line_end):
    whole = WHOLE.replace(b"\n", line_end)
    assert until_end(whole + behind.replace(b"\n", line_end), MessagesTap) == whole
    assert until_end(START + TEXT, MessagesTap) == START + TEXT


def test_comments_wait_for_the_first_event():
    opening = Opening()
    assert opening.feed(b": a\n\n") == opening.feed(b": b\n\n") == b""
    assert opening.feed(START) == b": a\n\n: b\n\n" + START
    assert opening.feed(b": c\n\n") == b": c\n\n"


def test_only_so_many_comments_are_kept():
    opening = Opening()
    for _ in range(3):
        assert opening.feed(b":" + b"a" * 40_000 + b"\n\n") == b""
    assert len(opening.feed(START)) < 100_000


@pytest.mark.parametrize(
    ("answer", "type"),
    [
        (b'{"type":"message","usage":{"input_tokens":1e999}}', "message"),
        (b'{"type":"message","text":"\\ud83d"}', "message"),
        (b'\xef\xbb\xbf{"text":"\\ud83d"}', ""),
        (b'["\\ud83d"]', None),
        (b'{"type":["error"]}', ""),
        (b"{}", ""),
        (b"[]", None),
        (b"null", None),
        (b"<html>", None),
        (b"", None),
        (b'{"type":"message"', None),
        (b"[" * 100_000, None),
    ],
)
def test_what_a_whole_answer_calls_itself(answer, type):
    assert type_of(answer) == type


def test_the_usage_of_a_whole_answer():
    assert usage_of(b'{"id":"m","usage":{"input_tokens":3,"output_tokens":4}}') == {
        "input_tokens": 3,
        "output_tokens": 4,
    }
    for body in (b"{}", b"[]", b"", b"\xff", b'{"usage":[]}', b'{"usage":{"output_tokens":null}}'):
        assert usage_of(body) == {}


def test_an_answer_is_complete_at_its_end():
    tap = MessagesTap()
    tap.read(START + BLOCK + TEXT)
    assert not tap.complete
    tap.read(DELTA + STOP)
    assert tap.complete
