"""What is tried with a model, in this order. Read it as a list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from claude_proxy.doctor import judges, questions
from claude_proxy.doctor.findings import REASONING_FIELDS, Changes, Heard, Seen, Verdict
from claude_proxy.native import Dialect
from claude_proxy.types import Json

_NOTHING: Changes = {}
_CHAT: frozenset[Dialect] = frozenset({"chat"})
_RESPONSES: frozenset[Dialect] = frozenset({"responses"})
_MESSAGES: frozenset[Dialect] = frozenset({"messages"})


def _nothing(heard: Heard, seen: Seen) -> Changes:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to find out. Everything goes over the codec, with the profile as it is then."""

    name: str
    group: str
    judge: judges.Judge
    ask: Callable[[Seen], Json] | None = None
    """The request; None: the answer of the probe `of` is judged."""
    of: str = ""
    refused: Literal["failed", "unsupported"] = "unsupported"
    """What it means when the upstream does not take the request."""
    refusal: Callable[[Heard, Seen], Verdict | None] = lambda heard, seen: None
    """A better word for that refusal."""
    needed: bool = False
    """Whether Claude Code cannot do without."""
    skip: Callable[[Seen], Verdict | None] = lambda seen: None
    """The verdict without a call."""
    under: Callable[[Seen], Changes] = lambda seen: _NOTHING
    """What the profile is for this probe alone."""
    cures: tuple[Changes, ...] = ()
    """Changes of the profile that are tried when it is refused or fails."""
    cure_weak: bool = False
    """Whether they are also tried when it is degraded."""
    otherwise: Changes = field(default_factory=dict)
    """The change when it is refused and nothing helps: then it is not sent."""
    passed_cures: tuple[Changes, ...] = ()
    """In place of `cures` where requests are passed on in Messages: few fields count there."""
    passed_otherwise: Changes = field(default_factory=dict)
    """In place of `otherwise` there."""
    dialects: frozenset[Dialect] = frozenset(get_args(Dialect))
    """The languages in which there is such a thing."""
    learn: Callable[[Heard, Seen], Changes] = _nothing
    """What else its answer, or its refusal, says of the profile."""


def _other_field() -> tuple[Changes, ...]:
    return tuple({"max_tokens_field": name} for name in ("max_completion_tokens", "max_tokens"))


def _less(*paths: str) -> Changes:
    return {"without": paths}


_WITHOUT_LEVELS: tuple[Changes, ...] = (
    {"effort_with_tools": "none"},
    {"efforts": ()},
    {"efforts": (), "thinking": "effort"},
)
_ECHOES: tuple[Changes, ...] = tuple(
    {"reasoning_history": name, **more}
    for name in ("reasoning_content", "reasoning", "reasoning_details", "drop")
    for more in ({}, {"reasoning_missing": "empty"})
    if not (more and name == "drop")
)
_WEAKER_CHOICES: tuple[Changes, ...] = (
    {"tool_choices": ("auto", "none", "required")},
    {"forced_choice": "plain"},
    {"tool_choices": ("auto", "none")},
    {"tool_choices": ("auto",)},
)


def _silent(seen: Seen) -> Verdict | None:
    """For probes about reasoning that nobody has seen."""
    return None if seen.reasoning_field else Verdict("ok", "there is no reasoning to speak of.")


def _nothing_to_echo(seen: Seen) -> Verdict | None:
    if seen.reasoning_field not in (None, *REASONING_FIELDS):
        return Verdict("unknown", "its reasoning stands in the text.")
    return _silent(seen)


def _keeps_none(heard: Heard, seen: Seen) -> Verdict:
    return Verdict("unsupported", "it does not take its reasoning back.")


def _must_have(heard: Heard, seen: Seen) -> Verdict:
    return Verdict("ok", "refused: its reasoning must come back, and does.")


def _missing(heard: Heard, seen: Seen) -> Changes:
    return {"reasoning_missing": "empty"} if heard.refused else _NOTHING


