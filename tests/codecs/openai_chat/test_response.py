"""Whole Chat answers: golden cases, and what is no answer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.openai_chat.response import decode_response
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import GENERIC, Profile
from claude_proxy.types.anthropic import Message
from tests.request_cases import NAMED

FOLDER = Path(__file__).parents[2] / "cases" / "openai_chat" / "response"
CASES = sorted(FOLDER.glob("*.json"))


def decode(body: Any, profile: Profile = GENERIC) -> Message:
    return decode_response(
        body,
        profile=profile,
        id="msg_0",
        model="claude-x",
        tool_names={"short_1": "a/very.long name"},
        estimate=lambda: 1000,
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    assert set(case) - {"profile"} == {"why", "chat", "message"} and case["why"]
    profile = NAMED[case.get("profile", "generic")]
    before = copy.deepcopy(case["chat"])
    common = {"id": "msg_0", "type": "message", "role": "assistant", "model": "claude-x"}
    assert decode(case["chat"], profile) == {**common, "stop_sequence": None, **case["message"]}
    assert case["chat"] == before


def test_there_are_cases() -> None:
    assert len(CASES) >= 15


NO_ANSWERS = [
    ("not an object", [], "not a JSON object"),
    ("no choices", {"id": "x"}, "no choices"),
    ("null choices", {"choices": None}, "no choices"),
    ("empty choices", {"choices": []}, "no choices"),
    ("a choice of the wrong type", {"choices": ["a"]}, "no choices"),
    ("another choice", {"choices": [{"index": 1, "message": {}}]}, "no choices"),
    ("no message", {"choices": [{}]}, "choices.0.message of"),
    ("a message of the wrong type", {"choices": [{"message": "a"}]}, "choices.0.message of"),
    ("content of the wrong type", {"choices": [{"message": {"content": 1}}]}, "message.content"),
]


@pytest.mark.parametrize(
    ("body", "words"), [n[1:] for n in NO_ANSWERS], ids=[n[0] for n in NO_ANSWERS]
)
def test_what_is_no_answer(body: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        decode(body)


FAILURES = [
    ({"error": {"message": "slow down", "code": 429}}, 429, "slow down"),
    ({"error": "broken", "choices": []}, 502, "broken"),
    ([{"error": {"message": "busy", "code": 503}}], 503, "busy"),
    (
        {"choices": [{"message": {"content": "a"}, "finish_reason": "error"}]},
        502,
        "The upstream broke its answer off with an error.",
    ),
    (
        {"error": {"message": "maximum context length is 10 tokens"}},
        400,
        "prompt is too long: more than 10 tokens > 10 maximum",
    ),
]


@pytest.mark.pitfall(8)
@pytest.mark.parametrize(("body", "status", "message"), FAILURES)
def test_errors_with_status_200_are_raised(body: Any, status: int, message: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        decode(body)
    assert (caught.value.status, caught.value.message) == (status, message)


def test_names_and_estimate_are_optional() -> None:
    body = {"choices": [{"message": {"content": "abcde"}, "finish_reason": "stop"}]}
    message = decode_response(body, profile=GENERIC, id="msg_0", model="m")
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (0, 2)


odd_values = st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=2)
small_answers = st.fixed_dictionaries(
    {
        "choices": st.fixed_dictionaries(
            {
                "message": st.fixed_dictionaries(
                    {"content": st.sampled_from(["a", "", None])},
                    optional={
                        "role": st.sampled_from(["assistant", "", None]),
                        "reasoning": odd_values,
                        "refusal": odd_values,
                        "tool_calls": st.sampled_from([None, [], [{"function": {"name": "f"}}]]),
                    },
                ),
                "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "", None]),
            },
            optional={
                "index": st.sampled_from([0, None, "a"]),
                "logprobs": odd_values,
                "stop_reason": odd_values,
            },
        ).map(lambda choice: [choice])
    },
    optional={
        "usage": st.none()
        | st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens", "x"]), odd_values),
        "error": st.sampled_from([None, ""]),
    },
)


@given(small_answers)
def test_the_short_way_gives_what_the_long_way_gives(body: Any) -> None:
    # A field of Groq's, even an empty one, is unusual.
    assert decode(body) == decode({**body, "x_groq": None})
