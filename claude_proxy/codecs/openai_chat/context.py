"""What every part of one request's translation needs to know."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import Shared
from claude_proxy.profiles import Profile

T = TypeVar("T")


CHAT = "Chat Completions"


class Notes:
    """Tells the caller what could not be carried. Mutable: remembers what was said once."""

    __slots__ = ("_said", "drop", "language")

    def __init__(self, on_drop: OnDrop, language: str = CHAT) -> None:
        self.drop = on_drop
        self.language = language
        self._said: set[str] = set()

    def once(self, what: str, path: str, why: str) -> None:
        """One note for the whole request, with the path of the first place."""
        if what not in self._said:
            self._said.add(what)
            self.drop(path, why)

    def cache_control(self, path: str) -> None:
        self.once("cache_control", f"{path}.cache_control", self.foreign)

    @property
    def foreign(self) -> str:
        """Why something is left out that only Messages knows."""
        return f"not part of {self.language}"


class Context(NamedTuple):
    """The upstream's profile, the place for notes, the renamed tools, and the seal."""

    profile: Profile
    notes: Notes
    wire_names: Mapping[str, str]
    """Original tool name → name on the wire, only where they differ."""
    instructions: list[str]
    """What the model is told in words because the upstream has no field for it. Grows."""
    seal: Seal
    """Reads what thinking blocks carry."""

    def tool_name(self, original: str) -> str:
        return self.wire_names.get(original, original)


class _Recorded(Notes):
    """Notes that are kept, in order, to be told to others later."""

    __slots__ = ("said",)

    def __init__(self, language: str) -> None:
        super().__init__(lambda path, why: self.said.append(("", path, why)), language)
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
        notes = _Recorded(context.notes.language)
        return make(context._replace(notes=notes)), notes.said

    key = (what, context.notes.language, context.profile, *context.wire_names.items())
    made, said = source.once(key, record)
    for once, path, why in said:
        if once:
            context.notes.once(once, path, why)
        else:
            context.notes.drop(path, why)
    return made
