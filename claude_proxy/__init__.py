"""Use Claude Code and every Anthropic client with any model."""

from claude_proxy._version import __version__

__all__ = ["__version__"]
