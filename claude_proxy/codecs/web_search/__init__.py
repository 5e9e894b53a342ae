"""Anthropic's server tool `web_search` on upstreams that have none: all of it that is pure.

The model is offered an ordinary function in its place (`tool`). When it calls that, whoever runs
the conversation searches (`services` says how to ask, and what the answers mean), hands the
results back and asks again; `Composition` makes one Messages answer of the model's several turns,
with the blocks that clients of the real tool know (`hits`). What a client sends back later is read
as the same calls and results that the model has seen (`history`).
Source: https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool (seen 2026-11).
"""

from claude_proxy.codecs.web_search.composition import Composition, Search
from claude_proxy.codecs.web_search.hits import Failure, Found, Hit
from claude_proxy.codecs.web_search.tool import SearchTool, find_tool, offer, wants_search

__all__ = [
    "Composition",
    "Failure",
    "Found",
    "Hit",
    "Search",
    "SearchTool",
    "find_tool",
    "offer",
    "wants_search",
]
