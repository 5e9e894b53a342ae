"""What an answer to a probe means for Claude Code. Judges get answers, never errors."""

import re
from collections.abc import Callable
from dataclasses import replace

from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.mending import mended_message
from claude_proxy.doctor.findings import Changes, Heard, Seen, Verdict
from claude_proxy.doctor.questions import ABSURD, FEW, LONG
from claude_proxy.profiles import GENERIC

Judge = Callable[[Heard, Seen], Verdict]

PARSER = (
    "Start the server with its tool parser (vLLM: --enable-auto-tool-choice --tool-call-parser "
    "NAME; llama.cpp: --jinja), or choose another model."
)
_COLORS = ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "pink", "brown")
_NUMBER = re.compile(r"(?<![\w.,-])(\d[\d,]{2,})(?![\w-]|[.,]\d)")
_LEAST_LIMIT = 256


def text(heard: Heard, seen: Seen) -> Verdict:
    if heard.text.strip():
        return Verdict("ok", "answers.")
    if heard.thinking:
        return Verdict("degraded", "spends all its tokens on reasoning, and says nothing.")
    return Verdict("failed", "answers with nothing.", "Try another model.")


def stream(heard: Heard, seen: Seen) -> Verdict:
    if not heard.text.strip() and not heard.thinking:
        return Verdict("failed", "streams nothing.", "Try another model.")
    if not heard.streamed:
        return Verdict("degraded", "does not stream: answers appear all at once.")
    if heard.pieces < 2:
        return Verdict("degraded", "streams in one piece: answers appear all at once.")
    return Verdict("ok", f"streams ({len(heard.parts)} chunks).")


def usage(heard: Heard, seen: Seen) -> Verdict:
    if heard.usage is None:
        return Verdict("degraded", "no token counts: ours are estimates, off by up to a quarter.")
    return Verdict("ok", "token counts come.")


def few_tokens(heard: Heard, seen: Seen) -> Verdict:
    if heard.message and heard.message["stop_reason"] == "max_tokens":
        return Verdict("ok", f"stops at the limit, sent as {_limit_field(heard)}.")
    if len(heard.text) > 8 * FEW:
        return Verdict("degraded", f"ignores {_limit_field(heard)}: answers may be of any length.")
    return Verdict("unknown", "ended before the limit, so it does not show.")


def _limit_field(heard: Heard) -> str:
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    return next((name for name in names if name in heard.sent), "nothing")


def stop(heard: Heard, seen: Seen) -> Verdict:
    if not {"stop", "stop_sequences"} & heard.sent.keys():
        return Verdict("unsupported", "not sent to this model: clients are told.")
    said = heard.text.lower()
    if "six" in said:
        return Verdict("degraded", "ignores stop sequences (Claude Code sends none).")
    if "four" in said and "five" not in said:
        return Verdict("ok", "stops where it should.")
    return Verdict("unknown", "the answer does not show it.")


def temperature(heard: Heard, seen: Seen) -> Verdict:
    if "temperature" not in heard.sent:
        return Verdict("unsupported", "not sent to this model: clients are told.")
    return Verdict("ok", "accepted.")


def later_system(heard: Heard, seen: Seen) -> Verdict:
    said = heard.sent.get("input") or heard.sent["messages"]
    later = any(message.get("role") == "system" for message in said[1:])
    return Verdict("ok", "accepted." if later else "sent as marked user text; accepted.")


def thinks(heard: Heard, seen: Seen) -> Verdict:
    if heard.thinking:
        return Verdict("ok", f"shows its reasoning, in {heard.reasoning_field}.")
    if heard.reasons:
        return Verdict("degraded", "reasons, and shows nothing of it.")
    return Verdict("unsupported", "shows no reasoning; Claude Code works without.")


def thinks_not(heard: Heard, seen: Seen) -> Verdict:
    if heard.thinking or heard.reasons:
        return Verdict("degraded", "reasons although it is told not to: small calls are slow.")
    return Verdict("ok", "reasoning can be turned off.")


def tool(heard: Heard, seen: Seen) -> Verdict:
    if heard.calls:
        first = heard.calls[0]
        if first["name"] == "get_weather" and "paris" in str(first["input"].get("city")).lower():
            return Verdict("ok", "calls tools.")
        return Verdict("degraded", "calls tools, but another one, or with other arguments.")
    if "get_weather" in heard.text and any(mark in heard.text for mark in "{<["):
        return Verdict("failed", "writes its calls as text, which nobody can run.", PARSER)
    return Verdict("failed", "does not call tools, and Claude Code does all its work so.", PARSER)


