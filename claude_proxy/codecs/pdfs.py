"""PDFs in a Messages request: where they are, and the text documents that stand in for them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple, TypeVar

from claude_proxy.codecs.openai_chat.content import PDF
from claude_proxy.types import Json

R = TypeVar("R", bound=Mapping[str, Any])

_DEEPEST = 3
"""Blocks in blocks: a document in what a fetch found, in the result of a tool."""


class Pdf(NamedTuple):
    """One PDF of a request."""

    path: str
    data: str
    """Base64."""
    sendable: bool
    """Whether it stands where a file may stand: in what the user says, and in results of tools."""


class Pages(NamedTuple):
    """What was read of a PDF."""

    total: int
    """How many it has, which may be more than the texts."""
    texts: Sequence[str | None]
    """Of its first pages; None for a page that cannot be read."""
    cut: bool
    """Whether the last text is not whole."""


Unread = Literal["encrypted", "broken", "memory", "crashed", "late", "large", "unstarted"]

UNREAD: dict[Unread, str] = {
    "encrypted": "it is protected by a password",
    "broken": "it is damaged or no PDF",
    "memory": "it needs too much memory",
    "crashed": "it is damaged or needs too much memory",
    "late": "it takes too long",
    "large": "it is too large",
    "unstarted": "no process could be started",
}
"""Why a PDF has no text."""


class Reading(NamedTuple):
    """A PDF as the model is to read it, and what the client is told of that."""

    text: str
    note: str
    """Without commas, which a note would escape."""


TextOf = Callable[[Pdf], str | None]


def pdfs(request: Mapping[str, Any]) -> Iterator[Pdf]:
    """The PDFs in a request's messages, in order; the request need not be valid."""
    found: list[Pdf] = []
    with_texts(request, found.append)
    return iter(found)


def has_documents(request: Mapping[str, Any]) -> bool:
    """Whether there is any document in a request's messages, which need not be valid.

    Nearly all requests have none, and this tells it at a fifth of the cost of looking for PDFs.
    """
    return any([_has_document(each, _DEEPEST) for each in _list(request.get("messages"))])


def _has_document(holder: Any, depth: int) -> bool:
    content = holder.get("content") if isinstance(holder, dict) else None
    for block in [content] if isinstance(content, dict) else _list(content):
        if isinstance(block, dict):
            if block.get("type") == "document":
                return True
            inside = block.get("content")
            if depth and inside and not isinstance(inside, str):
                if _has_document(block, depth - 1):
                    return True
    return False


def remote_documents(request: Mapping[str, Any]) -> Iterator[str]:
    """The paths of documents that are named by a URL, which Anthropic takes for PDFs."""
    for index, message in enumerate(_list(request.get("messages"))):
        content = message.get("content") if isinstance(message, dict) else None
        yield from _remote(content, f"messages.{index}.content", _DEEPEST)


def _remote(content: object, path: str, depth: int) -> Iterator[str]:
    for index, block in enumerate(_list(content) if depth else ()):
        if isinstance(block, dict):
            source = block.get("source")
            if isinstance(source, dict) and source.get("type") == "url":
                if block.get("type") == "document":
                    yield f"{path}.{index}"
            yield from _remote(block.get("content"), f"{path}.{index}.content", depth - 1)


def with_texts(request: R, text_of: TextOf) -> R:
    """The request with text documents for those PDFs of which `text_of` knows a text.

    Title, context and marks stay. The same request if there are none.
    """
    messages = request.get("messages")
    made = [_message(each, f"messages.{at}", text_of) for at, each in enumerate(_list(messages))]
    if all(new is old for new, old in zip(made, _list(messages), strict=True)):
        return request
    changed: Any = {**request, "messages": made}
    return changed  # type: ignore[no-any-return] # the same shape, of whatever shape it is


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(message: Any, path: str, text_of: TextOf) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    sendable = message.get("role") == "user"
    return _holder(message, path, sendable, text_of, _DEEPEST)


