"""What is read of Chat Completions, and of Completions, that pass by unchanged.

Unlike in Messages, each chunk has the fields that tell an end, null until then; so a chunk that
comes alone, as most do, is parsed, but for its content. Pure like every codec.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from claude_proxy.codecs.passing import Usage
from claude_proxy.codecs.sse import SSEDecoder

_TELLING = re.compile(rb'\[DONE\]|"finish_reason"\s*:\s*"|"usage"\s*:\s*\{|"error"\s*:')
"""In texts quotes are escaped, so that only fields look like this, and `[DONE]` costs a look."""

_CONTENT = re.compile(
    rb'"(?:content|reasoning|reasoning_content|refusal|text|arguments|name)"\s*:\s*"[^"]'
)
_DATA, _DONE = b"data: ", b"[DONE]"


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None


class _Answer(msgspec.Struct):
    choices: Any = None
    usage: Any = None
    error: Any = None


_usual = msgspec.json.Decoder(_Chunk).decode
_any = msgspec.json.Decoder(_Answer).decode


class ChatTap:
    """Reads usage, beginning and end out of whole events. Mutable; one for each answer.

    `choices`: how many answers the client has asked for.
    """

    __slots__ = ("_choices", "_ended", "finished", "started", "usage")

    def __init__(self, choices: int = 1) -> None:
        self._choices = choices
        self._ended: set[int] = set()
        """Indexes of the answers that said why they stop."""
        self.usage: Usage = {}
        self.started = False
        """Whether content has begun."""
        self.finished = False
        """Whether the stream said that it is over, or ended with an error of the upstream's."""

    @property
    def complete(self) -> bool:
        """Some servers end without `[DONE]`, and usage comes behind the reason."""
        return self.finished or len(self._ended) >= self._choices

    def read(self, events: bytes, /) -> None:
        if not self.started and _CONTENT.search(events):
            self.started = True
        if events.find(b"\n") == len(events) - 2 and events.startswith(_DATA):
            self._read(events[len(_DATA) : -2])
        elif _TELLING.search(events):
            decoder = SSEDecoder(limit=len(events) + 1)
            for payload in [*decoder.feed(events), *decoder.close()]:
                self._read(payload)

    def _read(self, payload: bytes) -> None:
        try:
            chunk = _usual(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            self._read_odd(payload)
            return
        for choice in chunk.choices:
            if choice.finish_reason:
                self._ended.add(choice.index if isinstance(choice.index, int) else 0)
        if chunk.usage is not None:
            self.usage |= _counts(chunk.usage)
        if chunk.error is not None:
            self.finished = True

    def _read_odd(self, payload: bytes) -> None:
        """The end, or a chunk that has no choices as they should be."""
        read = _parsed(payload)
        if payload.strip() == _DONE or (read is not None and read.error is not None):
            self.finished = True
        if read is not None:
            self.usage |= _counts(read.usage)


def is_failure(answer: bytes) -> bool | None:
    """Whether a whole answer is an error in place of one; None if it is no JSON object."""
    read = _parsed(answer)
    if read is None:
        return None
    return read.error is not None and not read.choices


def completion_usage(answer: bytes) -> Usage:
    """The usage of a whole answer, as far as it tells one."""
    read = _parsed(answer)
    return _counts(read.usage) if read is not None else {}


def _parsed(raw: bytes) -> _Answer | None:
    try:
        return _any(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # What the tap cannot read, the client may: it goes out all the same.


def _counts(usage: object) -> Usage:
    """The numbers that were told; `prompt_tokens` includes what the cache held."""
    if not isinstance(usage, dict):
        return {}
    prompt, answer = _number(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = _number(details, "cached_tokens") if isinstance(details, dict) else 0
    told = {
        "input_tokens": max(0, prompt - cached),
        "cached_tokens": cached,
        "output_tokens": answer,
    }
    return {name: number for name, number in told.items() if number}


def _number(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    return value if type(value) is int else 0
