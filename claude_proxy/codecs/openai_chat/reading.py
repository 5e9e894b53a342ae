"""The turns of a conversation, read from Anthropic's messages.

Messages lets content, calls and results stand in almost any order; OpenAI's languages want each
call followed by exactly one result. So the conversation is read into turns first, with each
result hung onto its call, and written out afterwards:

- consecutive messages of one role are one turn, as Anthropic itself reads them;
- a result belongs to the latest turn's first call with its id that has none yet, wherever the
  result stands.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.blocks import render, render_result
from claude_proxy.codecs.openai_chat.content import Part, texts_of
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.openai_chat.marks import joined, mark_of_result, with_mark
from claude_proxy.codecs.openai_chat.names import CallIds
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam
from claude_proxy.types.responses import ReasoningItem

HISTORY_BLOCKS = ("tool_use", "tool_result", "thinking", "redacted_thinking")
"""Block types that are part of the structure of a conversation and handled here."""

NO_RESULT = "(no result: the call was interrupted)"
NO_CONTENT = "(no content)"
CONTINUE = "Continue your last message exactly where it stopped. Do not repeat any of it."


@dataclass(slots=True, eq=False)
class Call:
    """One tool call and, once it is known, its result. Mutable: the result comes later."""

    id: str
    name: str
    arguments: str
    path: str
    result: Json | None = None
    output: str | list[Json] = NO_RESULT
    media: list[Part] = field(default_factory=list)
    """What the output cannot hold; it follows in a user message."""
    mark: Json | None = None
    """That of its result, for a prompt cache."""


class Thought(NamedTuple):
    """Earlier reasoning, as the target language carries it."""

    content: str | ReasoningItem
    carried: Json = {}
    """What its block carried beside the text."""
    own: bool = False
    """Whether this upstream gave it."""


Entry = Part | Call | Thought


@dataclass(slots=True, eq=False)
class Turn:
    """What one role said without interruption, in order. Mutable: it grows while it is read."""

    role: Literal["user", "assistant", "system"]
    entries: list[Entry] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    """Those of the entries that are calls."""


class History(ABC):
    """Reads messages into turns. Mutable; used once. Each language says what becomes of
    thinking and of results."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes = context.notes
        self._turns: list[Turn] = []
        profile = context.profile
        self._ids = CallIds(profile.tool_id_length, alphanumeric=profile.tool_ids == "alphanumeric")
        self._waiting: dict[str, list[list[Call]]] = {}
        """Calls without a result by their id, those of one turn together."""
        self._answered: dict[str, Call] = {}
        self._thoughts: list[Thought] = []

    @abstractmethod
    def thought(self, block: Json, path: str) -> Thought | None:
        """What becomes of a thinking block; None, with a note, if nothing does."""

    def answer(self, call: Call, block: Json, path: str) -> None:
        """Gives the call the output and media of its result."""
        call.output, call.media = render_result(
            block, path, self._context, call_id=call.id, where="the next user message"
        )

    def turns(self, messages: Sequence[MessageParam]) -> list[Turn]:
        """All turns; calls that have no result are noted."""
        for index, message in enumerate(messages):
            path = f"messages.{index}.content"
            if message["role"] != "system":
                self._read(message["role"], message["content"], path)
            elif message.get("clear_at") == "next_user_message" and _has_user(messages[index:]):
                self._notes.drop(path, "cleared at the next user message")
            else:
                leads = self._nothing_said() and _has_speech(messages[index:])
                self._read_system(message.get("content"), path, leads=leads)
        for turn in self._turns:
            for call in turn.calls:
                if call.result is None:
                    self._notes.drop(call.path, "a tool call without a result")
        if self._thoughts:
            self.note_lonely()
        return self._turns

    def _read(
        self, role: Literal["user", "assistant"], content: str | list[Json], path: str
    ) -> None:
        if isinstance(content, str):
            if content:
                self._open(role).entries.append(content)
            return
        for index, block in enumerate(content):
            kind = block["type"]
            if kind == "text" and len(block) == 2 and block["text"]:
                # Nothing but its text: most blocks are like that.
                self._open(role).entries.append(block["text"])
            elif kind in HISTORY_BLOCKS:
                self._read_structure(kind, block, f"{path}.{index}")
            elif parts := render(block, f"{path}.{index}", self._context, media=role == "user"):
                self._open(role).entries += parts

    def _nothing_said(self) -> bool:
        return all(turn.role == "system" for turn in self._turns)

    def _read_system(
        self, content: str | list[Json] | None, path: str, *, leads: bool = False
    ) -> None:
        """A `role: "system"` message: its place stays, its form is the profile's.

        `leads`: it stands before the conversation, where each upstream takes one.
        """
        texts: list[str] = [content] if isinstance(content, str) and content else []
        for index, block in enumerate(content if isinstance(content, list) else ()):
            place = f"{path}.{index}"
            if block["type"] in HISTORY_BLOCKS:
                self._read_structure(block["type"], block, place)
                continue
            texts += texts_of(render(block, place, self._context, media=False))
        if not texts:
            return
        if leads or self._context.profile.system_messages == "anywhere":
            self._open("system").entries += texts
        else:
            told = joined(["<system-reminder>", joined(texts), "</system-reminder>"], "\n")
            self._open("user").entries.append(told)

    def _read_structure(self, kind: str, block: Json, path: str) -> None:
        if block.get("cache_control") and kind != "tool_result":
            self._notes.cache_control(path)
        if kind == "tool_use":
            self._read_call(block, path)
        elif kind == "tool_result":
            self._read_result(block, path)
        elif kind == "redacted_thinking":
            self._notes.once(kind, path, "encrypted, readable by Anthropic only")
        else:
            self._read_thought(block, path)

    def _read_thought(self, block: Json, path: str) -> None:
        thought = self.thought(block, path)
        if thought is None:
            return
        if self._turns and self._turns[-1].role == "assistant":
            self._turns[-1].entries.append(thought)
        else:
            # Alone it makes no message: it waits for the text or call that it led to.
            self._thoughts.append(thought)

    def _read_call(self, block: Json, path: str) -> None:
        original, arguments = block["id"], block.get("input")
        call = Call(
            self._ids.claim(original),
            self._context.tool_name(block["name"]),
            "{}" if arguments is None else dumps_text(arguments),
            path,
        )
        turn = self._open("assistant")
        waiting = self._waiting.setdefault(original, [])
        if waiting and any(waiting[-1][-1] is own for own in reversed(turn.calls)):
            waiting[-1].append(call)
        else:
            waiting.append([call])
        turn.entries.append(call)
        turn.calls.append(call)

    def _read_result(self, block: Json, path: str) -> None:
        original = block["tool_use_id"]
        waiting = self._waiting.get(original)
        if not waiting:
            self._read_orphan(original, block, path)
            return
        call = waiting[-1].pop(0)
        if not waiting[-1]:
            waiting.pop()
        call.result = block
        call.mark = mark_of_result(block, path, self._context)
        self.answer(call, block, path)
        self._answered[original] = call
        if call in self._turns[-1].calls:
            # Even with nothing else in it, this user message ends the assistant's turn.
            self._open("user")

    def _read_orphan(self, original: str, block: Json, path: str) -> None:
        answered = self._answered.get(original)
        if answered and _same_result(answered.result or {}, block):
            self._notes.drop(path, "the same result a second time")
            return
        why = "a second result of one call" if answered else "the result of an unknown call"
        self._notes.drop(path, f"{why}, sent as user text")
        text, media = render_result(block, path, self._context, call_id=original, where="below")
        told = f"[result of an unknown tool call {original}]\n{text}"
        mark = mark_of_result(block, path, self._context)
        self._open("user").entries += with_mark([told, *media], mark)

    def _open(self, role: Literal["user", "assistant", "system"]) -> Turn:
        """The turn that is being read, or a new one where the role changes."""
        turn = self._turns[-1] if self._turns else None
        if turn is None or turn.role != role:
            turn = Turn(role)
            self._turns.append(turn)
        if self._thoughts:
            if role == "assistant":
                turn.entries += self._thoughts
            else:
                self.note_lonely()
            self._thoughts = []
        return turn

    def note_lonely(self) -> None:
        self._notes.once("lonely", "messages", "reasoning without text or tool calls")


