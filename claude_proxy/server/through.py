"""What else Anthropic's API has below `/v1/`: batches, files, and whatever it will have.

Such a request passes by its path: method, query, body, and the headers that mean something there;
and so does its answer. Nothing of either is read or kept: both move part by part, as fast as the
slower side, with the guards of any other request around them.
"""

import math
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack

from starlette.types import Receive, Scope, Send

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.codecs.jsonio import Body
from claude_proxy.errors import ClaudeProxyError, RequestError
from claude_proxy.server import passages
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.failures import note_failure
from claude_proxy.server.notes import Notes, shortened
from claude_proxy.server.passed_errors import check_status
from claude_proxy.server.passed_requests import Pass
from claude_proxy.server.reading import is_event_stream, is_json
from claude_proxy.server.responses import raw_headers
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.server.upload import Upload
from claude_proxy.server.verbatim import (
    anthropic_headers,
    may_be_shown,
    passed_headers,
    passed_query,
)
from claude_proxy.server.watch import ClientGone, Watch

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

_PREFIXES = ("/anthropic", "/v1", "")
"""Below which the API is served, the longest path first."""
_SEGMENT = re.compile(r"[A-Za-z0-9_~@:=+-][A-Za-z0-9._~@:=+-]{0,255}")
"""A part of a path that means the same to everybody: no dots in front, nothing encoded."""
_MOST_SEGMENTS = 12

_FORMS = frozenset({"", "text/plain", "application/x-www-form-urlencoded"})
"""Types that pages of other sites may send without asking, and that the API does not take.

The third of that kind, `multipart/form-data`, is how files come: there the check of Origin, which
all browsers send with it, has to do.
"""

_KEPT = ("content-type", "content-disposition")
_LONGEST = 1024
_OF_FILES = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox"}
"""For answers that are not JSON: somebody's file must not become a page of this server."""
_OF_STREAMS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def target_of(path: str) -> str | None:
    """The path below the upstream's base, beginning with `/v1/`; None for one that is not of the
    API, or could lead elsewhere."""
    for prefix in _PREFIXES:
        if path.startswith(f"{prefix}/v1/"):
            segments = path.removeprefix(prefix).split("/")[1:]
            plain = all(_SEGMENT.fullmatch(segment) for segment in segments)
            return f"/{'/'.join(segments)}" if plain and len(segments) <= _MOST_SEGMENTS else None
    return None


def _hides_a_slash(scope: Scope) -> bool:
    """Whether the path has an encoded slash: decoded here it would lead to another place than
    whoever stands in front has read."""
    return b"%2f" in scope.get("raw_path", b"").lower()


def _is_openais(context: Context) -> bool:
    """Whether it is a path of OpenAI's: its prompts are not for Anthropic, and its clients do not
    know Anthropic's errors. Clients of Anthropic's say so, should it have such a path one day."""
    return context.surface is not MESSAGES and b"anthropic-version" not in context.headers