def _echo(seen: Seen) -> Changes:
    return {"reasoning_history": seen.reasoning_field}


def _without_echo(seen: Seen) -> Changes:
    return {"reasoning_history": "drop"}


def _no_stops(seen: Seen) -> Verdict | None:
    if seen.dialect != "responses":
        return None
    return Verdict("unsupported", "the Responses API has no stop sequences: clients are told.")


def _folded_by_client(heard: Heard, seen: Seen) -> Verdict | None:
    if heard.dialect != "messages":
        return None
    said = "refused; Claude Code then says it as the user's text, one more request each time."
    return Verdict("unsupported", said)


def _did_not_think(seen: Seen) -> Verdict | None:
    heard = seen.of("tool")
    if heard is not None and heard.calls and heard.thinking:
        return None
    return Verdict("unknown", "it did not reason before its call: nothing could be sent back.")


def _nothing_encrypted(seen: Seen) -> Verdict | None:
    heard = seen.of("encrypted reasoning")
    if heard is not None and heard.calls and judges.encrypted(heard, seen).state == "ok":
        return None
    return Verdict("unknown", "there is no encrypted reasoning to send back.")


def _encrypted(seen: Seen) -> Changes:
    return {"reasoning_items": "encrypted"}


def _not_encrypted(heard: Heard, seen: Seen) -> Verdict:
    return Verdict("unsupported", "it gives no encrypted reasoning: each turn starts anew.")


def _goes_back(heard: Heard, seen: Seen) -> Changes:
    return _encrypted(seen) if heard.message is not None else _NOTHING


def _blind(seen: Seen) -> Verdict | None:
    heard = seen.of("image")
    if heard is not None and "red" in heard.text.lower():
        return None
    return Verdict("unsupported", "not asked: it does not see pictures.")


def _any_limit(seen: Seen) -> Changes:
    return {"max_output_tokens": None}


