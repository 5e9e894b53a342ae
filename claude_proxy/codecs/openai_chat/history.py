"""Turns → chat messages.

Chat Completions wants every assistant message with `tool_calls` followed at once by exactly one
tool message for each call. Media of results follow after the last tool message, in one user
message with what the user said beside the results.
"""

from collections.abc import Sequence

from claude_proxy.codecs.openai_chat.attached import UNSIGNED, details_of, signatures_of, signed
from claude_proxy.codecs.openai_chat.content import Part, texts_of
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.openai_chat.marks import content_of, marked
from claude_proxy.codecs.openai_chat.reading import (
    Call,
    Entry,
    History,
    Thought,
    Turn,
    last_words,
)
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam
from claude_proxy.types.openai import ChatMessage, ToolCall

NO_REASONING = ("drop", "thought_signature")
"""Forms of `Profile.reasoning_history` without a place for the thoughts themselves."""

ATTACHED = ("reasoning_details", "thought_signature")
"""Those that want back what was attached to an answer."""

RESULTS_READ = "I have read the results."
"""An assistant's words between results and user, for upstreams that want some there."""


def encode_messages(messages: Sequence[MessageParam], context: Context) -> list[ChatMessage]:
    """The conversation without the system prompt; at least one message that is not system."""
    written = _write(_ChatHistory(context).turns(messages), context)
    last = written[-1]["role"] if written else None
    nothing = all(message["role"] == "system" for message in written)
    words = last_words(last, nothing, messages, context)
    if words is not None:
        written.append({"role": "user", "content": words})
    return written


class _ChatHistory(History):
    """Earlier reasoning is a text; results are texts whose media follow them."""

    def thought(self, block: Json, path: str) -> Thought | None:
        form, text = self._context.profile.reasoning_history, block["thinking"]
        signature = block.get("signature")
        origin, carried = self._context.seal.read(signature if isinstance(signature, str) else "")
        carried = carried if form in ATTACHED else {}
        if not text and not carried:
            return None
        if form in NO_REASONING and not carried:
            self._notes.once("thinking", path, "this upstream takes no earlier reasoning")
            return None
        return Thought("" if form in NO_REASONING else text, carried, origin == "own")


def _write(turns: Sequence[Turn], context: Context) -> list[ChatMessage]:
    written: list[ChatMessage] = []
    media: list[Part] = []
    # An upstream that wants reasoning everywhere wants it once there was a call.
    fill = context.profile.reasoning_missing == "empty" and any(turn.calls for turn in turns)
    for turn in turns:
        if turn.role == "user":
            _append_user(written, [*media, *turn.entries], context)
            media = []
            continue
        if media:
            _append_user(written, media, context)
            media = []
        if turn.role == "system":
            told = content_of(texts_of(turn.entries), context)
            written.append({"role": "system", "content": told})
        else:
            written.append(_assistant(turn, context, fill=fill))
            media = _append_results(written, turn.calls, context)
    _append_user(written, media, context)
    return written


def _assistant(turn: Turn, context: Context, *, fill: bool) -> ChatMessage:
    profile = context.profile
    text = content_of(texts_of(turn.entries), context)
    none = "" if profile.call_content == "empty" else None
    message: ChatMessage = {"role": "assistant", "content": text or none}
    if profile.reasoning_history not in NO_REASONING:
        found = [entry for entry in turn.entries if isinstance(entry, Thought)]
        thoughts = [str(entry.content) for entry in found if entry.content]
        details = details_of([entry.carried for entry in found])
        if details:
            message["reasoning_details"] = details
        elif thoughts or fill:
            # What was before each call of an answer was one text, until blocks were made of it.
            between = "" if all(entry.own for entry in found) else "\n"
            _write_reasoning(message, between.join(thoughts), profile)
    if turn.calls:
        message["tool_calls"] = _calls(turn, profile)
    return message


def _calls(turn: Turn, profile: Profile) -> list[ToolCall]:
    """The calls, with the signatures of the thoughts before them where the profile wants that."""
    if profile.reasoning_history != "thought_signature":
        return [_wire(call) for call in turn.calls]
    stand_in = profile.reasoning_missing == "stand_in"
    waiting: list[Json] = []
    calls: list[ToolCall] = []
    for entry in turn.entries:
        if isinstance(entry, Thought):
            waiting += signatures_of(entry.carried)
        elif isinstance(entry, Call):
            call = _wire(entry)
            if waiting:
                call["extra_content"] = waiting.pop(0)
            elif stand_in and not calls:
                call["extra_content"] = signed(UNSIGNED)
            calls.append(call)
    return calls


def _write_reasoning(message: ChatMessage, thoughts: str, profile: Profile) -> None:
    """Puts an assistant message's reasoning where the profile wants it."""
    form, said = profile.reasoning_history, message["content"]
    if form == "reasoning_content":
        message["reasoning_content"] = thoughts
    elif form == "think_tags":
        tag = profile.think_tags[0]
        thought = f"<{tag}>{thoughts}</{tag}>"
        if isinstance(said, list):
            message["content"] = [{"type": "text", "text": thought}, *said]
        else:
            message["content"] = f"{thought}\n\n{said}" if said else thought
    elif form == "thinking_parts":
        words = [{"type": "text", "text": said}] if isinstance(said, str) and said else said
        thinking = [{"type": "text", "text": thoughts}]
        message["content"] = [{"type": "thinking", "thinking": thinking}, *(words or ())]
    else:
        message["reasoning"] = thoughts


def _wire(call: Call) -> ToolCall:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _append_results(
    written: list[ChatMessage], calls: Sequence[Call], context: Context
) -> list[Part]:
    """Writes one tool message for each call; returns the media that they leave behind."""
    media: list[Part] = []
    for call in calls:
        told = content_of([marked(str(call.output), call.mark)], context)
        written.append({"role": "tool", "tool_call_id": call.id, "content": told})
        media += call.media
    return media


def _append_user(written: list[ChatMessage], entries: Sequence[Entry], context: Context) -> None:
    """Writes a user message, if there is anything to say."""
    parts = [entry for entry in entries if isinstance(entry, (str, dict))]
    if not parts:
        return
    if context.profile.after_tool == "assistant" and written and written[-1]["role"] == "tool":
        written.append({"role": "assistant", "content": RESULTS_READ})
    written.append({"role": "user", "content": content_of(parts, context)})
