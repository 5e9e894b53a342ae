"""What was wrong with an answer's calls: mended where that is asked for, counted always."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from claude_proxy.codecs import Decoder, OnDrop
from claude_proxy.codecs.mending import mended, mended_message
from claude_proxy.routing import Route
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.types.anthropic import Message

if TYPE_CHECKING:
    from claude_proxy.server.pipeline import Plan

log = structlog.get_logger("claude_proxy.calls")

_LEFT_OUT = "empty, which the tool's schema forbids"
_OVERRUN = "what the model said behind its calls was left out"


def mending(plan: "Plan") -> Decoder:
    """What reads the stream of an answer."""
    return mended(
        plan.decoder(),
        plan.request,
        profile=plan.route.profile,
        id=plan.message_id,
        tool_names=plan.tool_names,
    )


def mended_whole(context: Context, plan: "Plan", message: Message, on_drop: OnDrop) -> Message:
    """A whole answer with usable calls."""
    found = mended_message(
        message, plan.request, profile=plan.route.profile, tool_names=plan.tool_names
    )
    note_faults(context, plan.route, found.faults)
    if "overrun" in found.faults:
        on_drop("content", _OVERRUN)
    for path in found.notes:
        on_drop(path, _LEFT_OUT)
    return found.message


def note_faults(context: Context, route: Route, faults: Mapping[str, int]) -> None:
    """For the access line and the metrics; what reached the client broken is a line of its own."""
    for kind, count in faults.items():
        # An answer may be made of several of an upstream's.
        name = f"{kind}_calls"
        context.facts[name] = context.facts.get(name, 0) + count
    if "broken" in faults:
        log.warning(
            "calls_broken",
            request_id=context.id,
            upstream=route.upstream,
            model=shortened(route.model),
            calls=faults["broken"],
        )
