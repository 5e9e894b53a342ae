"""Anthropic's marks for its prompt cache, where a gateway hands them on to it.

They stand on content parts and on tools. For these upstreams every text is a part of its own,
marked or not: a client moves its marks from turn to turn, and only the marks may change by that.
Source: https://openrouter.ai/docs/guides/best-practices/prompt-caching (seen 2026-11); on parts of
tool messages: earendil-works/pi#6941, on tools: OpenRouterTeam/python-sdk#51.
"""

from collections.abc import Sequence

from claude_proxy.codecs.openai_chat.content import Part, texts_of
from claude_proxy.codecs.openai_chat.context import CHAT, Context, Notes
from claude_proxy.profiles import Profile
from claude_proxy.types import Json

MOST_MARKS = 4
"""Anthropic answers more with 400."""


def takes_marks(profile: Profile, notes: Notes) -> bool:
    """Whether marks are sent: to upstreams that want them, in the one language they stand in."""
    return profile.cache_control != "drop" and notes.language == CHAT


class Marked(str):
    """A text with the mark that ends a cached part of the prompt."""

    __slots__ = ("mark",)

    mark: Json


def marked(text: str, mark: Json | None) -> str:
    if mark is None:
        return text
    made = Marked(text)
    made.mark = mark
    return made


def mark_of(block: Json, path: str, context: Context) -> Json | None:
    """The mark of a block or tool where the upstream takes one; else it is noted."""
    given = block.get("cache_control")
    if not given:
        return None
    if not takes_marks(context.profile, context.notes) or not isinstance(given, dict):
        context.notes.cache_control(path)
        return None
    return {name: given[name] for name in ("type", "ttl") if given.get(name)}


def with_mark(parts: list[Part], mark: Json | None) -> list[Part]:
    """The parts with the mark on the last one."""
    if mark is None or not parts:
        return parts
    last = parts[-1]
    end: Part = marked(last, mark) if isinstance(last, str) else {**last, "cache_control": mark}
    return [*parts[:-1], end]


def joined(texts: Sequence[str], between: str = "\n\n") -> str:
    """One text of several; it has the last of their marks."""
    marks = [text.mark for text in texts if isinstance(text, Marked)]
    return marked(between.join(texts), marks[-1] if marks else None)


def content_of(parts: Sequence[Part], context: Context) -> str | list[Json]:
    """A message's content: one string, unless media are in it or marks may be."""
    if not takes_marks(context.profile, context.notes):
        if len(parts) == 1 and isinstance(only := parts[0], str):
            return only
        texts = texts_of(parts)
        if len(texts) == len(parts):
            return "\n\n".join(texts)
    return [_text(part) if isinstance(part, str) else part for part in parts]


def _text(text: str) -> Json:
    part: Json = {"type": "text", "text": str(text)}
    return {**part, "cache_control": text.mark} if isinstance(text, Marked) else part


def with_few_marks(chat: Json, context: Context) -> Json:
    """The request with the last four marks: a later one covers all before it."""
    if not takes_marks(context.profile, context.notes):
        return chat
    groups = [chat.get("tools", []), *(message["content"] for message in chat["messages"])]
    marks = sum("cache_control" in part for group in groups if group for part in group)
    if marks <= MOST_MARKS:
        return chat
    context.notes.drop("cache_control", f"only the last {MOST_MARKS} marks are sent")
    return _fewer(chat, marks - MOST_MARKS)


def _fewer(chat: Json, extra: int) -> Json:
    def unmarked(group: list[Json]) -> list[Json]:
        nonlocal extra
        kept: list[Json] = []
        for part in group:
            if extra and "cache_control" in part:
                extra -= 1
                part = {name: value for name, value in part.items() if name != "cache_control"}
            kept.append(part)
        return kept

    tools = {"tools": unmarked(chat["tools"])} if "tools" in chat else {}
    messages = [
        {**message, "content": unmarked(message["content"])}
        if isinstance(message["content"], list)
        else message
        for message in chat["messages"]
    ]
    return {**chat, **tools, "messages": messages}


def mark_of_result(block: Json, path: str, context: Context) -> Json | None:
    """A tool result's own mark, or the last one inside of it: its text is one part."""
    if block.get("cache_control"):
        return mark_of(block, path, context)
    content = block.get("content")
    if isinstance(content, str) or not takes_marks(context.profile, context.notes):
        return None
    marks = (mark_of(inner, path, context) for inner in reversed(content or ()))
    return next((mark for mark in marks if mark), None)
