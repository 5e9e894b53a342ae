"""Calls and their results in writing, for a CLI that is given no server of tools.

    <tool_call>
    {"name": "Read", "arguments": {"file_path": "a.py"}}
    </tool_call>

    <tool_result name="Read" call="1">
    …
    </tool_result>

A call is part of what the model says, its result of what the user says. A call has no id in
writing: a model does not make any, and so a process that has the conversation from its client
remembers the same as one that has it from its model. Results are told in the order of their calls,
and by their numbers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from claude_proxy.codecs.claude_cli.pairing import Turn
from claude_proxy.codecs.claude_cli.talk import in_order
from claude_proxy.codecs.claude_cli.words import PREFIX
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.mending.offered import Offered, Tool
from claude_proxy.codecs.mending.text_calls import TextCalls
from claude_proxy.codecs.mending.written import TextCall
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.types import Json

_CALL, _TEXT = "tool_use", "text"
_NO_OUTPUT = {"type": _TEXT, "text": "(no output)"}
_END = re.compile(r"</(?=tool_result)", re.IGNORECASE)


def in_writing(turns: Iterable[Turn], notes: Notes) -> list[Turn]:
    """The same conversation without blocks of calls and results, of `paired` turns: the results
    stand where the user's turn begins, in the order of their calls."""
    written: list[Turn] = []
    called: list[str] = []
    for role, blocks in turns:
        if role == "assistant":
            called = [_name(block) for block in blocks if block["type"] == _CALL]
            written.append((role, spoken(blocks)))
        else:
            written.append((role, [*_heard(blocks, called, notes)]))
    return written


def spoken(blocks: Sequence[Json]) -> list[Json]:
    """What the model says, with its calls as text. The white space around them is always the same,
    as what the model made of it is lost on the way to the client and back."""
    if not any(block["type"] == _CALL for block in blocks):
        return [*blocks]
    said: list[Json] = []
    for is_text, run in groupby(blocks, lambda block: block["type"] in (_CALL, _TEXT)):
        if not is_text:
            said += run
        elif text := _text(run):
            said.append({"type": _TEXT, "text": text})
    return said


def _text(run: Iterable[Json]) -> str:
    """Words and calls, in their order."""
    parts: list[str] = []
    for kind, blocks in groupby(run, lambda block: block["type"]):
        if kind == _CALL:
            parts.append("\n".join(as_call(_name(call), call["input"]) for call in blocks))
        else:
            parts.append("".join(block["text"] for block in blocks).strip())
    return "\n\n".join(filter(None, parts))


def read_back(content: Sequence[Json], names: Iterable[str]) -> list[Json] | None:
    """What a model has said, with calls of these tools in the form that `spoken` gives them; None
    where it went on behind its calls, which its client does not know."""
    offered = {name: Tool(name, {}) for name in names}
    blocks: list[Json] = []
    called = False
    for part in (part for block in content for part in _parts(block, offered)):
        is_call = part["type"] == _CALL
        if called and not is_call:
            return None
        called = called or is_call
        blocks.append(part)
    return spoken(blocks)


def _parts(block: Json, offered: Offered) -> Iterator[Json]:
    if block.get("type") != _TEXT:
        yield block
        return
    reader = TextCalls(offered)
    for piece in [*reader.feed(str(block.get("text"))), *reader.finish()]:
        if isinstance(piece, TextCall):
            yield {"type": _CALL, "name": PREFIX + piece.name, "input": piece.input}
        elif piece.strip():
            yield {"type": _TEXT, "text": piece}


def as_call(name: str, input: Json) -> str:
    """A call as the model writes it."""
    # Clients give back the members of an input in an order of their own.
    body = dumps_text({"name": name, "arguments": in_order(input)})
    return f"<tool_call>\n{inert(body)}\n</tool_call>"


def inert(json: str) -> str:
    """The same JSON without anything that could be taken for a closing tag."""
    return json.replace("</", "<\\/")


def _name(call: Json) -> str:
    name: str = call["name"]
    return name.removeprefix(PREFIX)


def _heard(blocks: Sequence[Json], called: Sequence[str], notes: Notes) -> Iterator[Json]:
    """What the user says; `called` are the names of the turn's calls before."""
    results, rest = blocks[: len(called)], blocks[len(called) :]
    for number, (name, result) in enumerate(zip(called, results, strict=True), start=1):
        yield from _result(f'name="{name}" call="{number}"', result, notes)
    yield from rest


def _result(of: str, block: Json, notes: Notes) -> Iterator[Json]:
    failed = ' is_error="true"' if block.get("is_error") else ""
    lines = [f"<tool_result {of}{failed}>"]
    for inner in block.get("content") or (_NO_OUTPUT,):
        if inner["type"] == _TEXT:
            lines.append(_enclosed(inner["text"], notes))
        else:
            yield {"type": _TEXT, "text": "\n".join([*lines, ""])}
            yield inner
            lines = [""]
    yield {"type": _TEXT, "text": "\n".join([*lines, "</tool_result>"])}


def _enclosed(text: str, notes: Notes) -> str:
    """A text that does not end its result by itself."""
    told = _END.sub(r"<\\/", text)
    if told != text:
        why = "a closing tag in a result is told as <\\/tool_result>"
        notes.once("tool_result", "messages", why)
    return told
