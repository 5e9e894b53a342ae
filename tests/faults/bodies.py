"""How a hostile request is written down, and correct requests to start from.

A case is a body, the status that it must get, and the words its error must hold. Bodies are made
when they are asked for, since some have megabytes. `STREAM` in raw bytes becomes `true` or `false`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STREAM = b"@STREAM@"
Json = dict[str, Any]

HELLO: Json = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}


@dataclass(frozen=True, slots=True)
class Hostile:
    """`status` is what `/v1/messages` says. `names` must be in an error's message.

    `counts` is what `count_tokens` says, where that is something else.
    """

    id: str
    make: Callable[[], Json | bytes]
    status: int = 400
    names: str = ""
    counts: int | None = None

    def body(self, *, stream: bool) -> bytes:
        made = self.make()
        if isinstance(made, bytes):
            return made.replace(STREAM, b"true" if stream else b"false")
        return json.dumps({"stream": stream, **made}).encode()


def raw(member: bytes) -> bytes:
    """A correct request, as text, with one more member."""
    return (
        b'{"model":"claude-haiku-5-5","max_tokens":9,"stream":@STREAM@,'
        b'"messages":[{"role":"user","content":"hi"}],' + member + b"}"
    )


def saying(content: bytes) -> bytes:
    """A correct request whose one message has this content, as text."""
    return (
        b'{"model":"claude-haiku-5-5","max_tokens":9,"stream":@STREAM@,'
        b'"messages":[{"role":"user","content":' + content + b"}]}"
    )


def block(value: Any, role: str = "user") -> Json:
    """A request whose one message has this one block."""
    return {**HELLO, "messages": [{"role": role, "content": [value]}]}


def tool(**fields: Any) -> Json:
    return {**HELLO, "tools": [{"name": "look", "input_schema": {"type": "object"}, **fields}]}


def called(**fields: Any) -> Json:
    """A history with one tool call and its result."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}, **fields}
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "seen"}
    return {
        **HELLO,
        "messages": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
    }


def having(name: str, value: Any) -> Callable[[], Json]:
    return lambda: {**HELLO, name: value}


def given(made: Any) -> Callable[[], Any]:
    return lambda: made
