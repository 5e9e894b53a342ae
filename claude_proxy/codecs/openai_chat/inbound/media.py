"""Images and files of a client's message → blocks."""

from base64 import b64decode
from binascii import Error
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.content import PDF
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    an_object,
    filled,
    given,
    needed,
    string,
    wrong,
)
from claude_proxy.errors import UnsupportedContentError
from claude_proxy.types import Json

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What Messages takes."""

_BEGINNINGS = {
    "/9j/": "image/jpeg",
    "iVBORw0KGgo": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How the data of each begins, in base64. OpenAI does not look at the type that a client gives,
and Claude refuses one that is wrong."""

_TEXTS = (".txt", ".md", ".csv", ".json", ".xml", ".html", ".yaml", ".yml", ".log")
"""Ends of names of files that hold text."""
_TEXT_TYPES = ("application/json", "application/xml", "application/yaml")


class _Data(NamedTuple):
    media_type: str
    data: str
    """In base64."""


def image_block(part: Json, path: str, notes: Notes) -> Json:
    """Of an `image_url` part: base64 from a data URL, or the address itself."""
    place, asked = f"{path}.image_url", part.get("image_url")
    if isinstance(asked, str):  # the shape of the Responses API
        url = asked
    else:
        image = needed(part, "image_url", an_object, path)
        place = f"{place}.url"
        url = needed(image, "url", string, f"{path}.image_url")
        if given(image, "detail", string, f"{path}.image_url") not in (None, "auto"):
            notes.once("detail", f"{path}.image_url.detail", notes.foreign)
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    if not url.startswith("data:"):
        raise wrong(place, "Input should be an https address or a data URL")
    return _image(_data_url(url, place), place)


def file_block(part: Json, path: str, notes: Notes) -> Json:
    """Of a `file` part: a PDF or a text becomes a document, an image an image."""
    path = f"{path}.file"
    file = an_object(part.get("file"), path)
    if file.get("file_data") is None:
        if file.get("file_id") is None:
            raise wrong(f"{path}.file_data", "Field required")
        why = "files cannot be referred to by ID here; send the file itself in file_data"
        raise UnsupportedContentError(f"{path}.file_id", why)
    place = f"{path}.file_data"
    content = string(file["file_data"], place)
    name = given(file, "filename", string, path) or ""
    if content.startswith("data:"):
        found = _data_url(content, place)
    else:
        found = _Data(_type_of(name, place), content)
    if found.media_type.startswith("image/"):
        return _image(found, place)
    document: Json = {"type": "document", "source": _source(found, place)}
    return {**document, "title": name} if name else document


def _image(found: _Data, path: str) -> Json:
    seen = (kind for start, kind in _BEGINNINGS.items() if found.data.startswith(start))
    kind = next(seen, "image/jpeg" if found.media_type == "image/jpg" else found.media_type)
    if kind not in IMAGES:
        why = f'images of type "{kind}" cannot be sent; take one of {", ".join(IMAGES)}'
        raise UnsupportedContentError(path, why)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": found.data}}


def _source(found: _Data, path: str) -> Json:
    kind = found.media_type
    if kind == PDF:
        return {"type": "base64", "media_type": PDF, "data": found.data}
    if not (kind.startswith("text/") or kind in _TEXT_TYPES):
        why = f'files of type "{kind}" cannot be sent; take a PDF, a text or an image'
        raise UnsupportedContentError(path, why)
    try:
        text = b64decode(found.data, validate=True).decode()
    except (Error, ValueError):
        raise wrong(path, "Input should be UTF-8 text in base64") from None
    return {"type": "text", "media_type": "text/plain", "data": text}


def _data_url(url: str, path: str) -> _Data:
    head, _, data = url.removeprefix("data:").partition(",")
    kind, *attributes = head.split(";")
    if "base64" not in attributes or not data:
        raise wrong(path, "Input should be a data URL in base64, as data:TYPE;base64,DATA")
    return _Data(filled(kind, path).lower(), data)


def _type_of(name: str, path: str) -> str:
    """Of a file that came without its type."""
    lower = name.lower()
    if lower.endswith(".pdf"):
        return PDF
    if lower.endswith(_TEXTS):
        return "text/plain"
    raise wrong(path, "Input should be a data URL, or filename should tell the type")
