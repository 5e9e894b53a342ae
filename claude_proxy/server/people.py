"""Who asks: the agent of Claude Code's, and the name of the client's key."""

import hmac
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from claude_proxy.codecs.jsonio import loads
from claude_proxy.routing import NOBODY, Agent, Asked
from claude_proxy.routing.agents import agent_calls, as_fork
from claude_proxy.routing.calls import AgentCalls, Found, PassedAgentCalls, may_call
from claude_proxy.server.agent_files import AgentFiles
from claude_proxy.server.agent_runs import AgentRuns
from claude_proxy.server.context import Context, credentials

_SESSION = b"x-claude-code-session-id"
_LONGEST_ID = 100


class People:
    """Mutable; one for each app. `keys`: the clients' keys by their names.

    Answers are listened to only if `listens`: where it matters which agent asks.
    """

    def __init__(
        self, files: AgentFiles, runs: AgentRuns, keys: Mapping[str, str], *, listens: bool
    ) -> None:
        self._files = files
        self._listens = listens
        self.runs = runs
        self._keys = {name: key.encode() for name, key in keys.items()}

    def agent(self, asked: Asked) -> Agent:
        """Found once a request: a call is claimed by one run alone."""
        if asked.agent is None:
            asked.agent = self._of_run(asked) if asked.run else self._by_request(asked)
        found: Agent = asked.agent
        return found

    def _of_run(self, asked: Asked) -> Agent:
        known = self.runs.of(asked.session, asked.run)
        if known is not None:
            return known
        # Its call is claimed in any case, so that no other run is taken for it.
        called = self.runs.claim(asked.session, asked.first_texts())
        found = self._by_request(asked)
        found = called if found == NOBODY else found
        # Nobody, too: what its first request does not tell, no later one will.
        self.runs.keep(asked.session, asked.run, found)
        return found

    def _by_request(self, asked: Asked) -> Agent:
        found = self._files.definitions().find(asked)
        return as_fork(asked) if found == NOBODY else found

    def client(self, asked: Asked) -> str:
        """Every key is compared, whatever came of the others, each in constant time."""
        shown = [key.encode("latin-1", "replace") for key in credentials(asked.headers)]
        found = [
            name
            for name, key in self._keys.items()
            if any([hmac.compare_digest(each, key) for each in shown])
        ]
        return found[0] if found else ""

    def calls(self, context: Context) -> AgentCalls | None:
        """What the events of this answer are to be shown to before they go on, if anything."""
        found = self._found(context)
        return None if found is None else AgentCalls(found)

    def passed_calls(self, context: Context) -> PassedAgentCalls | None:
        """The same for an answer that passes by as bytes."""
        found = self._found(context)
        return None if found is None else PassedAgentCalls(found)

    def _found(self, context: Context) -> Found | None:
        session = context.header(_SESSION) if self._listens else ""
        if not session or len(session) > _LONGEST_ID:
            return None
        return partial(self.runs.begin, session)

    def note(self, context: Context, content: Any) -> None:
        """The same for the content of a whole answer."""
        found = self._found(context)
        if found is not None:
            for kind, prompt in agent_calls(content):
                found(kind, prompt)

    def note_passed(self, context: Context, answer: bytes) -> None:
        """The same for a whole answer that passes by as bytes."""
        if self._listens and may_call(answer):
            with suppress(ValueError):
                message = loads(answer)
                self.note(context, message.get("content") if isinstance(message, dict) else None)
