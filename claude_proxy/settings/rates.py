"""The settings that limit how often clients may ask."""

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from claude_proxy.settings.fields import Key, Names, Var

_RATE = re.compile(r"([0-9]{1,9}) ?/ ?(?:([0-9]{1,6}) ?)?(second|minute|hour|day)s?", re.ASCII)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_LONGEST_RATE = 31 * 86_400  # seconds
_STORAGES = ("redis", "rediss", "redis+unix")
_ALLOWED_RATE = "a rate like 60/minute, 1000/hour or 100/10 seconds"
_ALLOWED_STORAGE = "memory:// or an address like redis://host:6379"
_ALLOWED_NETWORKS = "addresses like 10.0.0.1,10.1.0.0/16"


def parse_rate(text: str) -> tuple[int, int]:
    """`60/minute`, `100/10 seconds` → how many, in how many seconds; `ValueError` otherwise."""
    found = _RATE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"must be {_ALLOWED_RATE}")
    count, seconds = int(found[1]), int(found[2] or 1) * _UNITS[found[3]]
    if not count or not 0 < seconds <= _LONGEST_RATE:
        raise ValueError("must allow at least 1 request, in 1 second to 31 days")
    return count, seconds


def _rate(given: str) -> str:
    parse_rate(given)
    return given


def _storage(given: SecretStr | None) -> SecretStr | None:
    """An address where rates are counted; None for this process's own memory."""
    text = given.get_secret_value() if given else ""
    if given is None or text.rstrip("/") in ("memory:", "memory"):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises as well
    except ValueError:
        raise ValueError(f"must be {_ALLOWED_STORAGE}") from None
    if parts.scheme not in _STORAGES or not (parts.hostname or parts.path):
        raise ValueError(f"must be {_ALLOWED_STORAGE}")
    return given


def _networks(given: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses and networks, checked; `ValueError` for any other text."""
    for text in given:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"must be {_ALLOWED_NETWORKS}") from None
    return given


PerKey = Annotated[
    Annotated[str, AfterValidator(_rate)] | None,
    Var(
        "CLAUDE_PROXY_RATE_LIMIT_PER_KEY",
        "Requests that may come with one key in a time, like `60/minute`; more get 429.",
        _ALLOWED_RATE,
    ),
]
PerAddress = Annotated[
    Annotated[str, AfterValidator(_rate)] | None,
    Var(
        "CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS",
        "Requests that may come from one address in a time, like `100/10 seconds`; more get 429.",
        _ALLOWED_RATE,
    ),
]
Storage = Annotated[
    Key | None,
    AfterValidator(_storage),
    Var(
        "CLAUDE_PROXY_RATE_LIMIT_STORAGE",
        "Where requests are counted: each worker's memory if unset, or for all workers together "
        "a Redis like `redis://host:6379` (extra `redis`).",
        _ALLOWED_STORAGE,
        private=True,
    ),
]
TrustedProxies = Annotated[
    Names,
    AfterValidator(_networks),
    Var(
        "CLAUDE_PROXY_TRUSTED_PROXIES",
        "Addresses or networks of reverse proxies whose `X-Forwarded-For` tells the client's "
        "address.",
        f"{_ALLOWED_NETWORKS} or a JSON array",
    ),
]
