"""What each upstream and model accepts, as data.

A provider quirk is one field of `Profile` (its default is OpenAI's documented behavior), one
value in a row of `PROFILES`, and one golden case; never an `if` in a codec.

Rows are matched by host *and* model name, first match wins. The families of OpenAI's own models
match at every host, because a gateway in front of a model does not lift the model's limits.

Where a field names no thread, its figures and error texts are general knowledge that nobody has
checked against the vendor's pages yet.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How to speak Chat Completions with one upstream and model."""

    name: str
    """Names the row, in the signature of thinking blocks too, by which we know our own again."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """OpenAI's reasoning models refuse `max_tokens` ("Unsupported parameter … Use
    'max_completion_tokens' instead.")."""

    max_output_tokens: int | None = None
    """Most output tokens the model accepts in one answer; larger requests are clamped.
    OpenAI answers 400 "max_tokens is too large"."""

    cap_assumed: bool = False
    """Whether `max_output_tokens` is a careful guess, which a user's own limit may exceed."""

    context_window: int | None = None
    """Tokens of prompt and answer together, as far as known."""

    sampling: bool = True
    """Whether `temperature` and `top_p` are accepted. Reasoning models take only the default:
    "Unsupported value: 'temperature' does not support 0.2 with this model."."""

    top_k: bool = False
    """Whether the upstream takes `top_k`, which is not in OpenAI's API."""

    max_stops: int = 4
    """How many stop sequences are taken; 0 where `stop` is refused (o3, o4-mini, gpt-5)."""

    efforts: tuple[Effort, ...] = ()
    """Accepted values of `reasoning_effort`, weakest first; empty: the field is not sent."""

    effort_with_tools: Effort | None = None
    """The only effort that is accepted together with function tools on chat completions.
    gpt-5.4 and later answer 400 "Function tools with reasoning_effort are not supported …"
    unless it is "none", even when no effort is sent (BerriAI/litellm PR#34569)."""

    system_messages: Literal["anywhere", "first"] = "anywhere"
    """"first": chat templates of local servers refuse later system messages ("System message
    must be at the beginning", vllm#41114); they become marked user text instead."""

    reasoning_history: Literal["drop", "reasoning_content", "reasoning"] = "drop"
    """The field of an assistant message in which earlier reasoning is sent back, if any."""

    prefill: Literal["continue", "instruct"] = "instruct"
    """What a trailing assistant message does: local servers continue it; OpenAI starts a new
    message, so the model is told in words to continue."""

    pdf: Literal["file", "text"] = "file"
    """"file": PDFs go as `file` parts (OpenAI); "text": the model is told in words."""

    strict_schemas: bool = True
    """Whether `strict` is understood on function tools and JSON schemas."""

    stream_usage: bool = True
    """Whether `stream_options.include_usage` may be sent."""

    user_field: Literal["user"] | None = "user"
    """Where an end-user id goes; at most 64 characters (OpenAI)."""

    tool_name_length: int = 64
    """Longest function name, of `[a-zA-Z0-9_-]` (OpenAI: "string too long", cline PR#11885)."""

    tool_id_length: int = 40
    """Longest tool call id (OpenAI: "Expected a string with maximum length 40")."""


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A profile and what it is for: globs on the host and on the bare model name."""

    profile: Profile
    models: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ("*",)

    def matches(self, host: str, model: str) -> bool:
        return any(fnmatchcase(host, glob) for glob in self.hosts) and any(
            fnmatchcase(model, glob) for glob in self.models
        )


_GPT_4O = Profile("openai/gpt-4o", max_output_tokens=16_384, context_window=128_000)
_REASONING = Profile(
    "openai/o",
    max_tokens_field="max_completion_tokens",
    max_output_tokens=100_000,
    context_window=200_000,
    sampling=False,
    max_stops=0,
    efforts=("low", "medium", "high"),
)
_GPT_5 = replace(
    _REASONING,
    name="openai/gpt-5",
    max_output_tokens=128_000,
    context_window=400_000,
    efforts=("minimal", "low", "medium", "high"),
)
_GPT_5_4 = replace(
    _GPT_5,
    name="openai/gpt-5.4",
    efforts=("none", "low", "medium", "high", "xhigh"),
    effort_with_tools="none",
)

GENERIC = Profile(
    "generic",
    max_output_tokens=32_000,
    cap_assumed=True,
    system_messages="first",
    prefill="continue",
    pdf="text",
    strict_schemas=False,
)
"""An OpenAI-compatible server of which nothing is known: only what all of them take.