async def reply(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answers a request for a path that has no endpoint of ours. Raises what went wrong, and when
    the answer breaks off after its head."""
    method, target = scope["method"], None if _hides_a_slash(scope) else target_of(context.path)
    if target is None or not services.upstream.whole_api or _is_openais(context):
        raise _no_endpoint(context.path, api=bool(target) and context.surface is MESSAGES)
    if method not in METHODS:
        raise RequestError(f"{method[:20]} is not allowed here.", status=405)
    with services.slot():
        upload = Upload(context, receive, limit=services.settings.max_body_bytes)
        wire = _wire(services, context, scope, target, upload)
        try:
            await _pass_on(services, context, wire, upload, send)
        except (ClaudeProxyError, ClientGone) as error:
            note_failure(context, wire, error, services.redactor, body_bytes=upload.size)
            raise


async def _pass_on(
    services: Services, context: Context, wire: WireRequest, upload: Upload, send: Send
) -> None:
    try:
        async with AsyncExitStack() as stack, services.watch(upload.receive) as watch:
            upload.watch = watch
            response = await services.backend.send(wire)
            stack.push_async_callback(response.aclose)
            watch.accepted()
            await _Answer(services, context, response, send).move(watch, wire)
    finally:
        upload.watch = None  # They would hold each other.


def _no_endpoint(path: str, *, api: bool) -> ClaudeProxyError:
    hint = (
        " It may be one of Anthropic's own API, which is passed on whole where that is the "
        "upstream (CLAUDE_PROXY_BACKEND=anthropic)."
    )
    text = f"There is no endpoint {shortened(path)}."
    return ClaudeProxyError(f"{text}{hint if api else ''}", status=404, code="unknown_url")


def _wire(
    services: Services, context: Context, scope: Scope, target: str, upload: Upload
) -> WireRequest:
    """Raises what is wrong with the key, or with the kind of the body."""
    upstream, notes = services.upstream, Notes()
    query = passed_query(scope.get("query_string", b""), upstream, notes)
    call = Call(Body(b"{}"), headers=scope["headers"])
    headers = {
        **anthropic_headers(call, upstream, upstream.native, notes),
        **upstream.credential(context),
        **_asked(context, upload),
    }
    parts = upload if upload.expected else None
    return upstream.through(scope["method"], target, headers, query=query, parts=parts)


def _asked(context: Context, upload: Upload) -> dict[str, str]:
    """What the client says of its body, and of the answer that it wants."""
    found = {"accept": _plain(context.header(b"accept")) or "*/*"}
    kind = context.header(b"content-type")
    if not upload.expected:
        # The official clients name it without a body, too.
        return {**found, "content-type": kind} if _plain(kind) else found
    if encoding := _plain(context.header(b"content-encoding")):
        found["content-encoding"] = encoding
    if kind.partition(";")[0].strip().lower() in _FORMS or not _plain(kind):
        raise RequestError(
            "Name the kind of the body in `content-type`: application/json, or for files "
            "multipart/form-data.",
            status=415,
        )
    length = {"content-length": str(upload.length)} if upload.length is not None else {}
    return {**found, "content-type": kind, **length}


def _plain(value: str) -> str:
    return value if value.isascii() and value.isprintable() and len(value) <= _LONGEST else ""


class _Answer:
    """Moves one answer to the client. Mutable; used once."""

    def __init__(
        self, services: Services, context: Context, response: WireResponse, send: Send
    ) -> None:
        self._redactor = services.redactor
        self._context = context
        self._response = response
        self._send = send
        self._writing = False

    async def move(self, watch: Watch, wire: WireRequest) -> None:
        response, keys = self._response, self._context.keys()
        if not 200 <= response.status < 300:
            passing = Pass(wire, {}, False, False, passage=passages.ANTHROPIC)
            await check_status(response, watch, self._redactor, passing, keys)
        # Nothing is said in silence; but whoever does not read is given up.
        watch.beat(_nothing, first=math.inf, blocked=lambda: self._writing)
        start = {"status": response.status, "headers": raw_headers(self._headers())}
        await self._send({"type": "http.response.start", **start})
        async for data in response:
            watch.heard()
            await self._write(data, more=True)
            watch.spoke()
        await self._write(b"", more=False)

    async def _write(self, data: bytes, *, more: bool) -> None:
        self._writing = True
        message = {"type": "http.response.body", "body": data, "more_body": more}
        await self._context.send(message)
        self._writing = False

    def _headers(self) -> Mapping[str, str]:
        response, keys = self._response, self._context.keys()
        passed = passed_headers(response, passages.ANTHROPIC, self._redactor, keys)
        self._context.keep_id(passed.pop("request-id", ""))
        for name in _KEPT:
            value = response.headers.get(name, "")
            if value and len(value) <= _LONGEST and may_be_shown(value, self._redactor, keys):
                passed[name] = value
        length = response.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and "content-encoding" not in response.headers:
            passed["content-length"] = length
        if is_event_stream(response):
            passed |= _OF_STREAMS
        return passed if is_json(response) else {**passed, **_OF_FILES}


def _nothing() -> None:
    """For a watch whose client is told nothing in silence."""
