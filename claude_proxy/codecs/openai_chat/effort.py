"""How much the model is to think: Anthropic's `thinking` and `effort` → `reasoning_effort`."""

from collections.abc import Sequence

from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.profiles import Effort
from claude_proxy.types import Json

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Weakest first; `max` is Anthropic's only."""

ADAPTIVE = "adaptive"
"""No level is asked for: the model decides, as upstreams do when nothing is said."""

OFF = ("none", "minimal")

BUDGETS = ((4_096, "low"), (16_384, "medium"))
"""A thinking budget below so many tokens is about this level; larger ones are "high"."""


def encode_effort(body: Json, context: Context, *, tools: bool) -> Json:
    """The field `reasoning_effort`, if one is asked for, or forced by the profile."""
    path, asked = _asked(body, context)
    forced = context.profile.effort_with_tools if tools else None
    if forced:
        if asked not in (None, forced):
            context.notes.drop(path, f'with tools this model takes only "{forced}"')
        return {"reasoning_effort": forced}
    effort = _allowed(path, asked, context) if asked else None
    return {"reasoning_effort": effort} if effort else {}


def _asked(body: Json, context: Context) -> tuple[str, str | None]:
    """The level that is asked for, and where: thinking off, an effort, or a thinking budget."""
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind == "disabled":
        efforts = context.profile.efforts
        if efforts and efforts[0] in OFF:
            return "thinking", efforts[0]
        context.notes.drop("thinking", "reasoning cannot be turned off for this model")
    path, effort = _asked_effort(body)
    if effort or kind in (None, "disabled"):
        return path, effort
    budget = thinking.get("budget_tokens")
    if kind == "enabled" and budget is not None:
        level = next((level for limit, level in BUDGETS if budget < limit), "high")
        return "thinking.budget_tokens", level
    return "thinking", ADAPTIVE


def _asked_effort(body: Json) -> tuple[str, str | None]:
    """The effort of the last system message that sets one, else that of the request."""
    messages: Sequence[Json] = body["messages"]
    for index in range(len(messages) - 1, -1, -1):
        config = messages[index].get("output_config")
        if config and messages[index]["role"] == "system" and config.get("effort"):
            return f"messages.{index}.output_config.effort", config["effort"]
    return "output_config.effort", (body.get("output_config") or {}).get("effort")


def _allowed(path: str, asked: str, context: Context) -> Effort | None:
    """What the profile has for a level: itself, the nearest below, else the lowest above."""
    efforts = context.profile.efforts
    if not efforts:
        context.notes.drop(path, "reasoning cannot be set for this model")
        return None
    if asked == ADAPTIVE:
        return None
    if asked not in LEVELS:
        context.notes.drop(path, "unknown level of effort")
        return None
    rank = LEVELS.index(asked)
    below = [effort for effort in efforts if LEVELS.index(effort) <= rank]
    effort = below[-1] if below else efforts[0]
    if effort != asked:
        context.notes.drop(path, f'sent as "{effort}", the nearest this model takes')
    return effort
