"""The setting of who looks after the upstream's prompt cache."""

from typing import Annotated

from claude_proxy.settings.fields import TRUTH, Var

CacheWatch = Annotated[
    bool,
    Var(
        "CLAUDE_PROXY_CACHE_WATCH",
        "Compares each request of a session with the one before it, and tells where the upstream's "
        "prompt cache breaks.",
        TRUTH,
    ),
]
