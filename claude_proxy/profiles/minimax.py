"""MiniMax.

Sources: https://platform.minimax.io/docs/api-reference/text-openai-api, AgentScope's page on
MiniMax (2026-11). Without `reasoning_split` the reasoning is in tags at the start of the text, and
has to be sent back there whole.
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_HOSTS = ("api.minimax.io", "api.minimaxi.com", "*.minimax.io", "*.minimaxi.com")

_M2 = replace(
    HOSTED,
    name="minimax",
    max_tokens_field="max_completion_tokens",
    context_window=204_800,
    tool_choices=("auto",),
    parallel_calls_field=False,
    think_tags=("think",),
    reasoning_history="think_tags",
    vision="told",
    response_format="told",
)

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_M2, name="minimax/m3", thinking="thinking", thinking_on="adaptive"),
        models=("minimax-m[3-9]*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_M2, hosts=_HOSTS),
)
