"""Anthropic Messages as an upstream's language, for clients that speak another one.

A request goes out as it is inside, and events come in nearly as they go on: a new id, the model's
name as the client knows it, and all of the usage at the end, as every other upstream's. What
arrives is checked, because whoever writes it for the client relies on its shape.
Source: https://docs.anthropic.com/en/api/messages-streaming (seen 2026-11).
"""

from collections.abc import Collection, Mapping
from typing import Any

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.anthropic_messages import decode_error
from claude_proxy.codecs.blocks import no_usage
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.codecs.openai_chat.stream import salvage
from claude_proxy.codecs.openai_chat.usage import Estimate
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest, StopReason, StreamEvent, Usage

__all__ = ["StreamDecoder", "decode_error", "decode_response", "encode_request", "tool_names"]

CUT = "The upstream ended its answer before it was complete."
_NO_MESSAGE = "The upstream's answer is not a message."

_BLOCK_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "redacted_thinking": {"data": ""},
    "tool_use": {"id": None, "name": None, "input": {}},
}
"""What a block must have, and what it has where that is missing; None: then it is none at all."""

_DELTA_FIELDS: Mapping[str, tuple[str, type]] = {
    "text_delta": ("text", str),
    "thinking_delta": ("thinking", str),
    "input_json_delta": ("partial_json", str),
    "signature_delta": ("signature", str),
    "citations_delta": ("citation", dict),
}
_COUNTS = tuple(no_usage())


def tool_names(request: MessagesRequest, *, profile: Profile) -> dict[str, str]:
    """None is renamed."""
    return {}


def encode_request(
    request: MessagesRequest,
    *,
    profile: Profile,
    on_drop: OnDrop = ignore_drop,
    renamed: Mapping[str, str] | None = None,
    session: str = "",
    seal: Seal | None = None,
) -> Json:
    """The same request. What this upstream refuses of it, `retarget` leaves out."""
    return {**request}


def decode_response(
    body: Json,
    /,
    *,
    profile: Profile,
    id: str,
    model: str,
    tool_names: Mapping[str, str] | None = None,
    stop_sequences: Collection[str] | None = None,
    estimate: Estimate | None = None,
    seal: Seal | None = None,
) -> Message:
    """A whole message, under our id. Raises `UpstreamError` for what is none."""
    if not isinstance(body, dict):
        raise ProtocolError(_NO_MESSAGE)
    if body.get("type") == "error":
        raise decode_error(200, dumps(body))
    content = body.get("content")
    if not isinstance(content, list):
        raise ProtocolError(_NO_MESSAGE)
    meter = _Meter()
    meter.read(body.get("usage"))
    message: Any = {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_block(block) for block in content],
        "stop_reason": _reason(body.get("stop_reason")) or "end_turn",
        "stop_sequence": _text(body.get("stop_sequence")),
        "usage": meter.usage(estimate),
    }
    result: Message = message
    return result


