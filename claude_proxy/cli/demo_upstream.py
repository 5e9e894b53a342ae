"""A scripted OpenAI-compatible server for the demo. It is no model: it plays fixed answers.

With a tool `get_weather` it says a sentence and calls the tool; with a tool's result it tells the
result; for everything else it says what it is.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from claude_proxy.codecs.jsonio import dumps_text, loads

MODEL = "scripted-model"
TOOL = "get_weather"

_ABOUT = (
    "I am the scripted model of claude-proxy's demo: my answers are fixed, but they took the "
    "whole way through the proxy. Set OPENAI_API_KEY or OPENAI_BASE_URL and start claude-proxy "
    "to talk to a real model."
)
_BEFORE_TOOL = "Let me look at the weather in Paris for you."
_ARGUMENTS = '{"city": "Paris", "unit": "celsius"}'
_NO_MESSAGES = {
    "message": "Missing required parameter: 'messages'.",
    "type": "invalid_request_error",
    "param": "messages",
    "code": "missing_required_parameter",
}
_PAUSE = 0.03  # seconds between chunks, so that people see a stream


def create_upstream(pause: float = _PAUSE) -> Starlette:
    """The scripted server as an ASGI app, under `/v1` like OpenAI's."""

    async def chat(request: Request) -> Response:
        body = loads(await request.body())
        if not body.get("messages"):
            return JSONResponse({"error": _NO_MESSAGES}, status_code=400)
        parts = list(script(body))
        if not body.get("stream"):
            return JSONResponse(_whole(parts))
        return StreamingResponse(_stream(parts), media_type="text/event-stream")

    async def _stream(parts: list[dict[str, Any]]) -> Any:
        for delta, finish in [*((part, None) for part in parts), ({}, _finish(parts))]:
            yield _sse({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            await asyncio.sleep(pause)
        yield _sse({"choices": [], "usage": _usage(parts)})
        yield "data: [DONE]\n\n"

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
        ]
    )


def script(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The deltas of the answer to a chat request."""
    last = body["messages"][-1]
    tools = {tool["function"]["name"] for tool in body.get("tools") or ()}
    if last["role"] == "tool":
        yield from _words(f"It is {last['content']} in Paris now.")
    elif schema := _schema(body):
        yield {"content": dumps_text(_example(schema))}
    elif TOOL in tools:
        yield from _words(_BEFORE_TOOL)
        yield from _call()
    else:
        yield from _words(_ABOUT)


def _words(text: str) -> Iterator[dict[str, Any]]:
    first, *rest = text.split(" ")
    yield {"role": "assistant", "content": first}
    for word in rest:
        yield {"content": f" {word}"}


def _call() -> Iterator[dict[str, Any]]:
    function = {"name": TOOL, "arguments": ""}
    head = {"index": 0, "id": "call_demo_1", "type": "function", "function": function}
    yield {"tool_calls": [head]}
    for start in range(0, len(_ARGUMENTS), 9):
        piece = {"arguments": _ARGUMENTS[start : start + 9]}
        yield {"tool_calls": [{"index": 0, "function": piece}]}


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that the answer must follow: Claude Code asks for titles so."""
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    return schema if isinstance(schema, dict) else None


_EXAMPLES: dict[str, Any] = {"boolean": True, "integer": 0, "number": 0, "array": [], "object": {}}


def _example(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {name: _EXAMPLES.get(part.get("type"), "demo") for name, part in properties.items()}


def _finish(parts: list[dict[str, Any]]) -> str:
    return "tool_calls" if any("tool_calls" in part for part in parts) else "stop"


def _usage(parts: list[dict[str, Any]]) -> dict[str, int]:
    return {"prompt_tokens": 42, "completion_tokens": len(parts), "total_tokens": 42 + len(parts)}


def _whole(parts: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(part.get("content", "") for part in parts),
    }
    if _finish(parts) == "tool_calls":
        function = {"name": TOOL, "arguments": _ARGUMENTS}
        message["tool_calls"] = [{"id": "call_demo_1", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": _finish(parts)}
    return _envelope("chat.completion", {"choices": [choice], "usage": _usage(parts)})


def _sse(chunk: dict[str, Any]) -> str:
    return f"data: {dumps_text(_envelope('chat.completion.chunk', chunk))}\n\n"


def _envelope(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-demo", "object": kind, "created": 0, "model": MODEL, **body}
