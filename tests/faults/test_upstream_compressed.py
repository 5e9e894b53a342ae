"""Answers that are compressed although we ask for none of it."""

import gzip
import json
import zlib

import pytest

from tests.faults.raw_upstream import STREAM_HEAD, chunked, head, well
from tests.upstream import chunk, completion, ending, framed

BODY = json.dumps(completion("fine")).encode()
EVENTS = b"".join(framed(item) for item in [chunk({"content": "fine"}), *ending("stop")])


def bare(data):
    return zlib.compress(data, wbits=-15)


ENCODINGS = {
    "gzip": ("gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "two gzip files": (
        "gzip",
        lambda data: gzip.compress(data[:70]) + gzip.compress(data[70:]),
    ),
    "empty gzip files between": (
        "gzip",
        lambda data: gzip.compress(b"") * 3 + gzip.compress(data) + gzip.compress(b"") * 3,
    ),
    "gzip and dirt": ("gzip", lambda data: gzip.compress(data) + b"\x1fdirt" * 9),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare),
    "identity": ("identity", bytes),
}


def answer(encoding, packed, status="200 OK", cut=None, size=None):
    """Sends `packed(the right answer)` in packets of `size` bytes, up to `cut`."""

    def act(connection, request):
        raw = packed(EVENTS if request.stream else BODY)[:cut]
        kind = "text/event-stream" if request.stream else "application/json"
        more = {"content_type": kind, "content_encoding": encoding, "transfer_encoding": "chunked"}
        connection.send(head(status, **more))
        step = size or len(raw)
        parts = [raw[at : at + step] for at in range(0, len(raw), step)]
        connection.send(*(chunked(part) for part in parts), b"0\r\n\r\n")
        return True

    return act


@pytest.mark.fault("bomb")
@pytest.mark.parametrize("size", [None, 1], ids=["one packet", "single bytes"])
@pytest.mark.parametrize("case", ENCODINGS)
def test_an_honest_compressed_answer_is_read(proxy, stream, case, size):
    reply = proxy.ask(answer(*ENCODINGS[case], size=size), stream=stream)
    assert reply.text == "fine"
    assert "content-encoding" not in reply.headers
    assert proxy.upstream.requests[0].headers["accept-encoding"] == "identity"


BROKEN = {
    "gzip that is none": ("gzip", bytes),
    "deflate that is none": ("deflate", lambda data: b"\xff" + data),
    "br": ("br", bytes),
    "zstd": ("zstd", bytes),
    "gzip twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    "nonsense": ("\xff", bytes),
}


@pytest.mark.fault("bomb")
@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_inflated_is_502(proxy, stream, case):
    assert proxy.ask(answer(*BROKEN[case]), stream=stream).failure == (502, "api_error")
    assert proxy.attempts == 1


@pytest.mark.fault("bomb", "status")
@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_the_status_of_a_compressed_error_counts(proxy, stream, encoding):
    raw = gzip.compress(b'{"error": {"message": "Slow down"}}')
    refuse = answer(encoding, lambda _: raw, status="429 Slow")
    reply = proxy.ask(refuse, stream=stream)
    assert reply.failure == (429, "rate_limit_error")
    assert encoding == "br" or reply.told == "Slow down"


@pytest.mark.fault("bomb", "no-finish")
@pytest.mark.parametrize("cut", [12, 40, 60])
def test_a_compressed_answer_that_is_cut_is_an_error(proxy, stream, cut):
    reply = proxy.ask(answer("gzip", gzip.compress, cut=cut), stream=stream)
    assert reply.failure in {(502, "api_error"), (200, "api_error")}
    assert proxy.attempts == 1


@pytest.mark.fault("bomb")
def test_a_compressed_stream_comes_event_by_event(proxy, raw):
    """Each event is shown as soon as its bytes are here, not at the end of the answer."""
    packer = zlib.compressobj(wbits=31)

    def act(connection, request):
        connection.send(STREAM_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
        for item in [chunk({"content": "Hel"}), chunk({"content": "lo"})]:
            data = packer.compress(framed(item)) + packer.flush(zlib.Z_SYNC_FLUSH)
            connection.send(chunked(data))
        connection.reset()

    raw.play(act)
    reply = proxy.again(stream=True)
    assert reply.failure[1] == "api_error"
    assert proxy.ask(well, stream=True).text == "fine"
