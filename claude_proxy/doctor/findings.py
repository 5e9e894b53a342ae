"""What is found: states, verdicts, and one exchange as judges see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.native import Dialect
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest

State = Literal["ok", "degraded", "failed", "unsupported", "unknown"]
"""`failed`: Claude Code or the server needs it; `unsupported`: it works without, and is told."""

Changes = Mapping[str, Any]
"""Fields of `Profile`, and what they should be."""

ADDRESS = "OPENAI_BASE_URL (of the backend anthropic: ANTHROPIC_FORWARD_URL)"
KEY = "OPENAI_API_KEY (of the backend anthropic: ANTHROPIC_API_KEY)"
"""What a remedy names."""

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
_FORM = frozenset({400, 404, 405, 413, 415, 422, 501})
_SAID_LENGTH = 160
_COUNTS = ("prompt_tokens", "input_tokens")
_AROUND = 2
"""Chunks of a Chat stream that hold its finish and its usage."""
_PLACES: dict[Dialect, str] = {"messages": "thinking blocks", "responses": "summaries"}


class Verdict(NamedTuple):
    state: State
    says: str
    """One sentence: what it means."""
    remedy: str = ""
    """What to do about it."""


class Finding(NamedTuple):
    """One line of the report."""

    name: str
    verdict: Verdict
    needed: bool = False
    """Whether Claude Code cannot do without."""
    changes: Changes = {}
    """With these in the profile it works, or is left out without harm."""
    calls: int = 0

    @property
    def cured(self) -> bool:
        return bool(self.changes)


@dataclass(frozen=True, slots=True)
class Heard:
    """One exchange: what was sent, and what became of it. `error` or `message` is set."""

    request: MessagesRequest
    sent: Json
    status: int | None = None
    raw: bytes = b""
    streamed: bool = False
    message: Message | None = None
    error: ClaudeProxyError | None = None
    dropped: tuple[tuple[str, str], ...] = ()
    parts: list[Json] = field(default_factory=list)
    """The chunks of a stream, or the whole answer."""
    dialect: Dialect = "chat"

    @property
    def refused(self) -> bool:
        """Whether the upstream did not want a request of this form.

        Local servers say 500, which is our 502, when a chat template refuses.
        """
        error = self.error
        if not isinstance(error, UpstreamError):
            return False
        return error.status in _FORM or (error.status == 502 and error.quoted)

    @property
    def said(self) -> str:
        """The upstream's own words, on one line."""
        text = self.error.message if self.error else self.text
        line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
        return line if len(line) <= _SAID_LENGTH else f"{line[:_SAID_LENGTH]}..."

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self._blocks() if block["type"] == "text")

    @property
    def thinking(self) -> str:
        found = (block["thinking"] for block in self._blocks() if block["type"] == "thinking")
        return "".join(found)

    @property
    def calls(self) -> list[Json]:
        return [block for block in self._blocks() if block["type"] == "tool_use"]

    def _blocks(self) -> list[Any]:
        return list(self.message["content"]) if self.message else []

    @property
    def cut(self) -> bool:
        """Whether all the tokens went into reasoning."""
        stopped = self.message is not None and self.message["stop_reason"] == "max_tokens"
        return stopped and not self.calls and not self.text.strip()

    @property
    def usage(self) -> Json | None:
        """The upstream's own counts, if it gave any."""
        found: Json | None = None
        for part in self.parts:
            # Messages and the Responses API have it inside of what an event is about.
            for place in (part, part.get("message"), part.get("response")):
                usage = place.get("usage") if isinstance(place, dict) else None
                if isinstance(usage, dict) and any(usage.get(name) for name in _COUNTS):
                    found = usage
        return found

    @property
    def pieces(self) -> int:
        """In how many parts the content of a stream came."""
        if self.dialect == "chat":
            return max(0, len(self.parts) - _AROUND)
        kinds = [str(part.get("type")) for part in self.parts]
        return sum(kind == "content_block_delta" or kind.endswith(".delta") for kind in kinds)

    @property
    def items(self) -> list[Json]:
        """The items of an answer of the Responses API."""
        wholes = [part.get("response", part) for part in self.parts]
        outputs = [whole.get("output") for whole in wholes if isinstance(whole, dict)]
        found = [item for output in outputs if isinstance(output, list) for item in output]
        found += [part.get("item") for part in self.parts]
        return [item for item in found if isinstance(item, dict)]

    @property
    def reasons(self) -> bool:
        """Whether an answer of the Responses API has reasoning, shown or not."""
        return any(item.get("type") == "reasoning" for item in self.items)

    @property
    def reasoning_field(self) -> str | None:
        """Where in the answer reasoning stood."""
        if self.dialect != "chat":
            return _PLACES[self.dialect] if self.thinking else None
        for part in self.parts:
            choices = part.get("choices")
            choice = choices[0] if isinstance(choices, list) and choices else None
            found: Json = choice if isinstance(choice, dict) else {}
            said = found.get("delta") or found.get("message")
            if not isinstance(said, dict):
                continue
            for name in REASONING_FIELDS:
                if said.get(name):
                    return name
        return "the text" if self.thinking else None


class Seen:
    """What a model has answered so far, by the probe's name. Mutable; grows."""

    def __init__(self, dialect: Dialect = "chat") -> None:
        self._heard: dict[str, Heard] = {}
        self.dialect = dialect
        """The language in which it is asked."""

    def note(self, name: str, heard: Heard) -> None:
        """A good answer stays; the last of the others."""
        self.dialect = heard.dialect
        if heard.message is not None or self.of(name) is None:
            self._heard[name] = heard

    def of(self, name: str) -> Heard | None:
        """The good answer to a probe, if there was one."""
        heard = self._heard.get(name)
        return heard if heard is not None and heard.message is not None else None

    @property
    def reasoning_field(self) -> str | None:
        fields = (heard.reasoning_field for heard in self._heard.values())
        return next((name for name in fields if name), None)


def parts_of(raw: bytes, *, streamed: bool) -> list[Json]:
    """The objects of an answer, as far as they are any."""
    decoder = SSEDecoder()
    payloads = [*decoder.feed(raw), *decoder.close()] if streamed else [raw]
    return [part for payload in payloads if isinstance(part := _parsed(payload), dict)]


def _parsed(payload: bytes) -> object:
    try:
        return loads(payload)
    except ValueError:
        return None
