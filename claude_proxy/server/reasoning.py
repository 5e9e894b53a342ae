"""Reasoning that has to come back: whose it is, and what is kept of it for clients that drop it."""

from collections.abc import Iterable
from functools import lru_cache

from claude_proxy.codecs.carry import Seal, derive_key
from claude_proxy.codecs.thoughts import Thoughts, restore
from claude_proxy.routing import Route
from claude_proxy.server.remember import ReasoningMemory
from claude_proxy.settings import Settings
from claude_proxy.types.anthropic import MessagesRequest


class Reasoning:
    """Mutable; one for each app."""

    def __init__(self, settings: Settings) -> None:
        self._auth = settings.auth_key.get_secret_value() if settings.auth_key else ""
        self._memory = ReasoningMemory(settings.reasoning_memory_bytes)
        # A derivation costs two microseconds, and keys come again and again.
        self._seal = lru_cache(maxsize=256)(self._derived)

    def _derived(self, credential: str, profile: str, model: str) -> Seal:
        return Seal(derive_key(f"{credential}\0{self._auth}"), profile, model)

    def seal(self, credential: str, route: Route) -> Seal:
        """Of the upstream's key: with the same key every worker and replica reads the same."""
        return self._seal(credential, route.profile.name, route.model)

    def wanted(self, route: Route) -> bool:
        """Whether the upstream wants earlier reasoning back."""
        profile = route.profile
        if route.dialect == "responses":
            return profile.reasoning_items == "encrypted"
        return profile.reasoning_history != "drop"

    def keep(self, found: Iterable[tuple[str, Thoughts]], route: Route, seal: Seal) -> None:
        """Remembers an answer's reasoning by the calls it led to."""
        if self.wanted(route):
            self._memory.keep(seal.key, found)

    def restored(self, request: MessagesRequest, route: Route, seal: Seal) -> MessagesRequest:
        """The request with the reasoning that its client has dropped."""
        if not self.wanted(route) or not self._memory.size:
            return request
        messages = restore(request["messages"], lambda id: self._memory.recall(seal.key, id))
        return {**request, "messages": messages}
