"""OpenRouter, in front of the models of many vendors.

Sources: https://openrouter.ai/docs/use-cases/reasoning-tokens (2026-11). Which of its models take
which parameter is in its list of models (`model_limits`).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.openai import FAMILIES
from claude_proxy.profiles.profile import Profile, ProfileRow

_HOSTS = ("openrouter.ai", "*.openrouter.ai")


def _there(profile: Profile) -> Profile:
    """An OpenAI model behind OpenRouter, whose reasoning is asked for in OpenRouter's way."""
    named = replace(profile, name=f"openrouter/{profile.name.partition('/')[2]}")
    if not profile.efforts:
        return named
    return replace(
        named,
        thinking="reasoning",
        thinking_off="accepted" if "none" in profile.efforts else "refused",
        effort_in="reasoning",
        level_and_switch="either",
        # It asks OpenAI's Responses API, which takes tools and reasoning together (unverified).
        effort_with_tools=None,
        reasoning_history="reasoning_details",
    )


_ANY = replace(
    HOSTED,
    name="openrouter",
    thinking="reasoning",
    efforts=("minimal", "low", "medium", "high", "xhigh"),
    effort_in="reasoning",
    budget_in="reasoning",
    level_and_switch="either",
    reasoning_history="reasoning_details",
    top_k=True,
)

ROWS: tuple[ProfileRow, ...] = (
    *(ProfileRow(_there(row.profile), row.models, _HOSTS) for row in FAMILIES),
    ProfileRow(
        replace(_ANY, name="openrouter/claude", cache_control="content_parts"),
        models=("claude*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_ANY, hosts=_HOSTS),
)
