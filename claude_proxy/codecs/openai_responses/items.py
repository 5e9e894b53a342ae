"""Turns → input items.

The Responses API wants one `function_call_output` for each `function_call`, and after each
reasoning item what it led to: without that it answers 400 "Item … of type 'reasoning' was
provided without its required following item". What an assistant said, thought and called keeps
its order; the outputs of a turn's calls follow it.
"""

from collections.abc import Sequence
from typing import Literal

from claude_proxy.codecs.openai_chat.blocks import NO_OUTPUT, render
from claude_proxy.codecs.openai_chat.content import Part, texts_of
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.openai_chat.reading import (
    Call,
    Entry,
    History,
    Thought,
    Turn,
    last_words,
    prose_or_parts,
)
from claude_proxy.codecs.openai_responses.reasoning import unwrap
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam
from claude_proxy.types.responses import InputItem, InputMessage


def encode_input(messages: Sequence[MessageParam], context: Context) -> list[InputItem]:
    """The conversation without the system prompt; at least one item that is not system."""
    history = _ResponsesHistory(context)
    written = _write(history.turns(messages), history)
    nothing = all(_speaker(item) == "system" for item in written)
    last = _speaker(written[-1]) if written else None
    words = last_words(last, nothing, messages, context)
    if words is not None:
        written.append(_message("user", words))
    return written


class _ResponsesHistory(History):
    """Earlier reasoning is an encrypted item; results may hold media."""

    def thought(self, block: Json, path: str) -> Thought | None:
        profile, signature = self._context.profile, block.get("signature")
        reasoning = unwrap(signature, self._context.seal)
        if reasoning is not None and profile.reasoning_items == "encrypted":
            summary = [{"type": "summary_text", "text": text} for text in reasoning.summary]
            encrypted = reasoning.encrypted
            return Thought(
                {"type": "reasoning", "summary": summary, "encrypted_content": encrypted}
            )
        if block["thinking"] or signature:
            why = "this upstream takes no earlier reasoning"
            if profile.reasoning_items == "encrypted":
                why = "not reasoning of this model"
            self._notes.once("thinking", path, why)
        return None

    def answer(self, call: Call, block: Json, path: str) -> None:
        if self._context.profile.result_media == "inline":
            call.output = _output(block, path, self._context)
        else:
            super().answer(call, block, path)


def _output(block: Json, path: str, context: Context) -> str | list[Json]:
    """The output of a call, never empty: a text, or parts in order where there are media."""
    body = block.get("content")
    parts: list[Part] = [body] if isinstance(body, str) and body else []
    for index, inner in enumerate(body if isinstance(body, list) else ()):
        if inner["type"] == "text" and len(inner) == 2:
            parts += (inner["text"],) if inner["text"] else ()
        else:
            parts += render(inner, f"{path}.content.{index}", context, media=True)
    failed = bool(block.get("is_error"))
    texts = texts_of(parts)
    if len(texts) == len(parts):
        text = "\n".join(texts) or NO_OUTPUT
        return f"[tool error]\n{text}" if failed else text
    return [_part(part) for part in (["[tool error]", *parts] if failed else parts)]


def _write(turns: Sequence[Turn], history: History) -> list[InputItem]:
    written: list[InputItem] = []
    media: list[Part] = []
    for turn in turns:
        said: list[Entry] = [*media, *turn.entries] if turn.role == "user" else [*media]
        written += _user(said)
        media = []
        if turn.role == "system":
            written.append(_message("system", "\n\n".join(texts_of(turn.entries))))
        elif turn.role == "assistant":
            written += _assistant(turn, history)
            for call in turn.calls:
                written.append(
                    {"type": "function_call_output", "call_id": call.id, "output": call.output}
                )
                media += call.media
    return [*written, *_user([*media])]


def _assistant(turn: Turn, history: History) -> list[InputItem]:
    """Messages and calls, each with the reasoning that led to it right before it."""
    written: list[InputItem] = []
    texts: list[str] = []
    thoughts: list[InputItem] = []
    for entry in turn.entries:
        if isinstance(entry, str):
            written += thoughts
            thoughts = []
            texts.append(entry)
            continue
        if texts:
            written.append(_message("assistant", "\n\n".join(texts)))
            texts = []
        if isinstance(entry, Call):
            written += [*thoughts, _call(entry)]
            thoughts = []
        elif isinstance(entry, Thought) and not isinstance(entry.content, str):
            thoughts.append(entry.content)
    if texts:
        written.append(_message("assistant", "\n\n".join(texts)))
    if thoughts:
        history.note_lonely()
    return written


def _message(role: Literal["system", "user", "assistant"], content: str) -> InputMessage:
    # A plain text, which all servers take for every role; as a list of parts an assistant's text
    # would need the ids of a stored message.
    return {"type": "message", "role": role, "content": content}


def _user(entries: Sequence[Entry]) -> list[InputItem]:
    """A user message, if there is anything to say."""
    said = prose_or_parts(entries)
    if isinstance(said, str):
        return [_message("user", said)] if said else []
    return [{"type": "message", "role": "user", "content": [_part(part) for part in said]}]


def _part(part: Part) -> Json:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    if part["type"] == "image_url":
        return {"type": "input_image", "detail": "auto", "image_url": part["image_url"]["url"]}
    if part["type"] == "document_url":
        named = {"filename": part["document_name"], "file_data": part["document_url"]}
        return {"type": "input_file", **named}
    return {"type": "input_file", **part["file"]}


def _call(call: Call) -> InputItem:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    }


def _speaker(item: InputItem) -> str:
    """Who speaks, in the words of Chat: a role, or "tool"."""
    return item["role"] if item["type"] == "message" else "tool"
