"""SSE framing: how payloads come out of bytes, and events into them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.sse import SSEDecoder, encode_all, encode_sse
from claude_proxy.errors import ProtocolError

CASES = [
    ("one event", b'data: {"a":1}\n\n', [b'{"a":1}']),
    ("no space after the colon", b"data:x\n\n", [b"x"]),
    ("only one space is taken away", b"data:  x\n\n", [b" x"]),
    ("CRLF", b"data: x\r\n\r\n", [b"x"]),
    ("CR", b"data: x\r\rdata: y\r\r", [b"x", b"y"]),
    ("all line ends mixed", b"data: x\r\n\rdata: y\n\r\n", [b"x", b"y"]),
    ("several lines are joined by LF", b"data: a\ndata: b\n\n", [b"a\nb"]),
    ("several events", b'data: {"a":1}\n\ndata: {"b":2}\n\n', [b'{"a":1}', b'{"b":2}']),
    ("comments", b": ping\n\n:\ndata: x\n: y\n\n", [b"x"]),
    ("other fields", b"event: e\nid: 1\nretry: 2\ndatax: 3\nfoo\ndata: x\n\n", [b"x"]),
    ("a BOM at the start", b"\xef\xbb\xbfdata: x\n\n", [b"x"]),
    ("a BOM later is part of a field name", b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [b"x"]),
    ("an empty event is none", b"data:\n\ndata\n\n\n\n", []),
    (
        "U+2028 and U+0085 end no line",
        "data: a\u2028b\x85c\n\n".encode(),
        ["a\u2028b\x85c".encode()],
    ),
    ("invalid UTF-8 is left to the reader", b"data: \xff\n\n", [b"\xff"]),
    ("bare JSON is a payload", b'{"error":1}\ndata: x\n\n', [b'{"error":1}', b"x"]),
    ("the end without a blank line", b"data: x\n\ndata: y\n", [b"x", b"y"]),
    ("the end without any line end", b"data: x\n\ndata: y", [b"x", b"y"]),
    ("nothing", b"", []),
]


def decode(*pieces: bytes) -> list[bytes]:
    decoder = SSEDecoder()
    return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.close()


@pytest.mark.parametrize(
    ("data", "payloads"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_payloads(data: bytes, payloads: list[bytes]) -> None:
    assert decode(data) == payloads
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == payloads


@given(
    st.lists(
        st.sampled_from([b"data: x", b"data:", b'{"a"', b": c", b"\r", b"\n", b"\r\n", b"\n\n"])
    ),
    st.lists(st.integers(0, 60)),
)
def test_cuts_change_nothing(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    borders = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in zip(borders, borders[1:], strict=False)]
    assert decode(*pieces) == decode(data)


def test_an_event_is_out_as_soon_as_its_blank_line_is() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: x\r\n\r") == [b"x"]
    assert decoder.feed(b"\ndata: y\n\n") == [b"y"]


@pytest.mark.parametrize(
    "data",
    [
        b"data: 0123456789",
        b"data: 0123456789\n\n",
        b'data: {"a":12345}\n\n',
        b"data: 0123\ndata: 4567\n",
        b": 0123456789ab\n",
        b'{"a": 123456789}\n',
    ],
)
def test_what_is_longer_than_the_limit_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="more than 12 bytes"):
        SSEDecoder(limit=12).feed(data)


def test_many_short_events_never_reach_the_limit() -> None:
    decoder = SSEDecoder(limit=12)
    assert (
        sum(
            len(decoder.feed(b"data: 1234\n\ndat")) + len(decoder.feed(b"a: 1\n\n"))
            for _ in range(9)
        )
        == 18
    )


def test_a_large_event_in_small_reads_is_linear() -> None:
    def seconds(size: int) -> float:
        pieces = [b"data: ", *([b"x" * 1024] * (size // 1024)), b"\n\n"]
        began = time.process_time()
        assert len(decode(*pieces)[0]) == size
        return time.process_time() - began

    small = min(seconds(1 << 20) for _ in range(3))
    large = min(seconds(1 << 22) for _ in range(3))
    # Quadratic would be 16 times as long; four times the size, and room for noise.
    assert large < 12 * small + 0.01


def test_encode_sse_has_event_and_data_lines() -> None:
    assert encode_sse({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_encode_all_joins_events() -> None:
    data = encode_all([{"type": "ping"}, {"type": "message_stop"}])
    assert data == encode_sse({"type": "ping"}) + encode_sse({"type": "message_stop"})
    assert encode_all([]) == b""


@pytest.mark.parametrize("start", [b"data: {", b"{"], ids=["an event", "a line of bare JSON"])
def test_millions_of_values_are_no_event(start: bytes) -> None:
    with pytest.raises(ProtocolError, match="500,000 JSON values"):
        SSEDecoder().feed(start + b'"a":[' + b"[]," * 400_000 + b"[]]}\n\n")
