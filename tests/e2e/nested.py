"""A scripted model for a CLI behind us, to which the client's tools are an MCP server's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.e2e.script import Script
from tests.upstream import Received, Reply

Json = dict[str, Any]

PREFIX = "mcp__px__"


class NestedScript(Script):
    """Reads the tools' own names, and calls them by the names under which they are offered."""

    def __call__(self, request: Received) -> Reply:
        tools = [tool["function"]["name"] for tool in request.json.get("tools") or []]
        offered = {name.removeprefix(PREFIX): name for name in tools}
        reply = super().__call__(replace(request, body=request.body.replace(PREFIX.encode(), b"")))
        if reply.stream is None:
            return reply
        return replace(reply, stream=[_renamed(item, offered) for item in reply.stream])


def _renamed(item: Any, offered: Mapping[str, str]) -> Any:
    if not isinstance(item, dict):
        return item
    for choice in item.get("choices") or ():
        for call in choice["delta"].get("tool_calls") or ():
            function = call["function"]
            if "name" in function:
                function["name"] = offered.get(function["name"], function["name"])
    return item
