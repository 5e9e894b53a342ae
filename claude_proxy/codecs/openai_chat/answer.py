"""One Chat answer, from its chunks or whole: what both have in common.

A whole answer is read like a stream of one chunk whose `message` is its `delta`. So both ways give
the same message, and there is one place that knows what upstreams send.
"""

from collections.abc import Collection, Mapping

from claude_proxy.codecs.blocks import BlockWriter
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.openai_chat.attached import Attached
from claude_proxy.codecs.openai_chat.calls import Piece, read_piece
from claude_proxy.codecs.openai_chat.errors import stream_error
from claude_proxy.codecs.openai_chat.think_tags import Kind, ThinkTags
from claude_proxy.codecs.openai_chat.turn import Turn
from claude_proxy.codecs.openai_chat.usage import Estimate, UsageMeter
from claude_proxy.codecs.openai_chat.usual import Delta, as_piece
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import StopReason, StreamEvent

STOP_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "tool_calls": "tool_use",
    "tool_use": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "recitation": "refusal",  # Gemini
    "prohibited_content": "refusal",  # Gemini
    "sensitive": "refusal",  # GLM
    "model_context_window_exceeded": "model_context_window_exceeded",  # GLM
    "model_length": "model_context_window_exceeded",  # Mistral
}
"""`finish_reason` in lower case; anything else is the end of the turn."""

_FAILURES: dict[str, tuple[int, str]] = {
    "error": (502, "The upstream broke its answer off with an error."),
    "network_error": (502, "The upstream broke its answer off with a network error."),  # GLM
    "abort": (502, "The upstream aborted its answer."),  # SGLang
    "insufficient_system_resource": (  # DeepSeek
        529,
        "The upstream broke its answer off: it is overloaded.",
    ),
}
"""`finish_reason`s that are no end but a failure: status and message."""


