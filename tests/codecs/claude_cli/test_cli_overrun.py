"""Answers that go on behind their written calls, line by line."""

from typing import Any

import pytest

from claude_proxy.codecs.claude_cli.overrun import Overrun
from claude_proxy.codecs.claude_cli.written import as_call
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.types import Json
from tests.codecs.claude_cli.plays import decoder, event, printed, said, text

CALL = as_call("look", {"n": 1})


def goes_on(*blocks: Json) -> bool:
    overrun = Overrun(["look"])
    for line in said(*blocks):
        overrun.read(line)
    return overrun.found


@pytest.mark.parametrize(
    "blocks",
    [
        [text("Nothing to call.")],
        [text(f"I look.\n\n{CALL}\n{CALL}\n")],
        [text(CALL), text(f"\n{CALL}")],
        [{"type": "thinking", "thinking": f"{CALL} so", "signature": "s"}, text(CALL)],
        [text(as_call("unknown", {})), text("So.")],
        # It was cut: whoever counts the tokens is heard to the end.
        [text(f"{CALL}\n{CALL[:30]}")],
    ],
)
def test_what_is_complete_is_heard_to_its_end(blocks: list[Json]) -> None:
    assert not goes_on(*blocks)


@pytest.mark.parametrize(
    "blocks",
    [
        [text(f"{CALL}\n<tool_result>made up")],
        [text(f"{CALL} and")],
        [text(CALL), text("and")],
        [text(CALL), {"type": "thinking", "thinking": "hm", "signature": "s"}],
        [text(f"{CALL}\n{as_call('unknown', {})}")],
    ],
)
def test_what_goes_on_is_noticed(blocks: list[Json]) -> None:
    assert goes_on(*blocks)


def test_it_is_noticed_with_the_first_word_and_ends_the_answer_well() -> None:
    overrun, reading, fold = Overrun(["look"]), decoder(), MessageFold()
    heard = 0
    words = [*f"I look.\n{CALL}\n", "<", "tool_result", ">", "made", " up"]
    start = event("content_block_start", index=0, content_block=text(""))
    deltas = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        for word in words
    ]
    sent: list[Any] = []
    for line in [said(text(""))[0], start, *deltas]:
        overrun.read(line)
        sent += reading.feed(printed([line]))
        heard += 1
        if overrun.found:
            break
    assert words[heard - 3] == "tool_result"
    sent += reading.feed(b"\n".join([*overrun.ending(), b""]))
    for one in sent:
        fold.feed(one)
    assert reading.done and reading.error is None
    assert fold.message["stop_reason"] == "end_turn"
    content: Any = fold.message["content"]
    assert content[0]["text"].startswith(f"I look.\n{CALL}")
    assert fold.message["usage"]["input_tokens"] == 10
    assert 10 < fold.message["usage"]["output_tokens"] < 60


def test_lines_of_others_say_nothing() -> None:
    overrun = Overrun(["look"])
    for line in ({"type": "result"}, {"type": "assistant"}, event("message_stop"), event("ping")):
        overrun.read(line)
    overrun.read(event("content_block_start", content_block=None))
    overrun.read(event("content_block_delta", delta=None))
    assert not overrun.found