def _has_speech(messages: Sequence[MessageParam]) -> bool:
    return any(message["role"] != "system" for message in messages)


def _has_user(messages: Sequence[MessageParam]) -> bool:
    return any(message["role"] == "user" for message in messages)


def last_words(
    last: str | None, nothing: bool, messages: Sequence[MessageParam], context: Context
) -> str | None:
    """What the user has to add so that there is something to answer, or how to answer it.

    `last` is the role that has the last word in what is written, and `nothing` says that there
    is nothing but system messages. `messages` are those of the request: only where the assistant
    had the last word is there something to continue.
    """
    if last == "user" or last == "tool":
        return None
    prefilled = not nothing and last == "assistant"
    ends_with = next((m["role"] for m in reversed(messages) if m["role"] != "system"), "user")
    if nothing or (prefilled and ends_with == "user"):
        context.notes.drop("messages", "no content was left to answer")
        return NO_CONTENT
    return CONTINUE if prefilled and context.profile.prefill == "instruct" else None


def prose_or_parts(entries: Sequence[Entry]) -> str | list[Part]:
    """The text of what a user says, or its parts if there are media; empty for nothing."""
    texts = texts_of(entries)
    if len(texts) == len(entries):
        return "\n\n".join(texts)
    return [entry for entry in entries if isinstance(entry, (str, dict))]


def _same_result(first: Json, second: Json) -> bool:
    return (first.get("content"), bool(first.get("is_error"))) == (
        second.get("content"),
        bool(second.get("is_error")),
    )
