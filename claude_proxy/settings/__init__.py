"""Settings: read once, checked, frozen. Importing this reads nothing.

Order: command option > environment > `.env` > secret files > `claude-proxy.toml` > default.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from claude_proxy.settings.backings import BACKINGS
from claude_proxy.settings.binding import is_loopback
from claude_proxy.settings.fields import SettingsError, Var
from claude_proxy.settings.model import Settings, variables
from claude_proxy.settings.profiles import tables
from claude_proxy.settings.routing import targets, told_lost
from claude_proxy.settings.sources import (
    CONFIG_NAME,
    CONFIG_VARIABLE,
    PROFILES_NAME,
    Found,
    Layer,
    dotenv_layer,
    environment_layer,
    find,
    find_headers,
    find_tables,
    is_unset,
    profiles_layer,
    secret_layers,
    toml_layer,
    unknown_names,
)

__all__ = [
    "Settings",
    "SettingsError",
    "Var",
    "is_loopback",
    "load_settings",
    "profiles_path",
    "variables",
]

_SECRETS = Path("/run/secrets")


def load_settings(
    *,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    trusted_folder: bool = True,
    config: Path | str | None = None,
    secrets: Path = _SECRETS,
) -> Settings:
    """The effective settings of this process.

    `options` are values by attribute (`{"port": 8085}`, None = not given) and win over all else.
    `environ` is `os.environ` by default. With `trusted_folder=False` nothing is read from the
    current folder: a cloned repository must not redirect the user's key.
    Raises `SettingsError` naming every wrong variable, where it was set and what is allowed.
    """
    environ = os.environ if environ is None else environ
    folders = list(_folders(environ, cwd, trusted_folder))
    table = variables()
    texts = list(_texts(environ, folders))
    files = _config_files(texts, folders, config, trusted_folder)
    layers, warnings = _layers(texts, files, table, secrets)
    written = profiles_path(environ)
    if written is not None and written.is_file():
        layer, about = profiles_layer(written)
        layers.append(layer)
        warnings += about
    found = _find_all(table, dict(options or {}), layers)
    settings = _build(found, table)
    return settings.model_copy(update={"warnings": (*warnings, *_ineffective(settings))})


def _folders(environ: Mapping[str, str], cwd: Path | None, trusted: bool) -> Iterator[Path]:
    """Folders that may hold `.env` and the config file, strongest first."""
    if trusted:
        yield cwd or Path.cwd()
    if own := _own_folder(environ):
        yield own


def _own_folder(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    base = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    return Path(base) / "claude-proxy" if base else None


def profiles_path(environ: Mapping[str, str]) -> Path | None:
    """The user's own file of profiles; None when nobody knows the user's home."""
    own = _own_folder(environ)
    return own / PROFILES_NAME if own else None


def _texts(environ: Mapping[str, str], folders: list[Path]) -> Iterator[Layer]:
    yield environment_layer(environ)
    for folder in folders:
        if layer := dotenv_layer(folder / ".env"):
            yield layer


def _config_files(
    texts: list[Layer], folders: list[Path], config: Path | str | None, trusted: bool
) -> list[Path]:
    """A named file stands in for the current folder's; the user's own comes last."""
    found = [layer.values[CONFIG_VARIABLE] for layer in texts if layer.values.get(CONFIG_VARIABLE)]
    named = config or next(iter(found), None)
    usual = [folder / CONFIG_NAME for folder in (folders[1:] if named and trusted else folders)]
    return [*([Path(named)] if named else []), *(path for path in usual if path.is_file())]


def _layers(
    texts: list[Layer], files: list[Path], table: Mapping[str, Var], secrets: Path
) -> tuple[list[Layer], list[str]]:
    """All layers but the options, strongest first, and warnings about what they hold."""
    layers = [*texts, *secret_layers([layer.values for layer in texts], table, secrets)]
    warnings = [warning for layer in texts for warning in unknown_names(layer, table)]
    for path in files:
        layer, about = toml_layer(path, table)
        layers.append(layer)
        warnings += about
    return layers, warnings


def _find_all(
    table: Mapping[str, Var], options: Mapping[str, object], layers: list[Layer]
) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for attribute, var in table.items():
        value = _option(attribute, options) or _find(attribute, var, layers)
        if value is not None:
            found[attribute] = value
    return found


def _find(attribute: str, var: Var, layers: list[Layer]) -> Found | None:
    if attribute == "custom_headers":
        return find_headers(layers)
    return find_tables(var, layers, tables) if attribute == "profiles" else find(var, layers)


def _option(attribute: str, options: Mapping[str, object]) -> Found | None:
    value = options.get(attribute)
    if is_unset(value):
        return None
    return Found(value, f"option --{attribute.replace('_', '-').replace('openai-', '')}")


def _build(found: Mapping[str, Found], table: Mapping[str, Var]) -> Settings:
    values: dict[str, Any] = {attribute: one.value for attribute, one in found.items()}
    sources = {attribute: one.source for attribute, one in found.items()}
    try:
        return Settings(**values, sources=sources)
    except ValidationError as error:
        lines = dict.fromkeys(_lines(error, found, table))
        raise SettingsError("\n".join(lines)) from None


def _lines(
    error: ValidationError, found: Mapping[str, Found], table: Mapping[str, Var]
) -> Iterator[str]:
    """One sentence for each wrong value. `from None` above: pydantic's text may hold secrets."""
    for detail in error.errors(include_url=False, include_input=False):
        attribute = str(detail["loc"][0])
        var, one = table[attribute], found[attribute]
        ours = detail.get("ctx", {}).get("error")
        why = str(ours) if isinstance(ours, ValueError) else f"must be {var.allowed or 'a text'}"
        shown = "" if var.private else f", not {_short(one.value)}"
        place = _inside(detail["loc"]) if var.private else ""
        yield f"{var.name} ({one.source}{place}): {why}{shown}."


def _inside(place: Sequence[object]) -> str:
    """Where in a table it is wrong: by keys alone, which are no secrets."""
    return f", at {_short('.'.join(map(str, place[1:])))}" if len(place) > 1 else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _ineffective(settings: Settings) -> Iterator[str]:
    """Settings that contradict the mode."""
    if settings.auth_key is not None and not settings.fixed:
        yield (
            "CLAUDE_PROXY_AUTH_KEY guards only /metrics in passthrough mode: each client's own "
            "key goes to the upstream."
        )
    if settings.token_counting in ("tiktoken",) and find_spec("tiktoken") is None:
        yield (
            "CLAUDE_PROXY_TOKEN_COUNTING is tiktoken, which is not installed: tokens are "
            "estimated. Install the extra `tokens`."
        )
    if settings.mode == "passthrough" and settings.upstream_key is not None:
        yield f"{settings.backing.key} is ignored: CLAUDE_PROXY_MODE is passthrough."
    router = settings.router()
    wanted = {**targets(router), "CLAUDE_PROXY_FALLBACKS": settings.fallbacks}
    yield from dict.fromkeys(told_lost(wanted, router.models.upstreams))
    yield from _of_other_backings(settings)


def _of_other_backings(settings: Settings) -> Iterator[str]:
    """Addresses that are not the upstream's. Keys of others may be there for other programs."""
    for other in BACKINGS.values():
        if other.address:
            continue
        name = other.url.lower()
        usual = Settings.model_fields[name].default
        if other.url != settings.backing.url and getattr(settings, name) != usual:
            yield (
                f"{other.url} has no effect: CLAUDE_PROXY_BACKEND is {settings.backend}, whose "
                f"address is {settings.backing.url}."
            )
