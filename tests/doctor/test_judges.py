"""What judges make of answers that the scripted models do not give."""

from typing import Any

import pytest

from claude_proxy.doctor import judges
from claude_proxy.doctor.findings import Heard, Seen, parts_of
from claude_proxy.doctor.questions import ABSURD
from claude_proxy.errors import ClaudeProxyError, UpstreamError


def heard(*blocks: dict[str, Any], stop: str = "end_turn", **more: Any) -> Heard:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message: Any = {"content": list(blocks), "stop_reason": stop, "usage": usage}
    return Heard({"model": "m", "messages": []}, more.pop("sent", {}), message=message, **more)


def said(text: str, **more: Any) -> Heard:
    return heard({"type": "text", "text": text}, **more)


def calls(name: str, **input: str) -> Heard:
    return heard({"type": "tool_use", "id": "1", "name": name, "input": input})


THOUGHT = heard({"type": "thinking", "thinking": "Hm", "signature": ""})

JUDGED = [
    (judges.text, THOUGHT, "degraded", "spends all its tokens on reasoning"),
    (judges.stream, heard(), "failed", "streams nothing"),
    (judges.stream, said("one", streamed=True), "degraded", "in one piece"),
    (judges.few_tokens, said("one"), "unknown", "ended before"),
    (judges.stop, said("one six", sent={"stop": ["five"]}), "degraded", "ignores"),
    (judges.stop, said("1 2 3", sent={"stop": ["five"]}), "unknown", "does not show"),
    (judges.temperature, said("x"), "unsupported", "not sent"),
    (judges.tool, calls("get_time", city="Paris"), "degraded", "another one"),
    (judges.tool, calls("get_weather"), "degraded", "other arguments"),
    (judges.tool, said("Sunny, I think."), "failed", "does not call tools"),
    (judges.tools_at_once, said("no"), "degraded", "calls none"),
    (judges.tool_named, said("no"), "degraded", "ignored"),
    (judges.tool_required, said("no"), "degraded", "ignored"),
    (judges.long_name, said("no"), "degraded", "not called"),
    (judges.tool_result, calls("get_weather"), "degraded", "in circles"),
    (judges.tool_result, said("Fine weather"), "degraded", "does not use"),
    (judges.tool_result, heard(), "failed", "says nothing"),
    (judges.color("red"), said("It is GREEN."), "degraded", "red was 'It is GREEN.'"),
    (judges.schema, said("Paris"), "degraded", "something else than JSON"),
    (judges.schema, said('{"town": "Paris"}'), "degraded", "other JSON"),
    (judges.thinks_not, said("391"), "ok", "can be turned off"),
    (
        judges.later_system,
        said("blue", sent={"messages": [{"role": "user"}, {"role": "system"}]}),
        "ok",
        "accepted.",
    ),
]


@pytest.mark.parametrize(("judge", "answer", "state", "says"), JUDGED)
def test_verdicts(judge: judges.Judge, answer: Heard, state: str, says: str) -> None:
    verdict = judge(answer, Seen())
    assert verdict.state == state
    assert says in verdict.says


# Wordings as upstreams have them, with other numbers.
LIMITS = [
    (
        "max_tokens is too large: 100000000. This model supports at most 16384 completion tokens",
        16384,
    ),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
    ("`max_tokens` must be less than or equal to `32768`, the maximum for this model", 32768),
    ("max_tokens must be at most 1,048.", 1048),
    ("invalid params, max_tokens too large for gpt-4-0613 (2013)", 2013),
    ("too large for gpt-4-0613", None),
    ("too large", None),
]


@pytest.mark.parametrize(("message", "limit"), LIMITS)
def test_limits_are_read(message: str, limit: int | None) -> None:
    refused = Heard({"model": "m", "messages": []}, {}, error=UpstreamError(message, status=400))
    assert judges.told_limit(refused) == (("max_output_tokens", limit) if limit else None)
    verdict = judges.limit_refused(refused, Seen())
    assert verdict is not None
    assert verdict.state == ("ok" if limit else "unknown")


def test_a_window_is_read() -> None:
    message = (
        "This model's maximum context length is 40960 tokens and your request has 300 input "
        f"tokens ({ABSURD} > 40960 - 300)."
    )
    refused = Heard({"model": "m", "messages": []}, {}, error=UpstreamError(message, status=400))
    assert judges.told_limit(refused) == ("context_window", 40960)
    assert judges.learn_limit(refused, Seen()) == {"context_window": 40960}


REFUSALS = [
    (UpstreamError("x", status=400), True),
    (UpstreamError("x", status=422), True),
    (UpstreamError("x", status=502), False),
    (UpstreamError("x", status=502, quoted=True), True),
    (UpstreamError("x", status=401), False),
    (UpstreamError("x", status=429), False),
    (ClaudeProxyError("x", status=400), False),
    (None, False),
]


@pytest.mark.parametrize(("error", "refused"), REFUSALS)
def test_what_is_a_refusal(error: ClaudeProxyError | None, refused: bool) -> None:
    assert Heard({"model": "m", "messages": []}, {}, error=error).refused == refused


def test_words_are_put_on_one_short_line() -> None:
    error = UpstreamError("one\n two \x1b[31m" + "x" * 200)
    line = Heard({"model": "m", "messages": []}, {}, error=error).said
    assert line.startswith("one two ?[31mxxx")
    assert line.endswith("...")
    assert len(line) < 170


@pytest.mark.parametrize("raw", [b"", b"[1]", b"<html>", b"data: x\n\n", b"data: [DONE]\n\n"])
def test_what_are_no_parts(raw: bytes) -> None:
    assert parts_of(raw, streamed=raw.startswith(b"data")) == []


def test_reasoning_is_found_in_any_part() -> None:
    odd = [{}, {"choices": []}, {"choices": [5]}, {"choices": [{"delta": {"reasoning": "Hm"}}]}]
    assert heard(parts=odd).reasoning_field == "reasoning"
    assert THOUGHT.reasoning_field == "the text"
    assert said("x").reasoning_field is None
