"""The settings of the models' limits."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from claude_proxy.settings import parse
from claude_proxy.settings.fields import COUNT, TRUTH, Count, Var

MinTokens = Annotated[
    Count | None,
    Var(
        "CLAUDE_PROXY_MIN_TOKENS_LIMIT",
        "Fewest output tokens asked of the upstream, whatever the client asks for.",
        COUNT,
        aliases=("MIN_TOKENS_LIMIT",),
    ),
]
TruncatedPrompts = Annotated[
    Literal["warn", "reject"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_TRUNCATED_PROMPTS",
        "When the upstream cuts a prompt in silence: `warn` in the log, or `reject` it as too "
        "long, so that the client compacts.",
        "warn or reject",
    ),
]
TokenScaling = Annotated[
    bool,
    Var(
        "CLAUDE_PROXY_TOKEN_SCALING",
        "Scales input counts of models with a window below 200,000 tokens to that window, for "
        "clients that believe in it.",
        TRUTH,
    ),
]
ReasoningMemory = Annotated[
    int,
    Field(ge=0),
    Var(
        "CLAUDE_PROXY_REASONING_MEMORY_BYTES",
        "Memory of each worker for reasoning that an upstream wants back and some clients drop; "
        "0 keeps nothing.",
        "a number of bytes, 0 or more",
    ),
]
