"""Keys never leave: one place that logs and error texts pass through.

By value (the keys that this server knows, in the encodings that texts carry them in) and by
pattern (what looks like a key of anybody).
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote

MASK = "[redacted]"

_PREFIXES = ("sk", "pk", "gsk", "xai", "key", "api", "hf", "r8", "nvapi", "csk", "fw", "ghp")
# Where a word begins: also behind an escaped line end, a percent-encoded byte, a color.
_START = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[abfnrtv])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})"
    r"|(?<=%[0-9A-Fa-f]{2})|(?<=[0-9]m))"
)
_NAMES = r"(?:x-api-key|api-?key|authorization|access_token|api_key)"
# Linear: each alternative starts with a literal and eats one character class.
_PATTERN = re.compile(
    rf"{_START}(?:(?:{'|'.join(_PREFIXES)})[-_][A-Za-z0-9_\-*.]{{8,}}"
    r"|AIza[A-Za-z0-9_\-]{20,}"
    r"|eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]{8,}"
    r"|(?i:bearer)(?:\s|%20|\+){1,8}[A-Za-z0-9._~+/\-=%]{8,}"
    # A header or a parameter with its value, as `repr`, JSON and queries write them.
    rf"|(?i:{_NAMES})(?:\\?[\"'])?\s{{0,8}}[:=,]\s{{0,8}}(?:b?\\?[\"'])?(?i:basic\s{{1,8}})?"
    r"[^\s\"'\\,;&()]{8,})"
)
_ACCOUNT = re.compile(
    r"\b(?:org|proj|user|acct|account|team|workspace)[-_][A-Za-z0-9]{6,}"
    r"|(?i:\"(?:user|user_?id|organi[sz]ation|organi[sz]ation_?id|account|account_?id)\")"
    r"\s{0,8}:\s{0,8}\"[^\"]{1,200}\""
)
# Every log line comes by here. These are what each alternative has in common; they cost a tenth.
_ENDS = "".join(sorted({prefix[-1] for prefix in _PREFIXES}))
_HINT = re.compile(rf"[-_](?<=[{_ENDS}].)[A-Za-z0-9_\-*.]{{8}}")
_HINTS = ("bearer", "api", "auth", "access_token")
_SHORTEST_PART = 8


class Redactor:
    """Masks secrets in text. `values` shorter than four characters are left alone: masking
    every "a" would hide the text, not the key."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = [value for value in values if len(value) >= 4]
        forms = {form for value in known for form in _forms(value)}
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        self._known = tuple(value for value in known if len(value) > _SHORTEST_PART)

    def knows(self, text: str, *more: str) -> bool:
        """Whether one of this server's own keys, or one of `more`, is in the text."""
        own = [form for value in more if len(value) >= _SHORTEST_PART for form in _forms(value)]
        return any([form in text for form in (*self._forms, *own)])

    def mask(self, raw: bytes, *more: str) -> bytes:
        """Bytes of somebody else's: the very same, unless one of this server's keys or of `more`,
        or the start of one, is in them."""
        text = raw.decode("utf-8", "surrogateescape")
        own = [value for value in more if len(value) >= _SHORTEST_PART]
        forms = [*self._forms, *(form for value in own for form in _forms(value))]
        starts = [key[:_SHORTEST_PART] for key in (*self._known, *own)]
        if not any([each in text for each in (*forms, *starts)]):
            return raw
        return self.clean(text, *more).encode("utf-8", "surrogateescape")

    def clean(self, text: str, *more: str) -> str:
        """`text` without the known keys, the ones in `more`, and anything shaped like a key.

        `more` are keys that clients made up: "ollama" is none that has to be hidden.
        """
        known = self._known
        for form in self._forms:
            text = text.replace(form, MASK)
        for value in more:
            if len(value) >= 8:
                known = (*known, value)
                for form in _forms(value):
                    text = text.replace(form, MASK)
        for value in known:
            if value[:_SHORTEST_PART] in text:
                text = _without_start(text, value)
        if _HINT.search(text) or "AIza" in text or "eyJ" in text:
            return _PATTERN.sub(MASK, text)
        lower = text.lower()
        if any([hint in lower for hint in _HINTS]):
            return _PATTERN.sub(MASK, text)
        return text

    def clean_account(self, text: str) -> str:
        """`clean`, and without ids of accounts: for what people hand on to others."""
        return _ACCOUNT.sub(_masked, self.clean(text))


def _masked(found: re.Match[str]) -> str:
    """A JSON member keeps its name."""
    name, colon, _ = found[0].partition(":")
    return f'{name}{colon} "{MASK}"' if colon else MASK


@lru_cache(maxsize=256)
def _forms(value: str) -> tuple[str, ...]:
    """A key as texts may carry it, the longest first."""
    escaped = json.dumps(value)[1:-1]
    forms = {
        value,
        escaped,
        # JSON in JSON, and `repr` in JSON: a log line that quotes an answer that quotes a key.
        json.dumps(escaped)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
        quote(value, safe=""),
        quote(value),
        *_base64(value.encode()),
        value.encode().hex(),
    }
    return tuple(sorted(forms, key=len, reverse=True))


def _base64(raw: bytes) -> Iterator[str]:
    """What base64 makes of these bytes within a longer text, at each of its three offsets."""
    if len(raw) < _SHORTEST_PART:
        return
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        # The first and last characters also hold bits of the neighbors.
        whole = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        yield whole.decode()
        yield whole.translate(bytes.maketrans(b"+/", b"-_")).decode()


def _without_start(text: str, value: str) -> str:
    """A long message is cut somewhere, perhaps in the middle of a key that it repeats."""
    for length in range(len(value) - 1, _SHORTEST_PART - 1, -1):
        text = text.replace(value[:length], MASK)
    return text
