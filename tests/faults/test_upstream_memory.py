"""What a hostile upstream can make the server hold, seen from outside: the process's peak."""

import logging
import sys
import urllib.request
import zlib
from functools import cache

import pytest

from tests.conftest import UPSTREAM_KEY
from tests.faults.asking import ask
from tests.faults.raw_upstream import STREAM_HEAD, chunked, head, well, whole
from tests.process import MIB, started
from tests.upstream import chunk, framed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

log = logging.getLogger(__name__)
PART = b"a" * MIB


@pytest.fixture(params=["aiohttp", pytest.param("httpx", marks=pytest.mark.slow)])
def server(raw, request):
    """A process of its own, warmed up: what it holds then is the base."""
    raw.play(well)
    with started(raw, CLAUDE_PROXY_TRANSPORT=request.param) as process:
        for stream in (False, True) * 5:
            assert ask(process.url, stream=stream).text == "fine"
        yield process


def grown(server, before):
    """MiB that the peak has grown by; `--log-cli-level=INFO` shows them."""
    growth = (server.peak() - before) / MIB
    log.info("the peak grew by %.1f MiB", growth)
    return growth


def endless_line(connection, request):
    connection.send(STREAM_HEAD, chunked(framed(chunk({"content": "Hel"}))), chunked(b"data: "))
    for _ in range(96):
        connection.send(chunked(PART))


@pytest.mark.fault("endless-line")
def test_a_line_of_96_mib_costs_less_than_64(server, raw):
    before = server.peak()
    raw.play(endless_line)
    assert ask(server.url, stream=True).failure[1] == "api_error"
    assert grown(server, before) < 64
    # A whole answer is collected up to its limit of 64 MiB before it is looked at.
    assert ask(server.url, stream=False).failure == (502, "api_error")
    assert grown(server, before) < 96


@cache
def pack(wbits, first, size=256):
    """`first` and then `size` MiB of spaces, compressed to a thousandth."""
    packer = zlib.compressobj(wbits=wbits)
    space = b" " * MIB
    return b"".join([packer.compress(first), *(packer.compress(space) for _ in range(size))])


JSON, EVENTS = b'{"choices": [', framed(chunk({"content": "Hel"})) + b"data: "
GZIP, DEFLATE = 31, 15


def bomb(encoding, first=JSON, wbits=GZIP, status="200 OK"):
    def act(connection, request):
        data = pack(wbits, first)
        kind = "text/event-stream" if first is EVENTS else "application/json"
        more = {"content_type": kind, "content_encoding": encoding}
        connection.send(head(status, **more, content_length=str(len(data))) + data)

    return act


@pytest.mark.fault("bomb")
def test_bombs_of_256_mib_cost_less_than_96(server, raw):
    before = server.peak()
    acts = [bomb("gzip"), bomb("deflate", wbits=DEFLATE), bomb("gzip", EVENTS)]
    acts += [bomb("br"), bomb("zstd"), bomb("gzip, gzip")]
    for act in acts:
        for stream in (False, True):
            raw.play(act)
            assert ask(server.url, stream=stream).failure[1] == "api_error"
            assert len(raw.requests) == 1
    raw.play(bomb("gzip", status="500 Oh"))
    assert ask(server.url).failure == (502, "api_error")
    assert grown(server, before) < 96
    raw.play(well)
    assert ask(server.url).text == "fine"


@pytest.mark.slow
@pytest.mark.fault("bomb")
def test_a_bomb_in_the_list_of_models_is_no_list(server, raw):
    before = server.peak()
    raw.play(bomb("gzip"))
    headers = {"x-api-key": UPSTREAM_KEY, "anthropic-version": "2023-06-01"}
    asked = urllib.request.Request(f"{server.url}/v1/models", headers=headers)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.status == 200
    assert grown(server, before) < 16


def huge_answer(connection, request):
    connection.send(head(content_type="application/json"), b'{"choices": [{"x": "')
    for _ in range(96):
        connection.send(PART)


def many_values(connection, request):
    """A whole answer of 48 MiB, which would be 16 million lists."""
    connection.send(head(content_type="application/json"), b'{"choices": [{"x": [')
    for _ in range(48):
        connection.send(b"[]," * (MIB // 3))
    connection.send(b"[]]}]}")


def many_values_in_events(connection, request):
    """Each of 6 MiB."""
    event = framed(b'data: {"choices": [{"x": [' + b"[]," * (2 * MIB) + b"[]]}]}\n\n")
    connection.send(STREAM_HEAD, chunked(framed(chunk({"content": "a"}))), *[chunked(event)] * 3)


def huge_stream(connection, request):
    """To a client that asked for a whole answer."""
    connection.send(STREAM_HEAD)
    event = chunked(framed(chunk({"content": "a" * 65536})))
    for _ in range(1600):
        connection.send(event)


def huge_error(connection, request):
    connection.send(head("400 No", content_type="text/plain"))
    for _ in range(96):
        connection.send(PART)


@pytest.mark.fault("huge-answer")
def test_millions_of_values_are_not_parsed(server, raw):
    before = server.peak()
    for act, stream in [(many_values, False), (many_values, True), (many_values_in_events, True)]:
        raw.play(act)
        answer = ask(server.url, stream=stream)
        assert answer.failure == (200 if act is many_values_in_events else 502, "api_error")
        assert "JSON values" in answer.told
    assert grown(server, before) < 128


@pytest.mark.slow
@pytest.mark.fault("huge-answer")
def test_answers_over_64_mib_are_502_and_cost_less_than_96(server, raw):
    before = server.peak()
    for act, stream in [(huge_answer, False), (huge_answer, True), (huge_stream, False)]:
        raw.play(act)
        answer = ask(server.url, stream=stream)
        assert answer.failure == (502, "api_error")
        assert "67,108,864 bytes" in answer.told
    raw.play(huge_error)
    assert ask(server.url).failure == (400, "invalid_request_error")
    assert grown(server, before) < 96
    raw.play(lambda connection, request: whole(connection, {"no": "answer"}))
    assert ask(server.url).failure == (502, "api_error")
