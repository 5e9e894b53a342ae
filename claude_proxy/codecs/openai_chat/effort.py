"""How much the model is to think: Anthropic's `thinking` and `effort` in each upstream's words.

Anthropic says three things: on or off (`thinking.type`), a number of tokens (`budget_tokens`), a
level (`effort`). An upstream has a switch, a field for a level, a field for a number, or only
some of these; the profile says which. What it lacks is said by what it has: a number becomes a
level, a level a number, "off" the weakest level. Where nothing was asked nothing is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.profiles import Effort, Profile
from claude_proxy.types import Json

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Weakest first."""

ADAPTIVE = "adaptive"
"""No level is asked for: the model decides, as upstreams do when nothing is said."""

OFF = ("none", "minimal")

BUDGETS = ((4_096, "low"), (16_384, "medium"))
"""A thinking budget below so many tokens is about this level; larger ones are "high"."""

_TOKENS = {"minimal": 1_024, "low": 4_096, "medium": 16_384}
"""Levels as budgets. Higher ones have none: the upstream's own limit is the highest."""


def _thinking(profile: Profile, on: bool) -> Json:
    if not on:
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": profile.thinking_on, **dict(profile.thinking_with)}}


_SWITCHES: Mapping[str, Callable[[Profile, bool], Json]] = {
    "effort": lambda profile, on: {},
    "thinking": _thinking,
    "enable_thinking": lambda profile, on: {"enable_thinking": on},
    "reasoning": lambda profile, on: {"reasoning": {"enabled": on}},
    # Templates read one of the two names and ignore the other.
    "template": lambda profile, on: {
        "chat_template_kwargs": {"enable_thinking": on, "thinking": on}
    },
}
"""The fields of each kind of `Profile.thinking`."""


class _Asked(NamedTuple):
    path: str
    """Where the level or the budget stands."""
    level: str | None
    """`ADAPTIVE` if the model is to think, and no more is said."""
    budget: int | None
    switch: bool | None
    """What `thinking` says; `None` if there is none."""


def encode_effort(body: Json, context: Context, *, tools: bool, forced: bool = False) -> Json:
    """The fields that set reasoning, as far as it is asked for, or forced by the profile.

    `forced`: the request demands a tool call.
    """
    profile, notes = context.profile, context.notes
    asked = _asked(body)
    only = profile.effort_with_tools if tools else None
    if only:
        if asked.switch is False:
            _turn_off(context)
        elif asked.level not in (None, only):
            notes.drop(asked.path, f'with tools this model takes only "{only}"')
        return {"reasoning_effort": only}
    if forced and profile.forced_choice == "plain" and can_turn_off(profile):
        if asked.switch is not False:
            notes.drop(
                "thinking", "turned off: no call can be demanded of this model while it reasons"
            )
        return _turn_off(context)
    if asked.switch is False:
        return _without(asked, context)
    return _with(asked, context)


_SHOWN: Mapping[str, int] = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
"""The budgets for which Gemini's page on the OpenAI API says that levels stand."""
_MOST_SHOWN = 24_576
"""What all models of Gemini 2.5 take."""


def shows_thinking(body: Json) -> bool:
    """Whether the client wants to see what the model thinks."""
    thinking = body.get("thinking") or {}
    return thinking.get("type") in ("enabled", "adaptive") and thinking.get("display") != "omitted"


def shown_thoughts(chat: Json, body: Json, context: Context) -> Json:
    """The body with its effort where thoughts are asked for, if they are to be shown."""
    kind = context.profile.show_thoughts
    if kind is None or "extra_body" in context.profile.without or not shows_thinking(body):
        return chat
    config: Json = {"include_thoughts": True}
    effort = chat.get("reasoning_effort")
    if effort is not None:
        config[kind] = effort if kind == "thinking_level" else _shown_budget(effort, body, context)
    rest = {name: value for name, value in chat.items() if name != "reasoning_effort"}
    return {**rest, "extra_body": {"google": {"thinking_config": config}}}


def _shown_budget(effort: str, body: Json, context: Context) -> int:
    """The client's own number, where no level is named beside it."""
    asked = _asked(body).budget
    if asked is not None and asked > _MOST_SHOWN:
        context.notes.drop("thinking.budget_tokens", f"clamped to {_MOST_SHOWN}")
    return _SHOWN[effort] if asked is None else min(asked, _MOST_SHOWN)


def wanted_effort(body: Json, context: Context) -> Effort | None:
    """The nearest level that the model has to what is asked for, where there is nothing but levels
    to ask with."""
    asked, efforts = _asked(body), context.profile.efforts
    if asked.switch is False:
        if efforts and efforts[0] in OFF:
            return efforts[0]
        context.notes.drop("thinking", "reasoning cannot be turned off for this model")
    return _allowed(asked, context) if asked.level else None


