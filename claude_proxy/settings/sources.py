"""Where values come from: layers of texts, strongest first.

Nothing is read at import. A layer is a plain mapping, so that the order of the layers and the
order of a setting's names are the only rules there are.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from claude_proxy.settings.fields import SettingsError, Var

PREFIX = "CLAUDE_PROXY_"
CONFIG_VARIABLE = "CLAUDE_PROXY_CONFIG"
CONFIG_NAME = "claude-proxy.toml"
HEADER_PREFIX = "CUSTOM_HEADER_"
PROFILES_NAME = "profiles.toml"
"""Beside the user's own config file: tables `[profiles.NAME]` and nothing else."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One source: raw values by variable name, and how it is called in messages."""

    label: str
    values: Mapping[str, Any]
    keys: Mapping[str, str]
    """How a variable is spelled in this source, where that differs."""

    def names_of(self, name: str) -> str:
        return f"{self.label} {self.keys.get(name, name)}"


@dataclass(frozen=True, slots=True)
class Found:
    value: Any
    source: str


def environment_layer(environ: Mapping[str, str]) -> Layer:
    return Layer("environment", environ, {})


def dotenv_layer(path: Path) -> Layer | None:
    """A `.env` file; `$` has no meaning in it, because keys and passwords may hold one."""
    if not path.is_file():
        return None
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path} cannot be read: {_reason(error)}") from error
    return Layer(str(path), {name: text for name, text in values.items() if text}, {})


def secret_layers(
    texts: Iterable[Mapping[str, str]], variables: Mapping[str, Var], folder: Path
) -> Iterator[Layer]:
    """`NAME_FILE` variables, then the files of the secrets folder, upper or lower case."""
    names = list(_file_names(variables))
    for values in texts:
        paths = {name: Path(values[f"{name}_FILE"]) for name in names if values.get(f"{name}_FILE")}
        yield _files_layer("file of", paths, {name: f"{name}_FILE" for name in paths})
    if folder.is_dir():
        candidates = {name: (folder / name, folder / name.lower()) for name in names}
        found = {
            name: next((path for path in paths if path.is_file()), None)
            for name, paths in candidates.items()
        }
        files = {name: path for name, path in found.items() if path}
        spelled = {name: str(path) for name, path in files.items()}
        yield _files_layer("secret file", files, spelled)


def _file_names(variables: Mapping[str, Var]) -> Iterator[str]:
    """Aliases count only for secrets: a `HOST_FILE` of another program is not for us."""
    for var in variables.values():
        yield var.name
        yield from var.aliases if var.private else ()


def _files_layer(label: str, paths: Mapping[str, Path], spelled: Mapping[str, str]) -> Layer:
    return Layer(label, {name: _text(name, path) for name, path in paths.items()}, spelled)


def _text(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{name}: the file {path} cannot be read: {_reason(error)}") from error


def toml_layer(path: Path, variables: Mapping[str, Var]) -> tuple[Layer, list[str]]:
    """A config file, and warnings about keys of it that this version does not use."""
    document = _toml(path)
    keys = toml_keys(variables)
    values = {name: _flat(document[key]) for key, name in keys.items() if key in document}
    spelled = {name: key for key, name in keys.items()}
    return Layer(str(path), values, spelled), list(_toml_warnings(path, document, keys))


def profiles_layer(path: Path) -> tuple[Layer, list[str]]:
    """A file that holds nothing but tables `[profiles.NAME]`."""
    document = _toml(path)
    others = [key for key in document if key != "profiles"]
    warnings = [f"{path}: {key} is not read here; only [profiles.NAME] is." for key in others]
    name = f"{PREFIX}PROFILES"
    values = {name: document["profiles"]} if "profiles" in document else {}
    return Layer(str(path), values, {name: "profiles"}), warnings


def toml_keys(variables: Mapping[str, Var]) -> dict[str, str]:
    """TOML key → variable: the name in lower case without our prefix."""
    named = {var.name.removeprefix(PREFIX).lower(): var.name for var in variables.values()}
    header = f"{HEADER_PREFIX}*"
    return {key: name for key, name in named.items() if name != header} | {"custom_headers": header}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{path} cannot be read: {_reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error


def _flat(value: Any) -> Any:
    # `azure_api_version = 2024-10-21` is a date in TOML.
    return value if isinstance(value, (str, bool, int, float, list, dict)) else str(value)


def _toml_warnings(path: Path, document: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    known = set(keys)
    for key in document:
        if key not in known:
            yield f"{path}: {key} is not a setting{_likely(key, known)}"


def unknown_names(layer: Layer, variables: Mapping[str, Var]) -> Iterator[str]:
    """Warnings for `CLAUDE_PROXY_*` names that mean nothing, with the likely spelling."""
    canonical = [var.name for var in variables.values()]
    known = {*canonical, *(name for var in variables.values() for name in var.aliases)}
    accepted = known | {f"{name}_FILE" for name in known} | {CONFIG_VARIABLE}
    for name in sorted(layer.values):
        if name.startswith(PREFIX) and name not in accepted:
            yield f"{name} ({layer.label}) is not a setting{_likely(name, canonical)}"


def _likely(name: str, known: Iterable[str]) -> str:
    # Without the prefix, which would make any two names alike.
    bare = {other.removeprefix(PREFIX): other for other in sorted(known)}
    close = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.7)
    return f"; did you mean {bare[close[0]]}?" if close else "."


def find(var: Var, layers: Iterable[Layer]) -> Found | None:
    """The value from the strongest layer; within a layer the canonical name wins."""
    for layer in layers:
        for name in (var.name, *var.aliases):
            value = layer.values.get(name)
            if not is_unset(value):
                return Found(value, layer.names_of(name))
    return None


def is_unset(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def find_headers(layers: Sequence[Layer]) -> Found | None:
    """All `CUSTOM_HEADER_*` values together; a stronger layer wins header by header."""
    headers: dict[str, Any] = {}
    sources: list[str] = []
    for layer in layers:
        given = dict(_headers(layer))
        taken = {name.lower() for name in headers}
        new = {name: text for name, text in given.items() if name.lower() not in taken}
        headers |= new
        sources += [f"{layer.label} {HEADER_PREFIX}*"] if new else []
    return Found(headers, ", ".join(sources)) if headers else None


def find_tables(var: Var, layers: Iterable[Layer], read: Callable[[Any], Any]) -> Found | None:
    """The tables of all layers together, of equal names the strongest's.

    `read` makes a mapping of what a layer holds; raises `SettingsError` where it cannot.
    """
    together: dict[str, Any] = {}
    sources: list[str] = []
    for layer in layers:
        found = find(var, [layer])
        if found is None:
            continue
        try:
            together = {**together, **_new(read(found.value), together)}
        except ValueError as error:
            raise SettingsError(f"{var.name} ({found.source}): {error}.") from None
        sources.append(found.source)
    return Found(together, ", ".join(sources)) if sources else None


def _new(tables: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: table for name, table in tables.items() if name not in known}


def _headers(layer: Layer) -> Iterator[tuple[str, Any]]:
    for name, text in layer.values.items():
        if name == f"{HEADER_PREFIX}*" and isinstance(text, dict):
            yield from text.items()
        elif name.startswith(HEADER_PREFIX) and len(name) > len(HEADER_PREFIX) and text:
            yield name.removeprefix(HEADER_PREFIX).replace("_", "-"), text


def _reason(error: OSError | UnicodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
