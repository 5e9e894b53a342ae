"""Profiles of the user's own: what he says of upstreams and models, before the built-in rows.

Pure: tables in, the `Profile` of an upstream's model out (docs/configuration.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from claude_proxy.profiles import PROFILES, Profile, profile_for

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """One table `[profiles.NAME]`. Without hosts and models it is found by its name only.

    `hosts` are globs on the host, on `host:port`, or on `host/path`; `models` on the whole name or
    on what stands behind its last slash. All are lower case.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Profile`, and their values."""
    base: str | None = None
    """The built-in row that the rest comes from; None: whatever would be found without this."""
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        """What the table says, for people: `base`, globs, and the changed fields."""
        given = {"base": self.base, "hosts": list(self.hosts), "models": list(self.models)}
        return {
            **{key: value for key, value in given.items() if value},
            **{name: _plain(value) for name, value in self.changes.items()},
        }

    def is_for(self, base_url: str, model: str) -> bool:
        """Whether its globs are about this model at this address."""
        if not (self.hosts or self.models):
            return False
        return _any(self.hosts, _places(base_url)) and _any(self.models, _names(model))


class ProfileFinder:
    """Finds profiles as one user wants them; equal questions have equal answers.

    `own`: the user's tables, of which the first wins, field by field. `named`: upstream → the
    profile that the user has named for it. The names have been checked. `implied`: what other
    settings say of the built-in rows; tables win.
    """

    def __init__(
        self,
        own: Mapping[str, OwnProfile] = _NOTHING,
        named: Mapping[str, str] = _NOTHING,
        implied: Sequence[OwnProfile] = (),
    ) -> None:
        self._own = own
        self._named = named
        self._implied = implied

    def own_fields(self, upstream: str, base_url: str, model: str) -> frozenset[str]:
        """The fields of `find`'s profile that the user has set himself."""
        found = [own for own in self._own.values() if own.is_for(base_url, model)]
        named = self._own.get(self._named.get(upstream, ""))
        return frozenset(name for own in (*found, named) if own for name in own.changes)

    def find(self, upstream: str, base_url: str, model: str) -> Profile:
        changes: dict[str, Any] = {}
        for own in self._own.values():
            if own.is_for(base_url, model):
                changes = {**own.changes, **changes}
                if own.base:
                    row = built_in(own.base, model)
                    return replace(self._as_set(row, base_url, model), **changes)
        return replace(self._rest(upstream, base_url, model), **changes)

    def _rest(self, upstream: str, base_url: str, model: str) -> Profile:
        """What the user has named for the upstream, else the built-in row."""
        name = self._named.get(upstream)
        own = self._own.get(name) if name else None
        base = own.base if own else name
        row = built_in(base, model) if base else profile_for(base_url, model)
        return replace(self._as_set(row, base_url, model), **(own.changes if own else {}))

    def _as_set(self, row: Profile, base_url: str, model: str) -> Profile:
        """A built-in row with what other settings say of it."""
        for implied in self._implied:
            if implied.is_for(base_url, model):
                row = replace(row, **implied.changes)
        return row


def built_in_names() -> tuple[str, ...]:
    """What `built_in` knows: rows (`openai/gpt-5`), and providers (`openai`)."""
    rows = dict.fromkeys(row.profile.name for row in PROFILES)
    return tuple(dict.fromkeys([*map(_provider, rows), *rows]))


def built_in(name: str, model: str) -> Profile:
    """The row of that name; of a provider's rows the one for the model, wherever it runs.

    Raises `KeyError` for a name that is not among `built_in_names`.
    """
    of_provider = [row for row in PROFILES if _provider(row.profile.name) == name]
    for row in of_provider:
        if _any(row.models, _names(model)):
            return row.profile
    found = [row for row in PROFILES if row.profile.name == name] or of_provider[-1:]
    if not found:
        raise KeyError(name)
    return found[0].profile


def _provider(name: str) -> str:
    return name.partition("/")[0]


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | str | None) else str(value)


def _any(globs: tuple[str, ...], forms: tuple[str, ...]) -> bool:
    """Whether a glob matches one of the forms; no globs match everything."""
    return not globs or any(fnmatchcase(form, glob) for glob in globs for form in forms)


def _places(base_url: str) -> tuple[str, ...]:
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    return host, parts.netloc.lower(), f"{host}{parts.path.rstrip('/').lower()}"


def _names(model: str) -> tuple[str, ...]:
    name = model.lower()
    return name, name.rsplit("/", 1)[-1].removeprefix("ft:")
