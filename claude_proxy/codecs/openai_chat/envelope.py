"""Errors as OpenAI's clients know them: `{"error": {"message", "type", "param", "code"}}`.

Its SDKs read nothing else: of `{"detail": "..."}`, as FastAPI writes it, or of plain text they tell
no more than the status (openai-python 3.57, openai-node 7.59).
"""

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.errors import (
    NO_QUOTA,
    Problem,
    problem_of,
    stream_error,
    told,
)
from claude_proxy.codecs.openai_chat.overflow import find_overflow
from claude_proxy.codecs.passing import EVENT_END
from claude_proxy.errors import Answer, ClaudeProxyError, UpstreamError, error_type
from claude_proxy.types import Json
from claude_proxy.types.anthropic import ErrorType

_NOT_FOUND = 404
"""May be about anything, a path or a file, not only a model."""

_OPENAI_TYPES: dict[ErrorType, tuple[str, str | None]] = {
    "invalid_request_error": ("invalid_request_error", None),
    "authentication_error": ("authentication_error", "invalid_api_key"),
    "billing_error": ("insufficient_quota", "insufficient_quota"),
    "permission_error": ("permission_error", None),
    "not_found_error": ("invalid_request_error", "model_not_found"),
    "request_too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit_error": ("rate_limit_error", "rate_limit_exceeded"),
    "api_error": ("server_error", None),
    "overloaded_error": ("server_error", "overloaded"),
    "timeout_error": ("server_error", "timeout"),
}
"""`type` and, unless the error has its own, `code` in OpenAI's envelope."""


def encode_error(error: ClaudeProxyError, /, *, request_id: str | None = None) -> tuple[int, Json]:
    """Status and body for an OpenAI client; the request id has no place in that body."""
    type, code = _OPENAI_TYPES[error.type]
    code = error.code or code
    type = NO_QUOTA if code == NO_QUOTA else type
    if code is None and error.status == 400 and error.param is None:
        # Messages has no code for an overflow, only a sentence.
        overflow = find_overflow(error.message, frozenset(), {})
        code = None if overflow is None else "context_length_exceeded"
    body = {"message": error.message, "type": type, "param": error.param, "code": code}
    return error.status, {"error": body}


def enveloped(status: int, body: bytes, /) -> bytes:
    """An upstream's error, so that OpenAI's clients can read it.

    The very bytes where they can. Else an `error` in the upstream's own words, with its code and
    type as far as it told them, beside all other fields that it had.
    """
    value, problem = problem_of(body)
    has = isinstance(value, dict)
    inner = value.get("error") if has else None
    if isinstance(inner, dict) and _is_text(inner.get("message")):
        event = body.lstrip().startswith(b"data:")
        return body.strip().removeprefix(b"data:").strip() if event else body
    fields = problem.fields or {}
    type, code = _OPENAI_TYPES[error_type(status)]
    own_type = fields.get("type")
    error = {
        **(inner if isinstance(inner, dict) else {}),
        "message": told(status, problem.message),
        "type": own_type if _is_text(own_type) and own_type != "error" else type,
        "param": problem.params[0] if problem.params else None,
        "code": _own_code(problem) or (None if status == _NOT_FOUND else code),
    }
    return dumps({**(value if has else {}), "error": error})


def _own_code(problem: Problem) -> str | None:
    code = (problem.fields or {}).get("code")
    if _is_text(code) or type(code) is int:
        return str(code)  # A text in OpenAI's description, on which typed clients rely.
    overflow = find_overflow(problem.message, problem.codes, problem.fields or {})
    return None if overflow is None else "context_length_exceeded"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def failed(body: bytes, /) -> UpstreamError:
    """The error in an answer, or an event, that said 200; with it, what a client may be told."""
    error = stream_error(problem_of(body)[0])
    raw = enveloped(error.status, body)
    error.answer = Answer(raw, "application/json", "", error.status)
    return error


def ending_in(failure: bytes, events: bytes) -> bytes:
    """Whole events the last of which has the payload `failure`, so that OpenAI's clients can read
    that one, too."""
    raw = enveloped(failed(failure).status, failure)
    if raw == failure:
        return events
    ends = [found.end() for found in EVENT_END.finditer(events)]
    start = next((end for end in reversed(ends) if end < len(events)), 0)
    return events[:start] + b"data: " + raw + b"\n\n"
