"""Keys never leave: one place that logs and error texts pass through.

By value (the keys that this server knows) and by pattern (what looks like a key of anybody).
"""

import json
import re
from collections.abc import Iterable

MASK = "[redacted]"

_PREFIXES = ("sk", "pk", "gsk", "xai", "key", "api", "hf", "r8")
# Linear: each alternative starts with a literal and eats one character class.
_PATTERN = re.compile(
    rf"(?:\b(?:{'|'.join(_PREFIXES)})[-_][A-Za-z0-9_\-*.]{{8,}}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|(?i:\bbearer\s+)[A-Za-z0-9._~+/\-=]{8,})"
)
# Every log line comes by here: looking for what all keys have costs a tenth of the pattern.
_ENDS = "".join(sorted({prefix[-1] for prefix in _PREFIXES}))
_HINT = re.compile(rf"[-_](?<=[{_ENDS}].)[A-Za-z0-9_\-*.]{{8}}")


class Redactor:
    """Masks secrets in text. `values` shorter than four characters are left alone: masking
    every "a" would hide the text, not the key."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = {value for value in values if len(value) >= 4}
        # Lines of JSON are cleaned too, where a quote in a key is escaped.
        known |= {json.dumps(value, ensure_ascii=False)[1:-1] for value in known}
        self._values = tuple(sorted(known, key=len, reverse=True))

    def clean(self, text: str, *more: str) -> str:
        """`text` without the known keys, the ones in `more`, and anything shaped like a key.

        `more` are keys that clients made up: "ollama" is none that has to be hidden.
        """
        for value in (*self._values, *(v for v in more if len(v) >= 8)):
            text = text.replace(value, MASK)
        if "AIza" in text or _HINT.search(text) or "bearer" in text.lower():
            return _PATTERN.sub(MASK, text)
        return text