def can_turn_off(profile: Profile) -> bool:
    if profile.thinking == "effort":
        return profile.efforts[:1] == ("none",)
    return profile.thinking_off == "accepted"


def _asked(body: Json) -> _Asked:
    """A level wins over a budget: it is the newer way to say the same."""
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    switch = None if kind is None else kind != "disabled"
    budget = thinking.get("budget_tokens") if kind == "enabled" else None
    path, effort = _asked_effort(body)
    if effort or not switch:
        return _Asked(path, effort, None, switch)
    if budget is None:
        return _Asked("thinking", ADAPTIVE, None, switch)
    level = next((level for limit, level in BUDGETS if budget < limit), "high")
    return _Asked("thinking.budget_tokens", level, budget, switch)


def _asked_effort(body: Json) -> tuple[str, str | None]:
    """The effort of the last system message that sets one, else that of the request."""
    messages: Sequence[Json] = body["messages"]
    has_system = "system" in [message["role"] for message in messages]
    for index in range(len(messages) - 1, -1, -1) if has_system else ():
        config = messages[index].get("output_config")
        if config and messages[index]["role"] == "system" and config.get("effort"):
            return f"messages.{index}.output_config.effort", config["effort"]
    return "output_config.effort", (body.get("output_config") or {}).get("effort")


def _turn_off(context: Context) -> Json:
    """Reasoning off, or as weak as it gets; no fields if there is no such thing."""
    profile = context.profile
    if profile.thinking != "effort" and profile.thinking_off == "accepted":
        return _SWITCHES[profile.thinking](profile, False)
    if profile.efforts and profile.efforts[0] in OFF:
        return _level(profile, profile.efforts[0])
    context.notes.drop("thinking", "reasoning cannot be turned off for this model")
    return {}


def _without(asked: _Asked, context: Context) -> Json:
    off = _turn_off(context)
    if not off:
        # What is left of the wish is the level.
        return _with(asked._replace(switch=None), context)
    if asked.level and context.profile.thinking != "effort":
        context.notes.drop(asked.path, "reasoning is turned off")
    return off


def _with(asked: _Asked, context: Context) -> Json:
    profile = context.profile
    if asked.level is None:
        return {}
    strength = _strength(asked, context)
    if not asked.switch or (strength and profile.level_and_switch == "either"):
        return strength
    return {**_SWITCHES[profile.thinking](profile, True), **strength}


def _strength(asked: _Asked, context: Context) -> Json:
    """The field for a level, or for a number of tokens."""
    profile = context.profile
    if asked.budget and profile.budget_in:
        return _budget(asked.budget, asked, context)
    if profile.efforts or not profile.budget_in:
        level = _allowed(asked, context)
        return _level(profile, level) if level else {}
    return _level_as_budget(asked, context)


def _level_as_budget(asked: _Asked, context: Context) -> Json:
    if asked.level not in (ADAPTIVE, *LEVELS):
        context.notes.drop(asked.path, "unknown level of effort")
    elif not asked.switch:
        context.notes.drop(asked.path, "reasoning can be limited only where it is turned on")
    elif tokens := _TOKENS.get(asked.level):
        return _budget(tokens, asked, context)
    return {}


def _level(profile: Profile, level: Effort) -> Json:
    if profile.effort_in == "reasoning":
        return {"reasoning": {"effort": level}}
    return {"reasoning_effort": level}


def _budget(tokens: int, asked: _Asked, context: Context) -> Json:
    if context.profile.budget_in != "reasoning":
        return {"thinking_budget": tokens}
    # It is part of the answer's limit, and has to leave room in it.
    most = context.profile.max_output_tokens
    if most is not None and tokens >= most:
        tokens = most - 1
        context.notes.drop(asked.path, f"clamped to {tokens}")
    return {"reasoning": {"max_tokens": tokens}}


def _allowed(asked: _Asked, context: Context) -> Effort | None:
    """What the profile has for a level: itself, the nearest below, else the lowest above.

    Only who asks for next to nothing gets none at all.
    """
    level, efforts = asked.level or ADAPTIVE, context.profile.efforts
    switched = asked.switch and context.profile.thinking != "effort"
    if level == ADAPTIVE and (efforts or switched):
        return None
    if level not in OFF:
        efforts = tuple(effort for effort in efforts if effort != "none")
    if not efforts:
        context.notes.drop(
            asked.path,
            "this model reasons at no other level than its own"
            if switched or context.profile.efforts
            else "reasoning cannot be set for this model",
        )
        return None
    if level not in LEVELS:
        context.notes.drop(asked.path, "unknown level of effort")
        return None
    rank = LEVELS.index(level)
    below = [effort for effort in efforts if LEVELS.index(effort) <= rank]
    effort = below[-1] if below else efforts[0]
    if effort != level:
        context.notes.drop(asked.path, f'sent as "{effort}", the nearest this model takes')
    return effort
