"""What the CLI prints, as lines: `tests/cases/claude_cli/stream`, and builders for more."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from claude_proxy.codecs.claude_cli import StreamDecoder
from claude_proxy.profiles import profile_for
from claude_proxy.profiles.claude_cli import ADDRESS
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StreamEvent

ID = "msg_ours"
CLI = profile_for(ADDRESS, "opus")
TOLD = replace(CLI, text_calls="told")
"""With tools in the prompt."""
PLAYS = sorted((Path(__file__).parents[2] / "cases/claude_cli/stream").glob("*.json"))
USAGE = {
    "input_tokens": 10,
    "output_tokens": 1,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 5,
}


@dataclass(frozen=True, slots=True)
class Play:
    """One answer: what was printed (a text stands for a line that is no JSON), and its events."""

    why: str
    lines: list[Json | str]
    events: list[Json]
    tool_names: dict[str, str]

    @property
    def data(self) -> bytes:
        return printed(self.lines)


def load(path: Path) -> Play:
    told = json.loads(path.read_text(encoding="utf-8"))
    return Play(told["why"], told["lines"], told["events"], told.get("tool_names", {}))


def printed(lines: Iterable[Json | str]) -> bytes:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "".join(f"{text}\n" for text in texts).encode()


def decoder(tool_names: dict[str, str] | None = None, **more: Any) -> StreamDecoder:
    return StreamDecoder(profile=CLI, id=ID, model="opus", tool_names=tool_names, **more)


def decode(
    parts: Sequence[bytes], tool_names: dict[str, str] | None = None, **more: Any
) -> list[StreamEvent]:
    reading = decoder(tool_names, **more)
    events = [event for part in parts for event in reading.feed(part)]
    return [*events, *reading.close()]


def event(kind: str, **fields: Any) -> Json:
    return {"type": "stream_event", "event": {"type": kind, **fields}, "parent_tool_use_id": None}


def said(*blocks: Json, stop: str | None = "end_turn") -> list[Json]:
    """A message as the CLI prints it: its events, and a line for each whole block."""
    about = {"id": "msg_theirs", "type": "message", "role": "assistant", "model": "claude-x"}
    lines = [event("message_start", message={**about, "content": [], "usage": USAGE})]
    for index, block in enumerate(blocks):
        lines += _block(index, block)
        whole = {"type": "assistant", "message": {**about, "content": [block]}}
        lines += [{**whole, "parent_tool_use_id": None}]
        lines += [event("content_block_stop", index=index)]
    if stop is not None:
        delta = {"stop_reason": stop, "stop_sequence": None}
        lines += [event("message_delta", delta=delta, usage={"output_tokens": 7})]
    return [*lines, event("message_stop")]


def _block(index: int, block: Json) -> list[Json]:
    def delta(kind: str, name: str, text: str) -> Json:
        return event("content_block_delta", index=index, delta={"type": kind, name: text})

    def start(empty: Json) -> Json:
        return event("content_block_start", index=index, content_block=empty)

    if block["type"] == "text":
        half = len(block["text"]) // 2
        pieces = (block["text"][:half], block["text"][half:])
        return [
            start({"type": "text", "text": ""}),
            *(delta("text_delta", "text", piece) for piece in pieces),
        ]
    if block["type"] == "thinking":
        return [
            start({"type": "thinking", "thinking": "", "signature": ""}),
            delta("thinking_delta", "thinking", block["thinking"]),
            delta("signature_delta", "signature", block["signature"]),
        ]
    if block["type"] == "tool_use":
        raw = json.dumps(block["input"])
        return [
            start({**block, "input": {}}),
            delta("input_json_delta", "partial_json", raw[:3]),
            delta("input_json_delta", "partial_json", raw[3:]),
        ]
    return [start(block)]


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def call(id: str, name: str = "mcp__px__Read", **input: Any) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(told: str = "", **fields: Any) -> Json:
    good = {"type": "result", "subtype": "success", "is_error": False, "usage": USAGE}
    return {**good, "result": told, **fields}


def failed(told: str, status: int | None = None, **fields: Any) -> Json:
    return result(told, is_error=True, api_error_status=status, **fields)
