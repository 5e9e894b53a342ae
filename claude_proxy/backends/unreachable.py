"""What clients are told of an upstream that gave no answer, whatever the transport."""

import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

from claude_proxy.errors import UpstreamError

TOO_LONG = "Connecting to {where} took too long."
TLS = "TLS with {where} failed: {cause}."
NOT_HTTP = "{where} did not answer in HTTP."
NO_NAME = "The host name of {where} could not be resolved."
NO_CONNECTION = "Could not connect to {where}. Is it running, and is the URL right?"
_CLOSED = "{where} closed the connection before it answered."

SOCKS = "Set CLAUDE_PROXY_TRANSPORT=httpx and install httpx[socks], or use an HTTP proxy."

LINGER_SECONDS = 0.25
"""How long a finished answer's connection may take to end, so that it can be used again."""

Why = tuple[type[BaseException], str]
"""A transport's error, and the words for it."""


def unreachable(url: str, error: Exception, why: Iterable[Why]) -> UpstreamError:
    """What went wrong on the way to the upstream; names the host, never path, query or key.

    Of `why` the first that fits counts.
    """
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    words = next((words for kind, words in why if isinstance(error, kind)), _CLOSED)
    if words is TOO_LONG:
        return UpstreamError(words.format(where=where), status=504)
    cause = _root_cause(error)
    if isinstance(cause, ssl.SSLError):
        words = TLS
    return UpstreamError(words.format(where=where, cause=type(cause).__name__))


def _root_cause(error: BaseException) -> BaseException:
    """Where a chain of errors began; httpx wraps its transport's, which wraps the socket's."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
