"""Texts of settings → values. Each function takes what a text or TOML source holds.

They raise `ValueError` with words that complete "NAME (source): …" and never hold the value.
"""

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from claude_proxy.codecs.jsonio import loads

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# The transport sets these itself; a second value would break the framing of requests.
_OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
# What people paste: the address of the call where the address of the API is meant.
_PASTED_ENDS = ("/chat/completions", "/completions", "/models", "/messages")
_NOT_AN_ADDRESS = "must be an address like https://api.openai.com/v1"


def names(given: Any) -> Any:
    """`a, b`, a JSON array or a list → the trimmed names."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if text.startswith("["):
        return _json(text, "a JSON array of names")
    return [part.strip() for part in text.split(",") if part.strip()]


def mapping(given: Any) -> Any:
    """`a:b, c:d` or a JSON object → a dict. Only the first colon splits: `x:qwen3:8b`."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if text.startswith("{"):
        return _json(text, "a JSON object of names")
    return dict(_pair(part) for part in text.split(",") if part.strip())


def _pair(part: str) -> tuple[str, str]:
    left, colon, right = part.partition(":")
    if not (colon and left.strip() and right.strip()):
        raise ValueError("must be pairs like glob:model,glob:model or a JSON object")
    return left.strip(), right.strip()


def _json(text: str, what: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        raise ValueError(f"is not {what}") from None


def base_url(given: str) -> str:
    """An http(s) address without trailing slash, call path, query or credentials."""
    try:
        parts = urlsplit(given.strip())
    except ValueError:
        raise ValueError(_NOT_AN_ADDRESS) from None
    _check_url(parts.scheme, parts.hostname, parts.netloc)
    if parts.query or parts.fragment:
        raise ValueError("must have no query; an API version goes to AZURE_API_VERSION")
    path = parts.path.rstrip("/")
    for end in _PASTED_ENDS:
        path = path.removesuffix(end).rstrip("/")
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, "", ""))


def _check_url(scheme: str, host: str | None, netloc: str) -> None:
    if scheme.lower() not in ("http", "https") or not host:
        raise ValueError(_NOT_AN_ADDRESS)
    if "@" in netloc:
        raise ValueError("must not hold a user name or password; keys have variables of their own")
    port = netloc.rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("has a port that is not a number from 1 to 65535")


def headers(given: dict[str, str]) -> dict[str, str]:
    """Headers that may be added to a request, checked name by name."""
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"the header {name} is set by the proxy itself")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"the value of the header {name} must be printable ASCII")
    return given


def key(given: str) -> str:
    """A credential, trimmed: copied keys often end with a line break."""
    text = given.strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII without line breaks")
    return text


def log_level(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    level = given.strip().upper()
    return "WARNING" if level == "WARN" else level


def lower(given: Any) -> Any:
    """Choices are lower case; people also write them otherwise."""
    return given.strip().lower() if isinstance(given, str) else given
