"""Makes a prompt fit a number of tokens: what may go goes from its end, with a mark."""

import re
from collections.abc import Iterator

from claude_proxy.compression.outline import FREE, MARK, Piece, written
from claude_proxy.tokens import estimate_text

_TOKENS = re.compile(r"(`+)|<(/?)([A-Za-z][\w.-]*)(?:\s[^<>]*)?(/?)>|\s+")

Outlines = list[list[Piece]]


def fitted(outlines: Outlines, limit: int) -> Outlines:
    """The outlines within `limit` tokens, or all that must stay if even that is more."""
    places = [
        (text, index)
        for text, pieces in enumerate(outlines)
        for index, piece in enumerate(pieces)
        if piece.kind in FREE and piece.text.strip()
    ]
    if not places:
        return outlines
    least, count = _too_many(outlines, places, limit), len(places)
    # Pieces cost a little more alone than together, so these may not be enough.
    middle = least
    while least < count:
        if _cost(_without(outlines, places[-middle:], MARK)) > limit:
            least = middle + 1
        else:
            count = middle
        middle = (least + count) // 2
    found = _without(outlines, places[-count:], MARK)
    if _cost(found) > min(limit, _cost(outlines)):
        return _without(outlines, places[-count:], "")
    text, index = places[-count]
    if outlines[text][index].kind == "free":
        for part in _beginnings(outlines[text][index].text, limit - _cost(found)):
            longer = _without(outlines, places[-count:], f"{part}\n\n{MARK}")
            if _cost(longer) <= limit:
                return longer
    return found


def _too_many(outlines: Outlines, places: list[tuple[int, int]], limit: int) -> int:
    """About how many of the last places are too many; at least one."""
    over = _cost(outlines) + estimate_text(MARK) - limit
    for count, (text, index) in enumerate(reversed(places), 1):
        over -= estimate_text(outlines[text][index].text)
        if over <= 0:
            return count
    return len(places)


def _without(outlines: Outlines, gone: list[tuple[int, int]], left: str) -> Outlines:
    """Without these pieces; `left` stands in the place of the first."""
    places = set(gone)
    return [
        [
            piece if (text, index) not in places else piece._replace(text=left)
            for index, piece in enumerate(pieces)
            if (text, index) not in places or ((text, index) == gone[0] and left)
        ]
        for text, pieces in enumerate(outlines)
    ]


def _cost(outlines: Outlines) -> int:
    texts = map(written, outlines)
    return estimate_text("\n\n".join(text for text in texts if text))


def _beginnings(text: str, room: int) -> Iterator[str]:
    """Beginnings of a piece that may fit, longest first: whole words, all pairs closed."""
    ends = list(_ends(text))
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if estimate_text(text[: ends[middle]]) < room:
            low = middle + 1
        else:
            high = middle
    for end in reversed(ends[max(0, low - 3) : low]):
        yield text[:end].rstrip()


def _ends(text: str) -> Iterator[int]:
    """Where a text may end early: between words, outside of inline code and of tags."""
    code = ""
    tags: list[str] = []
    for found in _TOKENS.finditer(text):
        ticks, closing, tag, alone = found.groups()
        if ticks:
            code = "" if ticks == code else code or ticks
        elif code:
            continue
        elif tag:
            if closing:
                tags = tags[: tags.index(tag)] if tag in tags else tags
            elif not alone:
                tags.append(tag)
        elif not tags and found.start():
            yield found.start()
