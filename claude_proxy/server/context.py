"""What belongs to one request: its id, its clock, and what the access line will say.

`RequestContext` is the outermost of our pure ASGI middleware. It also answers for whatever
nobody caught, in the client's own error shape.
"""

import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from random import getrandbits
from typing import Any

import structlog
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from claude_proxy.codecs.pdfs import Reading
from claude_proxy.errors import ClaudeProxyError, UpstreamError, forget_frames
from claude_proxy.server.metrics import Metrics
from claude_proxy.server.notes import shortened
from claude_proxy.server.redact import Redactor
from claude_proxy.server.responses import send_error
from claude_proxy.server.surface import MESSAGES, Surface, surface_of

KEY = "claude_proxy.context"
_LOGGED_PATH = 300
_LOGGED_REASON = 300
_LOGGED_ID = 100
_CLIENT_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")

_OPENAI_CODES = {404: "unknown_url", 405: "method_not_supported"}
"""What OpenAI's own server says of paths and methods that it does not serve."""

log = structlog.get_logger("claude_proxy.access")


def new_id() -> str:
    """A request's own; nothing depends on its being secret."""
    return f"req_{getrandbits(128):032x}"  # nosec B311


@dataclass(slots=True)
class Context:
    """Mutable; one for each request, at `scope[KEY]`."""

    path: str
    headers: dict[bytes, bytes]
    send: Send
    """The server's own `send`, for bodies: nothing of ours stands between it and the chunks."""
    surface: Surface = MESSAGES
    """The language that the client speaks."""
    id: str = field(default_factory=new_id)
    started: float = field(default_factory=time.monotonic)
    status: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    """What the access line says beside method, path, status and time; never prompts or keys."""
    fault: tuple[str, str, str | None] | None = None
    """For the metrics: the error's type, whose side it is on, and the limit that was hit."""
    first_at: float = 0.0
    """When a stream's first content left, by the monotonic clock; 0 while it has not."""
    pdfs: dict[str, Reading] | None = None
    """Of this request, what was read of those that are not sent as files, by their base64; None
    where there are none."""
    shown_id: str = ""
    """The answer's `request-id`, if it is not ours."""
    _keys: list[str] | None = None

    def header(self, name: bytes) -> str:
        """A request header's value, latin-1 decoded and stripped; "" when absent."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1").strip()

    def keys(self) -> list[str]:
        """The credentials the client sent: `x-api-key` first, then the Bearer token."""
        if self._keys is None:
            self._keys = credentials(self.headers)
        return self._keys

    def client(self) -> str:
        """A hash of the credentials, the same for each request with them, in whichever header."""
        return sha256("\0".join(sorted({*self.keys()})).encode()).hexdigest()

    def oauth(self) -> bool:
        """Whether the credential is a login at Anthropic, however it looks."""
        return "oauth-" in self.header(b"anthropic-beta")

    def keep_id(self, id: str) -> None:
        """Names the answer as the upstream does, which gave it as it is."""
        if id:
            self.shown_id = id
            self.facts["upstream_request_id"] = id[:_LOGGED_ID]

    def note_error(self, error: ClaudeProxyError, redactor: Redactor) -> None:
        """For the access line. What the upstream said may quote the prompt: that is for DEBUG."""
        self.facts["error"] = error.type
        side = "client" if error.status < 500 else "proxy"
        if isinstance(error, UpstreamError):
            side = "upstream"
        self.fault = error.type, side, error.limit
        text = redactor.clean(error.message, *self.keys())[:_LOGGED_REASON]
        if isinstance(error, UpstreamError) and error.quoted:
            log.debug("upstream_error", request_id=self.id, text=_one_line(text))
        else:
            self.facts["reason"] = text


def credentials(headers: Mapping[bytes, bytes]) -> list[str]:
    """The keys in a request's headers: `x-api-key` first, then the Bearer token."""
    key, token = _text(headers, b"x-api-key"), ""
    if b"authorization" in headers:
        scheme, _, token = _text(headers, b"authorization").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
    return [each for each in (key, token) if each]


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """A header's value, latin-1 decoded and stripped; "" when absent."""
    value = headers.get(name)
    return "" if value is None else value.decode("latin-1").strip()