def learn_calls(heard: Heard, seen: Seen) -> Changes:
    """Calls in the text are run, if they can be read."""
    if heard.calls or heard.message is None or heard.dialect == "messages":
        return {}
    profile = replace(GENERIC, text_calls="read")
    found = mended_message(heard.message, heard.request, profile=profile, tool_names={})
    return {"text_calls": "read"} if "read" in found.faults else {}


def tools_at_once(heard: Heard, seen: Seen) -> Verdict:
    if len(heard.calls) > 1:
        return Verdict("ok", f"{len(heard.calls)} calls in one turn.")
    if heard.calls:
        return Verdict("degraded", "one call a turn: more turns for the same work.")
    return Verdict("degraded", "calls none when asked for two.")


def tool_named(heard: Heard, seen: Seen) -> Verdict:
    if [call["name"] for call in heard.calls][:1] == ["get_time"]:
        return Verdict("ok", "calls the tool that is named.")
    return Verdict("degraded", "ignored: side requests that need a tool may fail.")


def tool_required(heard: Heard, seen: Seen) -> Verdict:
    if heard.calls:
        return Verdict("ok", "calls when it must.")
    return Verdict("degraded", "ignored: side requests that need a tool may fail.")


def long_name(heard: Heard, seen: Seen) -> Verdict:
    if [call["name"] for call in heard.calls][:1] == [LONG["name"]]:
        how = "called" if heard.dialect == "messages" else "called and restored"
        return Verdict("ok", f"a name of {len(LONG['name'])} characters is {how}.")
    return Verdict("degraded", "accepted, but not called.")


def tool_result(heard: Heard, seen: Seen) -> Verdict:
    if "21" in heard.text:
        return Verdict("ok", "reads results.")
    if heard.calls:
        return Verdict("degraded", "calls again in place of an answer: it may go in circles.")
    if heard.text.strip():
        return Verdict("degraded", "answers, but does not use the result.")
    return Verdict("failed", "says nothing after a result: the work would stop there.")


def accepted(heard: Heard, seen: Seen) -> Verdict:
    return Verdict("ok", "accepted.")


def color(name: str) -> Judge:
    def judge(heard: Heard, seen: Seen) -> Verdict:
        said = heard.text.lower()
        if name in said:
            return Verdict("ok", "sees it.")
        if any(other in said for other in _COLORS):
            return Verdict("degraded", f"sees it badly: {name} was {heard.said[:40]!r}.")
        return Verdict("unsupported", "does not see it; its answers to pictures are guesses.")

    return judge


def schema(heard: Heard, seen: Seen) -> Verdict:
    try:
        answer = loads(heard.text)
    except ValueError:
        return Verdict("degraded", "answers with something else than JSON: no titles.")
    if isinstance(answer, dict) and isinstance(answer.get("city"), str):
        return Verdict("ok", "follows the schema.")
    return Verdict("degraded", "answers with other JSON than the schema's.")


def limit(heard: Heard, seen: Seen) -> Verdict:
    sent = heard.sent.get(_limit_field(heard), ABSURD)
    return Verdict("ok", f"takes {sent:,} output tokens for a limit without a word.")


def limit_refused(heard: Heard, seen: Seen) -> Verdict | None:
    told = told_limit(heard)
    if told is None:
        return Verdict("unknown", f"refused without a number: {heard.said}")
    what = "of prompt and answer" if told[0] == "context_window" else "of output"
    says = f"names its limit: {told[1]:,} tokens {what}."
    if heard.dialect != "messages" or told[0] == "context_window":
        return Verdict("ok", says)
    # Nothing is clamped there but for the user's own limit.
    return Verdict("ok", says, f"CLAUDE_PROXY_MAX_TOKENS_LIMIT={told[1]} keeps clients below it.")


def encrypted(heard: Heard, seen: Seen) -> Verdict:
    if any(item.get("encrypted_content") for item in heard.items):
        return Verdict("ok", "its reasoning comes encrypted.")
    return Verdict("unsupported", "no encrypted reasoning: each turn forgets what it thought.")


def told_limit(heard: Heard) -> tuple[str, int] | None:
    """What a refused `ABSURD` limit tells: a field of `Profile`, and its number."""
    message = heard.error.message if heard.error else ""
    numbers = [int(found.replace(",", "")) for found in _NUMBER.findall(message)]
    told = [number for number in numbers if _LEAST_LIMIT <= number < ABSURD]
    if not told:
        return None
    window = "context" in message.lower()
    return ("context_window" if window else "max_output_tokens"), max(told)


def learn_limit(heard: Heard, seen: Seen) -> Changes:
    told = told_limit(heard)
    if told is None or heard.dialect == "messages":
        return {}
    name, number = told
    return {name: number, "cap_assumed": False} if name == "max_output_tokens" else {name: number}
