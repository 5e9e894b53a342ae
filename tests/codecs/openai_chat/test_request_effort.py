"""Reasoning that is asked for in more than a level; the levels have golden cases."""

from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs.openai_chat import encode_request
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.effort import wanted_effort
from claude_proxy.codecs.openai_chat.request import context_of
from claude_proxy.profiles import GENERIC, profile_for


def test_thoughts_that_are_refused_are_not_asked_for() -> None:
    gemini = profile_for("https://generativelanguage.googleapis.com", "gemini-3-pro")
    request: Any = {
        "model": "m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    }
    assert "reasoning_effort" not in encode_request(request, profile=gemini)
    refused = replace(gemini, without=frozenset({"extra_body"}))
    sent = encode_request(request, profile=refused)
    assert sent["reasoning_effort"] == "low" and "extra_body" not in sent


OFF, LOW = {"thinking": {"type": "disabled"}}, {"output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    ("efforts", "asked", "wanted", "noted"),
    [
        (("none", "low", "high"), OFF, "none", []),
        (("low", "high"), OFF, None, ["thinking"]),
        (("medium", "high"), LOW, "medium", ["output_config.effort"]),
        (("low", "high"), {}, None, []),
    ],
)
def test_the_nearest_level_is_wanted(
    efforts: Any, asked: Any, wanted: str | None, noted: list[str]
) -> None:
    paths: list[str] = []
    profile = replace(GENERIC, thinking="effort", efforts=efforts)
    notes = Notes(lambda path, why: paths.append(path))
    request: Any = {"model": "m", "max_tokens": 99, "messages": [], **asked}
    assert wanted_effort(request, context_of(request, profile, notes, None, None)) == wanted
    assert paths == noted
