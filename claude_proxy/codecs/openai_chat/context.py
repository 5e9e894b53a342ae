"""What every part of one request's translation needs to know."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.jsonio import Shared
from claude_proxy.profiles import Profile

T = TypeVar("T")


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


class Context(NamedTuple):
    """The upstream's profile, the place for notes, and the renamed tools."""

    profile: Profile
    notes: Notes
    wire_names: Mapping[str, str]
    """Original tool name → name on the wire, only where they differ."""

    def tool_name(self, original: str) -> str:
        return self.wire_names.get(original, original)


class _Recorded(Notes):
    """Notes that are kept, in order, to be told to others later."""

    __slots__ = ("said",)

    def __init__(self) -> None:
        super().__init__(lambda path, why: self.said.append(("", path, why)))
        self.said: list[tuple[str, str, str]] = []

    def once(self, what: str, path: str, why: str) -> None:
        self.said.append((what, path, why))


def kept(source: object, what: str, make: Callable[[Context], T], context: Context) -> T:
    """What `make` gives of `source`; made only once of a part that many requests share.

    Its notes are told every time. `make` must depend on nothing but `source` and the context.
    """
    if not isinstance(source, Shared):
        return make(context)

    def record() -> tuple[T, list[tuple[str, str, str]]]:
        notes = _Recorded()
        return make(context._replace(notes=notes)), notes.said

    made, said = source.once((what, context.profile, *context.wire_names.items()), record)
    for once, path, why in said:
        if once:
            context.notes.once(once, path, why)
        else:
            context.notes.drop(path, why)
    return made
