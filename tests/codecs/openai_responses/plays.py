"""Plays of Responses streams; their form is that of the Chat plays, with these inputs besides:

>> event NAME {"output_index": 0}       an event of this type, `response.` in front of it
>> added 0 {"type": "message"}          an item that begins
>> text 0 "Hi"                          more of its text; `args`, `summary` alike
>> done 0 {"type": "message", …}        an item that ends
>> completed {"status": "completed"}    the last event; `incomplete`, `failed` alike
"""

import json
from collections.abc import Iterable
from pathlib import Path

from claude_proxy.codecs.openai_responses import StreamDecoder
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StreamEvent
from tests.codecs.openai_chat.plays import ID, TOOL_NAMES, payload, play_bytes, read_input
from tests.request_cases import NAMED

FOLDER = Path(__file__).parents[2] / "cases" / "openai_responses" / "stream"
PLAYS = sorted(FOLDER.glob("*.txt"))
GPT_5 = NAMED["openai/gpt-5"]
ITEMS = {"added": "output_item.added", "done": "output_item.done"}
DELTAS = {
    "text": "output_text.delta",
    "args": "function_call_arguments.delta",
    "summary": "reasoning_summary_text.delta",
}
ENDS = ("completed", "incomplete", "failed", "cancelled")


def decoder(profile: Profile = GPT_5) -> StreamDecoder:
    """What every play talks to; 1,000 is the estimate of the input."""
    return StreamDecoder(
        profile=profile, id=ID, model="claude-x", tool_names=TOOL_NAMES, estimate=lambda: 1000
    )


def event(name: str, fields: Json) -> bytes:
    type = f"response.{name}"
    return f"event: {type}\n".encode() + payload({"type": type, **fields})


def item(name: str, index: int, item: Json) -> bytes:
    return event(ITEMS[name], {"output_index": index, "item": item})


def delta(name: str, index: int, text: str) -> bytes:
    return event(DELTAS[name], {"output_index": index, "delta": text})


def end(response: Json, name: str = "completed") -> bytes:
    return event(name, {"response": response})


def read(text: str) -> bytes | None:
    kind, _, rest = text.partition(" ")
    first, _, fields = rest.partition(" ")
    if kind == "event":
        return event(first, json.loads(fields))
    if kind in ITEMS:
        return item(kind, int(first), json.loads(fields))
    if kind in DELTAS:
        return delta(kind, int(first), json.loads(fields))
    return end(json.loads(rest), kind) if kind in ENDS else read_input(text)


def bytes_of(path: Path) -> bytes:
    return play_bytes(path, read)


def decode(pieces: Iterable[bytes], profile: Profile = GPT_5) -> list[StreamEvent]:
    """All events of a stream that comes in these pieces."""
    stream = decoder(profile)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events + stream.close()
