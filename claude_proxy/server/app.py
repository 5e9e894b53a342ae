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
from starlette.types import ASGIApp

from claude_proxy.server import limits
from claude_proxy.server.auth import Guard
from claude_proxy.server.context import RequestContext
from claude_proxy.server.services import Services
from claude_proxy.server.surfaces import beyond, endpoint_of, routes
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
        services.metrics.start()
        yield
        await services.aclose()

    app = _App(routes=routes(services), middleware=_middleware(services), lifespan=lifespan)
    # A redirect would lose the body and, for model discovery, counts as a failure.
    app.router.redirect_slashes = False
    app.router.default = beyond(services, app.router.default)
    app.state.services = services
    app.state.drain = services.drain
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
    context = Middleware(
        RequestContext,
        redactor=services.redactor,
        access_log=settings.access_log,
        metrics=services.metrics,
        endpoint_of=endpoint_of,
    )
    # Outermost, because a page may read an error only if that, too, names its origin.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
    )
    guard = Middleware(Guard, settings=settings)
    by_key, by_address = _rate_limits(services)
    # By address before the key is looked at, so that guesses are counted too.
    return [*([cors] if settings.cors_origins else []), context, *by_address, guard, *by_key]


def _rate_limits(services: Services) -> tuple[list[Middleware], list[Middleware]]:
    """By key, and by address; each only if it is set."""
    settings, rates = services.settings, services.rates
    kinds = (
        ("key", settings.rate_limit_per_key, limits.by_key(services.upstream)),
        ("address", settings.rate_limit_per_address, limits.by_address(settings.trusted_proxies)),
    )
    found: list[list[Middleware]] = [
        [Middleware(limits.RateLimit, rates=rates, kind=kind, rate=rate, subject=subject)]
        if rate and rates
        else []
        for kind, rate, subject in kinds
    ]
    return found[0], found[1]


class _App(Starlette):
    """Starlette without its own two middlewares, until somebody adds what needs them.

    `RequestContext` answers for every exception, so they would only hand each message on, which
    costs 5 % of a small request (docs/performance.md).
    """

    def build_middleware_stack(self) -> ASGIApp:
        if self.exception_handlers or self.debug or self.max_body_size is not None:
            self.exception_handlers.setdefault(HTTPException, _reraise)
            return super().build_middleware_stack()
        app: ASGIApp = self.router
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return app


async def _reraise(request: Request, error: Exception) -> Response:
    raise error
