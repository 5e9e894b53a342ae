"""A tool server for the client, over stdin and stdout: one tool with a very long name.

    python mcp_server.py

The client calls the tool `mcp__SERVER__NAME`, which is longer than Chat Completions allows.
Source: https://modelcontextprotocol.io/specification (JSON-RPC, one message a line).
"""

import json
import sys
from typing import Any

Json = dict[str, Any]

TOOL = "say_a_word_back_to_the_caller_with_a_mark_in_front_of_it"
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}


def result(method: str, params: Json) -> Json:
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "words", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [{"name": TOOL, "description": "Says a word", "inputSchema": SCHEMA}]}
    if method == "tools/call":
        word = params["arguments"]["word"]
        return {"content": [{"type": "text", "text": f"MCP-SAW-{word}"}]}
    return {}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            answer = result(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}), flush=True)


if __name__ == "__main__":
    main()
