"""Context overflow in the words of every upstream -> in Claude's words.

Claude Code compacts a conversation, or asks for fewer output tokens, only if it reads one of two
sentences. Every vendor says it differently, so this is the one place where the meaning of an error
hangs on its wording. All patterns are linear: bounded gaps, no nested repetition, and the text is
cut before they run.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from claude_proxy.types import Json

_TEXT_LIMIT = 4_000
_NUMBER = r"(\d[\d,]{0,14})"


class Overflow(NamedTuple):
    """Token counts, as far as the upstream gave them."""

    prompt: int | None = None
    maximum: int | None = None
    completion: int | None = None

    def sentence(self) -> str:
        """What Claude's API says in this case."""
        prompt, maximum, completion = self
        if maximum is None:
            known = "the request has more tokens" if prompt is None else f"{prompt} tokens, more"
            return f"prompt is too long: {known} than the context window of the model holds"
        if prompt is not None and completion is not None and prompt <= maximum:
            return (
                f"input length and `max_tokens` exceed context limit: "
                f"{prompt} + {completion} > {maximum}, "
                "decrease input length or `max_tokens` and try again"
            )
        if prompt is None or prompt <= maximum:
            return f"prompt is too long: more than {maximum} tokens > {maximum} maximum"
        return f"prompt is too long: {prompt} tokens > {maximum} maximum"


@dataclass(frozen=True, slots=True)
class _Wording:
    """One vendor's sentence. `groups` names the pattern's numbers in order.

    "total" is prompt and completion together.
    """

    source: str
    pattern: re.Pattern[str]
    groups: tuple[str, ...] = ()


def _wording(source: str, pattern: str, *groups: str) -> _Wording:
    return _Wording(source, re.compile(pattern.replace("#", _NUMBER), re.IGNORECASE), groups)


_WORDINGS: tuple[_Wording, ...] = (
    _wording(
        "Anthropic, behind a gateway",
        r"exceed context limit: # \+ # > #",
        "prompt", "completion", "maximum",
    ),
    _wording(
        "Anthropic, behind a gateway",
        r"prompt is too long: # tokens > #",
        "prompt", "maximum",
    ),
    _wording(
        "vLLM 0.10: 'max_tokens' is too large",
        r"max_(?:completion_)?tokens'? is too large: #\..{0,40}maximum context length is # tokens"
        r" and your request has # input tokens",
        "completion", "maximum", "prompt",
    ),
    _wording(
        "vLLM 0.11",
        r"maximum context length is # tokens.{0,40}requested # output tokens and your prompt"
        r" contains (?:at least )?# input tokens",
        "maximum", "completion", "prompt",
    ),
    _wording(
        "OpenAI, DeepSeek, older vLLM, OpenRouter: parts in brackets",
        r"maximum context length is # tokens.{0,40}(?:requested|resulted in) (?:about )?# tokens"
        r" \([^()]{0,160}?# (?:tokens )?(?:in|for) the (?:completion|output)",
        "maximum", "total", "completion",
    ),
    _wording(
        "OpenAI: your messages resulted in; vLLM: your request has",
        r"maximum context length is # tokens.{0,60}(?:requested|resulted in|request has|contains)"
        r" (?:about |at least )?#",
        "maximum", "prompt",
    ),
    _wording(
        "Together, TGI",
        r"max_new_tokens`? must be <= #\. Given: # `?inputs`? tokens and # `?max_new_tokens",
        "maximum", "prompt", "completion",
    ),
    _wording(
        "Gemini",
        r"input token count \(?#\)? exceeds the maximum number of tokens allowed \(?#",
        "prompt", "maximum",
    ),
    _wording(
        "xAI",
        r"maximum prompt length is # but the request contains #",
        "maximum", "prompt",
    ),
    _wording(
        "GitHub Copilot",
        r"prompt token count of # exceeds the limit of #",
        "prompt", "maximum",
    ),
    _wording(
        "llama.cpp",
        r"request \(# tokens\) exceeds the available context size \(# tokens",
        "prompt", "maximum",
    ),
    _wording(
        "Fireworks",
        r"prompt is too long: #, model maximum context length: #",
        "prompt", "maximum",
    ),
    _wording(
        "Moonshot",
        r"exceeded model token limit: # \(requested: #",
        "maximum", "prompt",
    ),
    _wording(
        "Mistral",
        r"prompt contains # tokens.{0,80}too large for model with # maximum context length",
        "prompt", "maximum",
    ),
    _wording(
        "Cerebras",
        r"reduce the length of the messages or completion.{0,20}current length is # while limit"
        r" is #",
        "prompt", "maximum",
    ),
    _wording(
        "omlx",
        r"prompt too long: # tokens exceeds max context window(?: of)? \(?#",
        "prompt", "maximum",
    ),
    _wording(
        "vLLM, older",
        r"prompt \((?:total )?length #\) is (?:longer than the maximum model length of"
        r"|too long to fit into the model \(context length) #",
        "prompt", "maximum",
    ),
    _wording(
        "SGLang",
        r"input \(# tokens\) is longer than the model's context length \(# tokens",
        "prompt", "maximum",
    ),
    _wording(
        "SGLang, with the completion",
        r"maximum context length of # tokens.{0,40}total of \d{1,9} tokens: # tokens from the input"
        r" messages and # tokens for the completion",
        "maximum", "prompt", "completion",
    ),
    _wording(
        "TGI, only input",
        r"inputs`? must have less than # tokens\. Given: #",
        "maximum", "prompt",
    ),
    _wording(
        "Vertex AI",
        r"input token count is # but (?:the )?model only supports up to #",
        "prompt", "maximum",
    ),
    _wording(
        "SiliconFlow",
        r"length of prompt_tokens \(#\) must be less than max_seq_len \(#",
        "prompt", "maximum",
    ),
    _wording(
        "Poolside, behind OpenRouter",
        r"exceeds (?:the )?maximum allowed input length of # token",
        "maximum",
    ),
    _wording("LM Studio", r"context length of only # tokens", "maximum"),
    _wording(
        "LM Studio",
        r"tokens to keep from the initial prompt.{0,80}greater than the context length"
        r".{0,80}context length of (?:only )?#",
        "maximum",
    ),
    _wording(
        "DashScope",
        r"range of input length should be \[\d{1,9}, #\]",
        "maximum",
    ),
    _wording("OpenAI-compatible servers", r"maximum context length (?:is|of) #", "maximum"),
    _wording("Mistral", r"too large for model with # maximum context length", "maximum"),
    _wording("omlx", r"prompt too long: # tokens", "prompt"),
    _wording("any, without numbers", "|".join((
        # OpenAI, llama.cpp, Ollama
        r"exceed(?:s|ed)? (?:(?:the|this model's|your|available|max|maximum) ){0,2}"
        r"context (?:window|limit|length|size)",
        r"exceeds the maximum number of tokens allowed",  # Gemini
        r"reduce the length of the messages",  # Groq
        r"greater than the context length",  # LM Studio
        r"longer than the model's context length",  # NVIDIA NIM
        r"context window exceeds limit",  # MiniMax
        r"input is too long for requested model",  # Bedrock
        r"prompt is too long",
        r"prompt_too_long",  # the token of Anthropic's gateway protocol
        r"context[_ ]length[_ ]exceeded",
        r"context[_ ]window[_ ]exceeded",
        r"too many (?:input )?tokens",
        r"token limit exceeded",
    ))),
)  # fmt: skip

