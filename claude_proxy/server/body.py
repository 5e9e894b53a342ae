"""A request's body: JSON, and no larger than the limit, counted while it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.types import Receive, Scope

from claude_proxy.codecs import OnDrop, Peek, RequestDecoder, ignore_drop
from claude_proxy.codecs.json_values import MOST_VALUES, too_many_values
from claude_proxy.codecs.jsonio import Body
from claude_proxy.errors import RequestError
from claude_proxy.routing import Asked
from claude_proxy.server.context import Context
from claude_proxy.server.surface import MESSAGES, Surface
from claude_proxy.server.watch import ClientGone
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest

_CLOSE = {"connection": "close"}
_JSON = "application/json"
LONGEST_MODEL = 2_048
"""Characters of a model's name. Each rule's globs are tried on it, and routes are kept by names; no
provider has one half as long (an ARN at Amazon Bedrock)."""


@dataclass(slots=True)
class Call:
    """A request as the client sent it. Mutable: it keeps what was read of it."""

    body: Body
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()
    surface: Surface = MESSAGES
    """The language that it is written in."""
    _decoded: MessagesRequest | None = field(default=None, init=False)
    _peek: Peek | None = field(default=None, init=False)
    _dropped: list[tuple[str, str]] = field(default_factory=list, init=False)

    def peek(self) -> Peek:
        """What routing needs. Raises `RequestError`."""
        if self._peek is None:
            codec = self.surface.codec
            found = codec.peek(self.body.some(*codec.PEEKED))
            if len(found.model) > LONGEST_MODEL:
                raise RequestError(f"model: String should have at most {LONGEST_MODEL} characters")
            if self.surface is MESSAGES:
                asked = Asked(self.body, self.headers)
            else:
                asked = Asked(_Decoded(self.body, codec), self.headers, translated=True)
            self._peek = Peek(found.model, found.stream, asked)
        return self._peek

    def decoded(self, on_drop: OnDrop) -> MessagesRequest:
        """The request in Messages, checked. Raises `RequestError`.

        Each call tells what was dropped, but only the first one decodes.
        """
        if self._decoded is None:
            self._decoded = self.surface.codec.decode_request(self.body.whole, on_drop=self._drop)
        for path, why in self._dropped:
            on_drop(path, why)
        return self._decoded

    def _drop(self, path: str, why: str) -> None:
        self._dropped.append((path, why))

    def as_messages(self) -> Json:
        """The body in the form of Messages; that of a client of Messages is not checked."""
        return self.body.whole if self.surface is MESSAGES else {**self.decoded(ignore_drop)}


class _Decoded:
    """A body of another language, of which parts are had in Messages. It is decoded for itself:
    a call that its own peek held would live until the collector comes. Mutable."""

    def __init__(self, body: Body, codec: RequestDecoder) -> None:
        self.raw = body.raw
        self._body = body
        self._codec = codec
        self._found: Json | None = None

    def some(self, *names: str) -> Json:
        if self._found is None:
            try:
                decoded = self._codec.decode_request(self._body.whole, on_drop=ignore_drop)
            except RequestError:
                decoded = None  # An upstream of this language may take it all the same.
            self._found = {**decoded} if decoded else {}
        return {name: self._found[name] for name in names if name in self._found}


async def read_call(
    context: Context, scope: Scope, receive: Receive, *, limit: int, whole: bool = False
) -> Call:
    """`RequestError` 400, 413 or 415; `ClientGone` when it never came whole.

    `whole`: nobody will pass it on as it is.
    """
    if b"upgrade" in context.headers:
        # Our own server leaves it only to websockets; other servers' parsers stop at it, so that
        # the body never arrives.
        raise RequestError("Send plain HTTP/1.1, without the header Upgrade.", headers=_CLOSE)
    _check_content_type(context.header(b"content-type"))
    _check_encoding(context.header(b"content-encoding"))
    raw = await _read(context, receive, limit)
    if too_many_values(raw):
        raise RequestError(
            f"The request body holds more than {MOST_VALUES:,} JSON values.", limit="entries"
        )
    body = Body(raw, whole=whole)
    return Call(body, scope.get("query_string", b""), scope["headers"], context.surface)


def _check_content_type(value: str) -> None:
    if value == _JSON:
        return
    # Browsers may send other types across origins without asking first.
    kind = value.partition(";")[0].strip().lower()
    if kind != _JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(
            "Send the body as JSON, with the header `content-type: application/json`.",
            status=415,
        )


def _check_encoding(value: str) -> None:
    if value and value.lower() != "identity":
        # Inflated, a few bytes may be more than any limit of bodies allows.
        raise RequestError(
            f"Send the body as it is, not with `content-encoding: {value[:50]}`.", status=415
        )


async def _read(context: Context, receive: Receive, limit: int) -> bytes:
    length = context.header(b"content-length")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(limit: int) -> RequestError:
    # The rest of the body is not read, so the connection cannot go on.
    return RequestError(
        f"The request body is larger than {limit:,} bytes (CLAUDE_PROXY_MAX_BODY_BYTES).",
        status=413,
        headers=_CLOSE,
        limit="body",
    )
