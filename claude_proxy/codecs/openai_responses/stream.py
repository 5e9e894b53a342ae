"""A Responses stream as Messages events."""

from collections.abc import Collection, Mapping
from typing import TypeGuard

from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_chat.errors import find_error, stream_error
from claude_proxy.codecs.openai_chat.stream import salvage
from claude_proxy.codecs.openai_chat.usage import Estimate
from claude_proxy.codecs.openai_responses.answer import READERS, Answer
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StreamEvent

CUT = "The upstream ended its answer without response.completed."


class StreamDecoder:
    """Bytes of one Responses stream in, Messages events out. Mutable; nothing is ever raised.

    The events end exactly once: with usage and `message_stop` at the event that completes the
    answer, or with an `error` event where the upstream fails, sends an error, or ends before.
    `stop_sequences` have no counterpart, so none is ever reported. `estimate` gives the input
    tokens, and is called only if the upstream sent no usage at all.
    """

    __slots__ = ("_answer", "_estimate", "_sse", "done", "error", "finished")

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
        self._answer = Answer(profile=profile, id=id, model=model, tool_names=tool_names, seal=seal)
        self._answer.order.streamed = True
        self._estimate = estimate
        self._sse = SSEDecoder()
        self.finished = False
        """Whether the last event of the answer, or an error, was seen."""
        self.done = False
        """Whether the last event has gone out."""
        self.error: UpstreamError | None = None
        """What the final `error` event says, for a server that can still answer with a status."""

    @property
    def faults(self) -> dict[str, int]:
        """See `Decoder`."""
        order = self._answer.order
        found = {"broken": order.broken, "mended": order.mended}
        return {kind: count for kind, count in found.items() if count}

    def open(self) -> list[StreamEvent]:
        return [] if self.done else self._answer.writer.start()

    def feed(self, data: bytes) -> list[StreamEvent]:
        if self.done:
            return []
        try:
            payloads = self._sse.feed(data)
        except ProtocolError as error:
            self.finished = True
            return self._fail(error)
        return self._read(payloads)

    def close(self) -> list[StreamEvent]:
        """The rest, when the upstream has closed its side."""
        if self.done:
            return []
        events = self._read(self._sse.close())
        return events if self.done else events + self._fail(UpstreamError(CUT))

    def _read(self, payloads: list[bytes]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for payload in payloads:
            events += self._payload(payload)
            if self.done:
                break
        return events

    def _payload(self, payload: bytes) -> list[StreamEvent]:
        try:
            event = loads(payload)
        except ValueError:
            if payload.strip() == b"[DONE]":
                return self._fail(UpstreamError(CUT))
            event = salvage(payload)
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or kind not in READERS:
            return self._unknown(event, kind)
        events = self._answer.event(event)
        return events + self._finish() if self._answer.finished else events

    def _unknown(self, event: object, kind: object) -> list[StreamEvent]:
        """An error in any shape, a whole answer where events were asked for, or nothing of use."""
        if is_response(event):
            return self._answer.final(event) + self._finish()
        named = isinstance(kind, str) and kind != "error"
        failed = isinstance(event, dict) and event.get("error") if named else find_error(event)
        if not failed:
            return []
        self.finished = True
        return self._fail(stream_error(event))

    def _finish(self) -> list[StreamEvent]:
        self.finished = True
        if self._answer.failure is not None:
            return self._fail(self._answer.failure)
        self.done = True
        return self._answer.end(self._estimate)

    def _fail(self, error: UpstreamError) -> list[StreamEvent]:
        self.done = True
        self.error = error
        return self._answer.fail(error)


def is_response(value: object) -> TypeGuard[Json]:
    """Whether this is a whole response, be it that of a failure."""
    return isinstance(value, dict) and (
        value.get("object") == "response" or isinstance(value.get("output"), list)
    )
