"""Requests of the real client, as routing gets them. Their long texts were taken out."""

import json
from pathlib import Path
from typing import Any

from claude_proxy.codecs import Peek
from claude_proxy.codecs.jsonio import Body
from claude_proxy.routing import Asked

FOLDER = Path(__file__).parents[1] / "captures"
SESSION = "19f82a4b-a817-4083-a06a-9089246c82ba"
SUB = {"x-claude-code-session-id": SESSION, "x-claude-code-agent-id": "a853893b325be6ed6"}
"""The headers of a subagent's request."""


def captured(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return body


def asked(body: dict[str, Any], **headers: str) -> Asked:
    """Of a body, and headers with underscores."""
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Asked(Body(json.dumps(body).encode()), pairs)


def peek(body: dict[str, Any], **headers: str) -> Peek:
    return Peek(body.get("model", "claude-opus-5-5"), stream=False, asked=asked(body, **headers))


def as_sub(body: dict[str, Any]) -> Asked:
    return asked(body, **SUB)


def fork_of(main: dict[str, Any]) -> dict[str, Any]:
    """The fork's own first request, as the client makes it of its parent's history: behind the
    call stand a result that promises one, and what the fork is to do."""
    call = main["messages"][2]["content"][1]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "Fork started"}
    told = f"<fork>\nYou are the fork.\n\n{call['input']['prompt']}\n</fork>"
    messages = [*main["messages"][:3], {"role": "user", "content": [result, text(told)]}]
    mark = text("x-anthropic-billing-header: cc_version=2.1.329.3c4; cc_is_subagent=true;")
    return {**main, "messages": messages, "system": [mark, *main["system"][1:]]}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}
