"""What an upstream answered in place of a message, where its words are passed on."""

from collections.abc import Sequence

from claude_proxy.backends import WireResponse
from claude_proxy.codecs.passing import type_of
from claude_proxy.errors import Answer, UpstreamError
from claude_proxy.server.passed_requests import Pass
from claude_proxy.server.reading import MAX_ERROR_BYTES, is_json, is_page, read_some
from claude_proxy.server.redact import Redactor
from claude_proxy.server.verbatim import passed_headers
from claude_proxy.server.watch import Watch

NO_SUCH_ENDPOINT = frozenset({404, 405, 501})


class NotSpoken(UpstreamError):
    """The upstream does not speak a language that it was asked in: not at all, or not for a
    model."""

    def __init__(self, language: str, *, status: int, model: str = "") -> None:
        super().__init__(f"The upstream has no {language} endpoint.", status=status)
        self.language = language
        self.model = model


async def check_status(
    response: WireResponse,
    watch: Watch,
    redactor: Redactor,
    passing: Pass,
    keys: Sequence[str] = (),
) -> None:
    """Raises what the upstream answered, unless it is a success that is not a web page."""
    status = response.status
    if 200 <= status < 300 and not is_page(response):
        return
    body = await read_some(response, watch, MAX_ERROR_BYTES)
    passage = passing.passage
    if status in NO_SUCH_ENDPOINT and passing.optional and not passage.speaks(body):
        raise NotSpoken(passage.language, status=status, model=passing.model)
    error, verbatim = passage.refusal(status, body, passing.wire.url)
    passed = passed_headers(response, passage, redactor, keys)
    id = passed.pop(passage.id_header, "")
    told = type_of(body) is not None if is_json(response) else body.strip()
    if verbatim and 400 <= status < 600 and told and not is_page(response):
        shown = passage.shown(status, body)
        json = is_json(response) or shown is not body
        error.answer = Answer(shown, "application/json" if json else "text/plain", id, status)
    error.headers = {**error.headers, **passed}
    raise error
