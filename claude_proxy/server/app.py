"""`create_app`: settings in, a Starlette app out. Nothing connects until the first request."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from claude_proxy.server import limits
from claude_proxy.server.auth import Guard
from claude_proxy.server.context import KEY, RequestContext
from claude_proxy.server.cors import Cors
from claude_proxy.server.services import Services
from claude_proxy.server.surfaces import beyond, endpoint_of, routes
from claude_proxy.settings import Settings, load_settings

if TYPE_CHECKING:
    import httpx


def create_app(
    settings: Settings | None = None, *, transport: "httpx.AsyncBaseTransport | None" = None
) -> Starlette:
    """The proxy as an ASGI app, to serve or to mount.

    `settings` default to the environment's; `transport` replaces the HTTP transport to the
    upstream (tests, proxies, TLS of one's own). Starlette does not run the lifespan of a mounted
    app: whoever mounts it calls `await app.state.aclose()` at the end. `app.state.reload(settings)`
    gives it other settings while it runs.
    """
    return _App(Services(settings or load_settings(), transport), transport)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.services.metrics.start()
    yield
    await app.state.aclose()


_EXPOSED = (
    "request-id",
    "x-request-id",
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
        Cors,
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

    def __init__(
        self, services: Services, transport: "httpx.AsyncBaseTransport | None" = None
    ) -> None:
        self._own_routes, self._own_middleware = routes(services), _middleware(services)
        super().__init__(
            routes=self._own_routes, middleware=self._own_middleware, lifespan=_lifespan
        )
        # A redirect would lose the body and, for model discovery, counts as a failure.
        self.router.redirect_slashes = False
        self._otherwise = self.router.default
        self.router.default = beyond(services, self._otherwise)
        self._transport = transport
        self.state.services = services
        self.state.drain = services.drain
        self.state.aclose = self._aclose
        self.state.reload = self._reload

    async def _aclose(self) -> None:
        services: Services = self.state.services
        await services.aclose()

    def _reload(self, settings: Settings) -> Settings:
        """Makes these settings those of the next request; gives the ones before.

        Raises `SettingsError` and changes nothing where they cannot be used. Whatever the app's
        embedder has added to it stays where it is.
        """
        before: Services = self.state.services
        services = Services(settings, self._transport, before=before)
        new_routes, new_middleware = routes(services), _middleware(services)
        new_by_old = dict(zip(map(id, self._own_routes), new_routes, strict=True))
        old = {id(each) for each in self._own_middleware}
        self.user_middleware = [
            *(each for each in self.user_middleware if id(each) not in old),
            *new_middleware,
        ]
        self._own_routes, self._own_middleware = new_routes, new_middleware
        # New lists, because requests may be walking along the old ones.
        self.router.routes = [new_by_old.get(id(each), each) for each in self.router.routes]
        self.router.default = beyond(services, self._otherwise)
        self.middleware_stack = None  # Starlette builds it for the next request.
        self.state.services = services
        services.begin(before)
        return before.settings

    def build_middleware_stack(self) -> ASGIApp:
        if self.exception_handlers or self.debug or self.max_body_size is not None:
            self.exception_handlers.setdefault(HTTPException, _reraise)
            return super().build_middleware_stack()
        app: ASGIApp = _Shortcut(self.router, self._own_routes)
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        return app


class _Shortcut:
    """The router, but that routes of fixed paths are found without looking at one after the other,
    which is 2 % of a small request."""

    def __init__(self, router: Router, own: Sequence[BaseRoute]) -> None:
        self._router = router
        self._first = own[0]
        self._routes = {
            (method, route.path): route
            for route in own
            if isinstance(route, Route) and "{" not in route.path
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router, route = self._router, None
        # Whoever embeds the app may have put a route of theirs in front.
        if scope["type"] == "http" and router.routes[0] is self._first:
            route = self._routes.get((scope["method"], scope[KEY].path))
        if route is None:
            await router(scope, receive, send)
            return
        # As Starlette tells it, for whoever looks.
        scope["router"], scope["route"], scope["endpoint"] = router, route, route.endpoint
        scope.setdefault("path_params", {})
        await route.app(scope, receive, send)


async def _reraise(request: Request, error: Exception) -> Response:
    raise error