class StreamDecoder:
    """Bytes in, events out. Mutable; one for each answer. See `codecs.Decoder`."""

    def __init__(
        self,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None = None,
        stop_sequences: Collection[str] | None = None,
        estimate: Estimate | None = None,
        seal: Seal | None = None,
    ) -> None:
        self._id, self._model, self._estimate = id, model, estimate
        self._sse = SSEDecoder()
        self._meter = _Meter()
        self._started = False
        self._stop: Json = {}
        self.finished = False
        self.done = False
        self.error: UpstreamError | None = None
        self.faults: Mapping[str, int] = {}

    def open(self) -> list[StreamEvent]:
        if self._started or self.done:
            return []
        self._started = True
        message: Message = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": no_usage(),
        }
        return [{"type": "message_start", "message": message}]

    def feed(self, data: bytes) -> list[StreamEvent]:
        if self.done:
            return []
        try:
            return self._read(self._sse.feed(data))
        except ProtocolError as error:
            return self._fail(error)

    def close(self) -> list[StreamEvent]:
        """The rest, when the upstream has closed its side."""
        if self.done:
            return []
        try:
            events = self._read(self._sse.close())
        except ProtocolError as error:
            return self._fail(error)
        return events if self.done else events + self._end()

    def _read(self, payloads: list[bytes]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for payload in payloads:
            events += self._event(payload)
            if self.done:
                break
        return events

    def _event(self, payload: bytes) -> list[StreamEvent]:
        try:
            event = loads(payload)
        except ValueError:
            event = salvage(payload)
        if not isinstance(event, dict):
            return []
        match event.get("type"):
            case "content_block_delta":
                return [*self.open(), _delta(event)]
            case "content_block_start":
                block = _block(event.get("content_block"))
                index = _index(event)
                start: Any = {"type": "content_block_start", "index": index, "content_block": block}
                return [*self.open(), start]
            case "content_block_stop":
                return [{"type": "content_block_stop", "index": _index(event)}]
            case "message_start":
                self._meter.read(_dict(event.get("message")).get("usage"))
                return self.open()
            case "message_delta":
                self._meter.read(event.get("usage"))
                self._stop |= _dict(event.get("delta"))
                self.finished = _reason(self._stop.get("stop_reason")) is not None
            case "message_stop":
                return self._end()
            case "error":
                return self._fail(decode_error(200, payload))
        return []

    def _end(self) -> list[StreamEvent]:
        reason = _reason(self._stop.get("stop_reason"))
        if reason is None:
            return self._fail(UpstreamError(CUT))
        events = self.open()
        self.finished = self.done = True
        return [
            *events,
            {
                "type": "message_delta",
                "delta": {
                    "stop_reason": reason,
                    "stop_sequence": _text(self._stop.get("stop_sequence")),
                },
                "usage": self._meter.usage(self._estimate),
            },
            {"type": "message_stop"},
        ]

    def _fail(self, error: UpstreamError) -> list[StreamEvent]:
        self.finished = self.done = True
        self.error = error
        return [{"type": "error", "error": {"type": error.type, "message": error.message}}]


class _Meter:
    """Merges the usage objects of one answer: later counts win, unless they are zero. Mutable."""

    def __init__(self) -> None:
        self._counts: Json = {}

    def read(self, usage: object) -> None:
        for name, count in _dict(usage).items():
            known = type(count) is int and count > 0 if name in _COUNTS else bool(count)
            if known:
                self._counts[name] = count

    def usage(self, estimate: Estimate | None) -> Usage:
        """The counts; our estimate of the input where the upstream has counted nothing."""
        counts: Any = {**no_usage(), **self._counts}
        if not self._counts and estimate is not None:
            counts["input_tokens"] = estimate()
        usage: Usage = counts
        return usage


def _block(value: object) -> Any:
    """A block with all that its kind must have; `ProtocolError` where that cannot be."""
    block = _dict(value)
    kind = block.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("The upstream sent a content block without a type.")
    usual = _BLOCK_FIELDS.get(kind, {})
    found = {name: block.get(name, default) for name, default in usual.items()}
    for name, default in usual.items():
        if not isinstance(found[name], str if default is None else type(default)):
            raise ProtocolError(f"The upstream sent a {kind} block with a wrong {name}.")
    return {**block, **found}


def _delta(event: Json) -> Any:
    delta = _dict(event.get("delta"))
    kind = delta.get("type")
    name, form = _DELTA_FIELDS.get(kind if isinstance(kind, str) else "", ("type", str))
    if not isinstance(delta.get(name), form):
        raise ProtocolError("The upstream sent a content_block_delta that cannot be read.")
    return {"type": "content_block_delta", "index": _index(event), "delta": delta}


def _index(event: Json) -> int:
    index = event.get("index")
    return index if type(index) is int else 0


def _reason(value: object) -> StopReason | None:
    reason: Any = value if isinstance(value, str) and value else None
    return reason  # type: ignore[no-any-return]  # newer ones than we know are passed on


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}
