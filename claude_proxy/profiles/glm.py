"""GLM of Z.ai (Zhipu), at both of its hosts and on the coding plan.

Sources: AgentScope's page on GLM (2026-11); AIHubMix's guide to GLM-5.3 (2026-08), whose figures
were measured; dirge PR#598. Windows of older models are unverified.
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_HOSTS = ("api.z.ai", "open.bigmodel.cn")

_GLM = replace(
    HOSTED,
    name="glm",
    max_output_tokens=131_072,
    cap_assumed=False,
    context_window=200_000,
    max_stops=1,
    thinking="thinking",
    thinking_with=(("clear_thinking", False),),
    stream_fields=(("tool_stream", True),),
    tool_choices=("auto",),
    most_tools=128,
    reasoning_history="reasoning_content",
    reasoning_missing="empty",
    vision="told",
    response_format="json_object",
    user_field=None,
)
_GLM_4_5 = replace(
    _GLM,
    name="glm/4.5",
    max_output_tokens=98_304,
    context_window=131_072,
    thinking_with=(),
    stream_fields=(),
)

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(
            _GLM,
            name="glm/5.3",
            context_window=1_048_576,
            thinking_off="refused",
            efforts=("low", "high", "max"),
        ),
        models=("glm-5.[3-9]*", "glm-[6-9]*"),
        hosts=_HOSTS,
    ),
    ProfileRow(
        # The vendor maps levels that this model does not have.
        replace(_GLM, name="glm/5.2", efforts=("low", "medium", "high", "xhigh", "max")),
        models=("glm-5.2*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(
            _GLM_4_5,
            name="glm/vision",
            max_output_tokens=16_384,
            context_window=65_536,
            vision="seen",
        ),
        models=("glm-4.[0-9]v*", "glm-[4-9]v*"),
        hosts=_HOSTS,
    ),
    ProfileRow(_GLM_4_5, models=("glm-4.5*",), hosts=_HOSTS),
    ProfileRow(_GLM, hosts=_HOSTS),
)
