"""The settings of the guards against slow clients."""

from typing import Annotated

from claude_proxy.settings.fields import POSITIVE_SECONDS, PositiveSeconds, Var

HeaderTimeout = Annotated[
    PositiveSeconds,
    Var(
        "CLAUDE_PROXY_HEADER_TIMEOUT",
        "Seconds that a client may take to send a request's headers.",
        POSITIVE_SECONDS,
    ),
]
BodyTimeout = Annotated[
    PositiveSeconds,
    Var(
        "CLAUDE_PROXY_BODY_TIMEOUT",
        "Seconds that a request's body may be late, at 1 KiB a second.",
        POSITIVE_SECONDS,
    ),
]
