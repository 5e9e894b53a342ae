"""A Chat Completions stream as Messages events."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_chat.answer import Answer
from claude_proxy.codecs.openai_chat.errors import find_error, stream_error
from claude_proxy.codecs.openai_chat.halves import Halves
from claude_proxy.codecs.openai_chat.usage import Estimate
from claude_proxy.codecs.openai_chat.usual import usual_delta
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types.anthropic import StreamEvent

CUT = "The upstream ended its answer without a finish_reason."
# Some upstreams put counts or their own fields into every chunk: then looking first is in vain.
_TRIES = 16


class StreamDecoder:
    """Bytes of one Chat stream in, Messages events out. Mutable; nothing is ever raised.

    The events end exactly once: at `[DONE]` or `close` with usage and `message_stop` (usage and
    even content may come after the finish reason), or with an `error` event where the upstream
    fails, sends an error object, or ends without a finish reason. `stop_sequences` are those of
    the request: others that an upstream names are no `stop_sequence`. `estimate` gives the input
    tokens, and is called only if the upstream sent no usage at all.
    """

    __slots__ = ("_answer", "_estimate", "_halves", "_sse", "_tries", "done", "error", "finished")

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
        self._answer = Answer(
            profile=profile,
            id=id,
            model=model,
            tool_names=tool_names,
            stop_sequences=stop_sequences,
            seal=seal,
            streamed=True,
        )
        self._estimate = estimate
        self._sse = SSEDecoder()
        self._halves: Halves | None = None
        """Set, and every chunk led through it, once one was not valid as it came."""
        self._tries = _TRIES
        """How many more chunks may turn out not to be usual before that is no longer tried."""
        self.finished = False
        """Whether a finish reason or an error was seen."""
        self.done = False
        """Whether the last event has gone out."""
        self.error: UpstreamError | None = None
        """What the final `error` event says, for a server that can still answer with a status."""

    @property
    def faults(self) -> dict[str, int]:
        """See `Decoder`."""
        return self._answer.faults

    def open(self) -> list[StreamEvent]:
        return [] if self.done else self._answer.writer.start()

    def feed(self, data: bytes) -> list[StreamEvent]:
        if self.done:
            return []
        try:
            payloads = self._sse.feed(data)
        except ProtocolError as error:
            return self._fail(error)
        return self._read(payloads)

    def close(self) -> list[StreamEvent]:
        """The rest, when the upstream has closed its side."""
        if self.done:
            return []
        events = self._read(self._sse.close())
        return events if self.done else events + self._end()

    def _read(self, payloads: list[bytes]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for payload in payloads:
            if self._tries:
                delta = usual_delta(payload)
                if delta is not None:
                    events += self._answer.usual(delta)
                    continue
                self._tries -= 1
            events += self._payload(payload)
            if self.done:
                break
        return events

    def _payload(self, payload: bytes) -> list[StreamEvent]:
        try:
            chunk = loads(payload)
        except ValueError:
            if payload.strip() == b"[DONE]":
                return self._end()
            self._halves, self._tries = self._halves or Halves(), 0
            chunk = _read_loosely(payload)
        events: list[StreamEvent] = []
        if self._halves is not None:
            fed = self._halves.feed(chunk) if isinstance(chunk, dict) else [chunk]
            *before, chunk = map(_cleaned, fed)
            for half in before:
                events += self._answer.chunk(half)
        events += self._answer.chunk(chunk) if isinstance(chunk, dict) else []
        usual = (
            isinstance(chunk, dict) and chunk.get("choices") is not None and "error" not in chunk
        )
        if not usual and find_error(chunk) is not None:
            return events + self._fail(stream_error(chunk))
        if self._answer.finish:
            self.finished = True
            if self._answer.failure is not None:
                return events + self._fail(self._answer.failure)
        return events

    def _end(self) -> list[StreamEvent]:
        if not self.finished:
            error = UpstreamError(CUT)
            return self._stop(error)
        self.done = True
        events: list[StreamEvent] = []
        for half in map(_cleaned, self._halves.rest() if self._halves else ()):
            events += self._answer.chunk(half)
        return events + self._answer.end(self._estimate)

    def _fail(self, error: UpstreamError) -> list[StreamEvent]:
        self.finished = True
        return self._stop(error)

    def _stop(self, error: UpstreamError) -> list[StreamEvent]:
        self.done = True
        self.error = error
        return self._answer.fail(error)


def salvage(payload: bytes) -> Any:
    """JSON that is nearly valid, made valid; `None` if that is hopeless.

    Servers cut UTF-8 in the middle, send halves of surrogate pairs (`\\ud83d`), raw control
    characters and NaN. What cannot be kept becomes U+FFFD or null.
    """
    return _cleaned(_read_loosely(payload))


def _read_loosely(payload: bytes) -> Any:
    """The same with its halves of surrogate pairs still in it."""
    try:
        return json.loads(
            payload.decode("utf-8-sig", "replace"), strict=False, parse_constant=lambda _: None
        )
    except (ValueError, RecursionError):
        return None


def _cleaned(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return loads(text.decode("utf-16-le", "replace"))
    except (ValueError, RecursionError):
        return None
