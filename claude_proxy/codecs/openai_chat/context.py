"""What every part of one request's translation needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass

from claude_proxy.codecs import OnDrop
from claude_proxy.profiles import Profile


class Notes:
    """Tells the caller what could not be carried. Mutable: remembers what was said once."""

    __slots__ = ("_said", "drop")

    def __init__(self, on_drop: OnDrop) -> None:
        self.drop = on_drop
        self._said: set[str] = set()

    def once(self, what: str, path: str, why: str) -> None:
        """One note for the whole request, with the path of the first place."""
        if what not in self._said:
            self._said.add(what)
            self.drop(path, why)

    def cache_control(self, path: str) -> None:
        self.once("cache_control", f"{path}.cache_control", "not part of Chat Completions")


@dataclass(frozen=True, slots=True)
class Context:
    """The upstream's profile, the place for notes, and the renamed tools."""

    profile: Profile
    notes: Notes
    wire_names: Mapping[str, str]
    """Original tool name → name on the wire, only where they differ."""

    def tool_name(self, original: str) -> str:
        return self.wire_names.get(original, original)
