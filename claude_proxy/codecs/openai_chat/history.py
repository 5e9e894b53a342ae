"""Anthropic turns → chat messages.

Messages lets content, calls and results stand in almost any order; Chat Completions wants every
assistant message with `tool_calls` followed at once by exactly one tool message for each call.
So the conversation is read into turns first, with each result hung onto its call, and written
out afterwards:

- consecutive messages of one role are one turn, as Anthropic itself reads them;
- a result belongs to the latest turn's first call with its id that has none yet, wherever the
  result stands;
- media of results follow after the last tool message, in one user message with what the user
  said beside the results.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.blocks import render, render_result
from claude_proxy.codecs.openai_chat.content import Part, texts_of
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.openai_chat.names import CallIds
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam
from claude_proxy.types.openai import ChatMessage, ToolCall

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
    text: str = NO_RESULT
    media: list[Part] = field(default_factory=list)

    def wire(self) -> ToolCall:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


@dataclass(slots=True, eq=False)
class Turn:
    """What one role said without interruption. Mutable: it grows while messages are read."""

    role: Literal["user", "assistant", "system"]
    parts: list[Part] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)


def encode_messages(messages: Sequence[MessageParam], context: Context) -> list[ChatMessage]:
    """The conversation without the system prompt; at least one message that is not system."""
    history = History(context)
    for index, message in enumerate(messages):
        path = f"messages.{index}.content"
        if message["role"] != "system":
            history.read(message["role"], message["content"], path)
        elif message.get("clear_at") == "next_user_message" and _has_user(messages[index:]):
            context.notes.drop(path, "cleared at the next user message")
        else:
            history.read_system(message.get("content"), path)
    return _complete(history.write(), messages, context)


def _has_user(messages: Sequence[MessageParam]) -> bool:
    return any(message["role"] == "user" for message in messages)


class History:
    """Reads messages into turns, then writes them as chat messages. Mutable; used once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes = context.notes
        self._turns: list[Turn] = []
        self._ids = CallIds(context.profile.tool_id_length)
        self._waiting: dict[str, list[list[Call]]] = {}
        """Calls without a result by their id, those of one turn together."""
        self._answered: dict[str, Call] = {}
        self._thoughts: list[str] = []

    def read(
        self, role: Literal["user", "assistant"], content: str | list[Json], path: str
    ) -> None:
        if isinstance(content, str):
            if content:
                self._open(role).parts.append(content)
            return
        for index, block in enumerate(content):
            place = f"{path}.{index}"
            kind = block["type"]
            if kind == "text" and len(block) == 2 and block["text"]:
                # Nothing but its text: most blocks are like that.
                self._open(role).parts.append(block["text"])
            elif kind in HISTORY_BLOCKS:
                self._read_structure(kind, block, place)
            elif parts := render(block, place, self._context, media=role == "user"):
                self._open(role).parts += parts

    def read_system(self, content: str | list[Json] | None, path: str) -> None:
        """A `role: "system"` message: its place stays, its form is the profile's."""
        texts: list[str] = [content] if isinstance(content, str) and content else []
        for index, block in enumerate(content if isinstance(content, list) else ()):
            place = f"{path}.{index}"
            if block["type"] in HISTORY_BLOCKS:
                self._read_structure(block["type"], block, place)
                continue
            texts += texts_of(render(block, place, self._context, media=False))
        if not texts:
            return
        if self._context.profile.system_messages == "anywhere":
            self._open("system").parts += texts
        else:
            told = "\n\n".join(texts)
            reminder = f"<system-reminder>\n{told}\n</system-reminder>"
            self._open("user").parts.append(reminder)

    def _read_structure(self, kind: str, block: Json, path: str) -> None:
        if block.get("cache_control"):
            self._notes.cache_control(path)
        if kind == "tool_use":
            self._read_call(block, path)
        elif kind == "tool_result":
            self._read_result(block, path)
        elif kind == "redacted_thinking":
            self._notes.once(kind, path, "encrypted, readable by Anthropic only")
        else:
            self._read_thought(block["thinking"], path)

    def _read_thought(self, thought: str, path: str) -> None:
        if not thought:
            return
        if self._context.profile.reasoning_history == "drop":
            self._notes.once("thinking", path, "this upstream takes no earlier reasoning")
        elif self._turns and self._turns[-1].role == "assistant":
            self._turns[-1].thoughts.append(thought)
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
        call.text, call.media = render_result(
            block, path, self._context, call_id=call.id, where="the next user message"
        )
        self._answered[original] = call
        if any(call is own for own in self._turns[-1].calls):
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
        self._open("user").parts += [told, *media]

    def _open(self, role: Literal["user", "assistant", "system"]) -> Turn:
        """The turn that is being read, or a new one where the role changes."""
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role))
        turn = self._turns[-1]
        if self._thoughts:
            if role == "assistant":
                turn.thoughts += self._thoughts
            else:
                self._note_lost_thoughts()
            self._thoughts = []
        return turn

    def _note_lost_thoughts(self) -> None:
        self._notes.once("lonely", "messages", "reasoning without text or tool calls")

    def write(self) -> list[ChatMessage]:
        written: list[ChatMessage] = []
        media: list[Part] = []
        for turn in self._turns:
            if turn.role == "user":
                _append_user(written, media + turn.parts)
                media = []
                continue
            _append_user(written, media)
            media = []
            if turn.role == "system":
                told = "\n\n".join(texts_of(turn.parts))
                written.append({"role": "system", "content": told})
            else:
                written.append(self._assistant(turn))
                media = self._append_results(written, turn.calls)
        _append_user(written, media)
        if self._thoughts:
            self._note_lost_thoughts()
        return written

    def _assistant(self, turn: Turn) -> ChatMessage:
        text = "\n\n".join(texts_of(turn.parts))
        message: ChatMessage = {"role": "assistant", "content": text or None}
        if turn.thoughts:
            thoughts = "\n".join(turn.thoughts)
            if self._context.profile.reasoning_history == "reasoning":
                message["reasoning"] = thoughts
            else:
                message["reasoning_content"] = thoughts
        if turn.calls:
            message["tool_calls"] = [call.wire() for call in turn.calls]
        return message

    def _append_results(self, written: list[ChatMessage], calls: list[Call]) -> list[Part]:
        """Writes one tool message for each call; returns the media that they leave behind."""
        media: list[Part] = []
        for call in calls:
            if call.result is None:
                self._notes.drop(call.path, "a tool call without a result")
            written.append({"role": "tool", "tool_call_id": call.id, "content": call.text})
            media += call.media
        return media


