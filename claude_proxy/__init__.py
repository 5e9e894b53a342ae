"""Use Claude Code and every Anthropic client with any model.

The package is pure translation; importing it reads no environment and loads no HTTP library.
`Settings`, `load_settings` and `create_app` load the server when they are first used.
"""

from typing import TYPE_CHECKING, Any

from claude_proxy._version import __version__
from claude_proxy.codecs import (
    anthropic_messages,
    openai_chat,
    openai_completions,
    openai_responses,
)
from claude_proxy.codecs.fold import MessageFold, unfold
from claude_proxy.codecs.mending import mended, mended_message
from claude_proxy.codecs.sse import encode_sse
from claude_proxy.errors import (
    ClaudeProxyError,
    ProtocolError,
    RequestError,
    UnsupportedContentError,
    UpstreamError,
)
from claude_proxy.profiles import PROFILES, Profile, profile_for
from claude_proxy.tokens import estimate_tokens

if TYPE_CHECKING:
    from claude_proxy.server.app import create_app
    from claude_proxy.settings import Settings, load_settings

__all__ = [
    "PROFILES",
    "ClaudeProxyError",
    "MessageFold",
    "Profile",
    "ProtocolError",
    "RequestError",
    "Settings",
    "UnsupportedContentError",
    "UpstreamError",
    "__version__",
    "anthropic_messages",
    "create_app",
    "encode_sse",
    "estimate_tokens",
    "load_settings",
    "mended",
    "mended_message",
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "profile_for",
    "unfold",
]

_LAZY = {
    "Settings": "claude_proxy.settings",
    "create_app": "claude_proxy.server.app",
    "load_settings": "claude_proxy.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
