"""The table of wordings: how each upstream says which thing it wants otherwise.

Each rule names where its words were seen; tests/learning/wordings.py has the whole text of each.
All patterns are linear (bounded gaps, no nested repetition) and run on a cut text, only after an
upstream has refused a request.
"""

import re
from collections.abc import Iterator
from typing import get_args

from claude_proxy.learning.correction import Correction, Value
from claude_proxy.learning.names import refused
from claude_proxy.learning.refusal import Refusal
from claude_proxy.learning.rule import TEMPLATE, Corrections, Make, Rule, rule
from claude_proxy.learning.schema_rules import schema_rules
from claude_proxy.profiles import Effort, Profile

_IMAGES = TEMPLATE | {404}
"""Routers say that they have nobody for images: 404."""


def _always(field: str, value: Value) -> Make:
    correction = (Correction(field, value),)
    return lambda found, refusal, profile: correction


def _number(field: str, less: int = 0) -> Make:
    """The number in the text; `less` where it is the first one that is not allowed."""

    def make(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
        return (Correction(field, int(found[1].replace(",", "")) - less),)

    return make


def _named(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return refused(found[1])


def _placed(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    """The names stand apart, in `param` or `loc`."""
    return tuple(correction for name in refusal.params for correction in refused(name))


_EFFORT = re.compile(rf"\b({'|'.join(get_args(Effort))})\b", re.IGNORECASE)
_OFF = {"none", "minimal"}


def _efforts(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    """The levels in a list. One that only turns reasoning off would do that to every request."""
    named = {level.lower() for level in _EFFORT.findall(found[1])}
    if named <= _OFF:
        return (Correction("without", "reasoning_effort"),)
    levels = tuple(each for each in get_args(Effort) if each in named)
    return (Correction("efforts", levels),)


def _efforts_of_param(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    """A list that may be of anything: only `param` says that it is of levels."""
    about = any("effort" in name for name in refusal.params)
    return _efforts(found, refusal, profile) if about else ()


_CHOICE = re.compile(r"\b(auto|none|required)\b")


def _choices(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    return (Correction("tool_choices", tuple(sorted(set(_CHOICE.findall(found[1]))))),)


def _required_word(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    about = "tool_choice" in refusal.params
    return (Correction("required_word", "any"),) if about else ()


def _form(found: re.Match[str], refusal: Refusal, profile: Profile) -> Corrections:
    """Without a schema; or if that was refused, in words."""
    less = (Correction("response_format", "json_object"), Correction("response_format", "told"))
    before = getattr(profile, "response_format", None)
    return less[:1] if before == "json_schema" else less[1:]


def _limits() -> Iterator[Rule]:
    for sources, pattern, less in (
        (
            "OpenAI: NextChat#3195, ExtractThinker#346",
            r"max(?:_completion)?_tokens is too large: \d{1,9}\. This model supports at most #",
            0,
        ),
        (
            "DeepSeek: DeepSeek-V3#69",
            r"valid range of max(?:_completion)?_tokens is \[\d{1,4}, ?#\]",
            0,
        ),
        ("DashScope: open-webui#10507", r"Range of max_tokens should be \[\d{1,4}, ?#\]", 0),
        (
            "Groq: Roo-Code#5136, opencode#1000, groq-moa#8",
            r"max(?:_completion)?_tokens`?(?: for \S{1,80})? must be less than or equal to #",
            0,
        ),
        ("Anthropic: claude-code#2728", r"max_tokens: \d{1,9} > #, which is the maximum", 0),
        (
            "Vertex AI, unverified",
            r"maxOutputTokens value of \d{1,9} but the supported range is from 1 \(inclusive\) to #"
            r" \(exclusive\)",
            1,
        ),
        (
            "Bedrock, unverified",
            r"maximum tokens you requested exceeds the model limit of #",
            0,
        ),
        (
            "any, unverified",
            r"max(?:_completion|_new|_output)?_tokens`?'? (?:must be|should be|cannot be|exceeds)"
            r" (?:at most|no more than|less than or equal to|<=|greater than|more than|larger than"
            r"|the maximum of|the limit of|the model's limit of) #",
            0,
        ),
    ):
        yield rule(sources, pattern, _number("max_output_tokens", less))


def _tool_choices() -> Iterator[Rule]:
    for sources, pattern in (
        (
            "DashScope: eino#994, 9router PR#551",
            r"tool_choice parameter does not support being set to required or object in thinking",
        ),
        (
            "Moonshot: oh-my-pi#1077, oh-my-pi#827, inspect_ai PR#5152",
            r"tool_choice '?(?:specified|required)'? is incompatible with thinking enabled",
        ),
        (
            "DeepSeek: opencode-mem#253, awesome-deepseek-integration#606",
            r"(?:thinking mode|reasoner) does not support this tool_choice",
        ),
    ):
        yield rule(sources, pattern, _always("forced_choice", "plain"))
    yield rule(
        "LM Studio: lmstudio-bug-tracker#670",
        r"Invalid tool_choice type: 'object'\. Supported string values: ([a-z, ]{1,60})",
        _choices,
    )
    yield rule(
        "Mistral: gpt-all-star#670, unverified",
        r"Input should be 'auto', 'none' or 'any'",
        _required_word,
    )


def _calls() -> Iterator[Rule]:
    """Ids and names of calls, and where their results stand."""
    yield rule(
        "Mistral, oMLX: eca#233, ironclaw#1241, omlx PR#1997",
        r"Tool call id was .{1,120} but must be a-z, A-Z, 0-9, with a length of 9",
        _always("tool_ids", "alphanumeric"),
        TEMPLATE,
    )
    yield rule(
        "Gemini: ida-pro-mcp#129",
        r"Invalid function name\. Must start with a letter or an underscore",
        _always("tool_name_start", "letter"),
    )
    yield rule(
        "Mistral: datapizza-ai#98, litellm#6323",
        r"Unexpected role 'user' after role 'tool'",
        _always("after_tool", "assistant"),
    )


def _content() -> Iterator[Rule]:
    """Images, and the form of the answer."""
    for sources, pattern in (
        (
            "OpenRouter, Xiaomi: oai-compatible-copilot#229",
            r"No endpoints found that support image",
        ),
        ("opencode#40632", r"this model does not support image input"),
        ("DeepSeek, unverified", r"unknown variant `image_url`, expected `text`"),
        ("vLLM, unverified", r"is not a multimodal model"),
        ("vLLM, unverified", r"At most 0 image\(s\) may be provided"),
        ("llama.cpp, unverified", r"image input is not supported"),
    ):
        yield rule(sources, pattern, _always("vision", "told"), _IMAGES)
    for sources, pattern in (
        ("DeepSeek: llm-exe#662, Vane#969", r"response_format type is unavailable now"),
        ("DeepSeek: litellm PR#31466", r"response_format\.type `?json_schema`? is unavailable"),
        ("LM Studio: ComfyUI-Lora-Manager#1033", r"'response_format\.type' must be 'json_schema'"),
        ("Groq, unverified", r"does not support response format `?json_schema"),
    ):
        yield rule(sources, pattern, _form)


NAMED: tuple[tuple[str, str], ...] = (
    # OpenAI, Azure: griptape#312, semantic-kernel#8189, Flowise#5046
    ("OpenAI: Flowise#5046", r"(?:Unsupported|Unknown|Unrecognized) parameter: NAME"),
    ("Azure: azure-sdk-for-net#45719", r"Unrecognized request arguments? supplied: NAME"),
    ("xAI: uni-api#105", r"Argument not supported(?: on this model)?: NAME"),
    ("xAI: litellm PR#16265", r"does not support (?:the )?parameter:? NAME"),
    (
        "Groq: jan#8136, claude-code-router PR#1204; Cerebras: kilocode#10375",
        r"property NAME is unsupported",
    ),
    (
        "Gemini: openhanako#394, SkyrimNet#77",
        r'Unknown name \\?"(\w{1,60})\\?"(?: at \'\w{1,60}\')?: Cannot find field',
    ),
    ("xAI: litellm#6610", r"The NAME parameter is unsupported"),
    ("serde and Go servers, unverified", r"unknown field:? NAME"),
    ("zod servers, unverified", r"Unrecognized key(?:\(s\)|s)?(?: in object)?: NAME"),
    ("JSON schema, unverified", r"Additional properties are not allowed \(NAME was unexpected"),
    ("Python servers, unverified", r"unexpected keyword argument NAME"),
    (
        "any, unverified",
        r"(?:parameter|field|argument) NAME is (?:not supported|unsupported|not allowed)",
    ),
    (
        "any, unverified",
        r"(?<![\w.])[`']([a-z_]{3,40})[`'] is not supported (?:with|by|for|on|in) th(?:is|e) ",
    ),
    ("Anthropic: claude-code#21612", r"([a-z_]{2,60}): Extra inputs are not permitted"),
)
"""Wordings that name a refused field, with where they were seen."""


def _refused_names() -> Iterator[Rule]:
    for sources, pattern in NAMED:
        yield rule(sources, pattern, _named)
    yield rule(
        "Mistral: php-mistral#76, OpenHands-CLI#83", r"Extra inputs are not permitted", _placed
    )


LIMITS: tuple[Rule, ...] = tuple(_limits())

RULES: tuple[Rule, ...] = (
    rule(
        "OpenAI: openai-openapi#541, litellm PR#34569",
        r"Function tools with reasoning_effort are not supported",
        _always("effort_with_tools", "none"),
    ),
    *LIMITS,
    *_tool_choices(),
    *_calls(),
    rule(
        "OpenAI, Moonshot: opencode#4451, Kilo-Org/cloud PR#3807",
        r"effort'? (?:does not support|is not supported).{0,80}Supported values are:?([^.]{1,120})",
        _efforts,
    ),
    rule(
        "OpenAI: opencode#4451",
        r"is not supported with the .{1,80} model\. Supported values are:?([^.]{1,120})",
        _efforts_of_param,
    ),
    rule("Groq: pi#1745", r"effort`?'? must be one of:?([^.]{1,120})", _efforts),
    rule("Mistral, unverified", r"Input should be ([^.;]{1,120})", _efforts_of_param),
    rule(
        "Ollama: ollama#12561",
        r"think value .{1,20} is not supported for this model",
        _always("without", "reasoning_effort"),
    ),
    rule(
        "Ollama, unverified",
        r"does not support thinking",
        _always("without", "reasoning_effort"),
    ),
    rule(
        "OpenAI: qwen-code#921, llmcomp#69",
        r"'(temperature|top_p)' does not support [\d.]{1,20} with this model",
        _named,
    ),
    rule(
        "Moonshot: CountBot#61, Kimi-K2#124",
        r"invalid (temperature|top_p): only [\d.]{1,8} is allowed",
        _named,
    ),
    rule(
        "Anthropic, unverified",
        r"`temperature` and `(top_p)` cannot both be specified",
        _named,
    ),
    rule(
        "OpenAI: continue#2461, Qwen-Agent#228",
        r"'stop': array too long\. Expected an array with maximum length (\d{1,2})\b",
        _number("max_stops"),
    ),
    rule(
        "Gemini: litellm#18921",
        r"number of stop_sequences must not exceed (\d{1,2})\b",
        _number("max_stops"),
    ),
    rule(
        "vLLM, oMLX, llama.cpp: Rapid-MLX#1543, llm_wiki#45, omlx#197, llama.cpp#27367",
        r"System message must be (?:at the beginning|the first)",
        _always("system_messages", "first"),
        TEMPLATE,
    ),
    rule(
        "DeepSeek: openagent#2206, Clawith#570; Xiaomi: AutoGLM-GUI#396",
        r"reasoning_content`? in the thinking mode must be passed back",
        _always("reasoning_history", "reasoning_content"),
    ),
    rule(
        "Moonshot, SiliconFlow: kimi-agent-sdk#169, QwenPaw#433",
        r"thinking is enabled but reasoning_content is missing",
        _always("reasoning_history", "reasoning_content"),
    ),
    rule(
        "DeepSeek: continue#11285",
        r"Missing `?reasoning_content`? field in the assistant message",
        _always("reasoning_history", "reasoning_content"),
    ),
    rule(
        "Groq: vercel/ai PR#8057",
        r"messages\[?[.\dX]{1,6}\]?\.reasoning: reasoning is not supported with this model",
        _always("reasoning_history", "drop"),
    ),
    rule(
        "OpenAI, DeepSeek: ida-pro-mcp#129, novamira#12",
        r"tools\[\d{1,4}\]\.function\.name'?: string too long\. Expected a string with maximum"
        r" length (\d{2,3})\b",
        _number("tool_name_length"),
    ),
    rule(
        "DashScope: Qwen3-VL#2069",
        r"length of the tool name cannot exceed (\d{2,3})\b",
        _number("tool_name_length"),
    ),
    rule(
        "OpenAI: langmanus#119, camel#2215",
        r"(?:tool_calls\[\d{1,4}\]\.id|tool_call_id)'?: string too long\. Expected a string with"
        r" maximum length (\d{1,3})\b",
        _number("tool_id_length"),
    ),
    *_content(),
    *schema_rules(),
    rule(
        "Moonshot: nanobot#3939",
        r"cannot specify both 'thinking' and 'reasoning_effort'",
        _always("level_and_switch", "either"),
    ),
    rule(
        "DashScope, ModelScope: langchain4j#3974, claude-code-router#948",
        r"enable_thinking must be set to false for non-streaming calls"
        r"|enable thinking can not be support when `?stream=False",
        _always("whole_answers", "streamed"),
    ),
    *_refused_names(),
)
"""In the order in which they are tried: what is special stands before what is general."""
