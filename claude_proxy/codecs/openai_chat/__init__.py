"""OpenAI's Chat Completions, in both directions.

As an upstream's language Messages requests go out in it and its answers come in; as a client's
(`inbound`) its requests come in and answers go out.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from claude_proxy.codecs.openai_chat.envelope import encode_error
from claude_proxy.codecs.openai_chat.errors import decode_error
from claude_proxy.codecs.openai_chat.inbound import (
    DEFAULT_MAX_TOKENS,
    PEEKED,
    StreamEncoder,
    decode_request,
    encode_response,
    include_usage,
    peek,
    retarget,
    wants_functions,
)
from claude_proxy.codecs.openai_chat.request import encode_request, tool_names
from claude_proxy.codecs.openai_chat.response import decode_response
from claude_proxy.codecs.openai_chat.stream import StreamDecoder

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "PEEKED",
    "StreamDecoder",
    "StreamEncoder",
    "decode_error",
    "decode_request",
    "decode_response",
    "encode_error",
    "encode_request",
    "encode_response",
    "include_usage",
    "peek",
    "retarget",
    "tool_names",
    "wants_functions",
]
