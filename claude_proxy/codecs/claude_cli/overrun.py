"""Where a model goes on behind its written calls, and the end that its answer gets there.

It should stop after its calls, and nothing in the CLI's protocol makes it: a model that goes on
invents results, and builds on them. What it says there is of no use to anybody, but costs tokens.
So the answer is over with the first word of it, as if the calls' end had been a stop sequence, and
whoever runs the process ends it, which has the words in its memory.
"""

from collections.abc import Iterable

from claude_proxy.codecs.claude_cli.turn import event_of
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.mending.offered import Tool
from claude_proxy.codecs.mending.text_calls import TextCalls
from claude_proxy.codecs.openai_chat.content import as_object
from claude_proxy.tokens import estimate_text
from claude_proxy.types import Json


class Overrun:
    """Reads the lines of one answer. Mutable. `names`: those of the tools that can be called."""

    __slots__ = ("_called", "_offered", "_said", "_text", "found")

    def __init__(self, names: Iterable[str]) -> None:
        self._offered = {name: Tool(name, {}) for name in names}
        self._text: TextCalls | None = None
        """What reads the open block; None if it is no text."""
        self._said: list[str] = []
        self._called = False
        self.found = False
        """Whether the model has gone on."""

    def read(self, line: Json) -> None:
        event = event_of(line)
        match event.get("type"):
            case "content_block_start":
                is_text = as_object(event.get("content_block")).get("type") == "text"
                self._text = TextCalls(self._offered) if is_text else None
                self.found = self.found or (self._called and not is_text)
            case "content_block_delta":
                self._delta(as_object(event.get("delta")))

    def _delta(self, delta: Json) -> None:
        text = str(delta.get("text") or delta.get("thinking") or "")
        self._said.append(text)
        if self._text is None:
            return
        for piece in self._text.feed(text):
            if not isinstance(piece, str):
                self._called = True
            elif self._called and piece.strip():
                self.found = True

    def ending(self) -> list[bytes]:
        """The lines by which the answer ends. Nobody has counted its tokens yet, so these are
        estimated."""
        tokens = estimate_text("".join(self._said))
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        usage = {"output_tokens": tokens}
        events: list[Json] = [
            {"type": "content_block_stop"},
            {"type": "message_delta", "delta": delta, "usage": usage},
            {"type": "message_stop"},
        ]
        return [dumps({"type": "stream_event", "event": event}) for event in events]
