"""Servers on the user's own machines: Ollama, vLLM, llama.cpp and LM Studio.

Ollama and LM Studio have ports of their own. The others can be anywhere, so they are found by their
names only, and without one are the generic row.

Sources: https://docs.ollama.com/api/openai-compatibility (2026-11); lmstudio-bug-tracker#670.
"""

from dataclasses import replace

from claude_proxy.profiles.generic import GENERIC
from claude_proxy.profiles.profile import ProfileRow

_LOCAL = replace(GENERIC, name="local", think_tags=("think",), first_byte_seconds=1_800)

_OLLAMA_HOSTS = ("*:11434", "ollama.com")
_OLLAMA = replace(
    _LOCAL,
    name="ollama",
    # Choices other than these are ignored (unverified for the newest versions).
    tool_choices=("auto", "none"),
    parallel_calls_field=False,
    call_content="empty",
    image_urls="told",
    windows_at="/api/ps",
    loaded_at="/api/ps",
    shown_at="/api/show",
)

OLLAMA_ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_OLLAMA, name="ollama/gpt-oss", efforts=("low", "medium", "high"), vision="told"),
        models=("gpt-oss*",),
        hosts=_OLLAMA_HOSTS,
    ),
    ProfileRow(
        replace(_OLLAMA, name="ollama/coder", vision="told"),
        models=("qwen3-coder*", "qwen2.5-coder*", "devstral*"),
        hosts=_OLLAMA_HOSTS,
    ),
    # Models that cannot reason refuse every level: "does not support thinking" (unverified).
    ProfileRow(
        # Versions before June 2026 refuse "max", which is learned (ollama PR#16877).
        replace(_OLLAMA, name="ollama/thinking", efforts=("none", "low", "medium", "high", "max")),
        models=("qwen3*", "deepseek-r1*", "deepseek-v[3-9]*", "glm-*", "magistral*", "kimi-k2*"),
        hosts=_OLLAMA_HOSTS,
    ),
    ProfileRow(_OLLAMA, hosts=_OLLAMA_HOSTS),
)

_VLLM = replace(
    _LOCAL,
    name="vllm",
    top_k=True,
    reasoning_history="reasoning",
    token_counters=("tokenize", "count_tokens"),
)

VLLM_ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_VLLM, name="vllm/gpt-oss", efforts=("low", "medium", "high")),
        models=("gpt-oss*",),
        hosts=(),
    ),
    ProfileRow(replace(_VLLM, thinking="template"), hosts=()),
)

_STRINGS_ONLY = replace(_LOCAL, tool_choices=("auto", "none", "required"), top_k=True)

ROWS: tuple[ProfileRow, ...] = (
    *OLLAMA_ROWS,
    *VLLM_ROWS,
    ProfileRow(
        replace(
            _STRINGS_ONLY,
            name="llama.cpp",
            thinking="template",
            reasoning_history="reasoning_content",
            windows_at="/props",
            token_counters=("input_tokens", "count_tokens"),
        ),
        hosts=(),
    ),
    ProfileRow(
        replace(
            _STRINGS_ONLY,
            name="lmstudio",
            call_content="empty",
            image_urls="told",
            windows_at="/api/v0/models",
        ),
        hosts=("*:1234",),
    ),
)
