"""Input tokens: estimated without a tokenizer, or counted by one that the caller brings."""

from claude_proxy.tokens.request import Size, estimate_tokens, measure
from claude_proxy.tokens.text import estimate_text

__all__ = ["Size", "estimate_text", "estimate_tokens", "measure"]
