"""What an upstream that speaks Anthropic Messages says, as the bytes on its wire."""

import json
from collections.abc import Mapping
from typing import Any

from tests.upstream import Reply

Json = dict[str, Any]

USAGE: Json = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 11,
    "output_tokens": 1,
}
PASSED: Mapping[str, str] = {
    "request-id": "req_011CUpstream",
    "anthropic-ratelimit-requests-remaining": "41",
    "anthropic-organization-id": "org-1",
    "anthropic-brand-new": "yes",
    "retry-after": "3",
}
KEPT_BACK: Mapping[str, str] = {
    "set-cookie": "a=b",
    "x-internal": "secret",
    "cf-ray": "1",
    "location": "https://elsewhere.example",
}


def event(kind: str, **fields: Any) -> bytes:
    """One event as Anthropic writes it."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def said(*texts: str, stop: str = "end_turn", **message: Any) -> list[bytes]:
    """A correct stream that says these texts, one event an entry."""
    start = {
        "id": "msg_01Upstream",
        "type": "message",
        "role": "assistant",
        "model": "claude-upstream",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
        **message,
    }
    deltas = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        for text in texts
    ]
    return [
        event("message_start", message=start),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *deltas,
        event("content_block_stop", index=0),
        event(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": 42},
        ),
        event("message_stop"),
    ]


def message(text: str = "ok", **more: Any) -> bytes:
    """A whole answer, written as nobody else would."""
    whole = {
        "id": "msg_01Upstream",
        "type": "message",
        "role": "assistant",
        "model": "claude-upstream",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 42},
        **more,
    }
    return json.dumps(whole, indent=1).encode()


def refused(status: int, kind: str, text: str, **headers: str) -> Reply:
    """An error in Anthropic's envelope, spaced oddly; headers are given with underscores."""
    error = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_0"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(error, indent=2).encode() + b"\n", status=status, headers=named)