The cap is what Claude Code itself assumes of names it does not know; it asks for 128,000 where
it believes to talk to Claude, and many servers answer that with 400.
"""

PROFILES: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-5-chat"),
        models=("gpt-5-chat*", "gpt-5.[0-9]-chat*"),
    ),
    ProfileRow(_GPT_5_4, models=("gpt-5.[4-9]*", "gpt-5.[1-9][0-9]*", "gpt-[6-9]*")),
    ProfileRow(
        replace(_GPT_5_4, name="openai/gpt-5.2", effort_with_tools=None),
        models=("gpt-5.[23]*", "gpt-5.1-codex-max*"),
    ),
    ProfileRow(
        replace(_GPT_5, name="openai/gpt-5.1", efforts=("none", "low", "medium", "high")),
        models=("gpt-5.1*",),
    ),
    ProfileRow(replace(_GPT_5, name="openai/gpt-5-pro", efforts=("high",)), models=("gpt-5-pro*",)),
    ProfileRow(
        replace(_GPT_5, name="openai/gpt-5-codex", efforts=("low", "medium", "high")),
        models=("gpt-5-codex*",),
    ),
    ProfileRow(_GPT_5, models=("gpt-5*",)),
    ProfileRow(
        replace(_REASONING, name="openai/o1-mini", max_output_tokens=65_536, efforts=()),
        models=("o1-mini*", "o1-preview*"),
    ),
    ProfileRow(_REASONING, models=("o[1-9]", "o[1-9]-*")),
    ProfileRow(
        replace(
            _GPT_4O,
            name="openai/gpt-4.1",
            max_output_tokens=32_768,
            context_window=1_047_576,
        ),
        models=("gpt-4.1*",),
    ),
    ProfileRow(_GPT_4O, models=("gpt-4o*", "chatgpt-4o*")),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-4-turbo", max_output_tokens=4_096),
        models=("gpt-4-turbo*", "gpt-4-*-preview"),
    ),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-3.5", max_output_tokens=4_096, context_window=16_385),
        models=("gpt-3.5*", "gpt-35*"),
    ),
    ProfileRow(
        replace(_GPT_4O, name="openai/gpt-4", max_output_tokens=8_192, context_window=8_192),
        models=("gpt-4", "gpt-4-0[0-9]*"),
    ),
    # Deployments on Azure have names of their own. More than gpt-4o's cap would be refused there,
    # and Claude Code asks for 128,000.
    ProfileRow(
        Profile("openai", max_output_tokens=16_384, cap_assumed=True),
        hosts=("api.openai.com", "*.openai.azure.com"),
    ),
    ProfileRow(GENERIC),
)


def limited(profile: Profile, limit: int | None) -> Profile:
    """The profile under a user's limit of output tokens; a model's known cap stays above it."""
    if limit is None:
        return profile
    cap = None if profile.cap_assumed else profile.max_output_tokens
    return replace(profile, max_output_tokens=limit if cap is None else min(cap, limit))


def profile_for(base_url: str, model: str) -> Profile:
    """The first matching row's profile.

    `model` may carry a vendor prefix (`openai/gpt-5`) or the mark of a fine-tuned model
    (`ft:gpt-4o-mini:…`, whose limits are those of its base); both are left out for the match.
    """
    host = (urlsplit(base_url).hostname or "").lower()
    bare = model.rsplit("/", 1)[-1].lower().removeprefix("ft:")
    return next(row.profile for row in PROFILES if row.matches(host, bare))
