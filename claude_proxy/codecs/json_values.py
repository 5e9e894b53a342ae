"""How many values a JSON text holds, told from its bytes before anything is made of them.

A value costs time and memory that its few bytes do not show: 32 MiB of `[],` are eleven million
lists, 3 seconds and 900 MB to a parser. To a model each of them is two tokens, so what exceeds
the bound fits into no window either.
"""

MOST_VALUES = 500_000
"""As many commas, and beginnings of objects and arrays, outside of texts."""

NEVER_COUNTED = 1 << 20
"""Bytes. Fewer cannot cost much."""

_OTHERS = bytes(set(range(256)) - set(b',[{"'))


def too_many_values(raw: bytes) -> bool:
    """Whether there are more than `MOST_VALUES`; anything for what is not JSON."""
    if len(raw) <= NEVER_COUNTED:
        return False
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= MOST_VALUES:
        return False  # As nearly always, even with those in texts.
    bare = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 4 * (MOST_VALUES + 1):
        return True  # For each value there are two texts at most, its name and itself.
    outside = bare.translate(None, _OTHERS).split(b'"')[::2]
    return sum(map(len, outside)) > MOST_VALUES
