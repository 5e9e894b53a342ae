"""How much the model is to think: every provider's words for it → `thinking` and `effort`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.codecs.openai_chat.inbound.checks import (
    an_object,
    boolean,
    given,
    integer,
    note_others,
    string,
    wrong,
)
from claude_proxy.types import Json

LEVELS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
"""Levels of OpenAI and others → Messages' own."""

LEAST_BUDGET = 1024
"""Tokens, by Anthropic's rules; and fewer than `max_tokens`."""


class _Wish(NamedTuple):
    path: str
    switch: bool | None = None
    level: str | None = None
    budget: int | None = None


def decode_effort(
    body: Json, notes: Notes, *, max_tokens: int, unable: str | None = None, lost: bool = False
) -> Json:
    """The fields for what the client asks; none where it asks nothing.

    `unable` says why Claude cannot think in this turn, if it cannot; `lost`, that the turn goes
    on without the thinking that it began with.
    """
    fields = _decode(list(_wishes(body, notes)), notes, max_tokens, unable, lost)
    thinking, display = fields.get("thinking"), _display(body)
    if display is None:
        return fields
    if thinking is None or thinking["type"] == "disabled":
        notes.drop("thinking.display", "there is no thinking to be shown")
        return fields
    return {**fields, "thinking": {**thinking, "display": display}}


def _display(body: Json) -> str | None:
    """How Anthropic is to show its thinking."""
    thinking = body.get("thinking")
    return given(thinking, "display", string, "thinking") if isinstance(thinking, dict) else None


def _decode(
    wishes: Sequence[_Wish], notes: Notes, max_tokens: int, unable: str | None, lost: bool
) -> Json:
    switch = next((wish for wish in wishes if wish.switch is not None), None)
    level = next((wish for wish in wishes if wish.level is not None), None)
    budget = next((wish for wish in wishes if wish.budget is not None), None)
    if switch is not None and not switch.switch:
        return {"thinking": {"type": "disabled"}}
    asked = level or budget or switch
    if asked is None:
        return {}
    fields = _effort(level, notes) if level is not None else {}
    if unable is not None:
        notes.drop(asked.path, unable)
        return fields
    if level is None and budget is not None and budget.budget is not None:
        if lost:
            # "Expected `thinking` or `redacted_thinking`, but found `tool_use`". Without a budget
            # nothing is expected.
            notes.drop(budget.path, "the thinking before the tool calls did not come back")
            return {}
        return _budget(budget.budget, budget.path, max_tokens, notes)
    return {"thinking": {"type": "adaptive"}, **fields}


def _effort(wish: _Wish, notes: Notes) -> Json:
    level = LEVELS[wish.level or ""]
    if level != wish.level:
        notes.drop(wish.path, f'sent as "{level}"')
    return {"output_config": {"effort": level}}


def _budget(tokens: int, path: str, max_tokens: int, notes: Notes) -> Json:
    most = max_tokens - 1
    if most < LEAST_BUDGET:
        notes.drop(path, f"thinking needs more output tokens than {max_tokens}")
        return {}
    bound = min(max(tokens, LEAST_BUDGET), most)
    if bound != tokens:
        notes.drop(path, f"{tokens} {'lowered' if bound < tokens else 'raised'} to {bound}")
    return {"thinking": {"type": "enabled", "budget_tokens": bound}}


def _wishes(body: Json, notes: Notes) -> Iterator[_Wish]:
    """What each field says, the most exact field first."""
    for name, read in EFFORT_FIELDS.items():
        if body.get(name) is not None:
            yield read(body, name, notes)


def _level(path: str, level: str, notes: Notes) -> _Wish:
    if level == "none":
        return _Wish(path, switch=False)
    if level not in LEVELS:
        notes.drop(path, "unknown level of effort")
        return _Wish(path)
    return _Wish(path, level=level)


def _read_level(body: Json, name: str, notes: Notes) -> _Wish:
    return _level(name, string(body[name], name), notes)


def _read_thinking(body: Json, name: str, notes: Notes) -> _Wish:
    """Anthropic's object, which DeepSeek, Moonshot and GLM have taken over; or just a boolean."""
    if isinstance(body[name], bool):
        return _Wish(name, switch=body[name])
    thinking = an_object(body[name], name)
    kind = given(thinking, "type", string, name)
    budget = given(thinking, "budget_tokens", integer, name)
    for other in thinking:
        if other not in ("type", "budget_tokens", "display"):
            notes.drop(f"{name}.{other}", notes.foreign)
    if kind not in ("enabled", "disabled", "adaptive", "auto"):
        raise wrong(f"{name}.type", "Input should be 'enabled', 'disabled' or 'adaptive'")
    if kind != "enabled":
        return _Wish(name, switch=kind != "disabled")
    return _Wish(f"{name}.budget_tokens" if budget else name, switch=True, budget=budget)


def _read_reasoning(body: Json, name: str, notes: Notes) -> _Wish:
    """OpenRouter's object; OpenAI's Responses API has one with `effort` too."""
    reasoning = an_object(body[name], name)
    note_others(reasoning, {"effort", "max_tokens", "enabled"}, name, notes)
    effort = given(reasoning, "effort", string, name)
    if effort is not None:
        return _level(f"{name}.effort", effort, notes)
    budget = given(reasoning, "max_tokens", integer, name)
    if budget is not None:
        return _Wish(f"{name}.max_tokens", budget=budget)
    return _Wish(name, switch=given(reasoning, "enabled", boolean, name))


def _read_switch(body: Json, name: str, notes: Notes) -> _Wish:
    return _Wish(name, switch=boolean(body[name], name))


def _read_think(body: Json, name: str, notes: Notes) -> _Wish:
    """Ollama's: a switch, or a level."""
    if isinstance(body[name], str):
        return _read_level(body, name, notes)
    return _read_switch(body, name, notes)


def _read_budget(body: Json, name: str, notes: Notes) -> _Wish:
    budget = integer(body[name], name)
    return _Wish(name, budget=budget) if budget else _Wish(name, switch=False)


def _read_template(body: Json, name: str, notes: Notes) -> _Wish:
    """Arguments of vLLM's and SGLang's templates."""
    arguments = an_object(body[name], name)
    switch: bool | None = None
    for argument, value in arguments.items():
        if argument in ("enable_thinking", "thinking"):
            switch = boolean(value, f"{name}.{argument}")
        else:
            notes.drop(f"{name}.{argument}", notes.foreign)
    return _Wish(name, switch=switch)


EFFORT_FIELDS: Mapping[str, Callable[[Json, str, Notes], _Wish]] = {
    "thinking": _read_thinking,
    "reasoning": _read_reasoning,
    "reasoning_effort": _read_level,
    "enable_thinking": _read_switch,
    "thinking_budget": _read_budget,
    "think": _read_think,
    "chat_template_kwargs": _read_template,
}
"""The fields that set reasoning, and how each is read; of two that differ the first one counts."""