PROBES: tuple[Probe, ...] = (
    Probe(
        "text",
        "Answers",
        judges.text,
        questions.hello,
        refused="failed",
        needed=True,
        cures=(*_other_field(), {"reasoning_items": "drop"}),
    ),
    Probe("usage", "Answers", judges.usage, of="text"),
    Probe(
        "stream",
        "Answers",
        judges.stream,
        questions.streamed,
        refused="failed",
        needed=True,
        cures=({"stream_usage": False},),
    ),
    Probe("usage in streams", "Answers", judges.usage, of="stream"),
    Probe(
        "max_tokens",
        "Answers",
        judges.few_tokens,
        questions.few_tokens,
        cures=_other_field(),
        cure_weak=True,
    ),
    Probe(
        "stop sequence",
        "Answers",
        judges.stop,
        questions.stop,
        skip=_no_stops,
        otherwise={"max_stops": 0},
        passed_otherwise=_less("stop_sequences"),
    ),
    Probe(
        "temperature",
        "Answers",
        judges.temperature,
        questions.temperature,
        otherwise={"sampling": False},
        passed_otherwise=_less("temperature"),
    ),
    Probe(
        "later system",
        "Answers",
        judges.later_system,
        questions.later_system,
        refused="failed",
        refusal=_folded_by_client,
        needed=True,
        cures=({"system_messages": "first"},),
    ),
    Probe(
        "tool",
        "Tools",
        judges.tool,
        questions.tool,
        refused="failed",
        needed=True,
        learn=judges.learn_calls,
        cures=({"reasoning_summary": None}, *_WITHOUT_LEVELS, {"parallel_calls_field": False}),
        passed_cures=(
            _less("output_config.effort"),
            _less("output_config"),
            _less("thinking"),
            _less("output_config", "thinking"),
        ),
    ),
    Probe(
        "tool result",
        "Tools",
        judges.tool_result,
        questions.tool_result,
        refused="failed",
        needed=True,
        cures=(*_ECHOES, {"call_content": "empty"}),
    ),
    Probe("two tools at once", "Tools", judges.tools_at_once, questions.tools_at_once),
    Probe("tool named", "Tools", judges.tool_named, questions.tool_named, cures=_WEAKER_CHOICES),
    Probe(
        "tool required",
        "Tools",
        judges.tool_required,
        questions.tool_required,
        cures=_WEAKER_CHOICES,
    ),
    Probe(
        "long tool name",
        "Tools",
        judges.long_name,
        questions.long_name,
        cures=({"tool_name_length": 32},),
    ),
    Probe(
        "thinking on",
        "Reasoning",
        judges.thinks,
        questions.think,
        cures=(
            {"show_thoughts": None},
            {"reasoning_summary": "auto"},
            {"reasoning_summary": None},
            *_WITHOUT_LEVELS[1:],
        ),
        cure_weak=True,
    ),
    Probe(
        "thinking off",
        "Reasoning",
        judges.thinks_not,
        questions.think_not,
        skip=_silent,
        cures=({"thinking_off": "refused"}, {"efforts": ()}),
    ),
    Probe(
        "reasoning back",
        "Reasoning",
        judges.accepted,
        questions.tool_result,
        skip=_nothing_to_echo,
        under=_echo,
        refusal=_keeps_none,
        dialects=_CHAT,
    ),
    Probe(
        "reasoning not back",
        "Reasoning",
        judges.accepted,
        questions.tool_result,
        skip=_nothing_to_echo,
        under=_without_echo,
        refusal=_must_have,
        learn=_missing,
        dialects=_CHAT,
    ),
    Probe(
        "encrypted reasoning",
        "Reasoning",
        judges.encrypted,
        questions.tool,
        under=_encrypted,
        refusal=_not_encrypted,
        dialects=_RESPONSES,
    ),
    Probe(
        "it goes back",
        "Reasoning",
        judges.accepted,
        questions.encrypted_result,
        skip=_nothing_encrypted,
        under=_encrypted,
        refusal=_keeps_none,
        learn=_goes_back,
        dialects=_RESPONSES,
    ),
    Probe(
        "thinking back",
        "Reasoning",
        judges.accepted,
        questions.tool_result,
        skip=_did_not_think,
        refusal=_keeps_none,
        passed_otherwise={"history_thinking": "dropped"},
        dialects=_MESSAGES,
    ),
    Probe("image", "Content", judges.color("red"), questions.image, otherwise={"vision": "told"}),
    Probe(
        "image in a result",
        "Content",
        judges.color("blue"),
        questions.image_result,
        skip=_blind,
        cures=({"result_media": "user"},),
    ),
    Probe(
        "JSON schema",
        "Content",
        judges.schema,
        questions.schema,
        cures=({"strict_schemas": False}, {"response_format": "json_object"}),
        otherwise={"response_format": "told"},
        passed_otherwise=_less("output_config.format"),
    ),
    Probe(
        "cache marks",
        "Content",
        judges.accepted,
        questions.marked,
        passed_otherwise=_less(
            "system.cache_control", "messages.content.cache_control", "tools.cache_control"
        ),
        dialects=_MESSAGES,
    ),
    Probe(
        "context management",
        "Content",
        judges.accepted,
        questions.managed,
        passed_cures=(_less("context_management"), _less("context_management", "metadata")),
        dialects=_MESSAGES,
    ),
    Probe(
        "output limit",
        "Limits",
        judges.limit,
        questions.too_many_tokens,
        under=_any_limit,
        refusal=judges.limit_refused,
        learn=judges.learn_limit,
    ),
)

GROUPS = tuple(dict.fromkeys(probe.group for probe in PROBES))


def calls_in(dialect: Dialect) -> int:
    """Calls of a model that needs no cures."""
    return sum(probe.ask is not None and dialect in probe.dialects for probe in PROBES)


CALLS = calls_in("chat")
TOKENS_A_CALL = 300
"""About what one costs, there and back."""
