"""Leaves out what says nothing new: Claude Code's advice at length, and white space."""

import re
from collections.abc import Iterator, Sequence

from claude_proxy.compression.outline import BRIEFLY, FREE, Piece

_GAPS = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def tidied(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces with each section of advice in a sentence, no reminders, and single spaces."""
    at = 0
    while at < len(pieces):
        end = _section_end(at, pieces)
        yield from _tidy_section(pieces[at:end])
        at = end


def _section_end(at: int, pieces: Sequence[Piece]) -> int:
    """Where the section ends that starts here; of what is no advice, each piece is one."""
    if not _is_start(pieces[at]):
        return at + 1
    start, end = pieces[at], at + 1
    while (
        end < len(pieces)
        and pieces[end].section == start.section
        and pieces[end].groups[: len(start.groups)] == start.groups
        and not _is_start(pieces[end])
    ):
        end += 1
    return end


def _is_start(piece: Piece) -> bool:
    title = piece.text.lstrip("#").strip().lower()
    return piece.kind == "heading" and title in BRIEFLY


def _tidy_section(pieces: Sequence[Piece]) -> Iterator[Piece]:
    brief = _brief(pieces)
    if brief is not None:
        yield brief
    for piece in pieces:
        if piece.kind not in FREE:
            yield piece
        elif brief is None and piece.kind != "reminder":
            yield piece._replace(text=_single_spaced(piece.text))


def _brief(pieces: Sequence[Piece]) -> Piece | None:
    """The heading and one sentence, if these are advice and that is shorter."""
    heading = pieces[0]
    if not _is_start(heading):
        return None
    title = heading.text.partition("\n")[0].rstrip()
    brief = f"{title}\n{BRIEFLY[heading.section]}\n\n"
    longer = len(brief) < sum(len(piece.text) for piece in pieces if piece.kind in FREE)
    return heading._replace(text=brief) if longer else None


def _single_spaced(text: str) -> str:
    """No spaces at line ends, one between words, one empty line; code in a line stays."""
    lines = (line.rstrip(" \t") for line in text.split("\n"))
    words = (line if "`" in line or "|" in line else _GAPS.sub(" ", line) for line in lines)
    return _EMPTY_LINES.sub("\n\n", "\n".join(words))
