"""Groq, Together and Fireworks, who serve other vendors' open models.

Sources: https://console.groq.com/docs/reasoning, https://docs.together.ai/docs/inference/chat/reasoning
and /docs/glm-5.3-quickstart, https://docs.fireworks.ai/guides/reasoning (2026-11).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

_GROQ_HOSTS = ("api.groq.com",)

# Reasoning in the history: `reasoning_content` is refused (jan#8136), `reasoning` is unverified.
_GROQ = replace(
    HOSTED,
    name="groq",
    max_tokens_field="max_completion_tokens",
    most_tools=128,
    response_format="json_object",
)
_GROQ_TEXT = replace(_GROQ, vision="told")

GROQ_ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(
            _GROQ_TEXT,
            name="groq/gpt-oss",
            max_output_tokens=65_536,
            cap_assumed=False,
            context_window=131_072,
            efforts=("low", "medium", "high"),
            response_format="json_schema",
        ),
        models=("gpt-oss*",),
        hosts=_GROQ_HOSTS,
    ),
    ProfileRow(
        replace(
            _GROQ_TEXT,
            name="groq/qwen",
            # Its other value is "default".
            efforts=("none",),
            extra_fields=(("reasoning_format", "parsed"),),
        ),
        models=("qwen3*", "qwen-qwq*"),
        hosts=_GROQ_HOSTS,
    ),
    ProfileRow(
        replace(_GROQ_TEXT, name="groq/text"),
        models=("llama-3*", "kimi-k2*"),
        hosts=_GROQ_HOSTS,
    ),
    ProfileRow(_GROQ, hosts=_GROQ_HOSTS),
)

_TOGETHER_HOSTS = ("api.together.ai", "api.together.xyz")

# Earlier reasoning is unverified for all of its models.
_TOGETHER = replace(HOSTED, name="together", think_tags=("think",), top_k=True)

TOGETHER_ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_TOGETHER, name="together/gpt-oss", efforts=("low", "medium", "high")),
        models=("gpt-oss*",),
        hosts=_TOGETHER_HOSTS,
    ),
    ProfileRow(
        replace(_TOGETHER, name="together/glm-5.3", efforts=("low", "medium", "high", "max")),
        models=("glm-5.[3-9]*",),
        hosts=_TOGETHER_HOSTS,
    ),
    ProfileRow(
        replace(_TOGETHER, name="together/hybrid", thinking="reasoning"),
        models=(
            *("deepseek-v3.1*", "deepseek-v4*", "glm-4.[5-9]*", "glm-5*", "kimi-k2.[5-9]*"),
            *("qwen3.[5-9]*", "cogito*", "gemma-4*"),
        ),
        hosts=_TOGETHER_HOSTS,
    ),
    ProfileRow(_TOGETHER, hosts=_TOGETHER_HOSTS),
)

_FIREWORKS_HOSTS = ("api.fireworks.ai",)

# `thinking` would do as well, but not together with `reasoning_effort`.
_FIREWORKS = replace(HOSTED, name="fireworks", top_k=True)
_INTERLEAVED = replace(_FIREWORKS, name="fireworks/minimax", reasoning_history="reasoning_content")

FIREWORKS_ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_FIREWORKS, name="fireworks/gpt-oss", efforts=("low", "medium", "high")),
        models=("gpt-oss*",),
        hosts=_FIREWORKS_HOSTS,
    ),
    ProfileRow(
        replace(_INTERLEAVED, name="fireworks/glm", efforts=("none", "high", "max")),
        models=("glm-5*",),
        hosts=_FIREWORKS_HOSTS,
    ),
    ProfileRow(
        replace(_INTERLEAVED, name="fireworks/hybrid", efforts=("none", "low", "medium", "high")),
        models=("deepseek-v[3-9]*", "glm-4*", "kimi-k2*", "qwen3*"),
        hosts=_FIREWORKS_HOSTS,
    ),
    ProfileRow(_INTERLEAVED, models=("minimax*",), hosts=_FIREWORKS_HOSTS),
    ProfileRow(_FIREWORKS, hosts=_FIREWORKS_HOSTS),
)

ROWS: tuple[ProfileRow, ...] = (*GROQ_ROWS, *TOGETHER_ROWS, *FIREWORKS_ROWS)