class RequestContext:
    def __init__(
        self,
        app: ASGIApp,
        *,
        redactor: Redactor,
        access_log: bool,
        metrics: Metrics,
        endpoint_of: Callable[[str], str],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._endpoint_of = endpoint_of
        self._redactor = redactor
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        path = get_route_path(scope)
        context = Context(path, headers, send, surface_of(path, headers))
        scope[KEY] = context
        own_headers: list[tuple[bytes, bytes]] = []
        client_id = headers.get(b"x-request-id", b"")
        if _CLIENT_ID.fullmatch(client_id):
            own_headers.append((b"x-request-id", client_id))
            context.facts["client_request_id"] = client_id.decode()

        async def note_start(message: Message) -> None:
            if message["type"] == "http.response.start":
                context.status = message["status"]
                id = (context.shown_id or context.id).encode()
                if own_headers or not context.surface.id_header:
                    ids = [(b"request-id", id), *own_headers]
                else:
                    ids = [(b"request-id", id), (context.surface.id_header, id)]
                message = {**message, "headers": [*message["headers"], *ids]}
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:  # noqa: BLE001 - the last line: every fault gets a shaped answer
            await self._answer_fault(context, as_own_error(error, scope), note_start)
            forget_frames(error)
        finally:
            seconds = time.monotonic() - context.started
            endpoint = self._endpoint_of(context.path)
            self._metrics.observe(endpoint, scope["method"], context, seconds)
            if self._access_log:
                self._write_line(scope, context, seconds)
            # The server's request holds `scope`, and its `send` holds the request: without this
            # knot all that belongs to a request is freed at once, not when the collector comes.
            del scope[KEY]

    async def _answer_fault(self, context: Context, error: Exception, send: Send) -> None:
        """Ours when raised on purpose; anything else is a bug: 500, with a traceback logged."""
        if not isinstance(error, ClaudeProxyError):
            # As text: whoever embeds the app may log tracebacks with the values of variables.
            # Without messages, which may quote the prompt: they are for DEBUG.
            exception = self._redactor.clean(_where(error), *context.keys())
            log.error("request_crashed", request_id=context.id, exception=exception)
            said = self._redactor.clean("".join(traceback.format_exception(error)), *context.keys())
            log.debug("request_crash_said", request_id=context.id, exception=said)
            error = ClaudeProxyError("Internal error in claude-proxy; its log has the details.")
        context.note_error(error, self._redactor)
        if context.status == 0:
            await send_error(send, context, error, self._redactor)

    def _write_line(self, scope: Scope, context: Context, seconds: float) -> None:
        facts = context.facts
        if context.first_at:
            facts["first_ms"] = _tenths((context.first_at - context.started) * 1000)
        line = {
            "event": "request_finished",
            "method": scope["method"],
            "path": _one_line(context.path[:_LOGGED_PATH]),
            "status": context.status,
            "ms": _tenths(seconds * 1000),
            "request_id": context.id,
            **facts,
        }
        logger: Any = log.bind()
        level = "info" if context.status < 500 else "warning"
        # Our own logger takes a dict as it is; whoever embeds the app may have another.
        if not getattr(logger, "escapes", False):
            line = {
                name: _one_line(fact) if isinstance(fact, str) else fact
                for name, fact in line.items()
            }
        emit = getattr(logger, "emit", None)
        if emit is not None:
            emit(level, line)
        else:
            getattr(logger, level)(**line)


def _tenths(number: float) -> float:
    """Rounded. Python's own takes ten times as long, to be exact."""
    return int(number * 10 + 0.5) / 10


def as_own_error(error: Exception, scope: Scope) -> Exception:
    """Starlette's 404 and 405 as ours, which have a shape; any other error as it is."""
    if not isinstance(error, HTTPException):
        return error
    path = shortened(scope["path"])
    message = {
        404: f"There is no endpoint {path}.",
        405: f"{scope['method']} is not allowed for {path}.",
    }.get(error.status_code, error.detail)
    status, headers = error.status_code, dict(error.headers or {})
    own = ClaudeProxyError(message, status=status, headers=headers, code=_OPENAI_CODES.get(status))
    own.__cause__ = error
    return own


def _one_line(text: str) -> str:
    """Control characters and foreign line ends escaped: a line must not forge another."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _where(error: BaseException) -> str:
    """The traceback of an error and of those it came from, the first one on top; no messages."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    earlier = f"{_where(before)}which led to\n" if before else ""
    return f"{earlier}{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}\n"
