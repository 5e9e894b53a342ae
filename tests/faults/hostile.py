"""Request bodies that nobody should send: the table behind `test_client_bodies.py`."""

import gzip
import json
from collections.abc import Callable, Iterator

from tests.faults.bodies import HELLO, Hostile, given, raw, saying
from tests.faults.hostile_values import hostile_values
from tests.faults.wrong_types import wrong_types

_WHOLE = json.dumps(HELLO).encode()
_LATIN = saying('"Grüße"'.encode("latin-1"))

NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "blanks": b" \r\n\t ",
    "NUL": b"\0",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"hi"',
    "a list": b"[]",
    "a list of requests": b"[" + _WHOLE + b"]",
    "a quote": b'"',
    "a brace": b"{",
    "a bracket": b"[",
    "a closing brace": b"}",
    **{f"cut at {at}": _WHOLE[:at] for at in (2, 8, 10, 30, 60, len(_WHOLE) - 2, len(_WHOLE) - 1)},
    "garbage behind": _WHOLE + b"x",
    "a NUL behind": _WHOLE + b"\0",
    "two objects": _WHOLE + _WHOLE,
    "two lines": _WHOLE + b"\n" + _WHOLE,
    "single quotes": repr(HELLO).encode(),
    "a form": b"model=claude-haiku-5-5&max_tokens=9",
    "XML": b"<?xml version='1.0'?><model>claude</model>",
    "an event": b"data: " + _WHOLE + b"\n\n",
    "gzip": gzip.compress(_WHOLE),
    "a byte order mark": b"\xef\xbb\xbf" + _WHOLE,
    "UTF-16": _WHOLE.decode().encode("utf-16"),
    "UTF-16LE": _WHOLE.decode().encode("utf-16-le"),
    "UTF-16BE": _WHOLE.decode().encode("utf-16-be"),
    "UTF-32": _WHOLE.decode().encode("utf-32"),
    "UTF-32LE": _WHOLE.decode().encode("utf-32-le"),
    "UTF-7": b"+AHsAfQ-",
    "latin-1": _LATIN,
    "an overlong slash": saying(b'"\xc0\xaf"'),
    "an overlong NUL": saying(b'"\xc0\x80"'),
    "a surrogate in UTF-8": saying(b'"\xed\xa0\xbd"'),
    "a pair in CESU-8": saying(b'"\xed\xa0\xbd\xed\xb8\x80"'),
    "beyond Unicode": saying(b'"\xf4\x90\x80\x80"'),
    "half a character": saying(b'"\xe2\x82"'),
    "a lone continuation": saying(b'"\x80"'),
    "invalid UTF-8 in a key": raw(b'"\xff":1'),
    "a raw NUL in a text": saying(b'"a\0b"'),
    "a raw line end in a text": saying(b'"a\nb"'),
    "a raw tab in a text": saying(b'"a\tb"'),
    "a raw escape in a text": saying(b'"a\x1bb"'),
    "an unknown escape": saying(rb'"a\xb"'),
    "a short escape": saying(rb'"a\u12"'),
    "an escape of no digits": saying(rb'"\uzzzz"'),
    "a text without end": saying(b'"hi'),
    "a backslash at the end": saying(b'"hi\\'),
    "a comment": b"/* hello */" + _WHOLE,
    "a line comment": _WHOLE + b"// hello",
    "a comma too many": raw(b'"top_k":1,'),
    "no comma": raw(b'"top_k":1 "top_p":1'),
    "no colon": raw(b'"top_k" 1'),
    "a bare key": raw(b"top_k:1"),
    "a number as key": raw(b"1:1"),
    "undefined": raw(b'"top_k":undefined'),
    "True": raw(b'"top_k":True'),
    "None": raw(b'"top_k":None'),
    "NaN": raw(b'"temperature":NaN'),
    "Infinity": raw(b'"temperature":Infinity'),
    "-Infinity": raw(b'"temperature":-Infinity'),
    "nan": raw(b'"temperature":nan'),
    "NaN in an unknown field": raw(b'"x":[NaN]'),
    "NaN in a schema": raw(b'"tools":[{"name":"a","input_schema":{"minimum":NaN}}]'),
    "1e999": raw(b'"temperature":1e999'),
    "-1e999": raw(b'"temperature":-1e999'),
    "1e999 in a schema": raw(b'"tools":[{"name":"a","input_schema":{"maximum":1e999}}]'),
    "1e99999999999": raw(b'"x":1e99999999999'),
    "a leading zero": raw(b'"top_k":01'),
    "a plus": raw(b'"top_k":+1'),
    "a leading point": raw(b'"top_p":.5'),
    "a trailing point": raw(b'"top_p":1.'),
    "an empty exponent": raw(b'"top_p":1e'),
    "a lone minus": raw(b'"top_p":-'),
    "hexadecimal": raw(b'"top_k":0x10'),
    "an underscore": raw(b'"top_k":1_000'),
    "an Arabic digit": raw('"top_k":\u0661'.encode()),
    "5,000 digits": raw(b'"x":' + b"9" * 5000),
    "minus 5,000 digits": raw(b'"x":-' + b"9" * 5000),
    "5,000 digits as max_tokens": raw(b'"max_tokens":' + b"9" * 5000),
    "5,000 digits in a schema": raw(
        b'"tools":[{"name":"a","input_schema":{"maximum":' + b"9" * 5000 + b"}}]"
    ),
}
"""All of these get 400 on every endpoint."""

