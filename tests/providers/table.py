"""Every provider: what its fake refuses, how it writes, and what it wants back.

What is known of each, and from where, stands in docs/providers.md and at the fields of
claude_proxy/profiles/profile.py; the shapes of streams in tests/cases/openai_chat/stream.
"""

from dataclasses import replace

from tests.providers import refusals, rules
from tests.providers.chat_wire import Wire
from tests.providers.fake import Provider
from tests.upstream import chunk

_CHAT_FIELDS = (
    *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
    *("stream", "stream_options", "max_completion_tokens", "user", "reasoning_effort"),
)
_SAMPLING = ("temperature", "top_p", "stop")

OPENAI = (
    Provider(
        "openai",
        "openai",
        "gpt-5.1",
        Wire(
            opening={"role": "assistant", "content": None, "refusal": None},
            beside={"usage": None, "obfuscation": "x", "service_tier": "default"},
        ),
        rules=(
            rules.known(*_CHAT_FIELDS),
            rules.at_most("max_completion_tokens", 128_000),
            rules.at_most("tools", 128),
            rules.one_of("reasoning_effort", "none", "low", "medium", "high"),
            rules.PLAIN_ASSISTANT,
            rules.usage_is_asked_for,
        ),
        shows=False,
    ),
    Provider(
        "openai-responses",
        "openai",
        "gpt-5.4",
        None,
        rules=(
            rules.without("temperature", "top_p", "top_k"),
            rules.needs(include=["reasoning.encrypted_content"], store=False),
            rules.at_most("max_output_tokens", 128_000),
        ),
        back="encrypted",
        path="/v1/responses",
        settings={"CLAUDE_PROXY_UPSTREAM_DIALECT": "responses"},
    ),
    Provider(
        "azure",
        "azure",
        "my-deployment",
        Wire(
            first=(
                {
                    **chunk({}),
                    "id": "",
                    "choices": [],
                    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
                },
            ),
            opening={"role": "assistant", "content": "", "refusal": None},
            late=(
                {
                    **chunk({}),
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": None,
                            "content_filter_offsets": {"check_offset": 1},
                            "content_filter_results": {},
                        }
                    ],
                },
            ),
        ),
        refuse=refusals.azure,
        rules=(
            rules.known(*_CHAT_FIELDS, *_SAMPLING, "max_tokens"),
            rules.at_most("max_tokens", 16_384),
            rules.PLAIN_ASSISTANT,
        ),
        shows=False,
        base="",
        path="/openai/deployments/my-deployment/chat/completions",
        key_header="api-key",
        settings={"AZURE_API_VERSION": "2024-10-21"},
    ),
)

_OPENROUTER = Provider(
    "openrouter",
    "openrouter",
    "z-ai/glm-5.3",
    Wire(
        reasoning="details",
        first=(b": OPENROUTER PROCESSING\n\n", b": OPENROUTER PROCESSING\n\n"),
        opening={"role": "assistant", "content": ""},
        blank={"role": "assistant", "content": ""},
        beside={"provider": "Anthropic"},
    ),
    refuse=refusals.openrouter,
    rules=(
        rules.without("reasoning_effort", "thinking"),
        rules.fields_of("assistant", "role", "content", "tool_calls", "reasoning_details"),
        rules.system_first,
    ),
    back="details",
)

OPENROUTER = (
    _OPENROUTER,
    replace(
        _OPENROUTER,
        name="openrouter-claude",
        model="anthropic/claude-sonnet-5",
        rules=(*_OPENROUTER.rules, rules.few_marks),
    ),
)

_REASONS = Wire(reasoning="reasoning_content", opening={"role": "assistant", "content": ""})