_CODES = frozenset(
    {
        "context_length_exceeded",  # OpenAI, Groq, Cerebras
        "model_context_window_exceeded",  # GLM
        "model_max_prompt_tokens_exceeded",  # GitHub Copilot
        "exceed_context_size_error",  # llama.cpp
        "1261",  # GLM
        "3051",  # Mistral
    }
)

_RATE = re.compile(
    r"tokens per (?:min|hour|day)|\bTP[MD]\b|rate.?limit|too many tokens, please wait"
    r"|(?:per|every|this|a) (?:minute|day)",
    re.IGNORECASE,
)
"""A quota of tokens in a time is no overflow, though it also asks for shorter messages."""


def find_overflow(text: str, codes: frozenset[str], fields: Json) -> Overflow | None:
    """The overflow that an error tells of.

    `text` is its message, `codes` its code and type in lower case, `fields` the error object
    (llama.cpp gives its numbers there).
    """
    text = text[:_TEXT_LIMIT]
    if _RATE.search(text) or any("rate_limit" in code for code in codes):
        return None
    numbers = Overflow(_number(fields, "n_prompt_tokens"), _number(fields, "n_ctx"))
    if numbers.prompt is not None and numbers.maximum is not None:
        return numbers
    for wording in _WORDINGS:
        if found := wording.pattern.search(text):
            return _overflow(wording.groups, found.groups())
    return None if codes.isdisjoint(_CODES) else Overflow()


def _overflow(groups: tuple[str, ...], numbers: tuple[str, ...]) -> Overflow:
    named = {
        name: int(number.replace(",", "")) for name, number in zip(groups, numbers, strict=True)
    }
    if "total" in named:
        named["prompt"] = max(0, named.pop("total") - named["completion"])
    return Overflow(**named)


def _number(fields: Json, name: str) -> int | None:
    value = fields.get(name)
    return value if type(value) is int and value > 0 else None
