"""OpenAI, Azure, OpenRouter, Gemini, xAI and Mistral."""

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

_OPENROUTER_WIRE = Wire(
    reasoning="details",
    first=(b": OPENROUTER PROCESSING\n\n", b": OPENROUTER PROCESSING\n\n"),
    opening={"role": "assistant", "content": ""},
    blank={"role": "assistant", "content": ""},
    beside={"provider": "Anthropic"},
)
_OPENROUTER = Provider(
    "openrouter",
    "openrouter",
    "z-ai/glm-5.3",
    _OPENROUTER_WIRE,
    refuse=refusals.openrouter,
    rules=(
        rules.without("reasoning_effort", "thinking"),
        rules.fields_of(
            "assistant", "role", "content", "tool_calls", "reasoning", "reasoning_details"
        ),
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
        wire=replace(_OPENROUTER_WIRE, nothing=""),
        rules=(*_OPENROUTER.rules, rules.few_marks),
    ),
)

_GEMINI_WIRE = Wire(
    reasoning="signed",
    index="missing",
    arguments="whole",
    id="".format,
    ends=("stop", "stop"),
    usage="last",
    opening={"role": "assistant"},
    blank={"role": "assistant"},
)
_GEMINI = Provider(
    "gemini",
    "gemini",
    "gemini-3-pro-preview",
    _GEMINI_WIRE,
    refuse=refusals.gemini,
    rules=(
        rules.known(
            *("model", "messages", "tools", "tool_choice", "response_format", "stream"),
            *("stream_options", "max_tokens", "reasoning_effort", "extra_body", *_SAMPLING),
        ),
        rules.gemini_thinking,
        rules.gemini_schemas,
        rules.gemini_format,
        rules.names_start_with_a_letter,
        rules.one_of("reasoning_effort", "minimal", "low", "medium", "high"),
        rules.at_most("max_tokens", 65_536),
        rules.at_most("stop", 5),
        rules.fields_of("assistant", "role", "content", "tool_calls", "extra_content"),
    ),
    back="signed",
    shows=False,
)

WEST = (
    _GEMINI,
    replace(
        _GEMINI,
        name="gemini-vertex",
        model="google/gemini-3-pro-preview",
        wire=replace(_GEMINI_WIRE, signed_in="vertex", arguments="with finish"),
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
