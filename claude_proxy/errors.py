"""Everything that can go wrong, and how it looks on the wire.

Inside, an error is an exception with Anthropic's error type, because Anthropic Messages is the
one language inside; each codec puts it into its own envelope (`encode_error`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from claude_proxy.types.anthropic import ErrorType

STATUS: dict[ErrorType, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that belongs to each error type when nothing more exact is known."""

ERROR_TYPE: dict[int, ErrorType] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_type(status: int) -> ErrorType:
    """The error type of an HTTP status: other 4xx are the client's fault, all else is ours."""
    return ERROR_TYPE.get(status, "invalid_request_error" if 400 <= status < 500 else "api_error")


def forget_frames(error: BaseException | None) -> None:
    """Drops the tracebacks of an error that is dealt with, and of those that led to it.

    Their frames hold the whole request, and some hold the error itself. Such a cycle lives until
    the garbage collector comes, which is rare, and a request may be megabytes.
    """
    seen: set[int] = set()  # causes and contexts together may go in a circle
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class ClaudeProxyError(Exception):
    """Base of all our errors.

    `status` is an HTTP status, `type` Anthropic's error type, `details` goes into the envelope
    as it is, `headers` (lower-case names) go out with the answer. `code` is OpenAI's name of the
    fault where its type alone does not tell it, `param` the path of the field at fault. `limit`
    names the limit of ours that was hit, for the metrics.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 500,
        type: ErrorType | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        param: str | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type: ErrorType = type or error_type(status)
        self.details = dict(details) if details else None
        self.headers = dict(headers or {})
        self.code = code
        self.param = param
        self.limit = limit


class RequestError(ClaudeProxyError):
    """The client's request cannot be served as it is; the message says where and why."""

    def __init__(self, message: str, *, status: int = 400, **more: Any) -> None:
        super().__init__(message, status=status, **more)


class UnsupportedContentError(RequestError):
    """The target language cannot carry something, and leaving it out would change the meaning."""

    def __init__(self, path: str, why: str, **more: Any) -> None:
        super().__init__(f"{path}: {why}", **{"param": path, **more})
        self.path = path


class Answer(NamedTuple):
    """An upstream's error as it came, for clients of the same language."""

    body: bytes
    content_type: str
    request_id: str
    """The upstream's, or ""."""
    status: int
    """As the upstream said it, whatever it means to us."""


class UpstreamError(ClaudeProxyError):
    """The upstream refused, failed or did not answer.

    `quoted`: the message is the upstream's own, which may repeat parts of the prompt. `answer`:
    its own words, where they can be passed on as they are. `codes` are its code and type in lower
    case, `params` what it says is wrong, if it names that apart.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 502,
        quoted: bool = False,
        answer: Answer | None = None,
        codes: Collection[str] = (),
        params: Sequence[str] = (),
        **more: Any,
    ) -> None:
        super().__init__(message, status=status, **more)
        self.quoted = quoted
        self.answer = answer
        self.codes = frozenset(codes)
        self.params = tuple(params)


class ProtocolError(UpstreamError):
    """The upstream answered with something that is not its own protocol."""
