"""Errors of Chat upstreams, read in whatever shape."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_chat.overflow import Overflow, find_overflow
from claude_proxy.errors import UpstreamError
from claude_proxy.types import Json

MESSAGE_LIMIT = 2_000
"""Characters of an upstream's message that are passed on."""

_STATUS = {408: 504, 500: 502, 524: 504}
"""Statuses that mean something else when an upstream says them to us than when we say them."""

_KEPT = frozenset({502, 503, 504, 529})

_OVERFLOWING = frozenset({400, 413, 422, 500, 502})
"""Statuses under which servers report a prompt that is too long."""

_TOO_LARGE = 413

NO_QUOTA = "insufficient_quota"
"""OpenAI's code, and type, where no waiting will help."""

_QUOTA_CODES = frozenset(
    {
        NO_QUOTA,
        "billing_hard_limit_reached",  # OpenAI
        "billing_not_active",  # OpenAI
        "exceeded_current_quota_error",  # Moonshot
        "insufficient_balance",
        "1113",  # GLM: no balance
        "arrearage",  # DashScope
    }
)
"""Codes of a 429 that no waiting will cure."""

_CODE_STATUS = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "bad_request": 400,
    # The Responses API, in failed answers.
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "bio_policy": 400,
    "cyber_policy": 400,
    "misalignment_policy_violation": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_image_mode": 400,
    "invalid_image_url": 400,
    "invalid_base64_image": 400,
    "image_content_policy_violation": 400,
    "image_file_not_found": 400,
    "image_file_too_large": 400,
    "image_parse_error": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "unsupported_image_media_type": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached_error": 429,  # Moonshot (kimi-cli#901)
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "unavailable": 503,
    "service_unavailable": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "timeout_error": 504,
    "timeout": 504,
    "deadline_exceeded": 504,
    "overloaded_error": 529,
    "overloaded": 529,
    "engine_overloaded_error": 529,
}
"""The status that a code means where no number is given, as in a stream."""

_BASE_RESP = {
    1001: "timeout",
    1002: "rate_limit_exceeded",
    1004: "invalid_api_key",
    1008: "insufficient_balance",
    1039: "rate_limit_exceeded",
    1041: "rate_limit_exceeded",
    2013: "invalid_request_error",
    2049: "invalid_api_key",
    2056: "rate_limit_exceeded",
}
"""MiniMax's codes, in words that are known here.
Source: https://platform.minimax.io/docs/api-reference/errorcode (2026-11)."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus}

_MESSAGE_KEYS = ("message", "msg", "detail", "error", "error_description", "description", "errors")
_MOST_PARAMS, _PARAM_LENGTH = 5, 300
_HTML = re.compile(r"\s{0,80}<(?:!doctype|html|head|body|\?xml|center|h1|title)\b", re.IGNORECASE)
BROKEN_CALL = "tool_use_failed"
"""Groq's code for a call that the model wrote wrongly (groq-typescript#28, opencode#1018)."""
_WRITTEN = "failed_generation"
_WRITTEN_LENGTH = 200

_NO_RETRY = {"x-should-retry": "false"}


def decode_error(status: int, body: bytes, /) -> UpstreamError:
    """The error that an upstream's non-2xx answer stands for.

    Also for an answer which is no answer: a redirect, or a 2xx that is not JSON, is a 502.
    """
    return _upstream_error(status, problem_of(body)[1])


def problem_of(body: bytes) -> tuple[Any, "Problem"]:
    """An error's body, parsed (None where that is impossible), and what it says."""
    try:
        # Servers that had begun to stream put even a refusal into an event.
        value = loads(body.strip().removeprefix(b"data:"))
    except ValueError:
        return None, Problem(body[: 4 * MESSAGE_LIMIT].decode("utf-8", "replace").strip())
    return value, Problem.of(value)


def find_error(value: object) -> Any | None:
    """The error object (or text) in an answer or chunk with status 200, if there is one."""
    if not isinstance(value, dict):
        return find_error(value[0]) if isinstance(value, list) and value else None
    error = value.get("error")
    if not error and _base_error(value):
        return value
    if error or "choices" in value:
        return error or None
    # vLLM, Mistral, DashScope: the error is the whole object; FastAPI: `detail`.
    is_error = value.get("object") == "error" or value.get("type") == "error" or "detail" in value
    return value if is_error or isinstance(value.get("message"), str) else None


def stream_error(value: object) -> UpstreamError:
    """The error in an answer with status 200; its status comes from its code, else 502."""
    problem = Problem.of(value)
    return _upstream_error(problem.status or 502, problem)


