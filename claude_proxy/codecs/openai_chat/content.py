"""Content blocks → parts of a chat message.

A part is a text (`str`) or a media part (`{"type": "image_url" | "file" | "document_url", …}`);
whoever builds the message decides how texts are joined. Where media cannot stand (`media=False`:
in assistant, system and quoted text) a text says what is missing.
"""

from collections.abc import Iterable

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.types import Json

Part = str | Json

PDF = "application/pdf"


def texts_of(parts: Iterable[object]) -> list[str]:
    return [part for part in parts if isinstance(part, str)]


def text(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    if block.get("citations"):
        context.notes.once("citations", f"{path}.citations", context.notes.foreign)
    words = block.get("text")
    return [words] if isinstance(words, str) and words else []


def unknown(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    """A block of a kind that is newer than we are: the model reads it as it is."""
    context.notes.drop(path, "unknown block type, sent as JSON text")
    return [dumps_text(block)]


def image(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    if block.get("transformations"):
        context.notes.drop(f"{path}.transformations", context.notes.foreign)
    source = as_object(block.get("source"))
    kind = source.get("type")
    if kind == "file":
        context.notes.drop(path, "a file ID means nothing to this upstream")
        return [f"[image: file {source.get('file_id')} cannot be shown to this model]"]
    if kind not in ("base64", "url"):
        return unknown(block, path, context, media)
    why = _unseen(kind, media, context)
    if why:
        context.notes.drop(path, why)
        where = f"; its URL: {source.get('url')}" if kind == "url" else ""
        here = "" if media else " here"
        return [f"[image: it cannot be shown to this model{here}{where}]"]
    url = source.get("url") if kind == "url" else data_url(source, "image/png")
    return [{"type": "image_url", "image_url": {"url": url}}]


def _unseen(kind: str, media: bool, context: Context) -> str:
    """Why an image cannot be sent; empty if it can."""
    if not media:
        return "images are possible in user messages only"
    if context.profile.vision == "told":
        return "this model takes no images"
    if kind == "url" and context.profile.image_urls == "told":
        return "this upstream fetches no images from their URL"
    return ""


def data_url(source: Json, default_type: str) -> str:
    return f"data:{source.get('media_type') or default_type};base64,{source.get('data')}"


def document(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    if as_object(block.get("citations")).get("enabled"):
        context.notes.drop(f"{path}.citations", f"citations are {context.notes.foreign}")
    source = as_object(block.get("source"))
    match source.get("type"):
        case "text":
            return [_document(block, as_text(source.get("data")))]
        case "content":
            return _content_document(block, source, path, context, media)
        case "base64":
            return _pdf(block, source, path, context, media)
        case "url":
            context.notes.drop(path, "documents are not fetched from their URL")
            return [_document(block, f"[not fetched; its URL: {source.get('url')}]")]
        case "file":
            context.notes.drop(path, "a file ID means nothing to this upstream")
            missing = f"[document: file {source.get('file_id')} cannot be shown to this model]"
            return [_document(block, missing) if _attributes(block) else missing]
        case _:
            return unknown(block, path, context, media)


def _content_document(
    block: Json, source: Json, path: str, context: Context, media: bool
) -> list[Part]:
    content = source.get("content")
    if isinstance(content, str):
        return [_document(block, content)]
    texts: list[str] = []
    pictures: list[Part] = []
    for index, inner in enumerate(as_objects(content)):
        render = {"text": text, "image": image}.get(inner.get("type", ""), unknown)
        for part in render(inner, f"{path}.source.content.{index}", context, media):
            if isinstance(part, str):
                texts.append(part)
            else:
                pictures.append(part)
                texts.append(f"[image {len(pictures)} of this document follows it]")
    return [_document(block, "\n".join(texts)), *pictures]


def _pdf(block: Json, source: Json, path: str, context: Context, media: bool) -> list[Part]:
    form = context.profile.pdf
    if form == "text" or not media:
        context.notes.drop(path, "a PDF cannot be sent here")
        return [_document(block, "[a PDF that cannot be shown to this model]")]
    title, about = block.get("title"), block.get("context")
    described = [f"Document: {title}"] if title else []
    described += [f"Context: {about}"] if about else []
    texts: list[Part] = ["\n".join(described)] if described else []
    name, url = _pdf_name(title), data_url(source, PDF)
    if form == "document_url":
        return [*texts, {"type": form, "document_url": url, "document_name": name}]
    return [*texts, {"type": "file", "file": {"filename": name, "file_data": url}}]


def _pdf_name(title: object) -> str:
    # A title need not be a file's name, and servers tell the type by the name's end.
    name = as_text(title) or "document"
    return name if name.lower().endswith(".pdf") else f"{name}.pdf"


def _document(block: Json, body: str) -> str:
    return f"<document{_attributes(block)}>\n{body}\n</document>"


def _attributes(block: Json) -> str:
    return "".join(
        f' {name}="{escape(str(block[name]))}"' for name in ("title", "context") if block.get(name)
    )


def escape(value: str) -> str:
    """The value as it may stand between double quotes in markup."""
    return (
        value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    )


def search_result(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    if as_object(block.get("citations")).get("enabled"):
        context.notes.drop(f"{path}.citations", f"citations are {context.notes.foreign}")
    source, title = as_text(block.get("source")), as_text(block.get("title"))
    body = plain_text(block.get("content"))
    head = f'<search_result source="{escape(source)}" title="{escape(title)}">'
    return [f"{head}\n{body}\n</search_result>"]


def tool_reference(block: Json, path: str, context: Context, media: bool) -> list[Part]:
    return [f"Tool loaded: {context.tool_name(as_text(block.get('tool_name')))}"]


def as_object(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[Json]:
    """The objects of a list; nothing of anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """A string as it is, nothing for null, and the JSON of anything else."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps_text(value)


def plain_text(content: object) -> str:
    """The texts of a string or of a list of blocks; what is not text goes in as JSON."""
    if not isinstance(content, list):
        return as_text(content)
    texts = [
        as_text(block["text"]) if isinstance(block, dict) and "text" in block else as_text(block)
        for block in content
    ]
    return "\n".join(texts)
