"""The client's tools as an MCP server that the CLI asks over its own stdin and stdout.

The CLI's requests come as lines of type `control_request`, and go back as `control_response`. A
call of a tool is answered when the client's results have come, with its next request.
Source: https://modelcontextprotocol.io/specification (tools), and what the CLI sends.
"""

from collections.abc import Mapping, Sequence

from claude_proxy._version import __version__
from claude_proxy.codecs.claude_cli.words import INERT, SERVER
from claude_proxy.types import Json

CALL, LIST = "tools/call", "tools/list"
_NO_OUTPUT = {"type": "text", "text": "(no output)"}
_SHORTENS: Json = {"anthropic/maxResultSizeChars": 500_000}
"""What a tool may say of itself: of a result that is longer the CLI keeps the most in a file. That
is the most that it takes; without a word it is 50,000."""
_LONGEST = 200_000
"""Characters of all results together, as JavaScript counts them. It is what the CLI may hold all
results of one message to, whatever a tool says of itself, but not those in a history."""
_METHOD_NOT_FOUND = -32601


def initialize(start: Json) -> Json:
    """The first line: what a process is told of its conversation, so that nothing of it has to
    stand in a command line or a file."""
    request: Json = {"subtype": "initialize", "systemPrompt": start["system"]}
    if start["tools"]:
        request["sdkMcpServers"] = [SERVER]
    if "schema" in start:
        request["jsonSchema"] = start["schema"]
    return {"type": "control_request", "request_id": "start", "request": request}


def called(request: Json) -> str | None:
    """The id of the `tool_use` that a control request wants to be run; None for other requests."""
    message = _message(request)
    if message.get("method") != CALL:
        return None
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    id = meta.get("claudecode/toolUseId") if isinstance(meta, dict) else None
    return id if isinstance(id, str) else ""


def lists(request: Json) -> bool:
    """Whether a control request wants to know the tools."""
    return _message(request).get("method") == LIST


def reply(request: Json, tools: Sequence[Json], results: Mapping[str, Json]) -> Json:
    """The line that answers a control request; for a call, with its result from `results`."""
    request_id, message = request.get("request_id"), _message(request)
    if not message:
        refusal = {"subtype": "error", "request_id": request_id, "error": "not supported"}
        return {"type": "control_response", "response": refusal}
    answer: Json = {"jsonrpc": "2.0", "id": message.get("id", 0)}
    told = _told(message, tools, results.get(called(request) or "", _UNKNOWN))
    if told is None:
        answer["error"] = {"code": _METHOD_NOT_FOUND, "message": "Method not found"}
    else:
        answer["result"] = told
    good = {"subtype": "success", "request_id": request_id, "response": {"mcp_response": answer}}
    return {"type": "control_response", "response": good}


_UNKNOWN: Json = {
    "content": [{"type": "text", "text": "The call was interrupted."}],
    "isError": True,
}


def _message(request: Json) -> Json:
    """The JSON-RPC message in a control request; empty for another kind of request."""
    inner = request.get("request")
    if not isinstance(inner, dict) or inner.get("subtype") != "mcp_message":
        return {}
    message = inner.get("message")
    return message if isinstance(message, dict) else {}


def _told(message: Json, tools: Sequence[Json], result: Json) -> Json | None:
    match message.get("method"):
        case "initialize":
            params = message.get("params")
            version = params.get("protocolVersion") if isinstance(params, dict) else None
            about = {"name": SERVER, "version": __version__}
            return {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": about,
            }
        case "tools/list":
            return {"tools": [{**tool, "_meta": _SHORTENS} for tool in tools]}
        case "tools/call":
            return result
        case "ping":
            return {}
        case str(method) if method.startswith("notifications/"):
            return {}
    return None


def results_of(last: Json) -> dict[str, Json] | None:
    """The results in a user's line by the ids of their calls, as MCP has them.

    What the user says beside them stands behind the last one. None where MCP has no form for
    something of it, or where there is no result at all.
    """
    results: dict[str, Json] = {}
    for block in last["message"]["content"]:
        if block["type"] == "tool_result":
            told = _result(block)
            if told is None:
                return None
            results[block["tool_use_id"]] = told
        elif block != INERT:
            more = _content(block)
            if more is None or not results:
                return None
            id = next(reversed(results))
            results[id] = {**results[id], "content": [*results[id]["content"], more]}
    longest = sum(map(_size, results.values()))
    return results if results and longest <= _LONGEST else None


def _result(block: Json) -> Json | None:
    if block.get("is_error"):
        # What an MCP server tells as an error, the CLI writes to a log file in the user's home.
        return None
    found = [_content(inner) for inner in block.get("content") or [_NO_OUTPUT]]
    told = [content for content in found if content is not None]
    if len(told) < len(found):
        return None
    return {"content": told}


def _size(result: Json) -> int:
    texts = (content.get("text", "") for content in result["content"])
    return sum(len(text.encode("utf-16-le", "surrogatepass")) // 2 for text in texts)


def _content(block: Json) -> Json | None:
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    source = block.get("source") or {}
    if block["type"] == "image" and source.get("type") == "base64":
        return {"type": "image", "data": source["data"], "mimeType": source["media_type"]}
    return None