ASIA = (
    Provider(
        "deepseek",
        "deepseek",
        "deepseek-v4-pro",
        replace(
            _REASONS,
            opening={"role": "assistant", "content": None, "reasoning_content": ""},
            blank={"content": None, "reasoning_content": None},
            id="call_{:02d}_{}_aB3dE5".format,
            usage="last",
            cached="hit",
        ),
        refuse=refusals.deepseek,
        rules=(
            rules.text_only,
            rules.without("enable_thinking", "max_completion_tokens"),
            rules.at_most("max_tokens", 384_000),
            rules.thinking_keeps(),
            rules.unforced_unless(("thinking", {"type": "disabled"})),
        ),
        back="reasoning_content",
        sees=False,
    ),
    Provider(
        "qwen",
        "qwen",
        "qwen3.6-plus",
        replace(
            _REASONS,
            opening={"role": "assistant", "content": None, "reasoning_content": ""},
            blank={"content": None, "reasoning_content": None},
            tail={"id": "", "type": "function"},
            beside={"system_fingerprint": None},
        ),
        refuse=refusals.dashscope,
        rules=(
            rules.without("reasoning_effort", "thinking", "max_completion_tokens"),
            rules.system_first,
            rules.PLAIN_ASSISTANT,
            rules.whole_answers_do_not_think,
            rules.unforced_unless(("enable_thinking", False)),
            rules.thinks_when_asked(enable_thinking=True),
            rules.usage_is_asked_for,
        ),
    ),
    Provider(
        "glm",
        "glm",
        "glm-5",
        replace(_REASONS, index="missing", blank={"role": "assistant"}, usage="last"),
        refuse=refusals.glm,
        rules=(
            rules.text_only,
            rules.without("user", "reasoning_effort"),
            rules.one_of("tool_choice", "auto"),
            rules.at_most("stop", 1),
            rules.at_most("max_tokens", 131_072),
            rules.thinking_keeps(clear_thinking=False),
            rules.tools_are_streamed,
        ),
        back="reasoning_content",
        sees=False,
    ),
    Provider(
        "moonshot",
        "moonshot",
        "kimi-k2.6",
        replace(
            _REASONS,
            id="functions.f{}:{}".format,
            usage="choice",
            cached="plain",
        ),
        refuse=refusals.moonshot,
        rules=(
            rules.exclusive("thinking", "reasoning_effort"),
            rules.without("temperature", "top_p"),
            rules.thinking_keeps(keep="all"),
            rules.unforced_unless(("thinking", {"type": "disabled"})),
            rules.typed_unions,
            rules.at_most("stop", 5),
        ),
        back="reasoning_content",
    ),
    Provider(
        "kimi-coding",
        "kimi-coding",
        "kimi-for-coding",
        replace(_REASONS, id="f{}:{}".format, arguments="whole"),
        refuse=refusals.moonshot,
        rules=(
            rules.without("thinking", "temperature", "top_p"),
            rules.one_of("reasoning_effort", "low", "medium", "high"),
            rules.one_of("tool_choice", "auto", "none"),
            rules.typed_unions,
        ),
        back="reasoning_content",
    ),
    Provider(
        "minimax",
        "minimax",
        "MiniMax-M2.5",
        Wire(
            reasoning="tags",
            opening={"role": "assistant", "content": "", "name": "MiniMax AI"},
            blank={"role": "", "reasoning_content": ""},
            beside={
                "usage": {"total_tokens": 0, "total_characters": 0},
                "input_sensitive": False,
                "base_resp": {"status_code": 0, "status_msg": ""},
            },
            usage="message",
        ),
        refuse=refusals.minimax,
        rules=(
            rules.text_only,
            rules.one_of("tool_choice", "auto", "none"),
            rules.without("response_format", "reasoning_effort", "thinking"),
            rules.PLAIN_ASSISTANT,
        ),
        back="tags",
        sees=False,
    ),
)

WEST = (
    Provider(
        "gemini",
        "gemini",
        "gemini-3-pro-preview",
        Wire(
            reasoning="signed",
            index="missing",
            arguments="whole",
            id="".format,
            ends=("stop", "stop"),
            usage="last",
            opening={"role": "assistant"},
            blank={"role": "assistant"},
        ),
        refuse=refusals.gemini,
        rules=(
            rules.known(
                *("model", "messages", "tools", "tool_choice", "response_format", "stream"),
                *("stream_options", "max_tokens", "reasoning_effort", *_SAMPLING),
            ),
            rules.gemini_schemas,
            rules.names_start_with_a_letter,
            rules.one_of("reasoning_effort", "minimal", "low", "medium", "high"),
            rules.at_most("max_tokens", 65_536),
            rules.at_most("stop", 5),
            rules.fields_of("assistant", "role", "content", "tool_calls", "extra_content"),
        ),
        back="signed",
        shows=False,
    ),
    Provider(
        "xai",
        "xai",
        "grok-4.3",
        Wire(
            reasoning="reasoning_content",
            arguments="whole",
            usage="every",
            opening={"role": "assistant"},
            blank={"role": "assistant"},
        ),
        refuse=refusals.xai,
        rules=(
            rules.without(
                "stop", "presence_penalty", "frequency_penalty", "thinking", "max_tokens"
            ),
            rules.one_of("reasoning_effort", "none", "low", "medium", "high"),
            rules.PLAIN_ASSISTANT,
        ),
    ),
    Provider(
        "mistral",
        "mistral",
        "magistral-medium-latest",
        Wire(
            reasoning="parts",
            arguments="with finish",
            id="a{:04d}{:04d}".format,
            usage="last",
            cached="none",
            opening={"role": "assistant", "content": ""},
        ),
        refuse=refusals.mistral,
        rules=(
            rules.known(
                *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream"),
                *("response_format", "max_tokens", *_SAMPLING),
            ),
            rules.fields_of("assistant", "role", "content", "tool_calls"),
            rules.one_of("tool_choice", "auto", "none", "any"),
            rules.nine_character_ids,
            rules.no_user_after_tool,
            rules.system_first,
        ),
        back="parts",
        caches=False,
    ),
)

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
        Wire(reasoning="tags", usage="last", cached="none"),
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
            beside={"timings": {"cache_n": 4, "prompt_n": 16}},
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
            rules.system_first,
            rules.one_of("tool_choice", "auto", "none", "required"),
            rules.without("thinking", "reasoning_effort"),
            rules.PLAIN_ASSISTANT,
            rules.usage_is_asked_for,
        ),
        caches=False,
    ),
)

PROVIDERS = (*OPENAI, *OPENROUTER, *ASIA, *WEST, *HOSTS, *LOCAL)
