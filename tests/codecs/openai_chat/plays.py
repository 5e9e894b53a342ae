"""Plays: golden files of streams. `>>` is what the upstream sends, `<<` what comes out of it.

    # why this case is there
    @ minimax/m3                      the profile, if it is not the generic one
    >> delta {"content": "Hi"}        a chunk with this delta
    >> finish stop                    a chunk with this finish reason
    >> json {"usage": {…}}            any payload
    >> raw "data: x\\r\\n"              any bytes, as a Python literal without the b
    >> done                           `data: [DONE]`
    >> eof                            the upstream closes its side; every play ends so
    << start 0 text                   one event, in short: see `line`

Events are compared after each run of `>>` lines, so a play also says *when* they come.
"""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from claude_proxy.codecs.openai_chat.stream import StreamDecoder
from claude_proxy.profiles import GENERIC, Profile
from claude_proxy.types.anthropic import StreamEvent
from tests.request_cases import NAMED

FOLDER = Path(__file__).parents[2] / "cases" / "openai_chat" / "stream"
PLAYS = sorted(FOLDER.glob("*.txt"))
ID = "msg_0"
TOOL_NAMES = {"short_1": "a/very.long name"}


def decoder(profile: Profile = GENERIC) -> StreamDecoder:
    """What every play talks to; 1,000 is the estimate of the input."""
    return StreamDecoder(
        profile=profile, id=ID, model="claude-x", tool_names=TOOL_NAMES, estimate=lambda: 1000
    )


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return payload({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]})


def payload(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def profile_of(path: Path) -> Profile:
    second = path.read_text("utf-8").split("\n")[1]
    return NAMED[second.removeprefix("@ ")] if second.startswith("@") else GENERIC


Read = Callable[[str], bytes | None]


def read_play(path: Path, read: Read | None = None) -> list[tuple[list[bytes | None], list[str]]]:
    """Runs of input, `None` for the end, each with the lines that must come out of it."""
    read = read or read_input
    first, *lines = path.read_text("utf-8").split("\n")
    if not first.startswith("# "):
        raise ValueError(f"{path.name}: the first line must say why")
    if lines and lines[0].startswith("@ "):
        lines[0] = ""
    runs: list[tuple[list[bytes | None], list[str]]] = []
    for number, text in enumerate(filter(None, lines), 2):
        arrow, _, rest = text.partition(" ")
        if arrow == ">>":
            if not runs or runs[-1][1]:
                runs.append(([], []))
            runs[-1][0].append(read(rest))
        elif arrow == "<<" and runs:
            runs[-1][1].append(rest)
        else:
            raise ValueError(f"{path.name}:{number}: neither >> nor <<: {text}")
    if not runs or runs[-1][0][-1] is not None:
        raise ValueError(f"{path.name}: a play ends with >> eof")
    return runs


def read_input(text: str) -> bytes | None:
    kind, _, rest = text.partition(" ")
    match kind:
        case "delta":
            return chunk(json.loads(rest))
        case "finish":
            return chunk({}, rest)
        case "json":
            return payload(json.loads(rest))
        case "raw":
            literal = ast.literal_eval("b" + rest)
            assert isinstance(literal, bytes)
            return literal
        case "done":
            return b"data: [DONE]\n\n"
        case "eof":
            return None
    raise ValueError(f"unknown input: {text}")


def play_bytes(path: Path, read: Read | None = None) -> bytes:
    return b"".join(data for run, _ in read_play(path, read) for data in run if data is not None)


def decode(pieces: Iterator[bytes] | list[bytes], profile: Profile = GENERIC) -> list[StreamEvent]:
    """All events of a stream that comes in these pieces."""
    stream = decoder(profile)
    events = [event for piece in pieces for event in stream.feed(piece)]
    return events + stream.close()


def line(event: StreamEvent) -> str:
    """An event in one short line."""
    match event["type"]:
        case "content_block_start":
            block = event["content_block"]
            more = f" {block['id']} {block['name']}" if block["type"] == "tool_use" else ""
            return f"start {event['index']} {block['type']}{more}"
        case "content_block_delta":
            kind, *texts = event["delta"].values()
            return f"delta {event['index']} {kind} {json.dumps(texts[0], ensure_ascii=False)}"
        case "content_block_stop":
            return f"stop {event['index']}"
        case "message_delta":
            return _end(event["delta"], event["usage"])
        case "error":
            return f"error {event['error']['type']} {event['error']['message']}"
    return event["type"]


def _end(delta: dict, usage: dict) -> str:
    """`end REASON input+created+read>output`, with a stop sequence and reasoning if any."""
    counts = [usage[f"{name}input_tokens"] for name in ("", "cache_creation_", "cache_read_")]
    text = f"end {delta['stop_reason']} {'+'.join(map(str, counts))}>{usage['output_tokens']}"
    if delta["stop_sequence"] is not None:
        text += f" sequence={delta['stop_sequence']}"
    if "output_tokens_details" in usage:
        text += f" thinking={usage['output_tokens_details']['thinking_tokens']}"
    return text
