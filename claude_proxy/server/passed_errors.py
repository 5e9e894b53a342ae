"""What an upstream answered in place of a message, where its words are passed on."""

from collections.abc import Sequence

from claude_proxy.backends import WireResponse
from claude_proxy.codecs import anthropic_messages, openai_chat
from claude_proxy.codecs.passing import type_of
from claude_proxy.errors import Answer, UpstreamError
from claude_proxy.native import native_for
from claude_proxy.server.reading import MAX_ERROR_BYTES, is_json, is_page, read_some
from claude_proxy.server.redact import Redactor
from claude_proxy.server.verbatim import passed_headers
from claude_proxy.server.watch import Watch

NO_SUCH_ENDPOINT = frozenset({404, 405, 501})

_OVERFLOW = "prompt is too long"
"""By which Claude Code knows that it has to compact."""


class NotSpoken(UpstreamError):
    """The upstream has no Messages API."""


async def check_status(
    response: WireResponse,
    watch: Watch,
    redactor: Redactor,
    keys: Sequence[str] = (),
    *,
    url: str,
    optional: bool,
) -> None:
    """Raises what the upstream answered, unless it is a success that is not a web page.

    `url` is the one that was asked.
    """
    status = response.status
    if 200 <= status < 300 and not is_page(response):
        return
    body = await read_some(response, watch, MAX_ERROR_BYTES)
    if status in NO_SUCH_ENDPOINT and optional and not anthropic_messages.is_error(body):
        raise NotSpoken("The upstream has no Messages API.", status=status)
    overflow = _overflow(status, body, url)
    error = overflow or anthropic_messages.decode_error(status, body)
    passed = passed_headers(response, redactor, keys)
    id = passed.pop("request-id", "")
    told = type_of(body) is not None if is_json(response) else body.strip()
    if overflow is None and 400 <= status and told and not is_page(response):
        kind = "application/json" if is_json(response) else "text/plain"
        error.answer = Answer(body, kind, id)
    error.headers = {**error.headers, **passed}
    raise error


def _overflow(status: int, body: bytes, url: str) -> UpstreamError | None:
    """A prompt beyond the window, told in words that clients do not know. Anthropic's they do."""
    if native_for(url).claude or _OVERFLOW.encode() in body or not body.strip():
        return None
    error = openai_chat.decode_error(status, body)
    return error if error.message.startswith(_OVERFLOW) else None
