"""Each call of a conversation with its result in the user's next turn, as the CLI wants them.

From other places the CLI leaves results out without a word, and for a call that has none it makes
one up. So results are put where their calls are: a result belongs to the latest turn's first call
with its id that has none yet, wherever the result stands. What is left over is told in words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from claude_proxy.codecs.openai_chat.blocks import NO_OUTPUT
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.reading import NO_RESULT
from claude_proxy.types import Json

Said = tuple[str, Json]
"""The path of a block in the request, and the block as the CLI takes it."""

Turn = tuple[str, list[Json]]
"""A role, and what is said without interruption."""


@dataclass(slots=True, eq=False)
class _Call:
    """Mutable: its result comes later."""

    id: str
    path: str
    turn: int
    result: Json | None = None


def paired(turns: Iterable[tuple[str, Sequence[Said]]], notes: Notes) -> list[Turn]:
    """The same turns, in which every call has one result and every result a call. A user's
    results come first."""
    pairs = _Pairs(notes)
    for role, said in turns:
        pairs.read(role, said)
    return pairs.turns()


class _Pairs:
    """Mutable; used once."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._read: list[tuple[Turn, list[_Call]]] = []
        """Turns without results; and the calls in them."""
        self._waiting: dict[str, list[list[_Call]]] = {}
        """Calls without a result by their ids, those of one turn together."""
        self._answered: dict[str, Json] = {}

    def read(self, role: str, said: Sequence[Said]) -> None:
        turn, calls, blocks = len(self._read), list[_Call](), list[Json]()
        for path, block in said:
            if block["type"] == "tool_result":
                blocks += self._left_over(block, path)
                continue
            if block["type"] == "tool_use":
                calls.append(_Call(block["id"], path, turn))
            blocks.append(block)
        for call in calls:
            groups = self._waiting.setdefault(call.id, [])
            if not groups or groups[-1][0].turn != turn:
                groups.append([])
            groups[-1].append(call)
        self._read.append(((role, blocks), calls))

    def turns(self) -> list[Turn]:
        """What was read. A turn in which nothing is left to say is none."""
        found: list[Turn] = []
        results: list[Json] = []
        for (role, blocks), calls in self._read:
            said, results = [*results, *blocks], [self._result_of(call) for call in calls]
            if found and said and found[-1][0] == role:
                found[-1][1].extend(said)
            elif said:
                found.append((role, said))
        return [*found, ("user", results)] if results else found

    def _left_over(self, block: Json, path: str) -> list[Json]:
        """Hands a result to its call; what has to be said in the user's turn if there is none."""
        id: str = block["tool_use_id"]
        groups = self._waiting.get(id)
        if groups:
            groups[-1].pop(0).result = self._answered[id] = block
            if not groups[-1]:
                groups.pop()
            return []
        if self._answered.get(id) == block:
            self._notes.drop(path, "the same result a second time")
            return []
        again = id in self._answered
        why = "a second result of one call" if again else "the result of an unknown call"
        self._notes.drop(path, f"{why}, sent as user text")
        return _in_words(block)

    def _result_of(self, call: _Call) -> Json:
        if call.result is not None:
            return call.result
        self._notes.drop(call.path, "a tool call without a result")
        told = {"type": "text", "text": NO_RESULT}
        # As an error: what a client knows nothing of is no output of its tool.
        return {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": [told],
            "is_error": True,
        }


def _in_words(result: Json) -> list[Json]:
    head = f"[result of an unknown tool call {result['tool_use_id']}]\n"
    if result.get("is_error"):
        head += "[tool error]\n"
    first, *more = result.get("content") or [{"type": "text", "text": NO_OUTPUT}]
    if first["type"] == "text":
        return [{"type": "text", "text": head + first["text"]}, *more]
    return [{"type": "text", "text": head}, first, *more]