def _complete(
    written: list[ChatMessage], messages: Sequence[MessageParam], context: Context
) -> list[ChatMessage]:
    """Adds what upstreams need at the end: something to answer, or how to answer it.

    `messages` are those of the request: only where the assistant had the last word is there
    something to continue.
    """
    last = written[-1]["role"] if written else "system"
    if last == "user" or last == "tool":
        return written
    nothing = all(message["role"] == "system" for message in written)
    prefilled = not nothing and last == "assistant"
    ends_with = next((m["role"] for m in reversed(messages) if m["role"] != "system"), "user")
    if nothing or (prefilled and ends_with == "user"):
        context.notes.drop("messages", "no content was left to answer")
        return [*written, {"role": "user", "content": NO_CONTENT}]
    if prefilled and context.profile.prefill == "instruct":
        return [*written, {"role": "user", "content": CONTINUE}]
    return written


def _append_user(written: list[ChatMessage], parts: list[Part]) -> None:
    """Writes a user message, if there is anything to say: a string unless media are in it."""
    if not parts:
        return
    texts = texts_of(parts)
    if len(texts) == len(parts):
        written.append({"role": "user", "content": "\n\n".join(texts)})
        return
    content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]
    written.append({"role": "user", "content": content})


def _same_result(first: Json, second: Json) -> bool:
    return (first.get("content"), bool(first.get("is_error"))) == (
        second.get("content"),
        bool(second.get("is_error")),
    )
