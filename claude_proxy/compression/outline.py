"""A prompt's text → pieces: what may be shortened, and what stays as it is.

Nothing gets lost on the way: the texts of all pieces together are the text. A piece is a heading,
a paragraph, a list item, a piece of code, or a line that opens or closes a pair of tags.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["kept", "free", "heading", "reminder", "frame"]

FREE: frozenset[Kind] = frozenset({"free", "heading", "reminder"})
"""Kinds that may be shortened or left out."""

MARK = "[shortened here to fit the limit of system prompts]\n"
"""Tells the model where something is missing; it is never taken away again."""

BRIEFLY = {
    "tone and style": "Be brief, direct and honest; no emoji unless asked.",
    "output efficiency": "Lead with the answer; leave out what is not needed.",
    "doing tasks": (
        "Read code before you change it. Do what was asked and no more; keep it simple and safe."
    ),
    "executing actions with care": (
        "Ask before what is hard to undo or touches others: deleting, pushing, publishing."
    ),
    "using your tools": (
        "Prefer dedicated tools to shell commands; make independent calls in parallel."
    ),
    "tool usage policy": (
        "Prefer dedicated tools to shell commands; make independent calls in parallel."
    ),
    "auto memory": "Keep what will be useful later in your memory folder.",
    "vscode extension context": "You run inside the VSCode extension.",
}
"""Sections of Claude Code's prompt that are advice on behavior, and what they come down to."""

