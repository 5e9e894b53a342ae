"""What a provider attaches to its reasoning and calls, and wants back as it was.

- OpenRouter's `reasoning_details`: an array whose entries must come back complete and in order.
- Gemini's `thought_signature` of a call, without which Gemini 3 refuses the next request.

An answer's attachments travel in the signature of the thinking block before the call or text that
they came with; where there is no thinking to be shown, in that of an empty block.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from claude_proxy.codecs.carry import Seal
from claude_proxy.profiles import Profile
from claude_proxy.types import Json

UNSIGNED = "skip_thought_signature_validator"
"""Gemini's documented stand-in for the signature of a call that it did not make itself."""

_SIGNED_IN = ("google", "vertex")
"""Where `extra_content` holds a signature: at Vertex AI under a name of its own
(earendil-works/pi#6733)."""

_PIECES = ("text", "summary")
"""Of an entry that comes in several chunks, these are continued; other fields are replaced."""
_DETAILS, _SIGNATURES = "details", "signatures"


class Attached:
    """Collects an answer's attachments, and signs its thinking blocks with them. Mutable."""

    __slots__ = ("_details", "_form", "_plain", "_seal", "_signatures")

    def __init__(self, profile: Profile, seal: Seal | None) -> None:
        self._seal = seal or Seal.plain(profile.name)
        self._form = profile.reasoning_history
        self._plain = self._seal.sign()
        self._details: list[Json] = []
        self._signatures: list[Json] = []

    def sign(self) -> str:
        """The signature of the block that closes now, with all that has come so far."""
        if not self:
            return self._plain
        data: Json = {}
        if self._details:
            data[_DETAILS] = self._details
        if self._signatures:
            data[_SIGNATURES] = self._signatures
        self._details, self._signatures = [], []
        return self._seal.sign(data)

    def __bool__(self) -> bool:
        """Whether something waits for a block to be signed."""
        return bool(self._details or self._signatures)

    def read(self, delta: Json) -> bool:
        """Takes a delta's details; whether there were any."""
        details = delta.get("reasoning_details")
        if self._form != "reasoning_details" or not isinstance(details, list):
            return False
        entries = [entry for entry in details if isinstance(entry, dict)]
        for entry in entries:
            self._add(entry)
        return bool(entries)

    def read_call(self, entry: object) -> bool:
        """Takes a call's signature; whether there was one."""
        if self._form != "thought_signature":
            return False
        for name in _SIGNED_IN:
            signature = _at(entry, "extra_content", name, "thought_signature")
            if isinstance(signature, str) and signature:
                self._signatures.append(signed(signature, name))
                return True
        return False

    def _add(self, entry: Json) -> None:
        last = self._details[-1] if self._details else None
        if last is None or not _continues(last, entry):
            self._details.append({**entry})
            return
        for name, value in entry.items():
            before = last.get(name)
            if name in _PIECES and isinstance(before, str) and isinstance(value, str):
                last[name] = before + value
            elif value is not None:
                last[name] = value


def _continues(last: Json, entry: Json) -> bool:
    """Whether an entry is another piece of the last one: never of another index or format.

    Claude's signature comes alone, after its text (agno-agi/agno#8794).
    """
    if entry.get("index") is None or _text(last) is None:
        return False
    same = last.get("type") == entry.get("type") and last.get("index") == entry["index"]
    # Only the first piece may say the format.
    return same and entry.get("format") in (None, last.get("format"))


def _text(entry: Json) -> str | None:
    return next((entry[name] for name in _PIECES if isinstance(entry.get(name), str)), None)


def _at(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def details_of(carried: Sequence[Json]) -> list[Json]:
    """The `reasoning_details` of a turn's blocks, in order."""
    listed = [each for data in carried for each in _listed(data, _DETAILS)]
    found: list[Json] = []
    for each in [each for each in listed if isinstance(each, dict)]:
        if found and _text(each) is None and _continues(found[-1], each):
            # A signature that came after the text had begun, and so in a block of its own.
            found[-1] = {**found[-1], **each}
        else:
            found.append(each)
    return found


def signed(signature: str, name: str = "google") -> Json:
    """The `extra_content` of a call with this signature."""
    return {name: {"thought_signature": signature}}


def signatures_of(carried: Json) -> list[Json]:
    """The `extra_content`s that one block carries, for the calls that follow it."""
    return [each for each in _listed(carried, _SIGNATURES) if isinstance(each, dict)]


def _listed(data: Json, name: str) -> Iterator[Any]:
    entries = data.get(name)
    yield from entries if isinstance(entries, list) else ()
