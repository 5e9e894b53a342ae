"""OpenAI's Chat Completions: Messages requests go out in it, its answers come in.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from claude_proxy.codecs.openai_chat.errors import decode_error, encode_error
from claude_proxy.codecs.openai_chat.request import encode_request, tool_names
from claude_proxy.codecs.openai_chat.response import decode_response
from claude_proxy.codecs.openai_chat.stream import StreamDecoder

__all__ = [
    "StreamDecoder",
    "decode_error",
    "decode_response",
    "encode_error",
    "encode_request",
    "tool_names",
]
