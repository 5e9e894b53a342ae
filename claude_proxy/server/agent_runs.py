"""Which agent a subagent's run belongs to, by the call that began it.

The answer with the call and the run's first request share only the session and the prompt. Of a
prompt nothing is kept but its length and its hash, and that in this process alone.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import NamedTuple

from claude_proxy.routing import NOBODY, Agent
from claude_proxy.routing.asked import MOST_TEXTS

CALL_SECONDS = 3600.0
"""From a call to its run's first request: the client may wait for a permission, or for room."""

RUN_SECONDS = 4 * 3600.0
"""From one request of a run to the next."""

_MOST_SESSIONS = 1_000
_MOST_CALLS = 64
"""Of one session that wait for their runs."""

_MOST_RUNS = 10_000
_LONGEST_ID = 200


class _Begun(NamedTuple):
    length: int
    digest: bytes
    kind: str
    until: float


class AgentRuns:
    """Mutable and bounded: the oldest makes room."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: OrderedDict[str, list[_Begun]] = OrderedDict()
        self._runs: OrderedDict[tuple[str, str], tuple[Agent, float]] = OrderedDict()

    def begin(self, session: str, kind: str, prompt: str) -> None:
        """Takes note of a call: a run of this kind of agent will be told this prompt."""
        text = prompt.strip()
        waiting = self._begun.pop(session, [])[-_MOST_CALLS + 1 :]
        until = self._clock() + CALL_SECONDS
        self._begun[session] = [*waiting, _Begun(len(text), _digest(text), kind, until)]
        if len(self._begun) > _MOST_SESSIONS:
            self._begun.popitem(last=False)

    def claim(self, session: str, told: Iterable[str]) -> Agent:
        """Who was begun with the prompt that ends one of the last texts of a run's first message.

        Calls with one and the same prompt are claimed in their order, each once.
        """
        waiting = self._begun.get(session)
        if not waiting:
            return NOBODY
        now, texts = self._clock(), [text.rstrip() for text in deque(told, MOST_TEXTS)]
        for begun in waiting:
            if begun.until >= now and any(_ends(text, begun) for text in texts):
                waiting.remove(begun)
                return Agent(begun.kind, "the call that began it")
        return NOBODY

    def of(self, session: str, run: str) -> Agent | None:
        """Whose run it is; None for one that is new."""
        kept = self._runs.get((session, run))
        now = self._clock()
        if kept is None or kept[1] < now:
            return None
        self._runs[session, run] = kept[0], now + RUN_SECONDS
        self._runs.move_to_end((session, run))
        return kept[0]

    def keep(self, session: str, run: str, agent: Agent) -> None:
        if len(session) + len(run) > _LONGEST_ID:
            return  # None of Claude Code's.
        self._runs[session, run] = agent, self._clock() + RUN_SECONDS
        if len(self._runs) > _MOST_RUNS:
            self._runs.popitem(last=False)


def _ends(text: str, begun: _Begun) -> bool:
    return len(text) >= begun.length and _digest(text[-begun.length :]) == begun.digest


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
