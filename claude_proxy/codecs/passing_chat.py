"""What is read of Chat Completions, and of Completions, that pass by unchanged.

Unlike in Messages, each chunk has the fields that tell an end, null until then; so a chunk that
comes alone, as most do, is parsed, but for its content. Pure like every codec.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.codecs.openai_chat.errors import find_error
from claude_proxy.codecs.openai_chat.stream import salvage
from claude_proxy.codecs.passing import Usage
from claude_proxy.codecs.sse import LIMIT, SSEDecoder
from claude_proxy.types import Json

_TELLING = re.compile(
    rb'\[DONE\]|"finish_reason"\s*:\s*"|"usage"\s*:\s*\{|"error"\s*:'
    rb'|"object"\s*:\s*"error"|"detail"\s*:|event:\s*error'
)
"""In texts quotes are escaped, so that only fields look like this, and `[DONE]` costs a look."""

_CONTENT = re.compile(
    rb'"(?:content|reasoning|reasoning_content|refusal|text|arguments|name)"\s*:\s*"[^"]'
)
_DATA = b"data: "
DONE = b"[DONE]"


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] = []
    usage: Any = None
    error: Any = None


_usual = msgspec.json.Decoder(_Chunk).decode


class ChatTap:
    """Reads usage, beginning and end out of whole events. Mutable; one for each answer.

    `choices`: how many answers the client has asked for.
    """

    __slots__ = ("_choices", "_ended", "failure", "finished", "started", "usage")

    def __init__(self, choices: int = 1) -> None:
        self._choices = choices
        self._ended: set[int] = set()
        """Indexes of the answers that said why they stop."""
        self.usage: Usage = {}
        self.started = False
        """Whether content has begun."""
        self.finished = False
        """Whether the stream said that it is over, or ended with an error of the upstream's."""
        self.failure = b""
        """The payload of that error."""

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
        if chunk.error is not None or (not chunk.choices and chunk.usage is None):
            self._read_odd(payload)

    def _read_odd(self, payload: bytes) -> None:
        """The end, an error, or a chunk that has no choices as they should be."""
        if payload.strip() == DONE:
            self.finished = True
        read = read_object(payload)
        if read is None:
            return
        self.usage |= _counts(read.get("usage"))
        if failure_of(read):
            self.finished, self.failure = True, payload


def failure_of(chunk: Json) -> bool:
    """Whether a stream ends with it because something failed."""
    return chunk.get("error") is not None or find_error(chunk) is not None


def is_failure(answer: bytes) -> bool | None:
    """Whether a whole answer is an error in place of one; None if it is no JSON object."""
    read = read_object(answer)
    if read is None:
        return None
    return not read.get("choices") and find_error(read) is not None


def completion_usage(answer: bytes) -> Usage:
    """The usage of a whole answer, as far as it tells one."""
    read = read_object(answer)
    return _counts(read.get("usage")) if read is not None else {}


def in_events(answer: bytes, usage: bool) -> bytes:
    """A whole answer as the stream that was asked for: a chunk for each choice, then the counts if
    `usage` says so. Empty for what is no answer.

    Clients that wait for events find none in it, and take that for an answer without a word.
    """
    body = read_object(answer)
    choices = body.get("choices") if body is not None else None
    if body is None or not isinstance(choices, list):
        return b""
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    head |= {"object": "chat.completion.chunk"} if head.get("object") == "chat.completion" else {}
    told: list[Json] = [{**head, "choices": [_as_delta(choice)]} for choice in choices]
    if usage and isinstance(body.get("usage"), dict):
        told.append({**head, "choices": [], "usage": body["usage"]})
    return b"".join([*(_DATA + dumps(chunk) + b"\n\n" for chunk in told), b"data: [DONE]\n\n"])


def _as_delta(choice: Any) -> Any:
    """Completions have the same choices in both; in Chat a message is one delta."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return choice
    delta: Json = {**choice["message"]}
    if isinstance(calls := delta.get("tool_calls"), list):
        delta["tool_calls"] = [
            {"index": at, **each} if isinstance(each, dict) else each
            for at, each in enumerate(calls)
        ]
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, "delta": delta}


def read_object(raw: bytes) -> Json | None:
    """What cannot be read here, the client may: it goes out all the same."""
    try:
        value = loads(raw)
    except ValueError:
        # It may take more: half an emoji, as models say it, or a byte order mark.
        value = salvage(raw) if len(raw) <= LIMIT else None
    return value if isinstance(value, dict) else None


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
