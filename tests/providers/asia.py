"""DeepSeek, Qwen, GLM, Kimi and MiniMax."""

from dataclasses import replace

from tests.providers import refusals, rules
from tests.providers.chat_wire import Wire
from tests.providers.fake import Provider

_REASONS = Wire(reasoning="reasoning_content", opening={"role": "assistant", "content": ""})

_DEEPSEEK_WIRE = replace(
    _REASONS,
    opening={"role": "assistant", "content": None, "reasoning_content": ""},
    blank={"content": None, "reasoning_content": None},
    id="call_{:02d}_{}_aB3dE5".format,
    usage="last",
    cached="hit",
)
_DEEPSEEK = Provider(
    "deepseek",
    "deepseek",
    "deepseek-v4-pro",
    _DEEPSEEK_WIRE,
    refuse=refusals.deepseek,
    rules=(
        rules.text_only,
        rules.json_is_named,
        rules.without("enable_thinking", "max_completion_tokens"),
        rules.at_most("max_tokens", 384_000),
        rules.thinking_keeps(),
        rules.unforced_unless(("thinking", {"type": "disabled"})),
    ),
    back="reasoning_content",
    sees=False,
)

ASIA = (
    _DEEPSEEK,
    replace(
        _DEEPSEEK,
        name="deepseek-flash",
        model="deepseek-v4-flash",
        wire=replace(_DEEPSEEK_WIRE, index="shifted"),
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
            rules.json_is_named,
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
        replace(_REASONS, id="f{}:{}".format, arguments="whole", thinks_between=True),
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
