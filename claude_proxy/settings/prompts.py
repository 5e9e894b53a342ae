"""The settings that shorten system prompts."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from claude_proxy.settings import parse
from claude_proxy.settings.fields import COUNT, Count, Var

Compression = Annotated[
    Literal["none", "compact", "summarize"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_PROMPT_COMPRESSION",
        "Shortens system prompts: `compact` by rules, `summarize` by one more request to the "
        "small model, once a prompt.",
        "none, compact or summarize",
        aliases=("PROMPT_COMPRESSION",),
    ),
]
MaxSystemTokens = Annotated[
    Count,
    Var(
        "CLAUDE_PROXY_PROMPT_MAX_SYSTEM_TOKENS",
        "Most tokens of a shortened system prompt, as far as what stays untouched allows.",
        COUNT,
        aliases=("PROMPT_MAX_SYSTEM_TOKENS",),
    ),
]
