"""Kimi, at Moonshot and on the coding plan.

Sources: modelparams.dev PR#168 and models.dev PR#3283 (2026-07), which quote the vendor's
reference; sim PR#5716 and llmgateway PR#3065, tried against the vendor.
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow
from claude_proxy.profiles.schemas import MOONSHOT_SCHEMA

_HOSTS = ("api.moonshot.ai", "api.moonshot.cn")

_MOONSHOT = replace(
    HOSTED,
    name="moonshot",
    max_stops=5,
    most_tools=128,
    reasoning_history="reasoning_content",
    reasoning_missing="empty",
    schema=MOONSHOT_SCHEMA,
    token_counters=("estimate_token_count",),
)
_KIMI = replace(_MOONSHOT, name="moonshot/thinking", sampling=False, forced_choice="plain")
# platform.kimi.com/docs/guide/migrating-from-openai-to-kimi (2026-11) names no other choices.
_OLDER = replace(_MOONSHOT, tool_choices=("auto", "none"))
# The coding plan takes levels for all of its models (README of raine's proxy).
_CODING = replace(
    _KIMI, name="kimi-coding", context_window=262_144, efforts=("low", "medium", "high")
)
_CODING_HOSTS = ("api.kimi.com", "api.kimi.com/coding*")
_K2_5 = replace(_KIMI, name="moonshot/k2.5", thinking="thinking", context_window=262_144)

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(
            _KIMI,
            name="moonshot/k3",
            max_output_tokens=131_072,
            cap_assumed=False,
            context_window=1_048_576,
            efforts=("low", "high", "max"),
        ),
        models=("kimi-k[3-9]*", "k[3-9]"),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_K2_5, name="moonshot/k2.7", thinking_off="refused"),
        models=("kimi-k2.[7-9]*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(_K2_5, name="moonshot/k2.6", thinking_with=(("keep", "all"),)),
        models=("kimi-k2.6*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_K2_5, models=("kimi-k2.5*",), hosts=_HOSTS),
    ProfileRow(_KIMI, models=("*thinking*",), hosts=_HOSTS),
    ProfileRow(_OLDER, hosts=_HOSTS),
    # K3 has its own levels there, too (platform.kimi.com/docs/guide/kimi-k3-quickstart).
    ProfileRow(
        replace(_CODING, name="kimi-coding/k3", efforts=("low", "high", "max")),
        models=("kimi-k[3-9]*", "k[3-9]*"),
        hosts=_CODING_HOSTS,
    ),
    ProfileRow(_CODING, hosts=_CODING_HOSTS),
)
