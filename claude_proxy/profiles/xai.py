"""xAI's Grok.

Sources: release notes of @ai-sdk/xai 4.0.0 on efforts, promptfoo's page on windows (2026-11).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_HOSTS = ("api.x.ai", "*.api.x.ai")

_GROK = replace(HOSTED, name="xai", max_tokens_field="max_completion_tokens", max_stops=0)

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_GROK, name="xai/non-reasoning", max_stops=4, context_window=2_000_000),
        models=("*-non-reasoning*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_GROK, name="xai/grok-3-mini", efforts=("low", "high"), context_window=131_072),
        models=("grok-3-mini*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_GROK, name="xai/grok-3", max_stops=4, context_window=131_072, vision="told"),
        models=("grok-3*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(
            _GROK,
            name="xai/grok-4.3",
            efforts=("none", "low", "medium", "high"),
            context_window=1_000_000,
        ),
        models=("grok-4.[3-9]*", "grok-[5-9]*", "grok-latest"),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_GROK, name="xai/grok-code", context_window=256_000, vision="told"),
        models=("grok-code*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_GROK, hosts=_HOSTS),
)