_KEPT = frozenset({"environment", "env", "environment_details", "currentdate"})
"""Tags, and first words of headings, of what is known of the user's machine."""
_DEEPEST = 8
_USERS_FILE = re.compile(r"(?:CLAUDE|AGENTS|MEMORY)(?:\.local)?\.md|\bclaudeMd\b")
_CONTENTS = re.compile(r"\AContents of .{0,1000}(?:CLAUDE|AGENTS|MEMORY)(?:\.local)?\.md")
_HEADING = re.compile(r"\A(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r"\A[ \t]*(`{3,}|~{3,})(.*)", re.DOTALL)
_ITEM = re.compile(r"\A[ \t]*(?:[-*+]|[0-9]{1,3}[.)])[ \t]")
_OPENING = re.compile(r"\A[ \t]*<([A-Za-z][\w.-]*)(?:[ \t][^<>]*)?>")
_CLOSING = re.compile(r"</([A-Za-z][\w.-]*)>[ \t]*\n?\Z")
_PATH = re.compile(
    r"(?:\A|[\s\"'`(=:\[])(?:~|\.{1,2})?/[\w.@+-]+/[\w.@+-]|(?:\A|[\s\"'`(])[A-Za-z]:\\\w"
)


class Piece(NamedTuple):
    text: str
    """With its line ends and the empty lines after it."""
    kind: Kind
    section: str = ""
    """The section of `BRIEFLY` that it stands in, or nothing."""
    groups: tuple[int, ...] = ()
    """The pairs of tags around it, by the line that opens them; of a frame its own as well."""


def outline(text: str) -> list[Piece]:
    return _Reader(text).read()


def written(pieces: Iterable[Piece]) -> str:
    """The text again, without pairs of tags that nothing is left in."""
    listed = list(pieces)
    used = {group for piece in listed if piece.kind != "frame" for group in piece.groups}
    return "".join(
        piece.text for piece in listed if piece.kind != "frame" or piece.groups[-1] in used
    )


@dataclass(slots=True)
class _Draft:
    """A piece that is being read. Mutable: it grows line by line."""

    lines: list[str]
    kind: Kind
    section: str
    groups: tuple[int, ...]

    def piece(self) -> Piece:
        return Piece("".join(self.lines), self.kind, self.section, self.groups)


class _Reader:
    """Reads one text, line by line. Mutable; used once."""

    def __init__(self, text: str) -> None:
        self._lines = _lines(text)
        self._closing: dict[str, list[int]] = {}
        for index, line in enumerate(self._lines):
            if found := _CLOSING.search(line):
                self._closing.setdefault(found[1], []).append(index)
        self._drafts: list[_Draft] = []
        self._titles: list[tuple[int, str]] = []
        self._open: list[tuple[int, int, list[tuple[int, str]]]] = []
        """Pairs of tags: the lines of both, and the titles that hold outside."""
        self._in_paragraph = False
        self._in_status = False

    def read(self) -> list[Piece]:
        at = 0
        while at < len(self._lines):
            at = self._read(at)
        return [draft.piece() for draft in self._drafts]

    def _read(self, at: int) -> int:
        """Reads what starts in this line; says where it ends."""
        line = self._lines[at]
        if self._open and at == self._open[-1][1]:
            self._add(line, "frame")
            self._titles = self._open.pop()[2]
            return at + 1
        if not line.strip():
            return self._blank(line, at)
        if line == MARK:
            return self._whole(at, at + 1, "kept")
        fence = _FENCE.match(line)
        if fence and not (fence[1][0] == "`" and "`" in fence[2]):
            return self._whole(at, self._fence_end(at, fence[1]), "kept")
        if _CONTENTS.match(line):
            return self._whole(at, self._inner_end(), "kept")
        if heading := _HEADING.match(line):
            return self._heading(at, len(heading[1]), heading[2].strip())
        opening = _OPENING.match(line)
        if opening and (end := self._closing_line(opening[1], at)):
            return self._pair(at, end, opening[1])
        self._line(line)
        return at + 1

    def _add(self, text: str, kind: Kind) -> None:
        section = next((title for _, title in self._titles if title in BRIEFLY), "")
        groups = tuple(start for start, _, _ in self._open)
        self._drafts.append(_Draft([text], kind, section, groups))
        self._in_paragraph = False

    def _whole(self, at: int, end: int, kind: Kind) -> int:
        self._add("".join(self._lines[at:end]), kind)
        return end

    def _inner_end(self) -> int:
        """Where the innermost pair of tags ends, or the text."""
        return self._open[-1][1] if self._open else len(self._lines)

    def _blank(self, line: str, at: int) -> int:
        if self._drafts and self._drafts[-1].kind != "frame":
            self._drafts[-1].lines.append(line)
            self._in_paragraph = False
        else:
            self._add(line, "free")
        return at + 1

    def _fence_end(self, at: int, mark: str) -> int:
        """The line after a piece of code, which may end with the text or the tags around it."""
        for index in range(at + 1, self._inner_end()):
            bare = self._lines[index].strip()
            if bare.startswith(mark) and not bare.strip(mark[0]):
                return index + 1
        return self._inner_end()

    def _heading(self, at: int, level: int, title: str) -> int:
        while self._titles and self._titles[-1][0] >= level:
            self._titles.pop()
        self._titles.append((level, title.lower()))
        self._in_status = False
        if _USERS_FILE.search(title):
            # The user's own text may hold any heading: it ends with the text.
            return self._whole(at, self._inner_end(), "kept")
        self._add(self._lines[at], "kept" if self._is_kept() else "heading")
        return at + 1

    def _is_kept(self) -> bool:
        return self._in_status or any(
            title.partition(" ")[0].rstrip(":") in _KEPT for _, title in self._titles
        )

    def _closing_line(self, tag: str, at: int) -> int:
        """The line that ends with the closing tag, after this one and inside of what is open."""
        lines = self._closing.get(tag, [])
        index = bisect_left(lines, at + 1)
        if index == len(lines) or lines[index] >= self._inner_end():
            return 0
        inline = len(self._open) >= _DEEPEST or f"</{tag}>" in self._lines[at]
        return 0 if inline else lines[index]

    def _pair(self, at: int, end: int, tag: str) -> int:
        inside = "".join(self._lines[at : end + 1])
        if tag in _KEPT or self._is_kept() or _USERS_FILE.search(inside):
            return self._whole(at, end + 1, "kept")
        if tag == "system-reminder":
            return self._whole(at, end + 1, "kept" if _PATH.search(inside) else "reminder")
        self._open.append((at, end, [*self._titles]))
        self._add(self._lines[at], "frame")
        return at + 1

    def _line(self, line: str) -> None:
        self._in_status = self._in_status or line.startswith("gitStatus:")
        item = _ITEM.match(line)
        kept = self._is_kept() or _PATH.search(line)
        if self._in_paragraph and not item:
            last = self._drafts[-1]
            last.lines.append(line)
            if kept:
                last.kind = "kept"
        else:
            # What is indented that much, and no item of a list, is code.
            code = line.startswith(("    ", "\t")) and not item
            self._add(line, "kept" if kept or code else "free")
        self._in_paragraph = True


def _lines(text: str) -> list[str]:
    """Cut after line feeds only: JSON may carry other line ends inside of a line."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
