"""Who may ask: Host and Origin, the bind rule, and the clients' key. Pure ASGI middleware.

Everything is decided on the route path and the raw headers, never on `request.url`, which a
malformed Host can change.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from claude_proxy.errors import ClaudeProxyError, RequestError
from claude_proxy.server.context import KEY, Context
from claude_proxy.settings import Settings, is_loopback

OPEN_PATHS = frozenset({"", "/", "/health", "/livez", "/openapi.json"})
OPEN_HEAD_PATHS = OPEN_PATHS | {"/v1", "/v1/", "/api/hello"}
_OPERATORS_PATH = "/metrics"
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Stricter than `urlsplit`, to which `[::1].evil.example` is ::1.
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s\[\]@:/?#\\]+))(?::[0-9]{0,5})?")
_NO_RETRY = {"x-should-retry": "false"}
_ONLY_LOCAL_CLI = (
    "This server runs the Claude Code CLI with its user's login and checks no key of clients, so "
    "it answers only those on its own machine. Set CLAUDE_PROXY_AUTH_KEY and send it as x-api-key."
)

_NO_CLIENT_KEY = (
    "This server holds an upstream key and has no CLAUDE_PROXY_AUTH_KEY, so it answers only "
    "clients on its own machine. Set CLAUDE_PROXY_AUTH_KEY and send it as x-api-key, or set "
    "CLAUDE_PROXY_TRUST_PROXY=true behind your own proxy."
)
_ITS_CLIENTS = (
    "This server passes its clients' keys on, so it cannot check them, and it spends keys of its "
    "own at other upstreams. So it answers only clients on its own machine. Set "
    "CLAUDE_PROXY_TRUST_PROXY=true behind your own proxy, which checks clients."
)


class Guard:
    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._passes_keys = not settings.fixed
        self._variable = settings.backing.key
        key = settings.auth_key.get_secret_value().encode() if settings.auth_key else None
        named = [each.get_secret_value().encode() for each in settings.client_keys.values()]
        self._keys = (key, *named) if key is not None and settings.fixed else ()
        self._operators_key = key
        self._guards_metrics = key is not None or not settings.trust_proxy
        self._local_only = settings.spends and not self._keys and not settings.trust_proxy
        self._only_local = _ITS_CLIENTS if self._passes_keys else _NO_CLIENT_KEY
        if settings.runs_cli:
            # A proxy in front is no check: it may be there without its owner's knowledge.
            self._local_only, self._only_local = not self._keys, _ONLY_LOCAL_CLI
        self._hosts = _LOCAL_HOSTS | {host.lower() for host in settings.allowed_hosts}
        self._origins = frozenset(settings.cors_origins)
        self._upstream = _address(settings.upstream_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._check(scope, scope[KEY])
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, context: Context) -> None:
        """Raises what is wrong; the context middleware answers."""
        _check_once(scope, context.headers)
        self._check_host(context)
        self._check_origin(scope, context)
        if is_open(scope["method"], context.path):
            return
        self._check_loop(scope, context)
        if self._passes_keys:
            if context.path == _OPERATORS_PATH and self._guards_metrics:
                self._check_operator(scope, context)
                return
            _check_can_pass(context.keys(), self._variable)
        if self._local_only and not _from_loopback(scope, context):
            raise ClaudeProxyError(
                self._only_local,
                status=403,
                headers=_NO_RETRY,
            )
        if self._keys:
            _check_key(context, self._keys)

    def _check_loop(self, scope: Scope, context: Context) -> None:
        """A server that is asked at its upstream's address would ask itself, again and again."""
        host, port = self._upstream
        server = scope.get("server")
        if server and server[1] == port and context.header(b"host").lower() == host:
            raise ClaudeProxyError(
                "The upstream's URL leads back to this server. Set it to another one.",
                status=508,
                headers=_NO_RETRY,
            )

    def _check_operator(self, scope: Scope, context: Context) -> None:
        """In passthrough mode anybody's key passes, but the numbers are the operator's."""
        if self._operators_key is not None:
            _check_key(context, (self._operators_key,))
            return
        if not _from_loopback(scope, context):
            raise ClaudeProxyError(
                "Without CLAUDE_PROXY_AUTH_KEY the metrics are only for clients on the server's "
                "own machine. Set CLAUDE_PROXY_AUTH_KEY and send it as Authorization: Bearer, or "
                "set CLAUDE_PROXY_TRUST_PROXY=true behind your own proxy.",
                status=403,
                headers=_NO_RETRY,
            )
        self._check_local_host(context)

    def _check_host(self, context: Context) -> None:
        if self._local_only:
            self._check_local_host(context)

    def _check_local_host(self, context: Context) -> None:
        """Without a client key, a foreign Host means a browser that was led here (rebinding)."""
        host = context.header(b"host")
        if _host_name(host) not in self._hosts:
            raise ClaudeProxyError(
                "This Host is not allowed. Name it in CLAUDE_PROXY_ALLOWED_HOSTS, or set "
                "CLAUDE_PROXY_AUTH_KEY.",
                status=403,
                headers=_NO_RETRY,
            )

    def _check_origin(self, scope: Scope, context: Context) -> None:
        if b"origin" not in context.headers:
            return
        origin = context.header(b"origin")
        if origin in self._origins:
            return
        own = f"{scope.get('scheme', 'http')}://{context.header(b'host')}"
        if origin.lower() != own.lower() or not self._own_origin_is_safe(context):
            raise ClaudeProxyError(
                "Requests from other web pages are refused. Name the page's origin in "
                "CLAUDE_PROXY_CORS_ORIGINS to allow it.",
                status=403,
                headers=_NO_RETRY,
            )

    def _own_origin_is_safe(self, context: Context) -> bool:
        return bool(self._keys) or _host_name(context.header(b"host")) in self._hosts


