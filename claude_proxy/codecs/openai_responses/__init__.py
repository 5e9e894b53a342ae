"""OpenAI's Responses API: Messages requests go out in it, its answers come in.

It speaks of the same models as Chat Completions and shares most of that codec: how turns, blocks,
tools and errors are read. What differs is here.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from claude_proxy.codecs.openai_chat.errors import decode_error
from claude_proxy.codecs.openai_chat.request import tool_names
from claude_proxy.codecs.openai_responses.request import encode_request
from claude_proxy.codecs.openai_responses.response import decode_response
from claude_proxy.codecs.openai_responses.stream import StreamDecoder

__all__ = ["StreamDecoder", "decode_error", "decode_response", "encode_request", "tool_names"]
