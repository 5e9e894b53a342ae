"""What is tried with a model, in this order. Read it as a list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from claude_proxy.doctor import judges, questions
from claude_proxy.doctor.findings import REASONING_FIELDS, Changes, Heard, Seen, Verdict
from claude_proxy.types import Json

_NOTHING: Changes = {}


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
    learn: Callable[[Heard, Seen], Changes] = _nothing
    """What else its answer, or its refusal, says of the profile."""


def _other_field() -> tuple[Changes, ...]:
    return tuple({"max_tokens_field": name} for name in ("max_completion_tokens", "max_tokens"))


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
        cures=_other_field(),
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
    Probe("stop sequence", "Answers", judges.stop, questions.stop, otherwise={"max_stops": 0}),
    Probe(
        "temperature",
        "Answers",
        judges.temperature,
        questions.temperature,
        otherwise={"sampling": False},
    ),
    Probe(
        "later system",
        "Answers",
        judges.later_system,
        questions.later_system,
        refused="failed",
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
        cures=(*_WITHOUT_LEVELS, {"parallel_calls_field": False}),
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
    Probe("thinking on", "Reasoning", judges.thinks, questions.think, cures=_WITHOUT_LEVELS[1:]),
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
    ),
    Probe("image", "Content", judges.color("red"), questions.image, otherwise={"vision": "told"}),
    Probe(
        "image in a result", "Content", judges.color("blue"), questions.image_result, skip=_blind
    ),
    Probe(
        "JSON schema",
        "Content",
        judges.schema,
        questions.schema,
        cures=({"strict_schemas": False}, {"response_format": "json_object"}),
        otherwise={"response_format": "told"},
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
CALLS = sum(probe.ask is not None for probe in PROBES)
"""Calls of a model that needs no cures."""
TOKENS_A_CALL = 300
"""About what one costs, there and back."""