def _check_key(context: Context, keys: Sequence[bytes]) -> None:
    if not _knows(context, keys):
        raise ClaudeProxyError(
            "Missing or wrong key. Send the server's CLAUDE_PROXY_AUTH_KEY as x-api-key or "
            "as Authorization: Bearer (for Claude Code: ANTHROPIC_API_KEY).",
            status=401,
            headers=_NO_RETRY,
        )


def _knows(context: Context, keys: Sequence[bytes]) -> bool:
    # No early exit and no `str`: compare_digest refuses non-ASCII text.
    matches = [
        hmac.compare_digest(shown.encode("latin-1", "replace"), key)
        for shown in context.keys()
        for key in keys
    ]
    return any(matches)


def _check_once(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Of two headers, the one that is checked need not be the one that somebody else obeys."""
    if len(scope["headers"]) == len(headers):
        return  # No header was sent twice.
    names = [name for name, _ in scope["headers"]]
    for name in (b"host", b"origin"):
        if names.count(name) > 1:
            raise RequestError(f"The header {name.decode()} was sent twice.")


def _check_can_pass(keys: list[str], variable: str) -> None:
    """In passthrough mode: before anything is read from a client without a key.

    `variable` is that of the server's key, which may be set instead.
    """
    if not keys:
        raise ClaudeProxyError(
            "No key in the request. This server forwards each client's own key: send your "
            "upstream's key as x-api-key or Authorization: Bearer (for Claude Code: "
            f"ANTHROPIC_API_KEY), or set {variable} on the server.",
            status=401,
        )
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise ClaudeProxyError("The key must be printable ASCII.", status=401)


def _address(url: str) -> tuple[str, int]:
    """How requests to a URL in the clear name their host, and its port; nothing of others: over
    TLS is somebody else, if only a proxy in front."""
    parts = urlsplit(url)
    return (parts.netloc.lower(), parts.port or 80) if parts.scheme == "http" else ("", 0)


def is_open(method: str, path: str) -> bool:
    """Whether the endpoint answers without a key."""
    if method == "HEAD":
        return path in OPEN_HEAD_PATHS
    return method == "GET" and path in OPEN_PATHS


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets; "" when it is malformed."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _from_loopback(scope: Scope, context: Context) -> bool:
    """A forwarded request comes from elsewhere, whoever carried it here."""
    if any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name in context.headers):
        return False
    client = scope.get("client")
    return client is not None and is_loopback(client[0])
