"""Which block becomes what: one table of all content blocks but calls, results and thinking."""

from collections.abc import Callable, Mapping, Sequence

from claude_proxy.codecs.openai_chat import content
from claude_proxy.codecs.openai_chat.content import Part
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.openai_chat.marks import mark_of, with_mark
from claude_proxy.codecs.openai_chat.told import TELLERS, tell
from claude_proxy.types import Json

Renderer = Callable[[Json, str, Context, bool], list[Part]]

CARRIED: Mapping[str, Renderer] = {
    "text": content.text,
    "image": content.image,
    "document": content.document,
    "search_result": content.search_result,
    "tool_reference": content.tool_reference,
}

NO_OUTPUT = "(no output)"
MEDIA_NAMES = {"image_url": "image", "file": "document", "document_url": "document"}


def render(block: Json, path: str, context: Context, *, media: bool) -> list[Part]:
    """The parts of one block; with `media` false they are all texts."""
    if block.get("cache_control"):
        mark = mark_of(block, path, context)
        return with_mark(_rendered(block, path, context, media), mark)
    return _rendered(block, path, context, media)


def _rendered(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    kind = block["type"]
    if renderer := CARRIED.get(kind):
        return renderer(block, path, context, media)
    if kind in TELLERS:
        return tell(block, path, context)
    return content.unknown(block, path, context, media)


def render_result(
    block: Json, path: str, context: Context, *, call_id: str, where: str
) -> tuple[str, list[Part]]:
    """A tool result's text, never empty, and the labeled media that a tool message cannot hold.

    `where` tells the model where the media are to be found.
    """
    body = block.get("content")
    media: list[Part] = []
    if isinstance(body, str):
        text = body
    else:
        text, media = _render_list(body or (), path, context, call_id, where)
    text = text or NO_OUTPUT
    return (f"[tool error]\n{text}" if block.get("is_error") else text), media


def _render_list(
    blocks: Sequence[Json], path: str, context: Context, call_id: str, where: str
) -> tuple[str, list[Part]]:
    texts: list[str] = []
    media: list[Part] = []
    counts = dict.fromkeys(MEDIA_NAMES.values(), 0)
    for index, block in enumerate(blocks):
        if block["type"] == "text" and len(block) == 2:
            # Nothing but its text: most blocks are like that. Empty ones leave no empty line.
            texts += (block["text"],) if block["text"] else ()
            continue
        for part in render(block, f"{path}.content.{index}", context, media=True):
            if isinstance(part, str):
                texts.append(part)
                continue
            name = MEDIA_NAMES[part["type"]]
            counts[name] += 1
            texts.append(f"[{name} {counts[name]} of this tool result: see {where}]")
            media += (f"[{name} {counts[name]} of the result of tool call {call_id}]", part)
    return "\n".join(texts), media
