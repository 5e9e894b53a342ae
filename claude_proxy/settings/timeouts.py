"""The settings of how long the upstream is waited for."""

from typing import Annotated

from claude_proxy.settings.fields import POSITIVE_SECONDS, PositiveSeconds, Var

RequestTimeout = Annotated[
    PositiveSeconds,
    Var(
        "CLAUDE_PROXY_REQUEST_TIMEOUT",
        "Seconds that the upstream may be silent: before its first byte and between reads.",
        POSITIVE_SECONDS,
        aliases=("REQUEST_TIMEOUT",),
    ),
]
FirstByteTimeout = Annotated[
    PositiveSeconds | None,
    Var(
        "CLAUDE_PROXY_FIRST_BYTE_TIMEOUT",
        "Seconds until the upstream's first byte, where that is not CLAUDE_PROXY_REQUEST_TIMEOUT.",
        POSITIVE_SECONDS,
        aliases=("ANTHROPIC_RESPONSE_HEADER_TIMEOUT",),
    ),
]
IdleTimeout = Annotated[
    PositiveSeconds | None,
    Var(
        "CLAUDE_PROXY_IDLE_TIMEOUT",
        "Seconds between the upstream's reads, where that is not CLAUDE_PROXY_REQUEST_TIMEOUT.",
        POSITIVE_SECONDS,
    ),
]
ConnectTimeout = Annotated[
    PositiveSeconds,
    Var(
        "CLAUDE_PROXY_CONNECT_TIMEOUT",
        "Seconds for connecting to the upstream.",
        POSITIVE_SECONDS,
    ),
]