def _holder(holder: Json, path: str, sendable: bool, text_of: TextOf, depth: int) -> Json:
    """The message or block with its `content` read; the same object where nothing changes."""
    content = holder.get("content")
    place = f"{path}.content"
    if isinstance(content, dict):
        # What a fetch on Anthropic's side found: told in words, where no file may stand.
        made: Any = _block(content, place, False, text_of, depth)
    elif isinstance(content, list):
        made = [
            _block(block, f"{place}.{index}", sendable, text_of, depth)
            for index, block in enumerate(content)
        ]
        if all(new is old for new, old in zip(made, content, strict=True)):
            return holder
    else:
        return holder
    return holder if made is content else {**holder, "content": made}


def _block(block: Any, path: str, sendable: bool, text_of: TextOf, depth: int) -> Any:
    if not isinstance(block, dict):
        return block
    if block.get("type") == "document":
        return _document(block, path, sendable, text_of)
    if depth and "content" in block:
        return _holder(block, path, sendable, text_of, depth - 1)
    return block


def _document(block: Json, path: str, sendable: bool, text_of: TextOf) -> Json:
    source = block.get("source")
    if not isinstance(source, dict) or source.get("type") != "base64":
        return block
    data = source.get("data")
    if not isinstance(data, str) or source.get("media_type") not in (None, PDF):
        return block
    text = text_of(Pdf(path, data, sendable))
    if text is None:
        return block
    return {**block, "source": {"type": "text", "media_type": "text/plain", "data": text}}


def unread(why: Unread) -> Reading:
    words = UNREAD[why]
    return Reading(f"[this PDF cannot be read: {words}]", f"a PDF cannot be read: {words}")


def reading(pages: Pages, limit: int) -> Reading:
    """The text of a PDF with marks at its pages. `limit`: the characters that were read at most."""
    texts = [text if text is None else clean(text) for text in pages.texts]
    lines = [f"[the text of a PDF of {_pages(pages.total)}; pictures and layout are not shown]"]
    for kind, group in groupby(enumerate(texts, 1), lambda each: _kind(each[1])):
        members = [*group]
        if kind == "text":
            lines += [f"[page {number}]\n{text}" for number, text in members]
        else:
            lines.append(f"[{_range(members[0][0], members[-1][0])}: {kind}]")
    how = "is sent as its text" if any(texts) else "has no text"
    note = f"a PDF of {_pages(pages.total, '')} {how}"
    if pages.cut or len(texts) < pages.total:
        lines.append(_left_out(pages, limit))
        note += f" and cut {'in' if pages.cut else 'after'} page {len(texts)}"
    return Reading("\n".join(lines), note)


def _kind(text: str | None) -> str:
    if text is None:
        return "cannot be read"
    return "text" if text else "no text"


def _left_out(pages: Pages, limit: int) -> str:
    read = len(pages.texts)
    full = sum(len(text or "") for text in pages.texts) >= limit
    parts = [f"the rest of page {read:,}"] if pages.cut else []
    if read < pages.total:
        parts.append(_range(read + 1, pages.total))
    most = f"{limit:,} characters" if full else f"{read:,} pages"
    why = f"only the first {most} of a PDF are read"
    return f"[left out: {' and '.join(parts)}; {why}]"


def _pages(count: int, form: str = ",") -> str:
    return f"{count:{form}} page{'' if count == 1 else 's'}"


def _range(first: int, last: int) -> str:
    return f"page {first:,}" if first == last else f"pages {first:,} to {last:,}"


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]+")
_HYPHEN = "\x02"
"""What PDFium puts for a hyphen at the end of a line, and for the line's end with it."""


def clean(text: str) -> str:
    """One kind of line end, and no controls."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(_HYPHEN, "-\n")
    return _CONTROLS.sub("", text).strip()
