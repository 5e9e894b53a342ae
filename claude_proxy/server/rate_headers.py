"""Headers of rate limits in the other API's names, beside their own.

`x-ratelimit-remaining-tokens: 0` and `x-ratelimit-reset-tokens: 6m0s` are, at noon,
`anthropic-ratelimit-tokens-remaining: 0` and `anthropic-ratelimit-tokens-reset: …T12:06:00Z`.
OpenAI, Azure, Groq and others use these names; what is in other forms keeps its own name only. It
is the same the other way round, for OpenAI's clients in front of Anthropic.

Sources: platform.openai.com/docs/guides/rate-limits, console.groq.com/docs/rate-limits and
docs.anthropic.com/en/api/rate-limits (2026-11).
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_KINDS = ("requests", "tokens")
_LONGEST = 366 * 86_400.0
"""Seconds; longer times are moments of somebody's own clock."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|s|m|h|d)")
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,12})?")


def anthropic_limits(headers: Mapping[str, str], now: float) -> dict[str, str]:
    """The limits among `headers`, whose names are in lower case; `now` is a Unix time."""
    found: dict[str, str] = {}
    if not headers:
        return found
    for kind in _KINDS:
        for field in ("limit", "remaining"):
            count = headers.get(f"x-ratelimit-{field}-{kind}", "")
            if count.isascii() and count.isdigit():
                found[f"anthropic-ratelimit-{kind}-{field}"] = count
        seconds = _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        if seconds is not None:
            moment = datetime.fromtimestamp(math.ceil(now + seconds), UTC)
            found[f"anthropic-ratelimit-{kind}-reset"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return found


def openai_limits(headers: Mapping[str, str], now: float) -> dict[str, str]:
    """The same the other way round, of Anthropic's headers."""
    found: dict[str, str] = {}
    for kind in _KINDS:
        for field in ("limit", "remaining"):
            count = headers.get(f"anthropic-ratelimit-{kind}-{field}", "")
            if count.isascii() and count.isdigit():
                found[f"x-ratelimit-{field}-{kind}"] = count
        moment = _moment(headers.get(f"anthropic-ratelimit-{kind}-reset", ""))
        if moment is not None:
            found[f"x-ratelimit-reset-{kind}"] = _told(max(0, math.ceil(moment - now)))
    return found


def _moment(text: str) -> float | None:
    """The Unix time of `2026-11-21T12:06:00Z`; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()


def _told(seconds: int) -> str:
    """`6m0s` of 360, as OpenAI writes it."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}h" if hours else ""
    return f"{start}{minutes}m{seconds}s" if hours or minutes else f"{seconds}s"


def _duration(text: str) -> float | None:
    """Seconds of `7.66s`, `6m0s`, `120ms` or `59`; None for anything else."""
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif text and not _PART.sub("", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        return None
    return seconds if seconds <= _LONGEST else None
