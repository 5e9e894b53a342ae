"""Streams that are cut, broken, odd or wrong, over real sockets by both transports."""

import time

import pytest

from tests.faults.conftest import SILENCE
from tests.faults.raw_upstream import LAST_CHUNK, STREAM_HEAD, chunked, say, streamed
from tests.process import post
from tests.upstream import DONE, call, chunk, ending, eventually, framed, usage

HEL, LO = chunk({"content": "Hel"}), chunk({"content": "lo"})
STOP = chunk({}, "stop")
END = ending("stop")
CALL = chunk({"tool_calls": [call("read", '{"path": "/e')]})
CALLS_END = ending("tool_calls")


def play(*items, close=LAST_CHUNK, pause=0.0):
    """Sends the items, one packet each, as events (or bytes as they are), then `close`."""

    def act(connection, request):
        say(connection, *items)
        time.sleep(pause)
        connection.send(close)
        return close == LAST_CHUNK

    return act


@pytest.mark.pitfall(4)
@pytest.mark.fault("no-finish")
@pytest.mark.parametrize("close", [LAST_CHUNK, b""], ids=["ended", "cut"])
@pytest.mark.parametrize(
    "items",
    [[HEL], [chunk({"role": "assistant", "content": ""}), HEL, LO]],
    ids=["one text", "more"],
)
def test_an_end_without_a_finish_is_an_error(proxy, items, close):
    answer = proxy.ask(play(*items, close=close, pause=0.05), stream=True)
    assert answer.failure == (200, "api_error")
    assert [event["type"] for event in answer.events][-1] == "error"
    assert proxy.attempts == 1


@pytest.mark.fault("no-finish")
@pytest.mark.parametrize(
    "items", [[], [b": only a comment\n\n"], [chunk({"role": "assistant"})], [DONE]]
)
def test_an_end_before_anything_worth_showing_has_a_status(proxy, stream, items):
    answer = proxy.ask(play(*items), stream=stream)
    assert answer.failure == (502, "api_error")
    assert proxy.attempts == 1


@pytest.mark.fault("cut-arguments")
@pytest.mark.parametrize("close", [LAST_CHUNK, b""], ids=["ended", "cut"])
@pytest.mark.parametrize("last", [[], [DONE]], ids=["nothing", "done"])
def test_a_cut_tool_call_stays_open(proxy, close, last):
    answer = proxy.ask(play(HEL, CALL, *last, close=close, pause=0.05), stream=True)
    assert answer.failure == (200, "api_error")
    opened = [e["index"] for e in answer.events if e["type"] == "content_block_start"]
    closed = [e["index"] for e in answer.events if e["type"] == "content_block_stop"]
    assert opened == [0, 1] and closed == [0]


@pytest.mark.fault("cut-arguments")
def test_a_cut_tool_call_is_no_whole_answer(proxy):
    assert proxy.ask(play(HEL, CALL), stream=False).failure == (502, "api_error")


