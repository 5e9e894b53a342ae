"""Which of Claude Code's agents asks. Its name is on no request of its own (docs/routing.md).

Four things tell it, in this order: the text of its definition at the start of the system prompt, a
marker line in it, being a fork, and the call of another model by which its run began. The last
one needs a memory, which is the server's.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from claude_proxy.codecs.jsonio import Shared
from claude_proxy.routing.asked import MOST_TEXTS, Asked

FORK = "fork"
"""What Claude Code calls a subagent that goes on with the whole conversation."""

_FORK_BYTES = b'"fork"'

AGENT_TOOLS = frozenset({"Agent", "Task"})
"""The tool that begins a subagent's run; `Task` in older versions."""

USUAL_AGENT = "general-purpose"
"""Who is begun by a call that names nobody."""

_MARKER = re.compile(
    r"^[ \t]*<!--[ \t]*claude-proxy:[ \t]*(agent|model)[ \t]*=[ \t]*(\S{1,200}?)[ \t]*-->[ \t\r]*$",
    re.MULTILINE,
)
_MARKER_WORD = "claude-proxy:"
_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_NAME = re.compile(
    r"^name[ \t]*:[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)'|(.*?))[ \t\r]*(?:[ \t]#.*)?$", re.MULTILINE
)
"""The name in YAML: in quotes or without, and perhaps with a comment."""
_SLACK = 64
_MOST_PROMPTS = 16
"""Texts of a system prompt that are looked at; Claude Code has five at most."""

_MOST_FORKS, _MOST_TOLD = 64, 384 * 1024
"""Calls of one answer, and characters of a text, in which a fork's prompt is looked for. Each call
is looked for in each text, and a request may be made of nothing else."""


class Agent(NamedTuple):
    """Who asks: a name, or a model that the prompt itself names; neither for nobody known."""

    name: str = ""
    how: str = ""
    """By what it was recognized, for people."""
    model: str = ""


NOBODY = Agent()


class Definition(NamedTuple):
    """An agent's file: its name, and the words of its body with single spaces between them."""

    name: str
    words: str


def read_definition(text: str, file_name: str) -> Definition | None:
    """The definition in the text of a file `.claude/agents/FILE_NAME.md`; None without a body.

    The name is that of its front matter, else the file's.
    """
    front = _FRONT.match(text)
    named = _NAME.search(front[1]) if front else None
    words = _words(text[front.end() :] if front else text)
    name = next(filter(None, named.groups()), file_name).strip() if named else file_name
    return Definition(name, words) if words and name else None


def _words(text: str) -> str:
    return " ".join(text.split())


class Definitions:
    """Finds an agent by the text of its definition, or by a marker line. Frozen."""

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        # The longest first: one body may be the beginning of another.
        self._all = tuple(sorted(definitions, key=lambda each: -len(each.words)))
        self._longest = max((len(each.words) for each in self._all), default=0)

    def find(self, asked: Asked) -> Agent:
        """Who asks, by the system prompt alone."""
        system = asked.system
        if isinstance(system, Shared):
            return system.once(self, partial(self._find, _first(asked)))
        return self._find(_first(asked))

    def _find(self, texts: Sequence[str]) -> Agent:
        return next(filter(None, map(self._by_body, texts)), None) or _by_marker(texts) or NOBODY

    def _by_body(self, text: str) -> Agent | None:
        if not self._all:
            return None
        # Twice as long: there may be more white space here than in the file.
        start = f"{_words(text[: 2 * self._longest + _SLACK])} "
        for each in self._all:
            if start.startswith(f"{each.words} "):
                return Agent(each.name, "its definition")
        return None


def _first(asked: Asked) -> list[str]:
    return list(islice(asked.prompts(), _MOST_PROMPTS))


def _by_marker(texts: Iterable[str]) -> Agent | None:
    for text in texts:
        if _MARKER_WORD not in text:
            continue
        if found := _MARKER.search(text):
            kind, value = found.groups()
            return Agent(**{"name" if kind == "agent" else "model": value}, how="a marker")
    return None


def as_fork(asked: Asked) -> Agent:
    """A fork goes on where its parent was: behind a call for a fork stands what it is to do."""
    # Most requests cannot be one, and searching is far quicker than parsing.
    if not asked.holds(_FORK_BYTES) or not asked.is_subagent:
        return NOBODY
    last = next((each for each in reversed(asked.messages) if each.get("role") == "assistant"), {})
    told = [text[:_MOST_TOLD] for text in deque(asked.last_texts(), MOST_TEXTS)]
    for kind, prompt in islice(agent_calls(last.get("content")), _MOST_FORKS):
        if kind == FORK and any(prompt in text for text in told):
            return Agent(FORK, "its conversation")
    return NOBODY


def agent_calls(content: Any) -> Iterator[tuple[str, str]]:
    """Of an answer's content: the kind of each agent that it begins, and what that one is told."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("name") in AGENT_TOOLS:
            if found := agent_call(block.get("input")):
                yield found


def agent_call(input: Any) -> tuple[str, str] | None:
    """The kind of agent and the prompt of one call; None where there is no prompt."""
    if not isinstance(input, dict):
        return None
    kind, prompt = input.get("subagent_type"), input.get("prompt")
    if not (isinstance(prompt, str) and prompt.strip()):
        return None
    return (kind if isinstance(kind, str) and kind else USUAL_AGENT), prompt.strip()
