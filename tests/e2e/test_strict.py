"""The strict upstream of these tests refuses what real ones refuse."""

from typing import Any

import pytest

from tests.e2e.strict import complaints

USER = {"role": "user", "content": "hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "a", "content": "ok"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

WRONG = [
    ("unknown field", {"messages": [USER], "thinking": {}}),
    ("role", {"messages": [{"role": "robot", "content": "hi"}]}),
    ("empty content", {"messages": [{"role": "user", "content": []}]}),
    ("part type", {"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
    ("results", {"messages": [USER, ASKED, USER]}),
    ("without results", {"messages": [USER, ASKED]}),
    ("answers no call", {"messages": [USER, TOLD]}),
    ("answers no call", {"messages": [USER, ASKED, TOLD, TOLD]}),
    ("ids of its calls", {"messages": [{**ASKED, "tool_calls": [CALL, CALL]}, TOLD]}),
    ("is there twice", {"messages": [USER], "tools": [TOOL, TOOL]}),
    ("tool name", {"messages": [USER], "tools": [{**TOOL, "function": {"name": "f" * 65}}]}),
    ("not an object", {"messages": [USER], "tools": [{**TOOL, "function": {"name": "f"}}]}),
    ("type", {"messages": [USER], "tools": [{**TOOL, "type": "web_search"}]}),
    ("without tools", {"messages": [USER], "tool_choice": "auto"}),
]


@pytest.mark.parametrize(("complaint", "body"), WRONG)
def test_wrong_request_is_complained_about(complaint: str, body: dict[str, Any]) -> None:
    assert any(complaint in found for found in complaints(body))


def test_right_request_is_taken() -> None:
    body = {"model": "m", "messages": [USER, ASKED, TOLD], "tools": [TOOL], "stream": True}
    assert complaints(body) == []