class Answer:
    """Chunks in, events out; then `end`. Mutable."""

    __slots__ = (
        "_attached",
        "_meter",
        "_modern",
        "_refused",
        "_sequence",
        "_stops",
        "_streamed",
        "_tags",
        "_turn",
        "failure",
        "finish",
        "writer",
    )

    def __init__(
        self,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None,
        stop_sequences: Collection[str] | None,
        seal: Seal | None,
        streamed: bool = False,
    ) -> None:
        self._attached = Attached(profile, seal)
        speak = profile.only_reasoning == "text"
        self.writer = BlockWriter(id, model, sign=self._attached.sign, speak=speak)
        prefix = f"toolu_{id.removeprefix('msg_')}_"
        names = tool_names or {}
        self._turn = Turn(self.writer, call_prefix=prefix, tool_names=names, streamed=streamed)
        self._meter = UsageMeter()
        self._tags = ThinkTags(profile.think_tags) if profile.think_tags else None
        self.finish = ""
        """The last finish reason, in lower case; empty before there is one."""
        self._stops = stop_sequences
        self._sequence: str | None = None
        self._refused = False
        self._streamed = False
        """Whether there was a delta."""
        self._modern = False
        """Whether `tool_calls` came: some servers repeat them as the older `function_call`."""
        self.failure: UpstreamError | None = None
        """Set when the finish reason is a failure."""

    def chunk(self, chunk: Json) -> list[StreamEvent]:
        """Whatever is usable of a chunk; parts that are not of their type are left out."""
        usage = chunk.get("usage")
        if usage is not None:
            self._meter.read(usage)
            if "timings" in chunk:  # llama.cpp
                self._meter.read(chunk["timings"])
        if "x_groq" in chunk and isinstance(chunk["x_groq"], dict):
            self._meter.read(chunk["x_groq"].get("usage"))
        choice = first_choice(chunk.get("choices"))
        return [] if choice is None else self._choice(choice)

    def usual(self, delta: Delta) -> list[StreamEvent]:
        """The same as `chunk`, for one that holds nothing but this delta."""
        self._streamed = True
        text, calls = delta.content, delta.tool_calls
        thinking = delta.reasoning_content or delta.reasoning
        # The hot path: nothing but text.
        if text and calls is None and not thinking and self._tags is None:
            self._meter.characters += len(text)
            return self._turn.text(text)
        events = self._thinking(thinking) if thinking else []
        if text:
            events += self._text(text)
        if calls is not None:
            self._modern = True
            if (piece := as_piece(calls[0])) is not None:
                events += self._call(piece)
        return events

    def end(self, estimate: Estimate | None) -> list[StreamEvent]:
        """All that waited, and the end of the message."""
        events = self._rest_of_text()
        if self._attached:
            events += self._turn.thought()
        events += self._turn.finish()
        return events + self.writer.end(*self._stop(), self._meter.usage(estimate))

    def fail(self, error: ClaudeProxyError) -> list[StreamEvent]:
        return self.writer.error(error.type, error.message)

    @property
    def faults(self) -> dict[str, int]:
        found = {"broken": self._turn.broken, "mended": self._turn.mended}
        return {kind: count for kind, count in found.items() if count}

    @property
    def _said(self) -> bool:
        """Whether deltas have told the answer: a `message` after them is the same once more.

        MiniMax ends its streams so (GCWing/OpenBitFun PR#792).
        """
        return self._streamed and bool(self._meter.characters or self._turn.called)

    def _choice(self, choice: Json) -> list[StreamEvent]:
        delta = choice.get("delta")
        events: list[StreamEvent] = []
        if isinstance(delta, dict):
            self._streamed = True
            events = self._delta(delta)
        elif isinstance(message := choice.get("message"), dict) and not self._said:
            events = self._delta(message, whole=True)
        finish = choice.get("finish_reason")
        if finish and isinstance(finish, str):
            self._read_finish(finish, choice)
        if "usage" in choice:  # Moonshot
            self._meter.read(choice["usage"])
        return events

    def _delta(self, delta: Json, *, whole: bool = False) -> list[StreamEvent]:
        content = delta.get("content")
        # The hot paths: nothing but text, nothing but arguments.
        if len(delta) == 1 and isinstance(content, str):
            return self._text(content)
        if len(delta) == 1 and "tool_calls" in delta:
            return self._calls(delta, whole=whole)
        events: list[StreamEvent] = self._thinking(_reasoning(delta))
        if "reasoning_details" in delta and self._attached.read(delta):
            events += self._turn.thought()
        if content:
            events += self._content(content)
        if "refusal" in delta:
            events += self._refusal(delta["refusal"])
        if "images" in delta:  # OpenRouter, beside the content
            events += self._content(delta["images"])
        if "tool_calls" in delta or "function_call" in delta:
            events += self._calls(delta, whole=whole)
        return events

    def _text(self, text: str) -> list[StreamEvent]:
        if not text:
            return []
        self._meter.characters += len(text)
        return self._turn.text(text) if self._tags is None else self._split(self._tags.feed(text))

    def _split(self, pieces: list[tuple[Kind, str]]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for kind, text in pieces:
            events += self._turn.text(text) if kind == "text" else self._turn.thinking(text)
        return events

    def _rest_of_text(self) -> list[StreamEvent]:
        """What was held back because it might have been the start of a tag."""
        return [] if self._tags is None else self._split(self._tags.finish())

    def _thinking(self, text: str) -> list[StreamEvent]:
        if not text:
            return []
        self._meter.characters += len(text)
        return self._turn.thinking(text)

    def _refusal(self, refusal: object) -> list[StreamEvent]:
        if not isinstance(refusal, str) or not refusal:
            return []
        self._refused = True
        return self._text(refusal)

    def _content(self, content: object) -> list[StreamEvent]:
        """Text, or a list of typed parts as Mistral's reasoning models send it."""
        if isinstance(content, str):
            return self._text(content)
        parts = content if isinstance(content, list) else []
        return [event for part in parts for event in self._part(part)]

    def _part(self, part: object) -> list[StreamEvent]:
        if isinstance(part, str):
            return self._text(part)
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind == "reference":
            return []
        if kind == "thinking":
            return self._thinking(_join(part.get("thinking")))
        if kind == "refusal":
            return self._refusal(part.get("refusal"))
        if isinstance(part.get("text"), str):
            return self._text(part["text"])
        return self._text(f'[The upstream sent content of type "{kind}", which cannot be shown.]')

    def _calls(self, delta: Json, *, whole: bool) -> list[StreamEvent]:
        entries = delta.get("tool_calls")
        if isinstance(entries, dict):
            # One call without a list around it is a call all the same.
            entries = [entries]
        if isinstance(entries, list) and entries:
            self._modern = True
        elif self._modern or not isinstance(delta.get("function_call"), dict):
            return []
        else:
            entries = [delta["function_call"]]
        events: list[StreamEvent] = []
        for position, entry in enumerate(entries):
            piece = read_piece(entry)
            if piece is not None:
                if self._attached.read_call(entry):
                    events += self._turn.thought()
                fresh = whole or (position > 0 and _is_bare(piece))
                events += self._call(piece, fresh=fresh)
        return events

    def _call(self, piece: Piece, *, fresh: bool = False) -> list[StreamEvent]:
        self._meter.characters += len(piece.arguments)
        return self._rest_of_text() + self._turn.call(piece, fresh=fresh)

    def _read_finish(self, finish: str, choice: Json) -> None:
        sequence = choice.get("stop_reason") or choice.get("matched_stop")  # vLLM; SGLang
        asked = self._stops is None or sequence in self._stops
        # Others are the model's own end marks (`<|eot_id|>`) or words for the reason (`stop`).
        if isinstance(sequence, str) and sequence and asked:
            self._sequence = sequence
        self.finish = finish.lower()
        if self.finish in _FAILURES:
            status, message = _FAILURES[self.finish]
            # OpenRouter puts the error into the choice.
            known = choice.get("error")
            self.failure = stream_error(choice) if known else UpstreamError(message, status=status)

    def _stop(self) -> tuple[StopReason, str | None]:
        reason = STOP_REASONS.get(self.finish, "end_turn")
        if reason not in ("end_turn", "tool_use"):
            return reason, None
        # What was called has to run, whatever the upstream says about it.
        if self._turn.called:
            return "tool_use", None
        if self._refused:
            return "refusal", None
        if self._sequence is not None and self.finish == "stop":
            return "stop_sequence", self._sequence
        return "end_turn", None


def first_choice(choices: object) -> Json | None:
    """The choice with index 0 or none: Messages has one answer."""
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict):
            index = choice.get("index")
            if not index or not isinstance(index, int):
                return choice
    return None


def _reasoning(delta: Json) -> str:
    """The reasoning of a delta. Some servers send it under both names, which is one text."""
    for name in ("reasoning_content", "reasoning"):
        text = delta.get(name)
        if isinstance(text, str) and text:
            return text
    # OpenRouter and MiniMax, when they send nothing else.
    return _join(delta.get("reasoning_details"))


def _is_bare(piece: Piece) -> bool:
    """Whether nothing but its place in the list tells a named entry from the one before it."""
    return bool(piece.place is None and not piece.id and piece.name)


def _join(parts: object) -> str:
    """The text of a string or of a list of `{"text": …}` or `{"summary": …}` parts."""
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list):
        return ""
    texts = [part.get("text") or part.get("summary") for part in parts if isinstance(part, dict)]
    return "".join([text for text in texts if isinstance(text, str)])
