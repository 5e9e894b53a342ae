"""Bodies that are JSON and hostile all the same: a part of the table in `hostile.py`."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.bodies import HELLO, Hostile, Json, block, called, having, tool


def _ranges() -> Iterator[Hostile]:
    for name, value in {
        "0": 0,
        "-1": -1,
        "1.0": 1.0,
        "9.5": 9.5,
        "1e3": 1e3,
        "text": "9",
        "2**64": 2**64,
        "10**100": 10**100,
        "false": False,
    }.items():
        # Too many are no mistake: they are clamped to what the model can.
        status = 200 if name in ("2**64", "10**100") else 400
        yield Hostile(f"max_tokens is {name}", having("max_tokens", value), status)
    for name, value, status in (
        # The ranges of sampling differ between upstreams, so it is theirs to refuse.
        ("max_tokens", 2**31, 200),
        ("max_tokens", 2**63 - 1, 200),
        ("temperature", -0.0, 200),
        ("temperature", 5e-324, 200),
        ("temperature", 1e308, 200),
        ("temperature", -1, 200),
        ("temperature", 2**70, 200),
        ("top_p", -1, 200),
        ("top_p", 2, 200),
        ("top_k", -1, 200),
        ("top_k", 2**70, 200),
        ("stop_sequences", [""], 0),
        ("stop_sequences", ["\n"] * 1000, 0),
        ("stop_sequences", ["x" * 100_000], 200),
    ):
        shown = str(value)[:20]
        yield Hostile(f"{name} is {shown!r}", having(name, value), status)
    for budget in (0, -1, 1023, 2**70):
        yield Hostile(
            f"a budget of {budget}",
            having("thinking", {"type": "enabled", "budget_tokens": budget}),
            0,
        )


def _sizes() -> Iterator[Hostile]:
    long = "x" * 100_000
    mega = "x" * 1_000_000
    schema = {"type": "object"}
    made: dict[str, Callable[[], Json]] = {
        "a model of 100 kB": having("model", long),
        "a claude of 100 kB": having("model", "claude-" + long),
        "a model of slashes": having("model", "anthropic/" * 20_000),
        "a tool's name of 100 kB": lambda: tool(name=long),
        "a tool's id of 100 kB": lambda: called(id=long),
        "a called name of 100 kB": lambda: called(name=long),
        "a description of 1 MB": lambda: tool(description=mega),
        "a key of 1 MB": having(mega, 1),
        "a schema's key of 1 MB": lambda: tool(input_schema={**schema, "properties": {mega: {}}}),
        "an unknown block of 1 MB": lambda: block({"type": mega}),
        "5,000 tools": lambda: {
            **HELLO,
            "tools": [{"name": f"tool_{n}", "input_schema": schema} for n in range(5000)],
        },
        "2,000 tools of one name": lambda: {
            **HELLO,
            "tools": [{"name": "same", "input_schema": schema}] * 2000,
        },
        "2,000 long names of one start": lambda: {
            **HELLO,
            "tools": [{"name": "x" * 80 + str(n), "input_schema": schema} for n in range(2000)],
        },
        "9,000 messages": lambda: {**HELLO, "messages": HELLO["messages"] * 9000},
        "10,000 blocks": lambda: {
            **HELLO,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 10_000}],
        },
        "5,000 calls of one id": lambda: {
            **HELLO,
            "messages": called()["messages"] * 2500,
        },
        "5,000 calls in one turn": lambda: {
            **HELLO,
            "messages": [
                *HELLO["messages"],
                {"role": "assistant", "content": called()["messages"][1]["content"] * 5000},
            ],
        },
        "3,000 calls and results in one turn": lambda: {
            **HELLO,
            "messages": [
                *HELLO["messages"],
                {"role": "assistant", "content": called()["messages"][1]["content"] * 3000},
                {"role": "user", "content": called()["messages"][2]["content"] * 3000},
            ],
        },
        "5,000 thoughts": lambda: {
            **HELLO,
            "messages": [
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "a"}] * 5000},
                *HELLO["messages"],
            ],
        },
        "5,000 unknown blocks": lambda: {
            **HELLO,
            "messages": [
                {"role": "user", "content": [{"type": f"new_{n}"} for n in range(5000)]},
            ],
        },
        "5,000 results of no call": lambda: {
            **HELLO,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": f"t{n}", "content": "x"}
                        for n in range(5000)
                    ],
                }
            ],
        },
        "10,000 fields": lambda: {**HELLO, **{f"x{n}": n for n in range(10_000)}},
        "2,000 system blocks": having("system", [{"type": "text", "text": "a"}] * 2000),
        "a user of 100 kB": having("metadata", {"user_id": long}),
        "an effort of 100 kB": having("output_config", {"effort": long}),
        "a tool choice of 100 kB": lambda: {**tool(), "tool_choice": {"type": long}},
        "a role of 100 kB": having("messages", [{"role": long, "content": "hi"}]),
        "a media type of 100 kB": lambda: block(
            {"type": "image", "source": {"type": "base64", "media_type": long, "data": "aGk="}}
        ),
    }
    for name, make in made.items():
        yield Hostile(name, make, 0)


_NAMES = (
    "__proto__",
    "constructor",
    "__class__",
    "__init__",
    "toString",
    "",
    ".",
    "../../etc/passwd",
    "{{7*7}}",
    "%s%n",
    "$ref",
    "\u202eevil",
    "<script>alert(1)</script>",
    "a\r\nx-injected: 1",
    "\u0000",
    "*",
    "[1m]",
)


def _names() -> Iterator[Hostile]:
    for name in _NAMES:
        shown = ascii(name)
        yield Hostile(f"a field named {shown}", having(name, {"x": 1}), 200)
        yield Hostile(f"a tool named {shown}", lambda n=name: tool(name=n), 0)
        yield Hostile(f"a model named {shown}", having("model", name), 0)
        yield Hostile(
            f"a property named {shown}",
            lambda n=name: tool(input_schema={"type": "object", "properties": {n: {}}}),
            200,
        )
        yield Hostile(f"a block of type {shown}", lambda n=name: block({"type": n}), 0)
    yield Hostile(
        "a schema that refers to itself",
        lambda: tool(input_schema={"type": "object", "$ref": "#"}),
        200,
    )
    yield Hostile(
        "a schema that refers to another host",
        lambda: tool(input_schema={"type": "object", "$ref": "http://127.0.0.1:9/x"}),
        200,
    )


_DEFINITIONS = {
    f"d{n}": {
        "type": "object",
        "properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}, "b": {"$ref": f"#/$defs/d{n + 1}"}},
    }
    for n in range(40)
} | {"d40": {"type": "string"}}


def _schemas() -> Iterator[Hostile]:
    made: dict[str, Any] = {
        "2**40 references": {"type": "object", "$ref": "#/$defs/d0", "$defs": _DEFINITIONS},
        "a ring": {
            "type": "object",
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
            "properties": {"x": {"$ref": "#/$defs/a"}},
        },
        "a type of numbers": {"type": 7},
        "properties as list": {"type": "object", "properties": [1]},
        "required as text": {"type": "object", "required": "x"},
        "any of nothing": {"anyOf": []},
        "any of numbers": {"type": "object", "anyOf": [1, None]},
        "definitions as text": {"type": "object", "$defs": "x"},
        "a reference that is a number": {"type": "object", "$ref": 7},
        "a slow pattern": {"type": "object", "properties": {"x": {"pattern": "(a+)+$"}}},
        "items as list": {"type": "object", "properties": {"x": {"type": "array", "items": [1]}}},
        "empty": {},
    }
    for name, schema in made.items():
        yield Hostile(f"schema: {name}", lambda s=schema: tool(input_schema=s), 0)
        yield Hostile(
            f"format: {name}",
            having("output_config", {"format": {"type": "json_schema", "schema": schema}}),
            0,
        )


SLOW_TEXTS: dict[str, str] = {
    "letters": "a",
    "capitals": "A",
    "a case change": "aA",
    "blanks": " ",
    "line ends": "\n",
    "blanks and line ends": " \n",
    "carriage returns": "\r",
    "punctuation": "!",
    "punctuation and line ends": "!\n",
    "digits": "1",
    "digits and commas": "1,",
    "quotes": '"',
    "backslashes": "\\",
    "escapes": '\\"',
    "halves": "\\ud83d",
    "braces": "{",
    "brackets and commas": "[,",
    "a comma and blanks": ", ",
    "angle brackets": "<",
    "keys": "sk-",
    "keys without end": "sk-a",
    "bearer": "bearer ",
    "AIza": "AIza",
    "base64": "QUJD+/_-",
    "kana": "\u3042",
    "han": "\u6211\u4eec",
    "hangul": "\uac00",
    "Cyrillic": "\u0436",
    "boxes": "\u2500",
    "emoji": "\U0001f600",
    "combining marks": "e\u0301",
    "claude": "anthropic/",
    "regions": "us-east.anthropic.",
    "tokens per": "tokens per ",
    "overflow": "maximum context length is 1,",
}
"""One piece for each pattern of ours; a body repeats it to 100 kB, or 1 MB."""


def _slow() -> Iterator[Hostile]:
    for name, piece in SLOW_TEXTS.items():
        text = (piece * 100_000)[:100_000]
        yield Hostile(f"slow text: {name}", lambda t=text: block({"type": "text", "text": t}), 200)
        yield Hostile(f"slow model: {name}", having("model", text), 0)
        yield Hostile(f"slow tool: {name}", lambda t=text: tool(name="a" + t, description=t), 0)


def _missing() -> Iterator[Hostile]:
    yield Hostile("an empty object", lambda: {}, 400, "model")
    for name in ("model", "messages"):
        yield Hostile(
            f"no {name}", lambda n=name: {k: v for k, v in HELLO.items() if k != n}, 400, name
        )
    yield Hostile(
        "no max_tokens",
        lambda: {k: v for k, v in HELLO.items() if k != "max_tokens"},
        400,
        "max_tokens",
        counts=200,
    )
    yield Hostile("a blank model", having("model", "  "), 400, "model")
    yield Hostile("no role", having("messages", [{"content": "hi"}]), 400, "messages.0.role")
    yield Hostile("no content", having("messages", [{"role": "user"}]), 400, "messages.0.content")
    yield Hostile("an unknown role", having("messages", [{"role": "tool", "content": "x"}]), 400)
    yield Hostile("a block without type", lambda: block({"text": "hi"}), 400, "type")
    yield Hostile(
        "a tool without name", having("tools", [{"input_schema": {}}]), 400, "tools.0.name"
    )


def hostile_values() -> Iterator[Hostile]:
    yield from _ranges()
    yield from _sizes()
    yield from _names()
    yield from _schemas()
    yield from _slow()
    yield from _missing()
