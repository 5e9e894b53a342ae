"""`/openapi.json`: the endpoints in OpenAPI 3.1. A test holds it equal to the table of routes.

Bodies are described loosely: the two APIs' own documents are the authority, and what is unknown
is passed on.
"""

from functools import cache
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from claude_proxy._version import __version__
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.server.context import Context
from claude_proxy.server.responses import send_bytes
from claude_proxy.types import Json

if TYPE_CHECKING:
    from claude_proxy.server.services import Services

ANTHROPIC = ("/", "/v1", "/anthropic")
"""Where Anthropic's API is served; with a base URL that ends in `/v1` clients double that."""

OPENAI = ("/", "/v1", "/openai", "/openai/v1")
"""The same of OpenAI's API."""

BOTH = (*ANTHROPIC, "/openai", "/openai/v1")

_OPEN: list[Json] = []
_INTEGER: Json = {"type": "integer"}
_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}


async def describe(
    services: "Services", context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    await send_bytes(send, _document(), "application/json")


@cache
def _document() -> bytes:
    return dumps(document())


def document() -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "claude-proxy",
            "version": __version__,
            "description": "Anthropic's Messages API and OpenAI's Chat Completions, in front of "
            "upstreams of either.",
        },
        "servers": [{"url": "/"}],
        "security": [{"x-api-key": []}, {"bearer": []}],
        "paths": {**_api_paths(), **_own_paths()},
        "components": {
            "securitySchemes": {
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": _schemas(),
            "responses": {
                "Error": {
                    "description": "What went wrong, in the client's own shape.",
                    "headers": {
                        "request-id": {"schema": _TEXT},
                        "retry-after": {"schema": _INTEGER, "description": "Seconds."},
                    },
                    **_content({"$ref": "#/components/schemas/Error"}),
                }
            },
        },
    }


def _schemas() -> Json:
    moment = {"type": "string", "format": "date-time"}
    known = {**_HEALTH["properties"], "timestamp": moment}
    return {
        "MessagesRequest": _request("model", "messages", "max_tokens"),
        "CountRequest": _request("model", "messages"),
        "ChatRequest": _request("model", "messages"),
        "CompletionsRequest": _object("model", "prompt", model=_TEXT, stream=_FLAG),
        "Health": _HEALTH,
        "Livez": _object(*_HEALTH["required"], "timestamp", **known),
        "Error": _ERROR,
    }


def _content(schema: Json, kind: str = "application/json") -> Json:
    return {"content": {kind: {"schema": schema}}}


def _of(name: str) -> Json:
    return _content({"$ref": f"#/components/schemas/{name}"})


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def _request(*required: str) -> Json:
    messages = {"type": "array", "minItems": 1, "maxItems": 10_000, "items": _MESSAGE}
    return _object(
        *required,
        model=_TEXT,
        messages=messages,
        max_tokens={"type": "integer", "minimum": 1},
        system=_BLOCKS,
        tools={"type": "array", "items": {"type": "object"}},
        stream=_FLAG,
    )


_BLOCKS: Json = {"oneOf": [_TEXT, {"type": "array", "items": {"type": "object"}}]}
_MESSAGE: Json = _object("role", role={"enum": ["user", "assistant", "system"]}, content=_BLOCKS)
# OpenAI's clients get their own envelope, which has `error` alone.
_ERROR: Json = _object(
    "error",
    type={"const": "error"},
    error=_object("type", "message", type=_TEXT, message=_TEXT),
    request_id=_TEXT,
)


_HEALTH: Json = _object(
    *("status", "version", "pid", "uptime_seconds", "in_flight", "draining"),
    status={"enum": ["ok", "draining", "degraded"]},
    version=_TEXT,
    pid=_INTEGER,
    uptime_seconds={"type": "number"},
    in_flight=_INTEGER,
    draining=_FLAG,
    cli={"type": "object", "description": "The Claude Code CLI, where that is the backend."},
)


def _operation(summary: str, answer: Json, **more: Json | list[Json]) -> Json:
    responses = {
        "200": {"description": "The answer.", **answer},
        "default": {"$ref": "#/components/responses/Error"},
    }
    return {"summary": summary, "responses": responses, **more}


def _post(name: str) -> Json:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": True, **_content(schema)}


def _probed(operation: Json) -> Json:
    """GET, and HEAD with the same head."""
    head: Json = {**operation, "responses": {"200": {"description": "The head of the answer."}}}
    return {"get": operation, "head": head}


def _open_head(operation: Json) -> Json:
    """As above, but only HEAD needs no key."""
    both = _probed(operation)
    get = {name: part for name, part in both["get"].items() if name != "security"}
    return {**both, "get": get}


_JSON_OBJECT = _content({"type": "object"})
_STREAMED_OR_NOT: Json = {
    "content": {
        "application/json": {"schema": {"type": "object"}},
        "text/event-stream": {"schema": _TEXT},
    }
}


def _served(prefixes: tuple[str, ...], **item: Json | list[Json]) -> Json:
    return {"servers": [{"url": url} for url in prefixes], **item}


def _answered(summary: str, request: str) -> Json:
    return _operation(summary, _STREAMED_OR_NOT, requestBody=_post(request))


def _api_paths() -> Json:
    """What clients call, below every prefix."""
    count = _content(_object("input_tokens", input_tokens=_INTEGER))
    name = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
    page = [
        {"name": name, "in": "query", "schema": _TEXT}
        for name in ("limit", "after_id", "before_id")
    ]
    return {
        "/v1/messages": _served(
            ANTHROPIC,
            post=_answered("An answer, whole or as an event stream", "MessagesRequest"),
        ),
        "/v1/messages/count_tokens": _served(
            ANTHROPIC,
            post=_operation(
                "An estimate of the input tokens", count, requestBody=_post("CountRequest")
            ),
        ),
        "/v1/chat/completions": _served(
            OPENAI,
            post=_answered("The same for OpenAI's clients", "ChatRequest"),
        ),
        "/v1/completions": _served(
            OPENAI,
            post=_answered("OpenAI's legacy Completions", "CompletionsRequest"),
        ),
        "/v1/models": _served(
            BOTH, **_probed(_operation("The models", _JSON_OBJECT, parameters=page))
        ),
        "/v1/models/{id}": _served(
            BOTH,
            parameters=[name],
            **_probed(_operation("One model; its id may hold slashes", _JSON_OBJECT)),
        ),
    }


def _own_paths() -> Json:
    about = _operation("What this server is", _JSON_OBJECT, security=_OPEN)
    state = _operation("Whether requests are welcome", _of("Health"), security=_OPEN)
    draining = {"description": "The server drains: send new requests elsewhere.", **_of("Health")}
    state["responses"]["503"] = draining
    alive = _operation("Whether the process runs", _of("Livez"), security=_OPEN)
    itself = _operation("This description", _JSON_OBJECT, security=_OPEN)
    numbers = _operation("Prometheus' metrics", _content(_TEXT, "text/plain"))
    tested = _operation("One short call of the upstream", _JSON_OBJECT)
    return {
        "/": _probed(about),
        "/health": _probed(state),
        "/livez": _probed(alive),
        "/test-connection": {"get": tested},
        "/metrics": _probed(numbers),
        "/openapi.json": _probed(itself),
        # Clients that look whether anybody is there ask one of these, by HEAD.
        **{path: _open_head(about) for path in ("/v1", "/v1/", "/api/hello")},
    }
