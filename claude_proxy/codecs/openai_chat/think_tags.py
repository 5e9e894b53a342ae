"""Reasoning that stands in tags at the start of the text.

Some models write `<think>…</think>` before what they have to say, and their servers pass it on as
text. Only what stands at the very start, or directly after such a block, is a tag: the same
characters in the middle of a text are text. Pieces of a stream may cut a tag anywhere, so as many
characters as may belong to one are held back; no others are, and none is lost.
"""

from typing import Literal

Kind = Literal["text", "thinking"]

_MOST_SPACE = 64
"""White space that may stand before the tag; more of it is text."""


class ThinkTags:
    """Text in, pieces of thinking and of text out. Mutable; one for each answer."""

    __slots__ = ("_close", "_held", "_over", "_tags", "_thought")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._held = ""
        self._close: str | None = None
        """The closing tag, while one is open."""
        self._thought = False
        self._over = False
        """Whether text has begun, after which there are no more tags."""

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        if self._over:
            return [("text", text)]
        pieces: list[tuple[Kind, str]] = []
        rest: str | None = self._held + text
        self._held = ""
        while rest:
            rest = (
                self._outside(rest, pieces) if self._close is None else self._inside(rest, pieces)
            )
        return pieces

    def finish(self) -> list[tuple[Kind, str]]:
        """What was held back; from here on everything is text."""
        held, self._held = self._held, ""
        kind: Kind = "text" if self._close is None else "thinking"
        self._over, self._close = True, None
        # The line ends between the reasoning and nothing.
        lost = self._thought and kind == "text" and not held.strip()
        return [] if lost or not held else [(kind, held)]

    def _outside(self, text: str, pieces: list[tuple[Kind, str]]) -> str | None:
        """Before a tag. Returns what follows it, or nothing if all of the text is dealt with."""
        start = text.lstrip()
        for tag in self._tags:
            opening = f"<{tag}>"
            if start.startswith(opening):
                self._close, self._thought = f"</{tag}>", True
                return start[len(opening) :]
        may_be_tag = any(f"<{tag}>".startswith(start) for tag in self._tags)
        if may_be_tag and len(text) - len(start) <= _MOST_SPACE:
            self._held = text
            return None
        self._over = True
        pieces.append(("text", start if self._thought else text))
        return None

    def _inside(self, text: str, pieces: list[tuple[Kind, str]]) -> str | None:
        close = self._close or ""
        thought, found, after = text.partition(close)
        if not found:
            kept = _shared(text, close)
            thought, self._held = text[: len(text) - kept], text[len(text) - kept :]
        if thought:
            pieces.append(("thinking", thought))
        if not found:
            return None
        self._close = None
        return after


def _shared(text: str, tag: str) -> int:
    """How many characters at the end of the text are the start of the tag."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)
