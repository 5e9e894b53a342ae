"""Whole Responses answers: golden cases, and what is no answer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.codecs.openai_responses import decode_error, decode_response
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.types.anthropic import Message
from tests.codecs.openai_responses.plays import GPT_5

FOLDER = Path(__file__).parents[2] / "cases" / "openai_responses" / "response"
CASES = sorted(FOLDER.glob("*.json"))


def decode(body: Any) -> Message:
    return decode_response(
        body,
        profile=GPT_5,
        id="msg_0",
        model="claude-x",
        tool_names={"short_1": "a/very.long name"},
        estimate=lambda: 1000,
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    assert set(case) == {"why", "responses", "message"} and case["why"]
    before = copy.deepcopy(case["responses"])
    common = {"id": "msg_0", "type": "message", "role": "assistant", "model": "claude-x"}
    assert decode(case["responses"]) == {**common, "stop_sequence": None, **case["message"]}
    assert case["responses"] == before


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


@pytest.mark.parametrize("body", [[], None, 5, {}, {"output": None}, {"choices": []}, {"id": "x"}])
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(ProtocolError, match="not a response object"):
        decode(body)


FAILURES = [
    ({"error": {"message": "slow down", "code": 429}}, 429, "slow down"),
    ([{"error": {"message": "busy", "code": 503}}], 503, "busy"),
    (
        {"object": "response", "status": "failed", "error": {"code": "x", "message": "broken"}},
        502,
        "broken",
    ),
    (
        {"object": "response", "status": "failed", "error": None, "output": []},
        502,
        "The upstream's answer failed, without a reason.",
    ),
    (
        {"object": "response", "status": "in_progress", "output": []},
        502,
        "The upstream's answer is still in progress.",
    ),
    (
        {"object": "response", "error": {"code": "invalid_image_url", "message": "no image"}},
        400,
        "no image",
    ),
]


@pytest.mark.parametrize(("body", "status", "message"), FAILURES)
def test_failures_with_status_200_are_raised(body: Any, status: int, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        decode(body)
    assert (caught.value.status, caught.value.message) == (status, message)


def test_errors_are_those_of_chat() -> None:
    error = decode_error(
        400,
        b'{"error": {"message": "Your input exceeds the context window of this model.", '
        b'"type": "invalid_request_error", "param": "input", "code": "context_length_exceeded"}}',
    )
    assert (error.status, error.message.partition(":")[0]) == (400, "prompt is too long")


def test_names_and_estimate_are_optional() -> None:
    body = {"output": [{"type": "message", "content": [{"type": "output_text", "text": "abcde"}]}]}
    message = decode_response(body, profile=GPT_5, id="msg_0", model="m")
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (0, 2)
