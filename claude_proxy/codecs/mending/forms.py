"""How models write their calls when nobody has taught them the API's way, or no server reads it.

A *form* begins with an opening, such as `<tool_call>`. What follows it, the *head*, shows soon
whether this is a call, and how its body is written: as JSON, or as tags of parameters. Sources:
the chat templates of the models named at each form, and the parsers that vLLM has for them
(docs.vllm.ai/en/latest/features/tool_calling, 2026-11).
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from claude_proxy.codecs.mending.offered import Offered

MOST_HEAD = 256
"""Characters by which it must be clear whether this is a call."""


class Body(NamedTuple):
    """What a head has turned out to begin."""

    kind: Literal["json", "tags"]
    at: int
    """Where the body begins in the head."""
    name: str = ""
    """The tool, where the head names it; then JSON is its input alone."""
    strict: bool = False
    """Whether only what can hardly be anything else is a call."""


Verdict = Body | Literal["wait", "text"]
Reader = Callable[[str, Offered], Verdict]

_SPACE = " \t\r\n"
_INFOS = ("json", "tool_call", "tool_calls", "tool_code", "function_call", "")
_NAME_END = re.compile(r"[>{]")
_FIRST_KEY = re.compile(r'\[?\s*\{\s*"(\w{1,20})"\s*:')
WRAPPERS = frozenset({"tool_call", "tool_use"})
"""A key with the call as its value, all alone in its object: what proxies in front of the Claude
Code CLI have taught Claude."""
FIRST_KEYS = frozenset(
    {"name", "arguments", "parameters", "args", "input", "type", "id"}
    | {"function", "tool", "tool_name", "tool_input"}
)
"""What a call's object may hold. Any of them may come first."""


def _tagged(head: str, offered: Offered) -> Verdict:
    """Behind `<tool_call>`: JSON (Qwen2.5, Hermes), or `<function=NAME>` (Qwen3-Coder)."""
    start = _begin(head)
    rest = head[start:]
    if rest.startswith(FUNCTION):
        found = _function(rest.removeprefix(FUNCTION), offered)
        at = start + len(FUNCTION)
        return found._replace(at=found.at + at) if isinstance(found, Body) else found
    if FUNCTION.startswith(rest):
        return "wait"
    return Body("json", start) if rest[0] in "{[" else "text"


def _plain(head: str, offered: Offered) -> Verdict:
    """Behind `<|python_tag|>` (Llama 3): JSON, or else Python, which is no call."""
    start = _begin(head)
    if start == len(head):
        return "wait"
    return Body("json", start) if head[start] in "{[" else "text"


def _listed(head: str, offered: Offered) -> Verdict:
    """Behind `[TOOL_CALLS]` (Mistral): a list, or `NAME[ARGS]{…}` since its tokenizer v11."""
    start = _begin(head)
    if start == len(head) or head[start] in "{[":
        return _plain(head, offered)
    before, brace, _ = head.partition("{")
    name = before.partition("[")[0].strip()
    if not brace:
        return "wait" if _starts_a_name(name, offered) else "text"
    return Body("json", len(before), name) if name in offered else "text"


def _function(head: str, offered: Offered) -> Verdict:
    """Behind `<function=`: `NAME>{…}` (Llama 3.1), `NAME>` and tags (Qwen3-Coder)."""
    end = _NAME_END.search(head)
    if end is None:
        return "wait" if _starts_a_name(head.strip(), offered) else "text"
    name = head[: end.start()].strip()
    if name not in offered:
        return "text"
    if end[0] == "{":  # The bracket is often forgotten.
        return Body("json", end.start(), name)
    start = _begin(head, end.end())
    rest = head[start:]
    if rest.startswith("{"):
        return Body("json", start, name)
    if any(tag.startswith(rest) and tag != rest for tag in _TAGS):
        return "wait"
    return Body("tags", end.end(), name) if rest.startswith(_TAGS) else "text"


def _fenced(head: str, offered: Offered) -> Verdict:
    """Behind a fence at the start of a line: JSON that looks like a call from its first key on."""
    info, line_end, _ = head.partition("\n")
    info = info.strip().lower()
    if not line_end:
        return "wait" if any(known.startswith(info) for known in _INFOS) else "text"
    return _strict(head, offered, head.index("\n")) if info in _INFOS else "text"


def _strict(head: str, offered: Offered, at: int = 0) -> Verdict:
    start = _begin(head, at)
    if start == len(head):
        return "wait"
    if head[start] not in "{[":
        return "text"
    if ":" not in head[start:]:
        return "wait"
    key = _FIRST_KEY.match(head, start)
    looks = key and (key[1] in FIRST_KEYS or key[1] in WRAPPERS)
    return Body("json", start, strict=True) if looks else "text"


def _starts_a_name(start: str, offered: Offered) -> bool:
    return any(name.startswith(start) for name in offered)


def _begin(head: str, at: int = 0) -> int:
    """Where white space ends."""
    while at < len(head) and head[at] in _SPACE:
        at += 1
    return at


FUNCTION = "<function="
_TAGS = ("<parameter=", "</function>")
FENCE = "```"
BARE = ""
"""The opening of an object that stands at the very start of the text."""
WRAPPED = tuple(f'{{"{key}"' for key in sorted(WRAPPERS))
"""How such an object starts, which may stand at the start of any line. It is read as `BARE`."""


class Form(NamedTuple):
    """One way to write calls."""

    read: Reader
    closing: tuple[str, ...]
    """What may follow the body, in this order, and is left out."""
    again: bool = False
    """Whether more calls may follow without an opening of their own."""


_XML = ("</function>", "</tool_call>")
_ENDS = ("<|eom_id|>", "<|eot_id|>", "</s>")

FORMS: Mapping[str, Form] = {
    "<tool_call>": Form(_tagged, _XML, again=True),
    "<|python_tag|>": Form(_plain, _ENDS, again=True),
    "[TOOL_CALLS]": Form(_listed, _ENDS, again=True),
    FUNCTION: Form(_function, _XML),
    FENCE: Form(_fenced, (FENCE,)),
    BARE: Form(_strict, _ENDS),
}
"""By their opening."""
