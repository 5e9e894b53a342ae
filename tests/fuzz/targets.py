"""What atheris calls with any bytes, and the corpus that it starts from. No pytest in here."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.codecs.openai_chat.plays import PLAYS, play_bytes
from tests.codecs.openai_responses import plays as responses_plays
from tests.fuzz.checks import check_body, check_framing, check_responses, check_stream
from tests.request_cases import NAMED, load_captures, load_cases

PROFILES = [NAMED[name] for name in sorted(NAMED)]


def framing(data: bytes) -> None:
    """The first byte says how long an event may be, the second how it is cut."""
    limit, seed = (data[0], data[1]) if len(data) > 1 else (0, 0)
    # The mark at the very start counts only while its line is unfinished.
    check_framing(data[2:].removeprefix(b"\xef\xbb\xbf"), 1 << 20 if limit < 128 else limit, seed)


def stream(data: bytes) -> None:
    check_stream(data[1:], data[0] if data else 0)


def request(data: bytes) -> None:
    """The first byte chooses the upstream's profile."""
    check_body(data[1:], PROFILES[(data[0] if data else 0) % len(PROFILES)])


def responses(data: bytes) -> None:
    check_responses(data[1:], data[0] if data else 0)


Target = Callable[[bytes], None]
TARGETS: Mapping[str, Target] = {
    "framing": framing,
    "stream": stream,
    "responses": responses,
    "request": request,
}


def seeds(target: str) -> list[bytes]:
    """Recorded streams, golden requests and requests of a real client."""
    if target == "request":
        bodies = [*(case.messages for case in load_cases()), *load_captures().values()]
        return [bytes([at % 256]) + json.dumps(body).encode() for at, body in enumerate(bodies)]
    if target == "responses":
        return [b"\x07" + responses_plays.bytes_of(path) for path in responses_plays.PLAYS]
    head = b"\x00\x07" if target == "framing" else b"\x07"
    return [head + play_bytes(path) for path in PLAYS]


def write_seeds(target: str, folder: Path) -> None:
    for number, seed in enumerate(seeds(target)):
        (folder / f"seed{number:03}").write_bytes(seed)
