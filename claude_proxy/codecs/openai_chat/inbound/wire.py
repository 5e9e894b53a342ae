"""What whole answers and streams of Chat Completions have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.envelope import encode_error
from claude_proxy.codecs.openai_chat.inbound.thoughts import DETAILS_FORMAT
from claude_proxy.errors import STATUS, ClaudeProxyError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import ErrorBody, StopReason, Usage

FINISH_REASONS: Mapping[StopReason, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # Anthropic's servers wait for the same request again, which Chat cannot say.
    "pause_turn": "stop",
}

REFUSED = "The model refused to answer."
"""For a refusal without a word, which would look like an empty answer."""

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
CUT: ErrorBody = {"type": "api_error", "message": "The answer ended before it was complete."}

_ID = "msg_"


def finish_reason(reason: StopReason | None, *, functions: bool) -> str:
    """Chat's word; a reason that is newer than this code is the end of the turn."""
    finish = FINISH_REASONS.get(reason, "stop") if reason else "stop"
    return "function_call" if functions and finish == "tool_calls" else finish


def answer_id(message_id: str, prefix: str = "chatcmpl-") -> str:
    return prefix + message_id.removeprefix(_ID)


def chat_usage(usage: Usage) -> Json:
    """Token counts in Chat's terms: its `prompt_tokens` includes what the cache held."""
    # Servers of Messages may leave out, or send null, what they do not count.
    written = usage.get("cache_creation_input_tokens") or 0
    read = usage.get("cache_read_input_tokens") or 0
    prompt = usage["input_tokens"] + written + read
    details: Json = {"cached_tokens": read}
    if written:
        details["cache_write_tokens"] = written  # OpenRouter's name
    counts: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": usage["output_tokens"],
        "total_tokens": prompt + usage["output_tokens"],
        "prompt_tokens_details": details,
    }
    if found := usage.get("output_tokens_details"):
        counts["completion_tokens_details"] = {"reasoning_tokens": found["thinking_tokens"]}
    return counts


def merged(usage: Usage, later: Usage) -> Usage:
    """Later counts override earlier ones unless they are zero or missing."""
    counts: Any = {**usage, **{name: count for name, count in later.items() if count}}
    result: Usage = counts
    return result


def error_chunk(error: ErrorBody) -> bytes:
    """An error in the middle of a stream."""
    # Servers of Messages may have types that are newer than this code.
    type = error["type"] if error["type"] in STATUS else "api_error"
    told = ClaudeProxyError(error["message"], type=type, status=STATUS[type])
    return b"data: " + dumps(encode_error(told)[1]) + b"\n\n"


def reasoning_detail(index: int, text: str, signature: str = "") -> Json:
    """A thinking block, or a piece of one, as clients collect it by index and send it back (see
    `earlier_thinking`)."""
    signed: Json = {"signature": signature} if signature else {}
    return {"type": "reasoning.text", "text": text, **signed, **_place(index)}


def encrypted_detail(index: int, block: Json) -> Json:
    """A block of encrypted thinking, likewise."""
    return {"type": "reasoning.encrypted", "data": block.get("data"), **_place(index)}


def _place(index: int) -> Json:
    return {"format": DETAILS_FORMAT, "index": index}


def annotations(citations: Sequence[Json], start: int, end: int) -> list[Json]:
    """Citations of the web as Chat's `url_citation`; the text they stand for is from start to end.

    Those of documents have no place in Chat.
    """
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": end,
                "url": citation["url"],
                "title": citation.get("title") or "",
            },
        }
        for citation in citations
        if isinstance(citation.get("url"), str)
    ]
