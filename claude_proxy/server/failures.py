"""One line in the log for each request that could not be passed on to its end.

It says what kind of request it was and how it went wrong, and nothing of what was said: no text,
no key, and of a query only names and values that are plain.
"""

import time
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog

from claude_proxy.backends import WireRequest
from claude_proxy.codecs.jsonio import members
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.server.context import Context
from claude_proxy.server.passed_errors import NotSpoken
from claude_proxy.server.redact import Redactor
from claude_proxy.server.watch import ClientGone

_LONGEST = 300
_TIMEOUT = 504
_OVERLOADED = 503
_PLAIN = frozenset({"true", "false"})
_MOST_PARAMETERS = 20

log = structlog.get_logger("claude_proxy.forward")


def note_failure(
    context: Context,
    wire: WireRequest,
    error: Exception,
    redactor: Redactor,
    *,
    stream: bool = False,
    body_bytes: int | None = None,
) -> None:
    """Logs `forward_failed`, unless the upstream itself has answered, with whatever error.

    `body_bytes`: of a body that is sent in parts.
    """
    if _is_an_answer(error):
        return
    gone = isinstance(error, ClientGone)
    level = log.info if gone else log.warning
    beta = redactor.clean(wire.headers.get("anthropic-beta", ""), *context.keys())
    level(
        "forward_failed",
        request_id=context.id,
        method=wire.method,
        model=context.facts.get("upstream_model"),
        stream=stream,
        body_bytes=len(wire.body) if body_bytes is None else body_bytes,
        has_thinking=_has_thinking(wire.body),
        anthropic_beta=beta[:_LONGEST] or None,
        query=_told(urlsplit(wire.url).query) or None,
        phase="answer" if context.status else "head",
        seconds=round(time.monotonic() - context.started, 3),
        reason="client gone" if gone else _reason(error, context, redactor),
    )


def _is_an_answer(error: Exception) -> bool:
    if isinstance(error, NotSpoken):
        return True
    return isinstance(error, UpstreamError) and (error.quoted or error.answer is not None)


def _reason(error: Exception, context: Context, redactor: Redactor) -> str:
    if not isinstance(error, ClaudeProxyError):
        return type(error).__name__
    if error.status == _TIMEOUT:
        return "timeout"
    if error.status == _OVERLOADED and not isinstance(error, UpstreamError):
        return "draining"
    return redactor.clean(error.message, *context.keys())[:_LONGEST]


def _has_thinking(body: bytes) -> bool:
    """Whether the request turns thinking on; what its history holds does not count."""
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        thinking = bytes(members(body).get("thinking", b""))
        return thinking.startswith(b"{") and b'"disabled"' not in thinking
    return False


def _told(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)[:_MOST_PARAMETERS]
    told = [
        f"{name}={value}" if value in _PLAIN or value.isdigit() else name for name, value in pairs
    ]
    return "&".join(told)[:_LONGEST]
