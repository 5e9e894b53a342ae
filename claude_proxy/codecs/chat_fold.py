"""A stream of Chat Completions, or of Completions, as the whole answer that it tells.

For clients that want no stream, and get one all the same: some models only stream, whatever they
are asked. What is unknown is kept: texts go on, objects and lists grow. Pure like every codec.
"""

from typing import Any

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.passing_chat import DONE, failure_of, read_object
from claude_proxy.types import Json

_ONCE = frozenset({"role", "id", "type", "name", "index", "format"})
"""Texts that come whole, and from some servers with each chunk."""


class ChatFold:
    """Collects the payloads of a stream. Mutable; one for each answer.

    `error` is the payload of the error that the stream ended in, `complete` whether it ended well.
    """

    __slots__ = ("_body", "_choices", "_done", "error")

    def __init__(self) -> None:
        self._body: Json = {}
        self._choices: dict[int, Json] = {}
        self._done = False
        self.error: bytes | None = None

    @property
    def ended(self) -> bool:
        return self._done or self.error is not None

    @property
    def complete(self) -> bool:
        """Some servers end without `[DONE]`."""
        ends = [choice.get("finish_reason") for choice in self._choices.values()]
        return self._done or (bool(ends) and all(ends))

    def feed(self, payload: bytes) -> None:
        """Payloads that are no chunks change nothing."""
        if payload.strip() == DONE:
            self._done = True
        chunk = read_object(payload)
        if chunk is None:
            return
        if failure_of(chunk):
            self.error = payload
            return
        for name, value in chunk.items():
            if name == "choices":
                self._read(value)
            elif value is not None or name not in self._body:
                self._body[name] = value

    def _read(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index")
                at = index if type(index) is int else 0
                _grow(self._choices.setdefault(at, {}), choice)

    @property
    def message(self) -> bytes:
        """The whole answer, as far as it has come."""
        choices = [_whole(_plain(choice)) for _, choice in sorted(self._choices.items())]
        kind = self._body.get("object")
        named = {"object": kind.removesuffix(".chunk")} if isinstance(kind, str) else {}
        return dumps({**self._body, **named, "choices": choices})


def _whole(choice: Json) -> Json:
    """A choice whose delta is a message, and whose calls know their place by their order."""
    if not isinstance(choice.get("delta"), dict):
        return choice
    message: Json = {"content": None, **choice["delta"]}
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [
            {name: part for name, part in call.items() if name != "index"}
            for call in calls
            if isinstance(call, dict)
        ]
    rest = {name: part for name, part in choice.items() if name != "delta"}
    return {**rest, "message": message}


class _Text(list[str]):
    """The pieces of a text, which are joined once: each is small, and there may be very many."""


def _grow(entry: Json, more: Json) -> Json:
    """The same entry, with what more there is of it."""
    for name, value in more.items():
        entry[name] = _joined(name, entry.get(name), value)
    return entry


def _joined(name: str, before: Any, more: Any) -> Any:
    if more is None:
        return before
    if isinstance(more, list):
        return _listed(before if isinstance(before, list) else [], more)
    if isinstance(more, dict):
        return _grow(before if isinstance(before, dict) else {}, more)
    if isinstance(more, str) and isinstance(before, str | _Text):
        return _said(name, before, more)
    return more


def _said(name: str, before: str | _Text, more: str) -> str | _Text:
    if name in _ONCE:
        return before or more
    text = before if isinstance(before, _Text) else _Text([before])
    text.append(more)
    return text


def _listed(entries: list[Any], more: list[Any]) -> list[Any]:
    """Entries with an `index` grow, others follow."""
    places = {_place(entry): at for at, entry in enumerate(entries)} if any(map(_has, more)) else {}
    for entry in more:
        place = _place(entry)
        if place is not None and place in places:
            _grow(entries[places[place]], entry)
        else:
            places[place] = len(entries)
            entries.append(_joined("", None, entry))
    return entries


def _has(entry: Any) -> bool:
    return _place(entry) is not None


def _place(entry: Any) -> int | None:
    index = entry.get("index") if isinstance(entry, dict) else None
    return index if type(index) is int else None


def _plain(value: Any) -> Any:
    """The same with its texts joined."""
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
