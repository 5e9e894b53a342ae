"""The headless Claude Code CLI: Messages requests go to its stdin, its stdout comes back.

A request becomes one JSON document: what a process has to be started with (`start`), the lines of
the conversation so far (`history`) and the line that asks (`last`). `backends/claude_cli` speaks
it to a process; what the process prints is the answer, as lines of JSON.

Seen with version 2.1.329; its Agent SDK speaks the same protocol.
"""

from claude_proxy.codecs.anthropic_messages import decode_error
from claude_proxy.codecs.claude_cli.request import encode_request, tool_names
from claude_proxy.codecs.claude_cli.stream import StreamDecoder, decode_response

__all__ = ["StreamDecoder", "decode_error", "decode_response", "encode_request", "tool_names"]
