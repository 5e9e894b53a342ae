"""What routing may want to know of a request in Messages, read only when a rule asks for it.

Nothing here trusts the shape of a request, which nobody has checked yet: what is not as it should
be is simply not found.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from claude_proxy.codecs import anthropic_messages
from claude_proxy.codecs.jsonio import Shared
from claude_proxy.errors import RequestError
from claude_proxy.model_limits import BYTES_PER_TOKEN
from claude_proxy.tokens import estimate_tokens
from claude_proxy.types import Json

SIDE_CALLS = ("title", "hook", "web_search", "compaction")
"""What Claude Code asks beside its conversations, by the form of these requests."""

_BY_PROPERTIES = {
    frozenset({"title"}): "title",
    frozenset({"ok", "reason", "impossible"}): "hook",
}
"""The properties of the JSON that is asked for → the side call."""

MOST_TEXTS = 16
"""The last texts of a message in which an agent's prompt is looked for: it stands at the end."""

_BILLING = "x-anthropic-billing-header:"
_IS_SUBAGENT = "cc_is_subagent=true"
_SEARCH = "web_search_"
_CLASS = b"x-claude-code-request-class"
_SUMMARY_BYTES = b"<summary>"
_SUMMARY = ("<summary>", "Your task is to create a detailed summary of")
"""Both stand in each of the texts by which Claude Code 2.1 asks for a conversation's summary."""


class Members(Protocol):
    """A request's body, of which parts can be had."""

    @property
    def raw(self) -> bytes: ...

    def some(self, *names: str) -> Json: ...


class Asked:
    """Mutable: it keeps what was read. `headers` have lower-case names.

    `translated`: the body's bytes are in another language than its members.
    """

    agent: Any = None
    """Who asks, once somebody has found out (`agents.Agent`)."""

    def __init__(
        self,
        body: Members,
        headers: Sequence[tuple[bytes, bytes]] = (),
        translated: bool = False,
    ) -> None:
        self._body = body
        self._pairs = headers
        self._translated = translated

    def holds(self, words: bytes) -> bool:
        """Whether these bytes may be anywhere in it; false only where they are not."""
        return self._translated or words in self._body.raw

    def member(self, name: str) -> Any:
        """A member of the request; None where it has none of this name."""
        return self._body.some(name).get(name)

    @cached_property
    def headers(self) -> Mapping[bytes, bytes]:
        return dict(self._pairs)

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1").strip()

    @cached_property
    def session(self) -> str:
        return self.header(b"x-claude-code-session-id")

    @cached_property
    def run(self) -> str:
        """The id of a subagent's run; "" in the main conversation."""
        return self.header(b"x-claude-code-agent-id")

    @cached_property
    def is_subagent(self) -> bool:
        """Whether a subagent asks, by its header or by Claude Code's mark in the prompt."""
        return bool(self.run) or any(_IS_SUBAGENT in text for text in self._billing())

    def _billing(self) -> Iterator[str]:
        for text in _texts(self.system):
            if text.startswith(_BILLING):
                yield text

    @cached_property
    def system(self) -> Any:
        """The system prompt as it came: a text, or a list of blocks."""
        return self.member("system")

    def prompts(self) -> Iterator[str]:
        """The texts of the system prompt, without Claude Code's note of its own to Anthropic."""
        return (text for text in _texts(self.system) if not text.startswith(_BILLING))

    @cached_property
    def messages(self) -> list[Json]:
        found = self.member("messages")
        return [each for each in found if isinstance(each, dict)] if _is_list(found) else []

    def first_texts(self) -> Iterator[str]:
        """The texts of the first message of the user's."""
        first = next((each for each in self.messages if each.get("role") == "user"), {})
        return _texts(first.get("content"))

    @cached_property
    def last_user(self) -> Json:
        return next((each for each in reversed(self.messages) if each.get("role") == "user"), {})

    def last_texts(self) -> Iterator[str]:
        """The texts of the last message of the user's."""
        return _texts(self.last_user.get("content"))

    @cached_property
    def thinking(self) -> bool:
        """Whether the model is asked to think."""
        thinking = self.member("thinking")
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        return kind in ("enabled", "adaptive")

    @cached_property
    def effort(self) -> str:
        effort = self._output("effort")
        return effort if isinstance(effort, str) else ""

    def _output(self, name: str) -> Any:
        config = self.member("output_config")
        return config.get(name) if isinstance(config, dict) else None

    @cached_property
    def images(self) -> bool:
        """Whether there is an image anywhere in the conversation."""
        # Most requests have none, and searching is far quicker than parsing.
        if not self.holds(b'"image"'):
            return False
        return any(_has_image(message.get("content")) for message in self.messages)

    def longer_than(self, tokens: int) -> bool:
        """Whether it has more input tokens, estimated only where its bytes leave it open."""
        return len(self._body.raw) // BYTES_PER_TOKEN > tokens and self.tokens > tokens

    @cached_property
    def tokens(self) -> int:
        """Input tokens, estimated."""
        body = self._body.some("system", "tools", "messages")
        try:
            known = {"model": "any", "messages": [], **body}
            return estimate_tokens(
                anthropic_messages.decode_request(known, require_max_tokens=False)
            )
        except RequestError:
            return len(self._body.raw) // BYTES_PER_TOKEN

    @cached_property
    def side_call(self) -> str:
        """One of `SIDE_CALLS`; "" for a turn of a conversation."""
        if self.header(_CLASS) == "compaction" or self._asks_for_summary():
            return "compaction"
        tools = self.member("tools") or []
        if not tools:
            return _BY_PROPERTIES.get(self._properties(), "")
        searches = _is_list(tools) and all(_is_search(tool) for tool in tools)
        return "web_search" if searches else ""

    def _properties(self) -> frozenset[str]:
        """Those of the JSON that the answer is to be."""
        format = self._output("format")
        schema = format.get("schema") if isinstance(format, dict) else None
        properties = schema.get("properties") if isinstance(schema, dict) else None
        return frozenset(properties) if isinstance(properties, dict) else frozenset()

    def _asks_for_summary(self) -> bool:
        if not self.holds(_SUMMARY_BYTES):
            return False
        last = "\n".join(self.last_texts())
        return all(words in last for words in _SUMMARY)


def _texts(content: Any) -> Iterator[str]:
    """The texts of a content: of a text itself, or of its blocks."""
    if isinstance(content, str):
        yield content
    for block in content if _is_list(content) else ():
        text = block.get("text") if isinstance(block, dict) else None
        if isinstance(text, str):
            yield text


def _is_list(value: Any) -> bool:
    return isinstance(value, list | Shared)


def _is_search(tool: Any) -> bool:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and kind.startswith(_SEARCH)


def _has_image(content: Any) -> bool:
    """In a content, or in a tool's result in it."""
    blocks = [each for each in content if isinstance(each, dict)] if _is_list(content) else []
    return any(
        block.get("type") == "image"
        or (block.get("type") == "tool_result" and _has_image(block.get("content")))
        for block in blocks
    )
