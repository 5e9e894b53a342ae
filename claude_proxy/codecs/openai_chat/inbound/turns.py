"""Turns in an order that Messages takes.

Chat's clients send roles in almost any order, and results wherever they like. Messages wants a
conversation that starts with the user, every assistant message with calls followed at once by one
user message with exactly one result for each call, and an ID of its own for every call. So each
result is hung onto the latest call with its ID that has none yet, and written directly after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.names import CallIds
from claude_proxy.codecs.openai_chat.reading import NO_CONTENT, NO_RESULT
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam

MOST_OF_AN_ID = 64
"""Characters of a call's ID in Messages: `[a-zA-Z0-9_-]`, unique in the conversation."""


@dataclass(slots=True, eq=False)
class Call:
    """A tool call and, once it is known, its result. Mutable."""

    block: Json
    path: str
    turn: "Turn | None" = None
    result: Json | None = None


@dataclass(slots=True, eq=False)
class Turn:
    """What one side said without interruption. Mutable: it grows while it is read."""

    role: Literal["user", "assistant"]
    blocks: list[Json] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


class Turns:
    """Blocks, calls and results in, legal messages out. Mutable; one for each request."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._turns: list[Turn] = []
        self._ids = CallIds(MOST_OF_AN_ID)
        self._waiting: dict[str, list[list[Call]]] = {}
        """Calls without a result by the client's ID, those of one turn together."""
        self._answered: dict[str, Json] = {}
        """The last result by the client's ID."""

    def user(self, blocks: Sequence[Json]) -> None:
        """Also without any block it separates what the assistant said before and after."""
        self._open("user").blocks += blocks

    def assistant(self, blocks: Sequence[Json]) -> None:
        if blocks:
            self._open("assistant").blocks += blocks

    def call(self, id: str, name: str, input: Json, path: str) -> None:
        """A call of the assistant's, after what it said."""
        block = {"type": "tool_use", "id": self._ids.claim(id), "name": name, "input": input}
        call = Call(block, path)
        turn = self._open("assistant")
        waiting = self._waiting.setdefault(id, [])
        if waiting and waiting[-1][-1].turn is turn:
            waiting[-1].append(call)
        else:
            waiting.append([call])
        call.turn = turn
        turn.calls.append(call)

    def result(self, id: str, blocks: list[Json], path: str) -> None:
        """The result of the call with the client's ID."""
        call = self._take(id)
        if call is None:
            self._orphan(id, blocks, path)
            return
        call.result = _result(str(call.block["id"]), blocks)
        self._answered[id] = call.result
        if call.turn is self._turns[-1]:
            # The result ends the assistant's turn, even if the user adds nothing.
            self._open("user")

    def messages(self) -> list[MessageParam]:
        """The conversation; it starts with the user."""
        written: list[MessageParam] = []
        if not self._turns:
            self._notes.drop("messages", f'nothing to answer, so the user says "{NO_CONTENT}"')
            self._open("user").blocks.append({"type": "text", "text": NO_CONTENT})
        if self._turns[0].role == "assistant":
            self._notes.drop("messages.0", f'before it the user says "{NO_CONTENT}"')
            written.append({"role": "user", "content": NO_CONTENT})
        results: list[Json] = []
        for turn in self._turns:
            if turn.role == "user":
                written.append({"role": "user", "content": self._said(turn, results)})
                results = []
            else:
                calls = [call.block for call in turn.calls]
                written.append({"role": "assistant", "content": plain([*turn.blocks, *calls])})
                results = [self._result_of(call) for call in turn.calls]
        if results:
            written.append({"role": "user", "content": results})
        return [*written[:-1], self._continued(written[-1])]

    def _take(self, id: str) -> Call | None:
        """The latest turn's first call with this ID that waits."""
        waiting = self._waiting.get(id)
        if not waiting:
            return None
        call = waiting[-1].pop(0)
        if not waiting[-1]:
            waiting.pop()
        return call

    def _orphan(self, id: str, blocks: list[Json], path: str) -> None:
        before = self._answered.get(id)
        if before is not None and before["content"] == _result(id, blocks)["content"]:
            self._notes.drop(path, "the same result a second time")
            return
        why = "the result of an unknown call" if before is None else "a second result of one call"
        self._notes.drop(path, f"{why}, sent as user text")
        head = {"type": "text", "text": f"[result of an unknown tool call {id}]"}
        self.user([head, *blocks])

    def _said(self, turn: Turn, results: list[Json]) -> str | list[Json]:
        """A user message's content: the results that belong here, then what the user says."""
        if not turn.blocks and not results:
            self._notes.drop("messages", f'an empty user message, sent as "{NO_CONTENT}"')
            return NO_CONTENT
        return plain([*results, *turn.blocks])

    def _result_of(self, call: Call) -> Json:
        if call.result is not None:
            return call.result
        self._notes.drop(call.path, "a tool call without a result")
        id = call.block["id"]
        return {"type": "tool_result", "tool_use_id": id, "content": NO_RESULT, "is_error": True}

    def _continued(self, last: MessageParam) -> MessageParam:
        """An assistant's text at the very end is continued, and must not end in white space."""
        content = last["content"]
        if last["role"] == "user":
            return last
        said = content if isinstance(content, str) else str(content[-1].get("text"))
        if said == said.rstrip():
            return last
        self._notes.drop("messages", "white space at the end of an answer that has begun")
        if isinstance(content, str):
            return {**last, "content": said.rstrip()}
        return {**last, "content": [*content[:-1], {**content[-1], "text": said.rstrip()}]}

    def _open(self, role: Literal["user", "assistant"]) -> Turn:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role))
        return self._turns[-1]


def plain(blocks: list[Json]) -> str | list[Json]:
    """One text without anything else as a string, as clients write it; nothing as an empty one."""
    if not blocks:
        return ""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return blocks


def _result(id: str, blocks: list[Json]) -> Json:
    """A result block; the mark of its last part marks the same place, the result's end."""
    mark = blocks[-1].get("cache_control") if blocks else None
    if mark is None:
        return {"type": "tool_result", "tool_use_id": id, "content": plain(blocks)}
    last = {name: value for name, value in blocks[-1].items() if name != "cache_control"}
    content = plain([*blocks[:-1], last])
    return {"type": "tool_result", "tool_use_id": id, "content": content, "cache_control": mark}
