"""The PDFs of a request, by `CLAUDE_PROXY_PDF`: as files, as their text, or refused.

Translating is pure and does not wait. So PDFs are read before it, by `prepare`; `with_pdfs` then
puts the texts in, for the route that the request takes.
"""

import asyncio

from starlette.types import Receive

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.pdfs import (
    Pdf,
    R,
    Reading,
    has_documents,
    pdfs,
    remote_documents,
    with_texts,
)
from claude_proxy.errors import ClaudeProxyError, UnsupportedContentError, forget_frames
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.pdf.reader import busy
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.server.watch import Watch
from claude_proxy.settings import Settings
from claude_proxy.types import Json

MOST_PDFS = 50
"""Different ones that are read for a request. A hostile body has room for twenty thousand."""

TOGETHER = 4
"""All PDFs of a request together may have so many times the characters of one; later ones are
left out, so that what an earlier turn has sent stays as it was."""

SECONDS = 60.0
"""For all PDFs of a request. What has been read by then is remembered for the next attempt."""

_EXTRA = "its text is sent with the extra claude-proxy[pdf] installed"
_MISSING = "[a PDF that cannot be shown to this model]"
_LEFT_OUT = Reading(
    "[this PDF is left out: the PDFs of this conversation are too many or too long]",
    "a PDF is left out: too many or too long together",
)


def refuse(services: Services, call: Call) -> None:
    """Raises 400 for a request with a PDF where none are taken, whatever its way."""
    if services.settings.pdf != "reject":
        return
    if call.surface is not MESSAGES and call.surface.files not in call.body.raw:
        return  # It need not be decoded.
    body = call.as_messages()
    found = next((pdf.path for pdf in pdfs(body)), None) or next(remote_documents(body), None)
    if found is not None:
        raise UnsupportedContentError(found, "this server takes no PDFs (CLAUDE_PROXY_PDF=reject)")


async def prepare(
    services: Services, context: Context, call: Call, receive: Receive, route: Route
) -> None:
    """Reads the PDFs which this route sends as text. `ClientGone` when the client leaves.

    Raises 429 when that takes too long.
    """
    if route.dialect == "messages" or services.passes(route, call.surface):
        return
    body = call.as_messages()
    if not has_documents(body):
        return
    found = [pdf for pdf in pdfs(body) if _as_text(services.settings, route, pdf)]
    if not found:
        return
    context.pdfs = {} if context.pdfs is None else context.pdfs
    if services.pdfs.library is not None:
        async with Watch(receive, silence=SECONDS + 60, drain=services.drain):
            await _read(services, context.pdfs, found)


async def _read(services: Services, known: dict[str, Reading], found: list[Pdf]) -> None:
    room = TOGETHER * services.pdfs.limits.characters
    try:
        async with asyncio.timeout(SECONDS):
            for pdf in found:
                if pdf.data not in known:
                    if len(known) >= MOST_PDFS:
                        return
                    known[pdf.data] = await services.pdfs.read(pdf.data)
                room -= len(known[pdf.data].text)
                if room < 0:
                    return
    except TimeoutError:
        raise busy("Reading the PDFs of this request takes long.") from None


def with_pdfs(services: Services, context: Context, request: R, route: Route, on_drop: OnDrop) -> R:
    """The request as this route gets it: with texts for those PDFs that `prepare` has read."""
    known = context.pdfs
    if known is None:
        return request
    settings, installed = services.settings, services.pdfs.library is not None
    room = TOGETHER * services.pdfs.limits.characters

    def text_of(pdf: Pdf) -> str | None:
        nonlocal room
        if not _as_text(settings, route, pdf):
            return None
        if not installed:
            on_drop(pdf.path, _EXTRA)
            # Else as it is: the codec tells the model. Here it might send the file.
            return _MISSING if settings.pdf == "text" else None
        found = known.get(pdf.data)
        room -= len(found.text) if found else 0
        if found is None or room < 0:
            found, room = _LEFT_OUT, -1
        on_drop(pdf.path, found.note)
        return found.text

    return with_texts(request, text_of)


def _as_text(settings: Settings, route: Route, pdf: Pdf) -> bool:
    return settings.pdf == "text" or route.profile.pdf == "text" or not pdf.sendable


async def for_counting(services: Services, context: Context, call: Call, receive: Receive) -> Json:
    """The body whose tokens are counted: with texts, where they could be read.

    Never raises but `ClientGone`: whoever counts says what is wrong with the body.
    """
    body = call.body.whole
    try:
        route = services.route(call.peek())
        await prepare(services, context, call, receive, route)
    except ClaudeProxyError as error:
        forget_frames(error)
        return body
    return with_pdfs(services, context, body, route, ignore_drop)
