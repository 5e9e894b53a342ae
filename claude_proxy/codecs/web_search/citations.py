"""Which pages a text names: by their addresses, which the model was asked to give.

Anthropic's models mark what rests on which page. Other models have no such marks; but where a text
gives the address of a page that a search of the same answer has found, it names its source, and
that is all that a citation of ours says.
"""

from collections.abc import Iterable, Sequence

from claude_proxy.codecs.web_search.hits import MARK, Hit
from claude_proxy.types.anthropic import Citation

MOST_CITED = 150
"""Characters of a page's extract in a citation, as Anthropic has it."""

_GOES_ON = frozenset("/-_%?=&#~+@:")
"""What may follow an address in a longer one."""


def citations(text: str, searches: Sequence[Sequence[Hit]]) -> list[Citation]:
    """The pages of these searches that `text` names, in the order in which it does."""
    places: dict[str, tuple[int, Citation]] = {}
    for number, hits in enumerate(searches):
        for index, found in enumerate(hits):
            at = _place(found.url, text) if found.url not in places else -1
            if at >= 0:
                places[found.url] = at, _citation(found, f"{MARK}{number}.{index}")
    return [citation for _, citation in sorted(places.values(), key=_first)]


def _first(entry: tuple[int, Citation]) -> int:
    return entry[0]


def _place(url: str, text: str) -> int:
    """Where an address stands in a text by itself, not as the start of another; -1 if nowhere."""
    return next((at for at in _places(url, text) if _ends(text[at + len(url) :])), -1)


def _places(url: str, text: str) -> Iterable[int]:
    at = text.find(url)
    while at >= 0:
        yield at
        at = text.find(url, at + 1)


def _ends(rest: str) -> bool:
    if rest[:1] == ".":  # Of the sentence, or of the address.
        rest = rest[1:]
    return not (rest[:1].isalnum() or rest[:1] in _GOES_ON) or not rest


def _citation(found: Hit, index: str) -> Citation:
    return {
        "type": "web_search_result_location",
        "cited_text": (found.text or found.title)[:MOST_CITED],
        "url": found.url,
        "title": found.title,
        "encrypted_index": index,
    }
