"""Every pattern of ours takes linear time on text that is made to slow it down."""

import importlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import claude_proxy
from claude_proxy.codecs.fold import parse_input
from claude_proxy.codecs.jsonio import loads_body
from claude_proxy.codecs.openai_chat import decode_error
from claude_proxy.errors import RequestError
from claude_proxy.tokens import estimate_text
from tests.faults.hostile_values import SLOW_TEXTS

pytestmark = pytest.mark.fault("redos")
USES = {
    "_CLAUDE": "match",
    "_FIRST_KEY": "match",
    "_HTML": "match",
    "_CLIENT_ID": "fullmatch",
    "_HOST": "fullmatch",
    "_HEADER_NAME": "fullmatch",
    "_NAME": "fullmatch",
}
"""How a pattern is used where it is not searched for in the whole text."""

MORE = {
    "a start again and again": "anthropic/us.",
    "almost the end": "9,9 tokens > ",
    "blanks and a bracket": ' "a" , ',
    "names": "api_key : ",
    "sizes": "maximum 9,999,999,999 ",
}


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    root = Path(claude_proxy.__path__[0])
    for path in sorted(root.rglob("*.py")):
        name = ".".join(("claude_proxy", *path.relative_to(root).with_suffix("").parts))
        if name.endswith((".__init__", "claude_proxy.__main__", "claude_proxy.main")):
            continue  # importing the last two starts the server
        if name == "claude_proxy.server.worker":
            continue  # needs the extra `production`
        module = importlib.import_module(name)
        for name, value in vars(module).items():
            for each in value if isinstance(value, tuple) else (value,):
                pattern = (
                    getattr(each, "pattern", None) if not isinstance(each, re.Pattern) else each
                )
                if isinstance(pattern, re.Pattern):
                    yield name, pattern


PATTERNS = list(patterns())


def seconds(name: str, pattern: re.Pattern[str] | re.Pattern[bytes], text: str) -> float:
    target = text.encode() if isinstance(pattern.pattern, bytes) else text
    started = time.process_time()
    match USES.get(name):
        case "match":
            pattern.match(target)
        case "fullmatch":
            pattern.fullmatch(target)
        case _:
            for _ in pattern.finditer(target):
                pass
    return time.process_time() - started


def check(length: int, most: float, ends: tuple[str, ...] = ("", "}", "!x")) -> None:
    for name, pattern in PATTERNS:
        for piece in {**SLOW_TEXTS, **MORE}.values():
            text = (piece * length)[:length]
            for end in ends:
                took = seconds(name, pattern, text + end)
                assert took < most, f"{name} {pattern.pattern!r} on {piece!r}: {took:.1f} s"


def test_all_patterns_are_here():
    assert len(PATTERNS) > 40 and {"_PIECES", "_PATTERN", "_RATE"} <= {name for name, _ in PATTERNS}


def test_the_check_finds_a_slow_pattern():
    assert seconds("slow", re.compile(r"(a|aa)+$"), "a" * 27 + "b") > 0.05


def test_no_pattern_is_slow():
    check(5_000, 0.15)


@pytest.mark.slow
def test_no_pattern_is_slow_on_a_megabyte():
    check(1_000_000, 10, ("!x",))


@pytest.mark.parametrize("piece", {**SLOW_TEXTS, **MORE}.values(), ids=[*SLOW_TEXTS, *MORE])
def test_what_reads_foreign_text_is_not_slow(piece):
    text = (piece * 200_000)[:200_000]
    started = time.process_time()
    parse_input("{" + text)
    decode_error(400, text.encode())
    estimate_text(text)
    try:
        loads_body(b'{"a":"\\ud83d' + text.encode())
    except RequestError:
        pass
    assert time.process_time() - started < 5
