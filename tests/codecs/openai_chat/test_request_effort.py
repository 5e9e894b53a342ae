"""Reasoning that is asked for in more than a level; the levels have golden cases."""

from dataclasses import replace
from typing import Any

from claude_proxy.codecs.openai_chat import encode_request
from claude_proxy.profiles import profile_for


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
