"""JSON in and out: one place that knows how bytes can fail to be JSON.

msgspec refuses NaN, Infinity, lone surrogates and numbers outside of a double, so nothing that
is parsed here can leave as invalid JSON.
"""

import re
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec

from claude_proxy.errors import RequestError
from claude_proxy.types import Json

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a JSON string; group 1 is half of a surrogate pair without its other half."""

dumps = _encoder.encode


def dumps_body(body: Json) -> bytes:
    """JSON of an object whose parts may be `Shared`: those are written only once."""
    if Shared not in map(type, body.values()):
        return _encoder.encode(body)
    parts = {
        name: value.once("json", partial(raw_json, value)) if isinstance(value, Shared) else value
        for name, value in body.items()
    }
    return _encoder.encode(parts)


def raw_json(value: Any) -> msgspec.Raw:
    """A value, or one made of parts that are written already, as a part of others."""
    return msgspec.Raw(_encoder.encode(value))


def dumps_text(value: Any) -> str:
    """JSON text, compact, with characters outside of ASCII as they are."""
    return _encoder.encode(value).decode()


def loads(raw: bytes | str) -> Any:
    """The parsed value; `ValueError` for whatever is not JSON, however it is broken."""
    try:
        return _decoder.decode(raw)
    except RecursionError:
        # `from None`: the traceback of a hundred thousand frames helps nobody.
        raise ValueError("JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def loads_body(raw: bytes) -> Json:
    """A request body; `RequestError` (400) unless it is one JSON object.

    Half a surrogate pair, which JavaScript sends when it cuts an emoji, becomes U+FFFD. Parts of
    the object may be shared with other bodies: whoever reads it must not change it.
    """
    return Body(raw).whole


def mended(raw: bytes) -> bytes:
    """The same JSON with U+FFFD for halves of surrogate pairs; most often the same bytes."""
    return _ESCAPES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], raw)


def _loads_mended(raw: bytes, error: ValueError) -> tuple[Any, bytes]:
    whole = mended(raw)
    try:
        if whole != raw:
            return loads(whole), whole
    except ValueError:
        pass  # broken elsewhere too: the first error is told
    raise RequestError(f"The request body is not valid JSON: {error}") from error


# A conversation sends the same system prompt and tools with every turn, and they are most of a
# body. So the last few are kept as they were parsed, which also spares their text the way from
# UTF-8 and back: a third of a 245 kB request. Bounded: 32 parts of at most 256 KiB.
_SHARED = frozenset({"system", "tools"})
_MOST_MADE = 8
_LARGE = 16 * 1024
_LONGEST_SHARED = 256 * 1024
_SAMPLE = 251
_BROKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)
_USUAL = (
    *("model", "messages", "system", "tools", "max_tokens", "stream", "metadata", "thinking"),
    *("temperature", "top_p", "top_k", "stop_sequences", "tool_choice", "output_config"),
    *("context_management", "service_tier", "output_format", "cache_control"),
)
"""Members of a usual request in Messages. One that has others is read in two steps."""
_usual = msgspec.json.Decoder(
    msgspec.defstruct(
        "Usual",
        [
            (name, msgspec.Raw | msgspec.UnsetType if name in _SHARED else Any, msgspec.UNSET)
            for name in _USUAL
        ],
        forbid_unknown_fields=True,
    )
)
_split = msgspec.json.Decoder(dict[str, msgspec.Raw])
_split_list = msgspec.json.Decoder(list[msgspec.Raw])


class Body:
    """A request body, of which only that is read which somebody asks for. See `loads_body`.

    Mutable: it keeps what was read.
    """

    __slots__ = ("_members", "_raw", "_valid", "_whole")

    def __init__(self, raw: bytes, *, whole: bool = False) -> None:
        """`whole`: somebody will ask for all of it, so that it pays to read it in one step."""
        self._raw = raw
        self._members: dict[str, msgspec.Raw] | None = None
        self._whole: Json | None = None
        self._valid = False
        if len(raw) >= _LARGE:
            with suppress(*_BROKEN):
                if whole:
                    self._whole, self._valid = _read_usual(raw), True
                else:
                    self._members = _split.decode(raw)
        if self._whole is None and self._members is None:
            self._read_whole()

    @property
    def raw(self) -> bytes:
        """Valid JSON: what can be mended is."""
        self._check()
        return self._raw

    @property
    def whole(self) -> Json:
        """The parsed object."""
        if self._whole is None and self._members is not None:
            try:
                self._whole = {name: _part(name, raw) for name, raw in self._members.items()}
                self._valid = True
            except _BROKEN:
                pass  # The whole tells better where.
        return self._read_whole() if self._whole is None else self._whole

    def some(self, *names: str) -> Json:
        """The parsed object with these members only, as far as they are there."""
        if self._whole is None and (members := self._members) is not None:
            with suppress(*_BROKEN):
                return {name: _part(name, members[name]) for name in names if name in members}
        whole = self.whole
        return {name: whole[name] for name in names if name in whole}

    def members(self) -> dict[str, msgspec.Raw]:
        """Its members, each as the bytes that it came in: valid JSON, too."""
        self._check()
        if self._members is None:
            self._members = _split.decode(self._raw)
        return self._members

    def _check(self) -> None:
        """What splitting does not: whether the texts are UTF-8. Parsing shows it as well, and
        costs no more, so only who copies bytes has to ask."""
        if not self._valid:
            try:
                if not self._raw.isascii():
                    self._raw.decode()
            except UnicodeError:
                self._read_whole()
            self._valid = True

    def _read_whole(self) -> Json:
        self._whole, self._raw = _loads_whole(self._raw)
        self._members, self._valid = None, True
        return self._whole


def _read_usual(raw: bytes) -> Json:
    """Raises one of `_BROKEN`, also for what is only unusual."""
    read = _usual.decode(raw)
    found = {name: getattr(read, name) for name in _USUAL}
    return {
        name: _part(name, value) if name in _SHARED else value
        for name, value in found.items()
        if value is not msgspec.UNSET
    }


def _part(name: str, raw: msgspec.Raw) -> Any:
    if name in _SHARED and len(value := _Sampled(raw)) <= _LONGEST_SHARED:
        return _shared(value)
    return _decoder.decode(raw)


class _Sampled(bytes):
    """Bytes that are hashed by a part of them: of all, it takes half as long as parsing them."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash((len(self), self[::_SAMPLE]))


def _loads_whole(raw: bytes) -> tuple[Json, bytes]:
    try:
        body = loads(raw)
    except ValueError as error:
        body, raw = _loads_mended(raw, error)
    if not isinstance(body, dict):
        raise RequestError("The request body must be a JSON object.")
    return body, raw


def members(raw: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, each as the bytes that it came in."""
    return _split.decode(raw)


def entries(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The entries of a JSON array, each as the bytes that it came in."""
    return _split_list.decode(raw)


class Shared(list[Any]):
    """A list that later bodies will hold too, the same object. Nobody changes it.

    So what is made of it can be made once: `kept` keeps it here, and it goes with the list.
    """

    __slots__ = ("_made",)

    def __init__(self, items: list[Any]) -> None:
        super().__init__(items)
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, or gave the last time for this key."""
        made: dict[Hashable, T] = self._made
        if key not in made:
            if len(made) >= _MOST_MADE:
                made.clear()
            made[key] = make()
        return made[key]


@lru_cache(maxsize=32)
def _shared(raw: _Sampled) -> Any:
    value = _decoder.decode(raw)
    return Shared(value) if isinstance(value, list) else value