_TOOL_INPUT = (
    b'{"model":"claude-haiku-5-5","max_tokens":9,"stream":@STREAM@,"messages":['
    b'{"role":"user","content":"look"},{"role":"assistant","content":'
    b'[{"type":"tool_use","id":"toolu_1","name":"look","input":%b}]},'
    b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"x"}]}]}'
)
_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "an unknown field": lambda value: raw(b'"x":' + value),
    "a message": saying,
    "a block": lambda value: saying(b'[{"type":"text","text":' + value + b"}]"),
    "an unknown block": lambda value: saying(b'[{"type":"newest","x":' + value + b"}]"),
    "a schema": lambda value: raw(
        b'"tools":[{"name":"a","input_schema":{"type":"object","properties":' + value + b"}}]"
    ),
    "a tool's input": lambda value: _TOOL_INPUT % (b'{"x":' + value + b"}"),
    "the metadata": lambda value: raw(b'"metadata":{"x":' + value + b"}"),
    "the system": lambda value: raw(b'"system":' + value),
    "a text block's cache_control": lambda value: saying(
        b'[{"type":"text","text":"a","cache_control":{"x":' + value + b"}}]"
    ),
}


def _nested() -> Iterator[Hostile]:
    for depth in (10_000, 100_000, 1_000_000):
        yield Hostile(f"{depth} lists", lambda n=depth: raw(b'"x":' + b"[" * n + b"]" * n))
        yield Hostile(
            f"{depth} objects", lambda n=depth: raw(b'"x":' + b'{"a":' * n + b"1" + b"}" * n)
        )
        yield Hostile(f"{depth} lists, open", lambda n=depth: b"[" * n)
        yield Hostile(f"{depth} objects, open", lambda n=depth: b'{"a":' * n)
    for place, put in _PLACES.items():
        for depth, status in ((5_000, 400), (100, 0)):
            yield Hostile(
                f"{depth} lists in {place}",
                lambda n=depth, put=put: put(b"[" * n + b"]" * n),
                status,
            )
            yield Hostile(
                f"{depth} objects in {place}",
                lambda n=depth, put=put: put(b'{"type":' * n + b'"object"' + b"}" * n),
                status,
            )
    for depth in (300, 500, 700, 800, 900, 950, 980, 990, 1000, 1100, 2000):
        # Around the limit of the parser and of whatever walks the value later.
        for place in ("a schema", "a tool's input", "an unknown block"):
            yield Hostile(
                f"{depth} objects in {place}, around the limit",
                lambda n=depth, put=_PLACES[place]: put(
                    b'{"items":' * n + b'{"type":"object"}' + b"}" * n
                ),
                0,
            )


_HALVES = {"high": rb"\ud83d", "low": rb"\ude00", "turned": rb"\ude00\ud83d", "two": rb"\ud83d" * 2}
_TEXTS: dict[str, bytes] = {
    "a text": saying(b'"a%b b"'),
    "a text block": saying(b'[{"type":"text","text":"%b"}]'),
    "a key": raw(b'"%b":1'),
    "a tool's name": raw(b'"tools":[{"name":"a%b","input_schema":{"type":"object"}}]'),
    "a description": raw(
        b'"tools":[{"name":"a","description":"%b","input_schema":{"type":"object"}}]'
    ),
    "a schema's key": raw(
        b'"tools":[{"name":"a","input_schema":{"type":"object","properties":{"%b":{}}}}]'
    ),
    "a tool call's id": _TOOL_INPUT.replace(b"toolu_1", b"toolu_%b").replace(b'input":%b', b'x":0'),
    "a tool's input": _TOOL_INPUT % b'{"a%%b":"%%b"}'.replace(b"%%b", b"%b"),
    "the model": raw(b'"x":0').replace(b"claude-haiku-5-5", b"claude-%b"),
    "the system": raw(b'"system":"%b"'),
    "a stop sequence": raw(b'"stop_sequences":["%b"]'),
    "the user": raw(b'"metadata":{"user_id":"%b"}'),
}


def _surrogates() -> Iterator[Hostile]:
    for place, text in _TEXTS.items():
        for name, half in _HALVES.items():
            body = text.replace(b"%b", half)
            # JavaScript's clients cut emoji in two; they are served, with U+FFFD in its place.
            yield Hostile(f"a {name} half in {place}", given(body), 200)
    yield Hostile("a whole pair", given(saying(rb'"\ud83d\ude00"')), 200)
    yield Hostile("an escaped NUL", given(saying(rb'"a\u0000b"')), 200)
    yield Hostile("escaped controls", given(saying(rb'"\u0001\u001b[31m\u007f\u0085\u2028"')), 200)


def _twice() -> Iterator[Hostile]:
    texts = {
        "model": b'"model":"claude-opus-5-5"',
        "max_tokens": b'"max_tokens":5',
        "messages": b'"messages":[{"role":"user","content":"other"}]',
        "an unknown field": b'"x":1,"x":2',
        "tools": b'"tools":[],"tools":[{"name":"a","input_schema":{"type":"object"}}]',
        "a schema's key": (
            b'"tools":[{"name":"a","input_schema":{"type":"object","properties":{"p":{},"p":{}}}}]'
        ),
        "an escaped key": rb'"top_k":1,"top\u005fk":2',
    }
    for name, text in texts.items():
        yield Hostile(f"{name} twice", given(raw(text)), 200)
    yield Hostile("a tool's input twice", given(_TOOL_INPUT % b'{"a":1,"a":2}'), 200)
    yield Hostile(
        "content twice", given(saying(b'"a","content":"b","role":"user","role":"user"')), 200
    )
    yield Hostile(
        "max_tokens twice, then wrong", given(raw(b'"max_tokens":"9"')), 400, "max_tokens"
    )


CASES: tuple[Hostile, ...] = (
    *(Hostile(f"not JSON: {name}", given(body)) for name, body in NOT_JSON.items()),
    *_nested(),
    *_surrogates(),
    *_twice(),
    *wrong_types(),
    *hostile_values(),
)
"""`status` 0: served or refused, as long as it is one of them."""
