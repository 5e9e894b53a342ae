"""Characters that a server cut in two.

JavaScript counts in UTF-16. A server that cuts an answer there by length ends one delta in
`\\ud83d` and begins the next with `\\ude00`: halves of a surrogate pair, which are one character
together and none alone.
"""

from collections.abc import Iterator
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.answer import first_choice
from claude_proxy.types import Json

TEXTS = ("content", "reasoning_content", "reasoning")


class _Text(NamedTuple):
    """A text of a delta: where it stands, and what tells those that go on from it."""

    owner: Json
    name: str
    call: object = None
    """The `index` of the call whose arguments it is."""

    @property
    def place(self) -> tuple[str, str]:
        return self.name, repr(self.call)

    def delta(self, text: str) -> Json:
        """A delta with nothing but this text."""
        if self.name != "arguments":
            return {self.name: text}
        return {"tool_calls": [{"index": self.call, "function": {"arguments": text}}]}


class Halves:
    """Puts halves that stand in two chunks together. Mutable; may change chunks it is given."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], tuple[_Text, str]] = {}

    def feed(self, chunk: Json) -> list[Json]:
        """The chunk, without a half at the end of a text; before it those that stay alone."""
        texts = list(_texts(chunk))
        places = [text.place for text in texts]
        alone = self.rest() if texts and self._waiting.keys().isdisjoint(places) else []
        for text in texts:
            _, half = self._waiting.pop(text.place, (None, ""))
            whole = half + text.owner[text.name]
            if "\ud800" <= whole[-1] <= "\udbff":
                self._waiting[text.place] = text, whole[-1]
                whole = whole[:-1]
            text.owner[text.name] = whole
        return [*alone, chunk]

    def rest(self) -> list[Json]:
        """Chunks of the halves whose other half never came."""
        waiting, self._waiting = self._waiting, {}
        return [
            {"choices": [{"index": 0, "delta": text.delta(half)}]}
            for text, half in waiting.values()
        ]


def _texts(chunk: Json) -> Iterator[_Text]:
    choice = first_choice(chunk.get("choices"))
    delta = choice.get("delta") if choice else None
    if not isinstance(delta, dict):
        return
    yield from (_Text(delta, name) for name in TEXTS if _is_text(delta.get(name)))
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and _is_text(function.get("arguments")):
            yield _Text(function, "arguments", call.get("index"))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
