"""The settings of what is learned from refusals."""

from typing import Annotated

from claude_proxy.settings.fields import TRUTH, Text, Var

Learning = Annotated[
    bool,
    Var(
        "CLAUDE_PROXY_LEARNING",
        "Whether a request that the upstream refuses for its form is corrected once, and the "
        "correction remembered.",
        TRUTH,
    ),
]
LearnedFile = Annotated[
    Text | None,
    Var(
        "CLAUDE_PROXY_LEARNED_FILE",
        "Where corrections are remembered: `~/.local/state/claude-proxy/learned.json` if unset, "
        "for the commands; `off`, and an app of your own: in memory only.",
        "a file, or off",
    ),
]