@dataclass(frozen=True, slots=True)
class Problem:
    """An upstream's error, read from whatever shape."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    """Code, type and status words in lower case."""
    params: tuple[str, ...] = ()
    """What the error says is wrong, where it names that apart."""
    status: int | None = None
    fields: Json | None = None

    @classmethod
    def of(cls, value: object) -> "Problem":
        value = _unwrap(value)
        if not isinstance(value, dict):
            return cls(_words(value))
        inner = value.get("error")
        fields = inner if isinstance(inner, dict) else value
        objects = (fields,) if fields is value else (fields, value)
        codes = [code for each in objects for code in _codes(each)]
        # xAI has its text in `error` and a code beside it.
        message = _words(inner) if isinstance(inner, str) else _words(fields)
        if raw := _provider_text(fields):
            message = f"{message}: {raw}" if message else raw
        params = tuple(islice(_params(value), _MOST_PARAMS))
        return cls(message, frozenset(codes), params, _status_of(codes), fields)


def _unwrap(value: object) -> object:
    """Gemini puts its error object into an array, MiniMax into `base_resp`."""
    if isinstance(value, dict):
        return _base_error(value) or value
    return value[0] if isinstance(value, list) and value else value


def _base_error(value: Json) -> Json | None:
    base = value.get("base_resp")
    code = base.get("status_code") if isinstance(base, dict) else None
    if not isinstance(base, dict) or type(code) is not int or code == 0:
        return None
    return {"message": base.get("status_msg"), "code": _BASE_RESP.get(code)}


def _codes(fields: Json) -> Iterator[str]:
    for key in ("code", "type", "status", "status_code"):
        code = fields.get(key)
        if isinstance(code, str) and code or type(code) is int:
            yield str(code).lower()


def _params(value: object, depth: int = 5) -> Iterator[str]:
    """OpenAI's `param`, and the places that FastAPI and Mistral list, as dotted paths."""
    if isinstance(value, list):
        for each in value[:_MOST_PARAMS]:
            yield from _params(each, depth)
    elif isinstance(value, dict) and depth:
        param, place = value.get("param"), value.get("loc")
        if isinstance(param, str) and param:
            yield param[:_PARAM_LENGTH]
        if isinstance(place, list):
            words = [str(word) for word in place if isinstance(word, str | int)]
            yield ".".join(words[1:] if words[:1] == ["body"] else words)[:_PARAM_LENGTH]
        for key in _MESSAGE_KEYS:
            if isinstance(value.get(key), dict | list):
                yield from _params(value[key], depth - 1)


def _status_of(codes: list[str]) -> int | None:
    for code in codes:
        if code.isdecimal() and len(code) == 3 and 400 <= int(code) < 600:
            return int(code)
    return next((_CODE_STATUS[code] for code in codes if code in _CODE_STATUS), None)


def _words(value: object, depth: int = 4) -> str:
    """The text of an error value: itself, its message, or those of its list, joined."""
    if isinstance(value, str):
        return value.strip()
    if depth and isinstance(value, list):
        return "; ".join(filter(None, (_words(each, depth - 1) for each in value[:5])))
    if depth and isinstance(value, dict):
        texts = (_words(value[key], depth - 1) for key in _MESSAGE_KEYS if key in value)
        return next(filter(None, texts), "")
    return ""


def _provider_text(fields: Json) -> str:
    """OpenRouter says "Provider returned error" and keeps the reason under `metadata`."""
    metadata = fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str):
        return _words(raw)
    try:
        return _words(loads(raw)) or raw
    except ValueError:
        return raw


def _upstream_error(status: int, problem: Problem) -> UpstreamError:
    if status in _OVERFLOWING:
        overflow = find_overflow(problem.message, problem.codes, problem.fields or {})
        if overflow is not None:
            return UpstreamError(overflow.sentence(), status=400)
    if status == _TOO_LARGE and not problem.message and not problem.codes:
        # Cerebras has no words for an overflow. Others mean bytes, with the same cure.
        return UpstreamError(Overflow().sentence(), status=400)
    message = told(status, problem.message)
    if BROKEN_CALL in problem.codes:
        message = _broken_call(message, problem.fields or {})
    if not problem.codes.isdisjoint(_QUOTA_CODES) and status != 402:
        return UpstreamError(message, status=429, quoted=True, headers=_NO_RETRY, code=NO_QUOTA)
    status = _our_status(status)
    headers = _NO_RETRY if status in (401, 403) else {}
    return UpstreamError(
        message,
        status=status,
        quoted=True,
        codes=problem.codes,
        params=problem.params,
        headers=headers,
        code=_own_code(problem.fields or {}),
    )


def _own_code(fields: Json) -> str | None:
    """The upstream's, for clients that have codes; numbers mean something at home only."""
    code = fields.get("code")
    return code if isinstance(code, str) and code.strip() and not code.isdecimal() else None


def _broken_call(said: str, fields: Json) -> str:
    """Whose fault it is, and what it was: the request was fine."""
    written = fields.get(_WRITTEN)
    shown = f" It wrote: {written[:_WRITTEN_LENGTH]}" if isinstance(written, str) else ""
    return f"The model wrote a tool call that its server could not read: {said}{shown}"


def _our_status(status: int) -> int:
    if status in _STATUS:
        return _STATUS[status]
    return status if 400 <= status < 500 or status in _KEPT else 502


def told(status: int, text: str) -> str:
    """An upstream's words, as far as there are any for people, or what its status means."""
    if _HTML.match(text):
        return f"The upstream answered with an HTML page (status {status})"
    if not text:
        phrase = _PHRASES.get(status, "(unknown status)")
        return f"The upstream answered {status} {phrase} without a message."
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"
