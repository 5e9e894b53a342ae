"""One Messages answer of the several turns that a model takes when it searches.

    answer := turn (searches turn)*

A turn is a whole answer of the upstream. Its calls of the search become `server_tool_use` blocks,
its other blocks stay what they are, and its end is held back: whoever runs the conversation looks
at `searches` then. If the model wants some, they are made, `answered` shows the results, and
`said` is what the next request adds to the conversation. A turn without them is the last, and so
is one that calls the client's tools as well: only the client can go on from there, and it sends
our results back with its own. `end` ends the answer with the counts of all turns.

Every `server_tool_use` gets its result before the end, even if its search is never made.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from claude_proxy.codecs.blocks import BlockWriter, no_usage
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.web_search.citations import citations
from claude_proxy.codecs.web_search.history import search_id, tool_result
from claude_proxy.codecs.web_search.hits import Failure, Found, Hit, Outcome, result_block
from claude_proxy.types.anthropic import (
    ContentBlock,
    MessageParam,
    StopReason,
    StreamEvent,
    ToolUseBlock,
    Usage,
    WebSearchToolResultBlock,
)

NAME = "web_search"
"""What the tool is called in the answer, whatever the client calls it: the only name of it that
clients know in a `server_tool_use`."""

CUT = Failure("unavailable", "The answer ended before this search was made.")


class Search(NamedTuple):
    """A search that the model wants."""

    id: str
    query: str | None
    """None where the call does not say one."""


class Composition:
    """Turns and outcomes in, the events of one answer out. Mutable; one for each answer.

    `tool`: the name of the function by which the model searches.
    """

    def __init__(self, id: str, model: str, tool: str) -> None:
        self.id = id
        self._writer = BlockWriter(id, model)
        self._tool = tool
        self._turn = MessageFold()
        self.usage = no_usage()
        """What all turns cost so far, without the searches."""
        self._stop: tuple[StopReason, str | None] = ("end_turn", None)
        self._hidden = False
        """Whether the open block is a call of the search."""
        self._results: list[WebSearchToolResultBlock] = []
        self._hits: list[Sequence[Hit]] = []
        self.searches: list[Search] = []
        """What the turn wants to be looked up, and nobody has answered yet."""
        self.made = 0
        """How many searches were made; those that failed are not, as Anthropic counts them."""
        self._asked = False

    def open(self) -> list[StreamEvent]:
        """`message_start`, unless it went out before."""
        return self._writer.start()

    def feed(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        """Events of the upstream's present turn → those of the answer."""
        return [own for event in events for own in self._event(event)]

    @property
    def goes_on(self) -> bool:
        """Whether the model waits for results, and for nothing else."""
        return bool(self.searches) and self._stop[0] == "tool_use" and not self._calls_client()

    @property
    def turn_usage(self) -> Usage:
        """What the present turn cost."""
        return self._turn.usage

    def turn_content(self) -> list[ContentBlock]:
        """What the model has said in the present turn."""
        return self._turn.message["content"]

    def answered(self, outcomes: Sequence[Outcome]) -> list[StreamEvent]:
        """The results of `searches`, in their order."""
        events: list[StreamEvent] = []
        for search, outcome in zip(self.searches, outcomes, strict=True):
            block = result_block(search.id, outcome)
            self._results.append(block)
            self._asked = True
            if isinstance(outcome, Found):
                self.made += 1
                self.usage = summed(self.usage, outcome.usage or {**no_usage()})
                self._hits.append(outcome.hits)
            events += self._writer.whole(block)
        self.searches = []
        return events

    def said(self) -> list[MessageParam]:
        """The turn and the results of its searches, for the next request."""
        content: Any = self.turn_content()
        results = [tool_result(block["tool_use_id"], block["content"]) for block in self._results]
        return [{"role": "assistant", "content": content}, {"role": "user", "content": results}]

    def end(self, usage: Usage | None = None) -> list[StreamEvent]:
        """The end of the answer; `usage` if the client is to see other counts than `usage`."""
        events = self.answered([CUT] * len(self.searches))
        counts: Usage = {**(usage or self.usage)}
        if self._asked:
            counts["server_tool_use"] = {"web_search_requests": self.made, "web_fetch_requests": 0}
        reason, sequence = self._stop
        if reason == "tool_use" and not self._calls_client():
            # The model would search for ever; its client would wait for a call that is not there.
            reason = "end_turn"
        return events + self._writer.end(reason, sequence, counts)

    def _event(self, event: StreamEvent) -> list[StreamEvent]:
        self._read(event)
        if event["type"] == "content_block_start":
            return self._start(event["content_block"])
        if event["type"] == "content_block_delta":
            return [] if self._hidden else self._writer.more(event["delta"])
        if event["type"] == "content_block_stop":
            return self._stopped()
        if event["type"] == "message_start":
            return self._writer.start()
        if event["type"] == "message_delta":
            self._stop = event["delta"]["stop_reason"], event["delta"]["stop_sequence"]
            self.usage = summed(self.usage, event["usage"])
        if event["type"] == "error":
            return self._writer.error(event["error"]["type"], event["error"]["message"])
        return [event] if event["type"] == "ping" else []

    def _read(self, event: StreamEvent) -> None:
        if event["type"] == "message_start":
            self._turn, self._results = MessageFold(), []
        self._turn.feed(event)

    def _start(self, block: ContentBlock) -> list[StreamEvent]:
        self._hidden = block["type"] == "tool_use" and block["name"] == self._tool
        return [] if self._hidden else self._writer.begin(block)

    def _stopped(self) -> list[StreamEvent]:
        block = self._turn.last
        if block is None:
            return []
        if self._hidden and block["type"] == "tool_use":
            self._hidden = False
            return self._called(block)
        events: list[StreamEvent] = []
        if block["type"] == "text" and any(self._hits):
            for citation in citations(block["text"], self._hits):
                events += self._writer.citation(citation)
        return events + self._writer.stop()

    def _called(self, call: ToolUseBlock) -> list[StreamEvent]:
        id, asked = search_id(call["id"]), call["input"]
        query = asked.get("query")
        self.searches.append(Search(id, query if isinstance(query, str) else None))
        events = self._writer.begin(
            {"type": "server_tool_use", "id": id, "name": NAME, "input": {}}
        )
        return [*events, *self._writer.tool_json(dumps_text(asked)), *self._writer.stop()]

    def _calls_client(self) -> bool:
        content = self._turn.message["content"]
        return any(block["type"] == "tool_use" and block["name"] != self._tool for block in content)


def summed(first: Usage, second: Usage) -> Usage:
    """The counts of two turns as those of one."""
    total: Any = {**first}
    for name, count in second.items():
        if isinstance(count, int):
            total[name] = total.get(name, 0) + count
        elif isinstance(count, dict):
            before = total.get(name) or {}
            total[name] = {part: before.get(part, 0) + own for part, own in count.items()}
    result: Usage = total
    return result
