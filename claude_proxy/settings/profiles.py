"""Profiles of the user's own, from tables `[profiles.NAME]`: read, checked, with clear errors."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, InstanceOf, TypeAdapter, ValidationError

from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.own_profiles import OwnProfile, ProfileFinder, built_in_names
from claude_proxy.profiles import Profile
from claude_proxy.settings import parse
from claude_proxy.settings.fields import SettingsError, Text, Var

_KEYS = ("base", "hosts", "models")
_FIELDS = tuple(field.name for field in fields(Profile) if field.name != "name")
_LEAST: Mapping[str, int] = {"max_stops": 0, "tool_name_length": 16, "tool_id_length": 9}
"""The smallest number of a field, where that is not 1."""
_NAME_LENGTH = 100
_SHOWN_LENGTH = 60


def tables(given: Any) -> dict[str, Any]:
    """Tables by their names, from a mapping or from the text of a TOML or JSON document.

    `ValueError` for anything else.
    """
    if isinstance(given, str):
        given = _document(given)
    inner = given.get("profiles") if isinstance(given, Mapping) and len(given) == 1 else None
    found = inner if isinstance(inner, Mapping) else given
    if not isinstance(found, Mapping):
        raise ValueError("must be tables like [profiles.NAME]")
    return dict(found)


def _document(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return loads(text)
        except ValueError:
            raise ValueError("is not a JSON object of tables") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is neither TOML nor JSON: {error}") from None


def own_profiles(given: Any) -> dict[str, OwnProfile]:
    """All tables, checked. `ValueError` names the first that is wrong."""
    return {name: _own_profile(name, table) for name, table in tables(given).items()}


def _own_profile(name: str, table: Any) -> OwnProfile:
    if isinstance(table, OwnProfile):
        return table
    if not (name and name.isprintable() and len(name) <= _NAME_LENGTH):
        raise ValueError(f"{name[:_NAME_LENGTH]!r} cannot name a profile")
    if name in built_in_names():
        raise ValueError(f"[profiles.{name}]: a built-in profile has this name; choose another")
    if not isinstance(table, Mapping):
        raise ValueError(f"profiles.{name} must be a table")
    try:
        return _read(table)
    except ValueError as error:
        raise ValueError(f"[profiles.{name}]: {error}") from None


def _read(table: Mapping[str, Any]) -> OwnProfile:
    for key in table:
        if key not in _FIELDS and key not in _KEYS:
            raise ValueError(f"{key} is not a field of a profile{likely(key, (*_FIELDS, *_KEYS))}")
    base = table.get("base")
    if base is not None and base not in built_in_names():
        raise ValueError(f"base names no built-in profile{likely(str(base), built_in_names())}")
    changes = {key: field_value(key, value) for key, value in table.items() if key not in _KEYS}
    if changes.get("max_output_tokens"):
        # What the user says himself is no guess.
        changes.setdefault("cap_assumed", False)
    return OwnProfile(changes, base, *(_globs(key, table.get(key)) for key in _KEYS[1:]))


def _globs(key: str, given: Any) -> tuple[str, ...]:
    found = parse.names(given) if given is not None else []
    if not isinstance(found, list) or not all(isinstance(glob, str) and glob for glob in found):
        raise ValueError(f'{key} must be a list of globs, like ["*.example"]')
    return tuple(glob.lower() for glob in found)


def field_value(name: str, given: Any) -> Any:
    """What a table says of a field, as `Profile` has it; `false` stands for None.

    `ValueError` when it cannot be that; `KeyError` when there is no such field.
    """
    hint, adapter = _adapters()[name]
    inner = _without_none(hint)
    if inner is not hint and (given is None or given is False):
        return None
    if isinstance(given, Mapping) and _is_pairs(inner):
        given = list(given.items())
    try:
        # As JSON, where lists can be tuples and sets while numbers and texts stay what they are.
        value = adapter.validate_json(dumps(given), strict=True)
    except (ValidationError, TypeError):
        raise ValueError(f"{name} must be {_allowed(hint)}, not {_shown(given)}") from None
    return _checked(name, value, inner)


def _checked(name: str, value: Any, hint: Any) -> Any:
    least = _LEAST.get(name, 1)
    if hint is int and value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, not {value}")
    order = _words(get_args(hint)[0]) if get_origin(hint) is tuple else ()
    # Levels have an order, which the encoder relies on.
    return tuple(sorted(set(value), key=order.index)) if order else value


@lru_cache(maxsize=1)
def _adapters() -> dict[str, tuple[Any, TypeAdapter[Any]]]:
    """Each field's type, and what reads it. Made when the first table is read."""
    hints = get_type_hints(Profile)
    return {name: (hints[name], TypeAdapter(hints[name])) for name in _FIELDS}


def _without_none(hint: Any) -> Any:
    """`X` of `X | None`; any other type as it is."""
    if get_origin(hint) not in (Union, UnionType) or NoneType not in get_args(hint):
        return hint
    rest = [part for part in get_args(hint) if part is not NoneType]
    return Union[tuple(rest)]  # noqa: UP007 - of a list that is known only now


def _is_pairs(hint: Any) -> bool:
    parts = get_args(hint)
    return get_origin(hint) is tuple and bool(parts) and get_origin(parts[0]) is tuple


def _words(hint: Any) -> tuple[str, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _allowed(hint: Any) -> str:
    """Completes "must be …"."""
    inner = _without_none(hint)
    end = " or false" if inner is not hint else ""
    if inner is bool:
        return f"true or false{end}"
    if inner is int:
        return f"a whole number{end}"
    if words := _words(inner):
        return f"one of {', '.join(words)}{end}" if words[1:] else f"{words[0]}{end}"
    if get_origin(inner) is tuple and (words := _words(get_args(inner)[0])):
        return f"a list of {', '.join(words)}{end}"
    listed = get_origin(inner) in (tuple, frozenset) and not _is_pairs(inner)
    return f"a list{end}" if listed else f"a table{end}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def likely(name: str, known: Iterable[str]) -> str:
    """A question that follows a name, where one of the known names is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def finder(
    own: Mapping[str, OwnProfile],
    named: Mapping[str, tuple[str, str | None]],
    implied: Sequence[OwnProfile],
) -> ProfileFinder:
    """The finder of all settings about profiles.

    `named`: upstream → the variable or key that names its profile, and that name. `implied`: what
    other settings say. Raises `SettingsError` for a profile that nobody knows.
    """
    known = (*own, *built_in_names())
    for key, name in named.values():
        if name is not None and name not in known:
            end = likely(name, known) or f": known are {', '.join(known)}"
            raise SettingsError(f"{key}: {_shown(name)} is no profile{end}.")
    names = {upstream: name for upstream, (_, name) in named.items() if name}
    return ProfileFinder(own, names, implied)


Profiles = Annotated[
    dict[str, InstanceOf[OwnProfile]],
    BeforeValidator(own_profiles),
    Var(
        "CLAUDE_PROXY_PROFILES",
        "What you know better of upstreams and models, by name: in the config file a table "
        "`[profiles.NAME]` each, with `hosts`, `models`, `base` and any field of a profile; here "
        "a JSON object of such tables.",
        "tables of a profile's fields",
        private=True,
    ),
    Field(repr=False),
]
Named = Annotated[
    Text | None,
    Var(
        "CLAUDE_PROXY_PROFILE",
        "The profile of the default upstream: a provider (`openai`), a built-in row "
        "(`openai/gpt-5`) or a table of your own; by address and model if unset.",
        "the name of a profile",
    ),
]
