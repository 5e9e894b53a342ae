"""Servers of other vendors' open models, far away and at home."""

from tests.providers import refusals, rules
from tests.providers.chat_wire import Wire
from tests.providers.fake import Provider
from tests.providers.said import CACHED, PROMPT

HOSTS = (
    Provider(
        "groq",
        "groq",
        "qwen/qwen3-32b",
        Wire(
            reasoning="reasoning",
            arguments="whole",
            usage="x_groq",
            cached="none",
            opening={"role": "assistant", "content": ""},
            beside={"system_fingerprint": "fp"},
        ),
        rules=(
            rules.text_only,
            rules.json_is_named,
            rules.needs(reasoning_format="parsed"),
            rules.without("include_reasoning", "thinking", "top_k", "max_tokens"),
            rules.one_of("reasoning_effort", "none", "default"),
            rules.at_most("max_completion_tokens", 40_960),
            rules.PLAIN_ASSISTANT,
        ),
        sees=False,
        caches=False,
    ),
    Provider(
        "together",
        "together",
        "moonshotai/Kimi-K2.6",
        Wire(
            reasoning="reasoning",
            ends=("tool_calls", "eos"),
            usage="last",
            cached="plain",
            opening={"role": "assistant", "content": ""},
            blank={"reasoning": "", "content": ""},
        ),
        refuse=refusals.together,
        rules=(
            rules.without("thinking", "enable_thinking"),
            rules.PLAIN_ASSISTANT,
            rules.thinks_when_asked(reasoning={"enabled": True}),
        ),
    ),
    Provider(
        "together-tags",
        "together",
        "Qwen/QwQ-32B",
        Wire(reasoning="tags", usage="last", cached="none", done=False),
        refuse=refusals.together,
        rules=(rules.without("thinking", "reasoning", "reasoning_effort"), rules.PLAIN_ASSISTANT),
        caches=False,
    ),
    Provider(
        "fireworks",
        "fireworks",
        "accounts/fireworks/models/kimi-k2p6",
        Wire(reasoning="reasoning_content", opening={"role": "assistant"}, usage="last"),
        refuse=refusals.fireworks,
        rules=(
            rules.exclusive("thinking", "reasoning_effort"),
            rules.fields_of("assistant", "role", "content", "tool_calls", "reasoning_content"),
        ),
        back="reasoning_content",
    ),
)

LOCAL = (
    Provider(
        "ollama",
        "ollama",
        "qwen3.5:9b",
        Wire(
            reasoning="reasoning",
            index="zero",
            arguments="object",
            id="call_{}{}aaaaaa".format,
            cached="none",
            opening={"role": "assistant", "content": ""},
            blank={"role": "assistant", "content": ""},
        ),
        rules=(
            rules.string_content,
            rules.inlined_images,
            rules.system_first,
            rules.one_of("tool_choice", "auto", "none"),
            rules.one_of("reasoning_effort", "none", "low", "medium", "high", "max"),
            rules.without("parallel_tool_calls", "thinking"),
            rules.PLAIN_ASSISTANT,
        ),
        caches=False,
    ),
    Provider(
        "vllm",
        "vllm",
        "Qwen/Qwen3.5-35B",
        Wire(
            reasoning="reasoning",
            arguments="name first",
            id="chatcmpl-tool-{}f{}".format,
            cached="none",
            opening={"role": "assistant", "content": "", "reasoning_content": None},
            beside={"prompt_token_ids": None},
        ),
        refuse=refusals.vllm,
        rules=(
            rules.system_first,
            rules.fields_of("assistant", "role", "content", "tool_calls", "reasoning"),
            rules.thinks_when_asked(
                chat_template_kwargs={"enable_thinking": True, "thinking": True}
            ),
            rules.usage_is_asked_for,
        ),
        back="reasoning",
        caches=False,
    ),
    Provider(
        "llama.cpp",
        "llama.cpp",
        "qwen3.5",
        Wire(
            reasoning="reasoning_content",
            id="{}aBcDeFgH{}".format,
            opening={"role": "assistant", "content": None},
            cached="none",
            beside={"timings": {"cache_n": CACHED, "prompt_n": PROMPT - CACHED}},
        ),
        refuse=refusals.llama_cpp,
        rules=(
            rules.system_first,
            rules.one_of("tool_choice", "auto", "none", "required"),
            rules.fields_of("assistant", "role", "content", "tool_calls", "reasoning_content"),
            rules.usage_is_asked_for,
        ),
        back="reasoning_content",
    ),
    Provider(
        "lmstudio",
        "lmstudio",
        "qwen3.5-9b",
        Wire(
            reasoning="tags",
            id="{}1234567{}".format,
            cached="none",
            opening={"role": "assistant"},
            beside={"system_fingerprint": "qwen3.5-9b", "stats": {}},
        ),
        refuse=refusals.lmstudio,
        rules=(
            rules.string_content,
            rules.inlined_images,
            rules.system_first,
            rules.one_of("tool_choice", "auto", "none", "required"),
            rules.without("thinking", "reasoning_effort"),
            rules.PLAIN_ASSISTANT,
            rules.usage_is_asked_for,
        ),
        caches=False,
    ),
)
