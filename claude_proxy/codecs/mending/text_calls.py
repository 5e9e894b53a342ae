"""Calls that a model has written into its text, however the pieces of a stream cut it.

Outside of a call only as much is held back as may be the start of an opening; behind one as long
as what comes may still be a call. Whatever turns out not to be one, or names no tool that was
offered, is text again, with every character. The head of it is looked through once more, its body
is not: so the work is linear in the text, and `MOST_BODY` bounds the memory.
"""

import re
from collections.abc import Callable, Mapping

from claude_proxy.codecs.mending.forms import BARE, FENCE, FORMS, MOST_HEAD, WRAPPED, Body, Form
from claude_proxy.codecs.mending.offered import Offered
from claude_proxy.codecs.mending.written import JsonEnd, TagsEnd, TextCall, calls_in

MOST_BODY = 1 << 20
"""Characters of one call; more is text."""

_MOST_BLANK = 1024
"""White space that may turn out to be nothing; more of it is text."""
_STEP = 4096
"""Characters that are looked at together: what is cut off in front is copied each time."""
_MOST_INDENT, _ENDLESS = 8, 1 << 62

_OPENINGS = [*(opening for opening in FORMS if opening != BARE), *WRAPPED]
_AT_LINES = frozenset({FENCE, *WRAPPED})
"""Openings at the start of a line only."""
_OPENING = re.compile("|".join(map(re.escape, _OPENINGS)))
_STARTS = {opening[:length] for opening in _OPENINGS for length in range(1, len(opening))}
_START = re.compile(f"(?:{'|'.join(map(re.escape, _STARTS))})\\Z")
_LONGEST = max(map(len, _OPENINGS))

Piece = str | TextCall
_ENDS: Mapping[str, type[JsonEnd] | type[TagsEnd]] = {"json": JsonEnd, "tags": TagsEnd}


class TextCalls:
    """Text in, text and calls out. Mutable; one for each block of text."""

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._state: Callable[[str], str] = self._outside
        self._pieces: list[Piece] = []
        """What is decided and was not given away yet."""
        self._parts: list[str] = []
        """What may be a call: its opening, and then its body."""
        self._held = ""
        """What follows them, or may be an opening."""
        self._size = 0
        """Characters in `_parts`."""
        self._form: Form = FORMS[BARE]
        self._body = Body("json", 0)
        self._end: JsonEnd | TagsEnd = JsonEnd()
        self._closing: tuple[str, ...] = ()
        self._blank = ""
        """White space before the first word, or behind a call."""
        self._called = self._said = False
        """Whether there was a call; whether there was a word since."""
        self._indent = 0
        """White space since the last line end; where there is more, it is above any limit."""

    def feed(self, text: str) -> list[Piece]:
        for at in range(0, len(text), _STEP):
            rest = text[at : at + _STEP]
            while rest:
                rest = self._state(rest)
        return self._taken()

    def finish(self) -> list[Piece]:
        """What was held back: a call that is not finished is text."""
        self._give_up(self._held)
        if not self._said and not self._called and self._blank:
            self._pieces.append(self._blank)
        self._blank = ""
        return self._taken()

    def _taken(self) -> list[Piece]:
        taken, self._pieces = self._pieces, []
        return taken

    def _outside(self, text: str) -> str:
        text, self._held = self._held + text, ""
        start = len(text) - len(text.lstrip())
        if not (self._said or self._called) and text[start : start + 1] == "{":
            self._say(text[:start])
            text = text[start:]
            if not self._said:
                return self._open(BARE, text)
        for found in _OPENING.finditer(text):
            if found[0] not in _AT_LINES or self._begins_line(text, found.start()):
                self._say(text[: found.start()])
                if found[0] in WRAPPED:
                    return self._open(BARE, text[found.start() :])
                return self._open(found[0], text[found.end() :])
        tail = _START.search(text, max(0, len(text) - _LONGEST))
        end = tail.start() if tail else len(text)
        self._say(text[:end])
        self._held = text[end:]
        return ""

    def _begins_line(self, text: str, at: int) -> bool:
        line = text.rfind("\n", 0, at) + 1
        indent = at - line if line else self._indent + at
        return indent <= _MOST_INDENT and not text[line:at].strip()

    def _open(self, opening: str, rest: str, form: Form | None = None) -> str:
        self._form = form or FORMS[opening]
        self._parts, self._size = [opening], len(opening)
        self._state = self._head
        return rest

    def _head(self, text: str) -> str:
        head, self._held = self._held + text, ""
        verdict = self._form.read(head[:MOST_HEAD], self._offered)
        if verdict == "wait" and len(head) < MOST_HEAD:
            self._held = head
            return ""
        if not isinstance(verdict, Body):
            # One character at least, so that nothing is looked at for ever.
            cut = 0 if self._parts[0] else 1
            self._give_up(head[:cut])
            return head[cut:]
        self._body, self._end = verdict, _ENDS[verdict.kind]()
        self._parts.append(head[: verdict.at])
        self._size += verdict.at
        self._state = self._inside
        return head[verdict.at :]

    def _inside(self, text: str) -> str:
        room = MOST_BODY - self._size
        end = self._end.feed(text[:room])
        if end < 0 and len(text) < room:
            self._parts.append(text)
            self._size += len(text)
            return ""
        cut = end if end >= 0 else room
        raw = "".join([*self._parts[2:], text[:cut]])
        calls = calls_in(raw, self._body, self._offered) if end >= 0 else None
        if calls is None:
            self._give_up(text[:cut])
            return text[cut:]
        self._pieces += calls
        self._called, self._said, self._indent, self._blank = True, False, 0, ""
        self._parts = []
        self._closing, self._state = self._form.closing, self._behind
        return text[cut:]

    def _behind(self, text: str) -> str:
        """Leaves out what closes a call; another one may follow it."""
        text, self._held = self._held + text, ""
        rest = text.lstrip()
        more = self._form.again and self._closing == self._form.closing
        next_call = text.lstrip(" \t\r\n;,") if more else rest
        if len(text) - len(next_call) > _MOST_BLANK:
            self._state = self._outside
            return text
        for place, closing in enumerate(self._closing):
            if rest.startswith(closing):
                self._closing = self._closing[place + 1 :]
                return rest.removeprefix(closing)
        if not next_call or any(closing.startswith(rest) for closing in self._closing):
            self._held = text
            return ""
        if more and next_call.startswith("{"):
            return self._open(text[: len(text) - len(next_call)], next_call, self._form)
        self._state = self._outside
        return text

    def _give_up(self, rest: str) -> None:
        """It was no call: all of it is text, with `rest` behind it."""
        parts, self._parts, self._held = self._parts, [], ""
        self._state = self._outside
        self._say("".join([*parts, rest]))

    def _say(self, text: str) -> None:
        if not text:
            return
        _, line_end, last = text.rpartition("\n")
        self._indent = len(last) + (0 if line_end else self._indent)
        if last.strip():
            self._indent = _ENDLESS
        if not self._said:
            text = self._blank + text
            blank = len(text) - len(text.lstrip())
            if blank == len(text) and blank <= _MOST_BLANK:
                self._blank = text
                return
            self._blank, self._said = "", True
            text = text[blank:] if self._called and blank <= _MOST_BLANK else text
        self._pieces.append(text)
