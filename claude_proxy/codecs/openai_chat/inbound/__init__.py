"""The client side of Chat Completions: an OpenAI client's requests come in, answers go out."""

from claude_proxy.codecs.openai_chat.inbound.direct import retarget
from claude_proxy.codecs.openai_chat.inbound.options import include_usage
from claude_proxy.codecs.openai_chat.inbound.request import (
    DEFAULT_MAX_TOKENS,
    PEEKED,
    decode_request,
    peek,
)
from claude_proxy.codecs.openai_chat.inbound.response import encode_response
from claude_proxy.codecs.openai_chat.inbound.stream import StreamEncoder
from claude_proxy.codecs.openai_chat.inbound.tools import wants_functions

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "PEEKED",
    "StreamEncoder",
    "decode_request",
    "encode_response",
    "include_usage",
    "peek",
    "retarget",
    "wants_functions",
]
