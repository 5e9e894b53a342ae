"""The languages that requests are translated into: codec and path, one row each.

A client's own language needs no translation (`direct`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from claude_proxy.codecs import (
    RequestEncoder,
    anthropic_upstream,
    claude_cli,
    openai_chat,
    openai_responses,
)
from claude_proxy.native import Dialect


class Translation(NamedTuple):
    codec: RequestEncoder
    path: str
    """Below the upstream's base URL."""
    queue: float = 0.0
    """Most seconds that a request may wait for its turn before the upstream is asked. Nothing is
    answered meanwhile, so that one whose turn does not come has a real status."""
    remembers: bool = False
    """Whether the backend keeps conversations, and so has to know whose they are."""


TRANSLATIONS: Mapping[Dialect, Translation] = {
    "chat": Translation(openai_chat, "/chat/completions"),
    "responses": Translation(openai_responses, "/responses"),
    "messages": Translation(anthropic_upstream, "/v1/messages"),
    "claude-cli": Translation(claude_cli, "", queue=30.0, remembers=True),
}
