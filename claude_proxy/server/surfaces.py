"""The endpoints: parse, hand to the pipeline, reply. One row in `routes` for each.

Endpoints are plain ASGI callables; `Endpoint` gives them their parsed shape.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from claude_proxy.errors import forget_frames
from claude_proxy.server import direct, health, models, openapi, through
from claude_proxy.server.body import read_call
from claude_proxy.server.context import KEY, Context
from claude_proxy.server.fallback import reply
from claude_proxy.server.pdf import documents
from claude_proxy.server.responses import send_bytes, send_json
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.server.watch import ClientGone

_MODEL_PATH = re.compile(r"(/v1|/anthropic|/openai(/v1)?)?/v1/models/.")
# nginx's number for it; nobody receives it, the access line shows it.
_CLIENT_CLOSED = 499

Handler = Callable[[Services, Context, Scope, Receive, Send], Awaitable[None]]


class Endpoint:
    """An ASGI app around one handler; a client that leaves ends it quietly."""

    def __init__(self, services: Services, handler: Handler) -> None:
        self._services = services
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context: Context = scope[KEY]
        services = self._services
        services.handover.users += 1
        try:
            await self._handler(services, context, scope, receive, send)
        except ClientGone as gone:
            forget_frames(gone)
            context.facts["client_gone"] = True
            context.status = context.status or _CLIENT_CLOSED
        finally:
            services.handover.users -= 1
            services.handover.leave()


async def answer(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    with services.slot():
        limit = services.settings.max_body_bytes
        whole = context.surface is MESSAGES and not services.may_pass_messages
        call = await read_call(context, scope, receive, limit=limit, whole=whole)
        await reply(services, context, call, receive, send)


async def count_tokens(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    with services.slot():
        limit = services.settings.max_body_bytes
        call = await read_call(context, scope, receive, limit=limit)
        documents.refuse(services, call)
        if await direct.count_tokens(services, context, call, receive, send):
            return
        body = await documents.for_counting(services, context, call, receive)
        count = await services.counting.count(context, body, call.peek)
    await send_json(send, 200, {"input_tokens": count})


async def metrics(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    raw, content_type = await services.metrics.text(context.header(b"accept"))
    await send_bytes(send, raw, content_type)


_ANY = ("GET", "HEAD")
_POST = ("POST",)
# Clients add `/v1/messages` to their base URL; a base that ends in /v1 itself doubles it.
_ANTHROPIC = ("", "/v1", "/anthropic")
_OPENAI = ("", "/v1", "/openai", "/openai/v1")
_BOTH = (*_ANTHROPIC, "/openai", "/openai/v1")

Row = tuple[str, tuple[str, ...], Handler]
"""Path, methods, handler."""


class Api(NamedTuple):
    """An endpoint of one API or of both, served below each of the prefixes."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    prefixes: tuple[str, ...]


TABLE: tuple[Api, ...] = (
    Api("/v1/messages", _POST, answer, _ANTHROPIC),
    Api("/v1/messages/count_tokens", _POST, count_tokens, _ANTHROPIC),
    Api("/v1/chat/completions", _POST, answer, _OPENAI),
    Api("/v1/completions", _POST, answer, _OPENAI),
    Api("/v1/models", _ANY, models.list_models, _BOTH),
    Api("/v1/models/{id:path}", _ANY, models.retrieve_model, _BOTH),
)
"""In which language an endpoint is asked, `surface_of` says."""

PLAIN: tuple[Row, ...] = (
    ("/", _ANY, health.root),
    ("/health", _ANY, health.health),
    ("/livez", _ANY, health.livez),
    ("/test-connection", ("GET",), health.test_connection),
    ("/metrics", _ANY, metrics),
    ("/openapi.json", _ANY, openapi.describe),
    ("/v1", _ANY, health.root),
    ("/v1/", _ANY, health.root),
    ("/api/hello", _ANY, health.root),
)


_TEMPLATES = {prefix + api.path: api.path for api in TABLE for prefix in api.prefixes} | {
    path: path for path, _, _ in PLAIN
}


def endpoint_of(path: str) -> str:
    """The template of the path's route, whatever its prefix; never what a client made up."""
    found = _TEMPLATES.get(path)
    if found is None and _MODEL_PATH.match(path):
        return "/v1/models/{id}"
    return found or ("/v1/{path}" if through.target_of(path) else "other")


def beyond(services: Services, otherwise: ASGIApp) -> ASGIApp:
    """For requests without a route: HTTP as `through` does it, anything else by `otherwise`."""
    endpoint = Endpoint(services, through.reply)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (endpoint if scope["type"] == "http" else otherwise)(scope, receive, send)

    return app


def routes(services: Services) -> list[BaseRoute]:
    rows = [
        (prefix + api.path, api.methods, api.handler) for api in TABLE for prefix in api.prefixes
    ]
    return [
        Route(path, Endpoint(services, handler), methods=list(methods))
        for path, methods, handler in (*rows, *PLAIN)
    ]
