"""A stream of somebody else's events as the message that it tells, with every digit."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.demote import RawFold, as_stream
from claude_proxy.errors import ProtocolError

BIG = "123456789012345678901234567890"


def fold(*payloads):
    found = RawFold()
    for payload in payloads:
        found.feed(payload if isinstance(payload, bytes) else payload.encode())
    return found


def start(**more):
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], **more}
    return json.dumps({"type": "message_start", "message": message})


def begin(block, index=0):
    return json.dumps({"type": "content_block_start", "index": index, "content_block": block})


def delta(kind, index=0, **fields):
    told = {"type": kind, **fields}
    return json.dumps({"type": "content_block_delta", "index": index, "delta": told})


def end(usage=None, **more):
    told = {"stop_reason": "end_turn", "stop_sequence": None}
    return json.dumps({"type": "message_delta", "delta": told, "usage": usage or {}, **more})


STOP = '{"type":"message_stop"}'

BLOCKS = [
    (
        "text",
        {"type": "text", "text": "", "citations": None},
        [("text_delta", {"text": "a\u2028"}), ("text_delta", {"text": 'b"\\'})],
        {"type": "text", "text": 'a\u2028b"\\', "citations": None},
    ),
    (
        "a text that has begun",
        {"type": "text", "text": "a"},
        [("text_delta", {"text": "b"})],
        {"type": "text", "text": "ab"},
    ),
    (
        "citations",
        {"type": "text", "text": "", "citations": []},
        [
            ("citations_delta", {"citation": {"type": "new", "at": 1}}),
            ("text_delta", {"text": "x"}),
            ("citations_delta", {"citation": {"type": "new", "at": 2}}),
        ],
        {
            "type": "text",
            "text": "x",
            "citations": [{"type": "new", "at": 1}, {"type": "new", "at": 2}],
        },
    ),
    (
        "citations where none were",
        {"type": "text", "text": "", "citations": None},
        [("citations_delta", {"citation": {"at": 1}})],
        {"type": "text", "text": "", "citations": [{"at": 1}]},
    ),
    (
        "thinking, of which nothing but the text is the block's",
        {"type": "thinking", "thinking": "", "signature": ""},
        [
            ("thinking_delta", {"thinking": "h", "estimated_tokens": 5}),
            ("thinking_delta", {"thinking": "m"}),
            ("signature_delta", {"signature": "EqQB=="}),
        ],
        {"type": "thinking", "thinking": "hm", "signature": "EqQB=="},
    ),
    (
        "redacted thinking",
        {"type": "redacted_thinking", "data": "x"},
        [],
        {"type": "redacted_thinking", "data": "x"},
    ),
    (
        "a call",
        {"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": {"type": "direct"}},
        [
            ("input_json_delta", {"partial_json": part})
            for part in ("", '{"a": "\\ud83', 'd\\ude00", "b":[', "1.0]}")
        ],
        {
            "type": "tool_use",
            "id": "t",
            "name": "n",
            "input": {"a": "\U0001f600", "b": [1.0]},
            "caller": {"type": "direct"},
        },
    ),
    (
        "a call without arguments",
        {"type": "tool_use", "id": "t", "name": "n", "input": {}},
        [("input_json_delta", {"partial_json": ""})],
        {"type": "tool_use", "id": "t", "name": "n", "input": {}},
    ),
    (
        "a call that was cut",
        {"type": "tool_use", "id": "t", "name": "n", "input": {}},
        [("input_json_delta", {"partial_json": '{"a'})],
        {
            "type": "tool_use",
            "id": "t",
            "name": "n",
            "input": {"__unparsedToolInput": {"raw": '{"a', "len": 3}},
        },
    ),
    (
        "the server's own call",
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        [("input_json_delta", {"partial_json": '{"query":"x"}'})],
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
    ),
    (
        "its result",
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]},
        [],
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]},
    ),
    (
        "unknown blocks and deltas",
        {"type": "hologram", "content": None, "n": 1, "o": {"a": 1}, "l": [1]},
        [
            ("hologram_delta", {"content": "a", "n": 2, "o": {"b": 2}, "l": [2], "z": None}),
            ("hologram_delta", {"content": "b", "new": True}),
        ],
        {
            "type": "hologram",
            "content": "ab",
            "n": 2,
            "o": {"a": 1, "b": 2},
            "l": [1, 2],
            "new": True,
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("why", "block", "deltas", "whole"), BLOCKS, ids=[b[0] for b in BLOCKS])
def test_a_block_is_whole(why, block, deltas, whole):
    said = [delta(kind, **fields) for kind, fields in deltas]
    found = fold(
        start(), begin(block), *said, '{"type":"content_block_stop","index":0}', end(), STOP
    )
    assert found.complete
    assert json.loads(found.message)["content"] == [whole]


def test_blocks_stand_in_the_order_of_their_indexes():
    texts = [begin({"type": "text", "text": text}, index) for index, text in ((2, "c"), (0, "a"))]
    found = fold(start(), *texts, delta("text_delta", 2, text="!"))
    assert [b["text"] for b in json.loads(found.message)["content"]] == ["a", "c!"]


def test_the_message_keeps_its_fields_and_their_order():
    first = start(model="x", container=None, usage={"input_tokens": 1}, brand_new={"a": [1]})
    found = fold(first, end(context_management={"applied_edits": []}), STOP)
    message = json.loads(found.message)
    assert list(message) == [
        *("id", "type", "role", "content", "model", "container", "usage", "brand_new"),
        *("stop_reason", "stop_sequence", "context_management"),
    ]


USAGE = [
    ("later counts win", {"output_tokens": 1}, {"output_tokens": 9}, {"output_tokens": 9}),
    ("none is no count", {"input_tokens": 5}, {"input_tokens": 0}, {"input_tokens": 5}),
    ("null is no count", {"input_tokens": 5}, {"input_tokens": None}, {"input_tokens": 5}),
    ("a first zero stays", {}, {"output_tokens": 0}, {"output_tokens": 0}),
    ("null gives way", {"server_tool_use": None}, {"server_tool_use": {"n": 0}},
     {"server_tool_use": {"n": 0}}),
    ("nested", {"cache_creation": {"a": 1, "b": 2}}, {"cache_creation": {"b": 3, "c": 4}},
     {"cache_creation": {"a": 1, "b": 3, "c": 4}}),
    ("texts", {"service_tier": "standard"}, {"service_tier": "batch"}, {"service_tier": "batch"}),
    ("lists", {"iterations": [1]}, {"iterations": [1, 2]}, {"iterations": [1, 2]}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "first", "later", "whole"), USAGE, ids=[u[0] for u in USAGE])
def test_usage_is_one(why, first, later, whole):
    assert json.loads(fold(start(usage=first), end(later)).message)["usage"] == whole


def test_digits_stay():
    odd = f'[{BIG},1.10,1e400,-0,9007199254740993,"\\u00e9\\/"]'
    found = fold(
        f'{{"type":"message_start","message":{{"id":"m","odd":{odd},"usage":{{"deep":{{"n":{odd}}}}}}}}}',
        f'{{"type":"content_block_start","index":0,"content_block":{{"type":"new","odd":{odd}}}}}',
        begin({"type": "tool_use", "input": {}}, 1),
        delta("input_json_delta", 1, partial_json=f'{{"odd": {odd}}}'),
        f'{{"type":"message_delta","delta":{{"late":{odd}}},"usage":{{"deep":{{"m":{odd}}}}}}}',
        STOP,
    )
    assert found.message.count(odd.encode()) == 6


def test_half_an_emoji_is_mended():
    found = fold(
        start(),
        begin({"type": "text", "text": ""}),
        delta("text_delta", text="\ud83d"),
        end(),
        STOP,
    )
    assert json.loads(found.message)["content"][0]["text"] == "\ufffd"


def test_what_is_no_text_is_replaced():
    said = delta("text_delta", text="x").encode().replace(b'"x"', b'"\xff"')
    found = fold(start(), begin({"type": "text", "text": ""}), said, end(), STOP)
    assert json.loads(found.message)["content"][0]["text"] == "\ufffd"


def test_pings_and_unknown_events_change_nothing():
    odd = ['{"type":"ping"}', '{"type":"new","index":0}', '{"index":0}', '{"type":7}']
    assert fold(start(), *odd, end(), STOP).message == fold(start(), end(), STOP).message


def test_an_error_is_kept_as_it_was_said():
    said = '{"type":"error",  "error":{"type":"overloaded_error"},"request_id":"req_1"}'
    found = fold(start(), said)
    assert (found.error, found.ended, found.complete) == (said.encode(), True, False)


@pytest.mark.parametrize(
    "payload",
    [
        "[]",
        "nothing",
        "",
        '{"type":"message_start"}',
        '{"type":"message_start","message":7}',
        '{"type":"content_block_start","index":0}',
        '{"type":"content_block_start","index":"0","content_block":{}}',
        '{"type":"content_block_start","index":0,"content_block":[]}',
        '{"type":"content_block_delta","delta":{}}',
        delta("text_delta", text="of no block"),
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_told(payload):
    with pytest.raises(ProtocolError, match="not a stream of Messages events"):
        fold(payload)


KINDS = (
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
    *("message_delta", "message_stop", "error", "ping"),
)
DELTAS = (
    *("text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"),
    *("compaction_delta", "{}", "{", ""),
)
NAMES = st.sampled_from(
    ("type", "text", "thinking", "signature", "partial_json", "citation", "citations", "input")
    + ("content", "usage", "n")
) | st.text(max_size=3)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)))))
def test_any_texts_are_joined(texts):
    said = [delta("text_delta", text=text) for text in texts]
    found = fold(start(), begin({"type": "text", "text": ""}), *said, end(), STOP)
    assert json.loads(found.message)["content"][0]["text"] == "".join(texts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | st.text(max_size=5)},
    optional={
        "index": st.integers(0, 2) | JSON,
        "message": st.dictionaries(NAMES, JSON) | JSON,
        "content_block": st.dictionaries(NAMES, JSON) | JSON,
        "delta": st.dictionaries(NAMES, st.sampled_from(DELTAS) | JSON) | JSON,
        "usage": JSON,
    },
)


@given(st.lists(EVENTS, max_size=8))
def test_whatever_comes_is_a_message_or_told(events):
    found = RawFold()
    for each in events:
        try:
            found.feed(json.dumps(each).encode())
        except ProtocolError:
            return
    assert isinstance(json.loads(found.message), dict)


@given(st.binary(max_size=40))
def test_whatever_bytes_come_they_are_told(payload):
    with pytest.raises(ProtocolError):
        RawFold().feed(b"{" + payload + b"\xfe")


def test_a_request_is_made_to_stream():
    raw = b'{"stream": false, "n": 12345678901234567890123, "model" : "m" }'
    assert as_stream(raw) == b'{"stream":true,"n":12345678901234567890123,"model":"m"}'
    assert as_stream(b'{"model":"m"}') == b'{"model":"m","stream":true}'
