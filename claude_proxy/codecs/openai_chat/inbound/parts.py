"""The content of a client's message → blocks."""

from collections.abc import Callable, Mapping
from typing import Any

from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    a_list,
    an_object,
    given,
    needed,
    note_others,
    string,
    wrong,
)
from claude_proxy.codecs.openai_chat.inbound.media import file_block, image_block
from claude_proxy.errors import UnsupportedContentError
from claude_proxy.types import Json

_Render = Callable[[Json, str, Notes], list[Json]]


def blocks_of(content: Any, path: str, role: str, notes: Notes) -> list[Json]:
    """The blocks of a content that is a string, a list of parts, or null; maybe none.

    Texts without any visible character are left out: Messages refuses them.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return _text(content, path, notes)
    if not isinstance(content, list):
        raise wrong(path, "Input should be a valid string or a list of parts")
    blocks: list[Json] = []
    for index, part in enumerate(a_list(content, path)):
        blocks += _part(part, f"{path}.{index}", role, notes)
    return blocks


def with_mark(blocks: list[Json], marked: Json, path: str) -> list[Json]:
    """The blocks, the last of which has the mark for the prompt cache that stands on `marked`."""
    mark = given(marked, "cache_control", an_object, path)
    if mark is None or not blocks:
        return blocks
    return [*blocks[:-1], {**blocks[-1], "cache_control": mark}]


def _part(part: Any, path: str, role: str, notes: Notes) -> list[Json]:
    if isinstance(part, str):  # some clients write texts so
        return _text(part, path, notes)
    kind = needed(an_object(part, path), "type", string, path)
    render = PARTS.get(kind)
    if render is None:
        raise UnsupportedContentError(f"{path}.type", f'parts of type "{kind}" cannot be sent')
    if kind in _MEDIA and role not in _MEDIA_ROLES:
        why = f'parts of type "{kind}" can stand in user messages only'
        raise UnsupportedContentError(f"{path}.type", why)
    if kind not in _REASONING:
        note_others(part, {"type", "cache_control", "text", kind}, path, notes)
    return with_mark(render(part, path, notes), part, path)


def _text(text: str, path: str, notes: Notes) -> list[Json]:
    if text.strip():
        return [{"type": "text", "text": text}]
    if text:
        notes.drop(path, "a text of nothing but white space")
    return []


def _text_part(part: Json, path: str, notes: Notes) -> list[Json]:
    return _text(needed(part, "text", string, path), path, notes)


def _refusal(part: Json, path: str, notes: Notes) -> list[Json]:
    return _text(needed(part, "refusal", string, path), path, notes)


def _image(part: Json, path: str, notes: Notes) -> list[Json]:
    return [image_block(part, path, notes)]


def _file(part: Json, path: str, notes: Notes) -> list[Json]:
    return [file_block(part, path, notes)]


def _audio(part: Json, path: str, notes: Notes) -> list[Json]:
    raise UnsupportedContentError(path, "audio cannot be sent; send its transcript as text")


def _reasoning(part: Json, path: str, notes: Notes) -> list[Json]:
    notes.once("thinking", path, "earlier reasoning without a signature")
    return []


PARTS: Mapping[str, _Render] = {
    "text": _text_part,
    "input_text": _text_part,  # the Responses API's name, by mistake
    "output_text": _text_part,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
    "thinking": _reasoning,  # Mistral's answers, sent back
    "reasoning": _reasoning,
}
"""What becomes of each type of part."""

_MEDIA = ("image_url", "file", "input_audio")
_REASONING = ("thinking", "reasoning")
_MEDIA_ROLES = ("user", "tool", "function")
