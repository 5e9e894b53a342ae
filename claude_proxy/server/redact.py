"""Keys never leave: one place that logs and error texts pass through.

By value (the keys that this server knows) and by pattern (what looks like a key of anybody).
"""

import re
from collections.abc import Iterable

MASK = "[redacted]"

# Linear: each alternative starts with a literal and eats one character class.
_PATTERN = re.compile(
    r"(?:\b(?:sk|pk|gsk|xai|key|api|hf|r8)[-_][A-Za-z0-9_\-*.]{8,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|(?i:\bbearer\s+)[A-Za-z0-9._~+/\-=]{8,})"
)


class Redactor:
    """Masks secrets in text. `values` shorter than four characters are left alone: masking
    every "a" would hide the text, not the key."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = tuple(sorted({v for v in values if len(v) >= 4}, key=len, reverse=True))

    def clean(self, text: str, *more: str) -> str:
        """`text` without the known keys, the ones in `more`, and anything shaped like a key."""
        for value in (*self._values, *(v for v in more if len(v) >= 4)):
            text = text.replace(value, MASK)
        return _PATTERN.sub(MASK, text)
