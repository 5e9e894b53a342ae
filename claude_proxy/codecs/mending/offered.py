"""The tools that an answer may call, by the names that the model knows them by."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.client_tools import client_tool
from claude_proxy.codecs.openai_chat.names import inline_definitions
from claude_proxy.codecs.openai_chat.tools import PLACEHOLDER, SERVER_TOOLS
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest


class Tool(NamedTuple):
    """One tool of a request: the client's name for it, and the schema of its input."""

    name: str
    schema: Json


Offered = Mapping[str, Tool]
"""By the name on the wire, and by the client's own, which a model reads in the history's texts."""


def offered(request: MessagesRequest, tool_names: Mapping[str, str]) -> Offered:
    """What a request lets the model call; `tool_names` are those that differ on the wire.

    Nothing where it forbids calls.
    """
    if (request.get("tool_choice") or {}).get("type") == "none":
        return {}
    tools = {tool.name: tool for tool in map(_tool, _declared(request)) if tool is not None}
    return {
        **tools,
        **{wire: tools[name] for wire, name in tool_names.items() if name in tools},
    }


def _declared(request: MessagesRequest) -> Iterator[Json]:
    yield from request.get("tools") or ()
    for message in request["messages"]:
        content = message["content"]
        for block in content if isinstance(content, list) else ():
            if block["type"] in ("tool_addition", "compaction"):
                yield from inline_definitions({**block})


def _tool(declared: Json) -> Tool | None:
    """None for what is not sent to an upstream as a function."""
    kind = declared.get("type") or "custom"
    if any(kind.startswith(start) for start in SERVER_TOOLS):
        return None
    known = client_tool(kind)
    name = declared.get("name") or (known.name if known else "")
    schema = declared.get("input_schema") or (known.parameters if known else {})
    usable = name and name != PLACEHOLDER and isinstance(schema, dict)
    return Tool(name, schema) if usable else None
