"""Qwen and others at Alibaba's DashScope (Model Studio).

Source: https://help.aliyun.com/en/model-studio/deep-thinking (2026-11). Which models reason is
told by their names (unverified for other vendors' models there).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_HOSTS = ("dashscope*.aliyuncs.com", "*.dashscope*.aliyuncs.com", "*.maas.aliyuncs.com")

_PLAIN = replace(
    HOSTED,
    name="qwen/instruct",
    top_k=True,
    # JSON mode is refused while the model reasons, and it reasons unless told not to (unverified).
    response_format="told",
)
_ALWAYS = replace(_PLAIN, name="qwen/thinking", forced_choice="plain", whole_answers="streamed")
_HYBRID = replace(_ALWAYS, name="qwen", thinking="enable_thinking", budget_in="thinking_budget")

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_PLAIN, name="qwen/coder", vision="told"),
        models=("qwen3-coder*", "qwen-coder*", "qwen2.5-coder*"),
        hosts=_HOSTS,
    ),
    ProfileRow(_ALWAYS, models=("*-thinking*", "qwq*"), hosts=_HOSTS),
    ProfileRow(
        # The only models there with levels. Older pages of DeepSeek's know no others.
        replace(
            _HYBRID, name="qwen/deepseek", budget_in=None, efforts=("high", "max"), vision="told"
        ),
        models=("deepseek-v[4-9]*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_PLAIN, models=("*-instruct*",), hosts=_HOSTS),
    ProfileRow(_HYBRID, hosts=_HOSTS),
)