NO_EVENTS = {
    "comments": [b": hello\n\n", HEL, b":\n", b": OPENROUTER PROCESSING\n\n", LO],
    "null": ["null", HEL, "null", LO],
    "numbers and texts": ["1", HEL, '"text"', "true", "[]", "-1e9", LO],
    "no JSON": ["{", HEL, "undefined", "<html>", "{'a': 1}", LO],
    "empty data": [b"data:\n\n", HEL, b"data: \n\n", LO],
    "lines of no field": [b"nonsense\n\n", HEL, b"id: 7\nretry: 10\nevent: x\n\n", LO],
    "NUL and control bytes": [b"\0\0\0\n\n", HEL, b"\x01\x02\x1b[31m\n\n", LO],
    "choices of wrong types": [
        {"choices": None},
        HEL,
        {"choices": {}},
        {"choices": [None, 1, "x", []]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": []}]},
        {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": None}}]},
        LO,
    ],
    "fields of wrong types": [
        {"choices": [{"index": "0", "delta": {"content": ""}, "finish_reason": None}], "id": 7},
        HEL,
        {"choices": [], "usage": "many", "created": "now", "model": None},
        {"choices": [], "usage": {"prompt_tokens": "x", "completion_tokens": None}},
        {"choices": [], "usage": []},
        LO,
    ],
    "unknown objects": [{"object": "ping"}, HEL, {"x": {"y": [1, 2, {"z": None}]}}, LO],
    "an empty object": [{}, HEL, {}, LO],
}


@pytest.mark.fault("garbage")
@pytest.mark.parametrize("case", NO_EVENTS)
def test_what_is_no_event_is_skipped(proxy, stream, case):
    answer = proxy.ask(play(*NO_EVENTS[case], *END), stream=stream)
    assert answer.text == "Hello"
    assert answer.message["stop_reason"] == "end_turn"
    assert proxy.attempts == 1


WRONG = [
    {"choices": [{"index": 0, "delta": {"tool_calls": "x"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [None, 7, {}]}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": "a", "function": 3}]}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": 3}}]}}]},
    {"choices": [{"index": 0, "delta": {"content": {"text": 1}}}]},
    {"choices": [{"index": 0, "delta": {"content": [1, {"type": "text"}]}}]},
    {"choices": [{"index": 0, "delta": {"reasoning_content": 5}}]},
    {"choices": [{"index": 0, "delta": {"content": 7}, "finish_reason": 7}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": {"a": 1}}]},
    {"choices": [{"index": -1, "delta": {"content": "x"}, "finish_reason": "odd"}]},
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"choices": 1' + "0" * 5000 + "}",
    '{"choices": [{"index": 1e999, "delta": {"content": NaN}}]}',
]


@pytest.mark.pitfall(3)
@pytest.mark.fault("garbage")
@pytest.mark.parametrize("number", range(len(WRONG)))
def test_whatever_is_wrong_the_grammar_holds(proxy, stream, number):
    """Skipped or an error, as fits; never a 500, a cut, or an illegal order of events."""
    answer = proxy.ask(play(HEL, WRONG[number], LO, *END), stream=stream)
    if answer.status == 200 and not (stream and answer.events[-1]["type"] == "error"):
        assert answer.message["stop_reason"]
    else:
        assert answer.failure in {(200, "api_error"), (502, "api_error")}
    assert proxy.attempts == 1


ODD_TEXT = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei😀ü字\u200b\ufeff\x7f"
EXACT = [chunk({"content": ODD_TEXT[:9]}), chunk({"content": ODD_TEXT[9:]}), *END]
EXACT_BYTES = b"".join(framed(item) for item in EXACT)


def in_pieces(data, size):
    def act(connection, request):
        connection.send(STREAM_HEAD)
        for at in range(0, len(data), size):
            connection.send(chunked(data[at : at + size]))
        connection.send(LAST_CHUNK)
        return True

    return act


@pytest.mark.fault("split-utf8")
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_the_text_is_exact_however_it_is_cut(proxy, size, end):
    answer = proxy.ask(in_pieces(EXACT_BYTES.replace(b"\n", end), size), stream=True)
    assert answer.text == ODD_TEXT
    assert proxy.attempts == 1


@pytest.mark.fault("split-utf8")
def test_the_text_is_exact_in_packets_of_one_byte(proxy):
    """Half characters in packets of their own, through the framing too."""

    def drip(connection, request):
        connection.drip(STREAM_HEAD + streamed(EXACT))
        return True

    assert proxy.ask(drip, stream=True).text == ODD_TEXT


@pytest.mark.fault("split-utf8")
def test_raw_line_breaks_of_other_standards_stay_text(proxy, stream):
    """Unescaped in the JSON, as the bytes on the wire."""
    assert "\u2028".encode() in EXACT_BYTES and b"\xc2\x85" in EXACT_BYTES
    assert proxy.ask(play(*EXACT), stream=stream).text == ODD_TEXT


@pytest.mark.fault("invalid-utf8")
@pytest.mark.parametrize(
    ("bad", "told"),
    [(b"\xff", "\ufffd"), (b"\xc3", "\ufffd"), (b"\xed\xa0\x80", "\ufffd" * 3)],
    ids=["no UTF-8", "half a character", "a surrogate"],
)
def test_invalid_utf8_becomes_replacement_characters(proxy, stream, bad, told):
    broken = framed(chunk({"content": "a#b"})).replace(b"#", bad)
    answer = proxy.ask(play(HEL, broken, LO, *END), stream=stream)
    assert answer.text == f"Hela{told}blo"


USAGE = {**chunk({}), "choices": [], "usage": usage(5, 6)}
ODD_ENDS = {
    "finish twice": [HEL, STOP, STOP, USAGE, DONE],
    "two reasons": [HEL, STOP, chunk({}, "length"), USAGE, DONE],
    "late content": [STOP, HEL, USAGE, DONE],
    "content with the finish": [chunk({"content": "Hel"}, "stop"), USAGE, DONE],
    "usage first": [USAGE, HEL, STOP, DONE],
    "usage twice": [HEL, STOP, USAGE, USAGE, DONE],
    "two DONE": [HEL, STOP, USAGE, DONE, DONE],
    "content after DONE": [HEL, STOP, USAGE, DONE, LO, STOP, DONE],
    "an error after DONE": [HEL, STOP, USAGE, DONE, {"error": {"message": "late"}}],
    "no DONE": [HEL, STOP, USAGE],
    "DONE without a space": [HEL, STOP, USAGE, b"data:[DONE]\n\n"],
    "DONE without an empty line": [HEL, STOP, USAGE, b"data: [DONE]"],
    "no empty line at all": [HEL, USAGE, framed(STOP)[:-2]],
    "null as choices of the usage": [HEL, STOP, {**USAGE, "choices": None}, DONE],
}


@pytest.mark.fault("odd-ends")
@pytest.mark.parametrize("case", ODD_ENDS)
def test_odd_ends_are_one_end(proxy, stream, case):
    answer = proxy.ask(play(*ODD_ENDS[case]), stream=stream)
    assert answer.text == "Hel"
    reason = "max_tokens" if case == "two reasons" else "end_turn"
    assert answer.message["stop_reason"] == reason
    usage_told = answer.message["usage"]
    assert (usage_told["input_tokens"], usage_told["output_tokens"]) in {(5, 6), (3, 1)}
    assert proxy.attempts == 1


@pytest.mark.fault("odd-ends")
@pytest.mark.parametrize("rest", ["reset", "nothing"])
def test_after_its_finish_an_answer_is_complete(proxies, transport, raw, rest):
    pace = {"CLAUDE_PROXY_REQUEST_TIMEOUT": str(SILENCE)}
    impatient = proxies(CLAUDE_PROXY_TRANSPORT=transport, **pace)

    def act(connection, request):
        say(connection, HEL, STOP)
        time.sleep(0.1)
        if rest == "reset":
            connection.reset()
        else:
            raw.note_left(connection)

    answer = impatient.ask(act, stream=True)
    assert answer.text == "Hel" and answer.seconds < 5


def fragment(index, arguments, **first):
    function = {"arguments": arguments, **({"name": first["name"]} if first else {})}
    more = {"id": f"call_{index}", "type": "function"} if first else {}
    return chunk({"tool_calls": [{"index": index, "function": function, **more}]})


INTERLEAVED = [
    fragment(0, "", name="read"),
    fragment(1, "", name="write"),
    fragment(0, '{"path": '),
    fragment(1, '{"text": "a'),
    fragment(2, "{}", name="list"),
    fragment(0, '"/etc"'),
    fragment(1, 'b"}'),
    fragment(0, "}"),
]


@pytest.mark.pitfall(1, 3)
@pytest.mark.fault("interleaved")
@pytest.mark.parametrize("together", [False, True], ids=["apart", "in one packet"])
def test_interleaved_calls_come_one_after_the_other(proxy, stream, together):
    items = [*INTERLEAVED, *CALLS_END]
    packets = [b"".join(framed(item) for item in items)] if together else items
    answer = proxy.ask(play(*packets), stream=stream)
    calls = [(block["name"], block["input"]) for block in answer.message["content"]]
    assert calls == [("read", {"path": "/etc"}), ("write", {"text": "ab"}), ("list", {})]
    assert answer.message["stop_reason"] == "tool_use"
    assert len({block["id"] for block in answer.message["content"]}) == 3


ERRORS = {
    "OpenAI's": ({"error": {"message": "Slow down", "code": 429}}, "rate_limit_error"),
    "an overload": ({"error": {"message": "Busy", "type": "overloaded_error"}}, "overloaded_error"),
    "a text": ({"error": "Slow down"}, "api_error"),
    "vLLM's": ({"object": "error", "message": "Broken", "code": 500}, "api_error"),
    "without data:": (b'{"error": {"message": "Broken"}}\n\n', "api_error"),
    "beside choices": ({**chunk({"content": ""}), "error": {"message": "Broken"}}, "api_error"),
    "an event of its own": (b'event: error\ndata: {"error": {"message": "X"}}\n\n', "api_error"),
}


@pytest.mark.fault("late-error")
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_after_the_first_text_ends_the_stream(proxy, case):
    error, kind = ERRORS[case]
    answer = proxy.ask(play(HEL, b": \n\n", error, LO, *END, pause=0.01), stream=True)
    assert answer.failure == (200, kind)
    assert proxy.attempts == 1


@pytest.mark.pitfall(8)
@pytest.mark.fault("late-error", "status")
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_before_the_first_text_has_a_status(proxy, stream, case):
    error, kind = ERRORS[case]
    answer = proxy.ask(play(chunk({"role": "assistant"}), error), stream=stream)
    status, told = answer.failure
    assert told == kind and status in {429, 502, 529}
    assert proxy.attempts == 1


@pytest.mark.fault("endless-line")
def test_a_line_over_the_limit_is_an_error(proxy, raw):
    """Its memory is looked at in test_upstream_memory.py."""

    def endless(connection, request):
        say(connection, HEL)
        time.sleep(0.05)
        part = chunked(b"a" * 65536)
        connection.send(chunked(b"data: "))
        for _ in range(200):
            connection.send(part)
        raw.note_left(connection)

    answer = proxy.ask(endless, stream=True)
    assert answer.failure == (200, "api_error")
    assert "8388608 bytes" in answer.told
    assert proxy.attempts == 1


@pytest.mark.fault("endless-stream")
def test_a_stream_without_end_ends_with_its_client(proxy, raw):
    sent = []

    def endless(connection, request):
        connection.send(STREAM_HEAD)
        packet = chunked(framed(HEL))
        try:
            while True:
                connection.send(packet)
                sent.append(time.monotonic())
                time.sleep(0.005)
        finally:
            raw.note_left(connection)

    raw.play(endless)
    client = post(proxy.live.port, stream=True)
    while client.recv(65536).count(b"content_block_delta") < 1:
        pass
    time.sleep(0.3)
    count = len(sent)
    client.close()
    left = time.monotonic()
    assert raw.wait_left(timeout=5)
    assert count > 20 and sent[-1] < left + 2
    assert eventually(proxy.serves)
