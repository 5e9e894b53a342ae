"""The file of tables `[profiles.NAME]` that is found out here, and that the settings read."""

import contextlib
import glob
import json
import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from claude_proxy import __version__
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.settings import SettingsError
from claude_proxy.settings.profiles import own_profiles, tables

Tables = dict[str, dict[str, Any]]

_HEAD = f"""\
# Written by claude-proxy {__version__}: `claude-proxy doctor --write`.
# It replaces the tables of the models that it probes. What you set elsewhere wins.
"""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path) -> Tables:
    """The tables of the file; none if there is no file. `SettingsError` when it holds others."""
    try:
        found = tables(path.read_text("utf-8-sig"))
        own_profiles(found)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is not ours to write: {error}") from None
    return {name: dict(table) for name, table in found.items()}


def table(base_url: str, model: str, changes: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and table for one upstream's model."""
    host = urlsplit(base_url).netloc.lower()
    mark = sha256(f"{host} {model}".encode()).hexdigest()[:6]
    word = "-".join(re.findall(r"[a-z0-9]+", model.lower()))[:60]
    # Globs are meant for people: here brackets and stars of a name are themselves.
    where = {"hosts": [glob.escape(host)], "models": [glob.escape(model.lower())]}
    plain = {name: _plain(value) for name, value in changes.items()}
    return f"{word or 'model'}-{mark}", {**where, **plain}


def _plain(value: Any) -> Any:
    """A field's value as TOML has it, which knows no null."""
    if hasattr(value, "_asdict"):  # a named tuple: names say more than places
        value = value._asdict()
    if isinstance(value, frozenset):
        value = sorted(value)
    return False if value is None else _without_nulls(loads(dumps(value)))


def _without_nulls(value: Any) -> Any:
    """What is null inside of a table is its default."""
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}


def merged(known: Tables, new: Mapping[str, Mapping[str, Any]]) -> Tables:
    """The tables of the file afterwards. A table that says nothing is left out."""
    together = {**known, **{name: dict(table) for name, table in new.items()}}
    return {name: table for name, table in together.items() if set(table) - {"hosts", "models"}}


def write(path: Path, content: Tables) -> None:
    """Replaces the file as a whole. Raises `SettingsError` when it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(document(content), "utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def document(content: Tables) -> str:
    return _HEAD + "".join(f"\n{lines(name, table)}" for name, table in content.items())


def lines(name: str, table: Mapping[str, Any]) -> str:
    """One table, as TOML."""
    fields = "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
    return f"[profiles.{_key(name)}]\n{fields}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {_toml(inner)}' for key, inner in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
