"""`create_app`: settings in, a Starlette app out. Nothing connects until the first request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.auth import Guard
from claude_proxy.server.context import RequestContext
from claude_proxy.server.services import Services
from claude_proxy.server.surfaces import routes
from claude_proxy.settings import Settings, load_settings


def create_app(
    settings: Settings | None = None, *, transport: httpx.AsyncBaseTransport | None = None
) -> Starlette:
    """The proxy as an ASGI app, to serve or to mount.

    `settings` default to the environment's; `transport` replaces the HTTP transport to the
    upstream (tests, proxies, TLS of one's own). Starlette does not run the lifespan of a mounted
    app: whoever mounts it calls `await app.state.aclose()` at the end.
    """
    settings = settings or load_settings()
    services = Services(settings, transport)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await services.aclose()

    app = Starlette(
        routes=routes(services),
        middleware=_middleware(services),
        exception_handlers={HTTPException: _as_own_error},
        lifespan=lifespan,
    )
    # A redirect would lose the body and, for model discovery, counts as a failure.
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.aclose = services.aclose
    return app


_EXPOSED = (
    "request-id",
    "retry-after",
    "x-should-retry",
    "x-claude-proxy-route",
    "x-claude-proxy-notes",
)


def _middleware(services: Services) -> list[Middleware]:
    settings = services.settings
    context = Middleware(RequestContext, redactor=services.redactor, access_log=settings.access_log)
    # Outermost, because a page may read an error only if that, too, names its origin.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    guard = Middleware(Guard, settings=settings)
    return [*([cors] if settings.cors_origins else []), context, guard]


async def _as_own_error(request: Request, error: Exception) -> Response:
    """Starlette's 404 and 405 become ours, which the outermost middleware puts into shape."""
    assert isinstance(error, HTTPException)
    path = request.scope.get("path", "")
    message = {
        404: f"There is no endpoint {path}.",
        405: f"{request.method} is not allowed for {path}.",
    }.get(error.status_code, error.detail)
    raise ClaudeProxyError(
        message, status=error.status_code, headers=dict(error.headers or {})
    ) from error
