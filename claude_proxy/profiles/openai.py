"""OpenAI's own models, at OpenAI, Azure, and behind any gateway."""

from dataclasses import replace

from claude_proxy.images import Patches, Tiles
from claude_proxy.profiles.profile import Profile, ProfileRow

_GPT_4O = Profile("openai/gpt-4o", max_output_tokens=16_384, context_window=128_000)
_REASONING = Profile(
    "openai/o",
    max_tokens_field="max_completion_tokens",
    max_output_tokens=100_000,
    context_window=200_000,
    sampling=False,
    max_stops=0,
    efforts=("low", "medium", "high"),
    reasoning_items="encrypted",
    reasoning_summary="auto",
    images=Tiles(75, 150),
)
_GPT_5 = replace(
    _REASONING,
    name="openai/gpt-5",
    max_output_tokens=128_000,
    context_window=400_000,
    efforts=("minimal", "low", "medium", "high"),
    images=Tiles(70, 140),
)
_GPT_5_4 = replace(
    _GPT_5,
    name="openai/gpt-5.4",
    efforts=("none", "low", "medium", "high", "xhigh"),
    effort_with_tools="none",
    # Measured by others on gpt-5.5 (huggingface.co/datasets/JOHNISKING/image-token-cost).
    images=Patches(32, most=10_000, factor=1.2),
)

FAMILIES: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-5-chat"),
        models=("gpt-5-chat*", "gpt-5.[0-9]-chat*"),
    ),
    ProfileRow(_GPT_5_4, models=("gpt-5.[4-9]*", "gpt-5.[1-9][0-9]*", "gpt-[6-9]*")),
    ProfileRow(
        replace(_GPT_5_4, name="openai/gpt-5.2", effort_with_tools=None),
        models=("gpt-5.[23]*", "gpt-5.1-codex-max*"),
    ),
    ProfileRow(
        replace(_GPT_5, name="openai/gpt-5.1", efforts=("none", "low", "medium", "high")),
        models=("gpt-5.1*",),
    ),
    ProfileRow(replace(_GPT_5, name="openai/gpt-5-pro", efforts=("high",)), models=("gpt-5-pro*",)),
    ProfileRow(
        replace(_GPT_5, name="openai/gpt-5-codex", efforts=("low", "medium", "high")),
        models=("gpt-5-codex*",),
    ),
    ProfileRow(
        replace(_GPT_5, name="openai/gpt-5-mini", images=Patches(32, most=1536, factor=1.62)),
        models=("gpt-5-mini*",),
    ),
    ProfileRow(_GPT_5, models=("gpt-5*",)),
    ProfileRow(
        replace(_REASONING, name="openai/o1-mini", max_output_tokens=65_536, efforts=()),
        models=("o1-mini*", "o1-preview*"),
    ),
    ProfileRow(
        replace(_REASONING, name="openai/o4-mini", images=Patches(32, most=1536, factor=1.72)),
        models=("o4-mini*",),
    ),
    ProfileRow(_REASONING, models=("o[1-9]", "o[1-9]-*")),
    ProfileRow(
        replace(
            _GPT_4O,
            name="openai/gpt-4.1",
            max_output_tokens=32_768,
            context_window=1_047_576,
        ),
        models=("gpt-4.1*",),
    ),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-4o-mini", images=Tiles(2833, 5667)),
        models=("gpt-4o-mini*",),
    ),
    ProfileRow(_GPT_4O, models=("gpt-4o*", "chatgpt-4o*")),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-4-turbo", max_output_tokens=4_096),
        models=("gpt-4-turbo*", "gpt-4-*-preview"),
    ),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-3.5", max_output_tokens=4_096, context_window=16_385),
        models=("gpt-3.5*", "gpt-35*"),
    ),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-4", max_output_tokens=8_192, context_window=8_192),
        models=("gpt-4", "gpt-4-0[0-9]*"),
    ),
)
"""OpenAI's models by their names."""

_UNKNOWN = Profile("openai", max_output_tokens=16_384, cap_assumed=True)

HOSTS: tuple[ProfileRow, ...] = (
    ProfileRow(_UNKNOWN, hosts=("api.openai.com",)),
    ProfileRow(
        replace(_UNKNOWN, name="azure"),
        hosts=("*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"),
    ),
)
"""Other names at OpenAI's hosts; deployments on Azure have names of their own. More than gpt-4o's
cap would be refused there, and Claude Code asks for 128,000."""
