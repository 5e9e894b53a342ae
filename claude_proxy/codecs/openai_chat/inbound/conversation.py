"""Messages of every role → the system prompt and a Messages conversation."""

from typing import Any, NamedTuple

from claude_proxy.codecs.anthropic_messages import MOST_BLOCKS
from claude_proxy.codecs.fold import parse_input
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    a_list,
    an_object,
    filled,
    given,
    needed,
    note_others,
    string,
    wrong,
)
from claude_proxy.codecs.openai_chat.inbound.parts import blocks_of, with_mark
from claude_proxy.codecs.openai_chat.inbound.thoughts import REASONING_FIELDS, earlier_thinking
from claude_proxy.codecs.openai_chat.inbound.turns import Turns
from claude_proxy.errors import RequestError, UnsupportedContentError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SYSTEM = ("system", "developer")

_KNOWN = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio"}
    | {"cache_control", *REASONING_FIELDS}
)
_KNOWN_OF_CALLS = frozenset({"id", "type", "function", "custom", "index"})
"""Clients that keep what they read from a stream send its `index` back."""


class Conversation(NamedTuple):
    system: list[Json]
    """Text blocks."""
    messages: list[MessageParam]


def decode_messages(body: Json, notes: Notes) -> Conversation:
    """The system messages at the start, and all that follows them in a legal order.

    A later system message stays in its place, as the user's text in `<system-reminder>` tags.
    """
    messages = needed(body, "messages", a_list)
    if not messages:
        raise wrong("messages", "at least one message is required")
    reader = _Reader(notes)
    for index, message in enumerate(messages):
        reader.read(message, f"messages.{index}")
    return Conversation(reader.system, reader.turns.messages())


class _Reader:
    """Reads one message after the other. Mutable."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._begun = False
        self._parts = 0
        self._functions = 0
        """How many calls of the older kind came so far; they have no ID."""
        self._open_functions: dict[str, list[str]] = {}
        """Those that wait for their results, by function."""
        self.system: list[Json] = []
        self.turns = Turns(notes)

    def read(self, message: Any, path: str) -> None:
        role = needed(an_object(message, path), "role", string, path)
        if role not in ROLES:
            listed = ", ".join(f"'{name}'" for name in ROLES)
            raise wrong(f"{path}.role", f"Input should be one of {listed}")
        self._count(message)
        note_others(message, _KNOWN, path, self._notes)
        place = f"{path}.content"
        blocks = blocks_of(message.get("content"), place, role, self._notes)
        if not blocks and message.get("cache_control") is not None:
            self._notes.drop(f"{path}.cache_control", "there is no text that it could mark")
        blocks = with_mark(blocks, message, path)
        if role in _SYSTEM:
            self._system(blocks, message, path)
            return
        self._begun = True
        if role == "user":
            self._user(blocks, message, path)
        elif role == "assistant":
            self._assistant(blocks, message, path)
        elif role == "tool":
            self.turns.result(needed(message, "tool_call_id", string, path), blocks, path)
        else:
            self._function(blocks, message, path)

    def _count(self, message: Json) -> None:
        for name in ("content", "tool_calls"):
            value = message.get(name)
            self._parts += len(value) if isinstance(value, list) else 0
        if self._parts > MOST_BLOCKS:
            why = f"All messages together should have at most {MOST_BLOCKS} parts"
            raise RequestError(f"messages: {why}", limit="entries", param="messages")

    def _system(self, blocks: list[Json], message: Json, path: str) -> None:
        self._name(message, path)
        if not self._begun:
            self.system += blocks
        elif blocks:
            self._notes.drop(path, "a later system message, sent as a reminder in user text")
            told = "\n\n".join(block["text"] for block in blocks)
            text = f"<system-reminder>\n{told}\n</system-reminder>"
            self.turns.user([{**blocks[-1], "text": text}])

    def _user(self, blocks: list[Json], message: Json, path: str) -> None:
        # Who speaks is part of what is said where several people do.
        name = given(message, "name", string, path)
        if name and blocks:
            self._notes.once("name", f"{path}.name", "sent as text before the user's words")
            if blocks[0]["type"] == "text":
                told = {**blocks[0], "text": f"{name}: {blocks[0]['text']}"}
                blocks = [told, *blocks[1:]]
            else:
                blocks = [{"type": "text", "text": f"{name}:"}, *blocks]
        self.turns.user(blocks)

    def _assistant(self, blocks: list[Json], message: Json, path: str) -> None:
        self._name(message, path)
        if message.get("audio") is not None:
            why = "earlier audio cannot be sent; send its transcript as content"
            raise UnsupportedContentError(f"{path}.audio", why)
        refusal = blocks_of(
            given(message, "refusal", string, path), f"{path}.refusal", "assistant", self._notes
        )
        calls = given(message, "tool_calls", a_list, path) or []
        function = given(message, "function_call", an_object, path)
        said = [*blocks, *refusal]
        thoughts = earlier_thinking(message, path, self._notes)
        if not said and not calls and function is None:
            why = "an empty assistant message"
            self._notes.drop(path, why if not thoughts else "reasoning without text or tool calls")
            return
        self.turns.assistant([*thoughts, *said])
        for index, call in enumerate(calls):
            self._call(call, f"{path}.tool_calls.{index}")
        if function is not None:
            self._functions += 1
            id = f"function_{self._functions}"
            name = self._function_call(id, function, f"{path}.function_call")
            self._open_functions.setdefault(name, []).append(id)

    def _call(self, call: Any, path: str) -> None:
        id = needed(an_object(call, path), "id", string, path)
        note_others(call, _KNOWN_OF_CALLS, path, self._notes)
        kind = given(call, "type", string, path)
        if kind == "custom":
            custom = needed(call, "custom", an_object, path)
            name = needed(custom, "name", filled, f"{path}.custom")
            text = given(custom, "input", string, f"{path}.custom") or ""
            self.turns.call(id, name, {"input": text}, path)
        elif kind not in (None, "", "function"):
            raise UnsupportedContentError(f"{path}.type", f'calls of type "{kind}" cannot be sent')
        else:
            function = needed(call, "function", an_object, path)
            self._function_call(id, function, f"{path}.function")

    def _function_call(self, id: str, function: Json, path: str) -> str:
        name = needed(function, "name", filled, path)
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # as some clients keep what they have parsed
            arguments = dumps_text(arguments)
        written = "" if arguments is None else string(arguments, f"{path}.arguments")
        self.turns.call(id, name, parse_input(written), path.removesuffix(".function"))
        return name

    def _function(self, blocks: list[Json], message: Json, path: str) -> None:
        """A result of the older kind, which names its function instead of a call."""
        name = needed(message, "name", filled, path)
        waiting = self._open_functions.get(name)
        self.turns.result(waiting.pop(0) if waiting else name, blocks, path)

    def _name(self, message: Json, path: str) -> None:
        if given(message, "name", string, path):
            self._notes.once("name", f"{path}.name", self._notes.foreign)
