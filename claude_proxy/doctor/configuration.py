"""What the settings say, and whether the server would start with them."""

import platform
from collections import Counter
from collections.abc import Iterator

from claude_proxy import __version__
from claude_proxy.doctor.findings import Finding, Verdict
from claude_proxy.settings import Settings, SettingsError, is_loopback
from claude_proxy.settings.sources import PREFIX


def look(settings: Settings, host: str) -> Iterator[Finding]:
    """`host`: the upstream's, which says whether a key is needed."""
    yield Finding("version", Verdict("ok", _version()))
    yield Finding("settings", Verdict("ok", _sources(settings)))
    for warning in settings.warnings:
        yield Finding("warning", Verdict("degraded", warning))
    yield Finding("address", _bind(settings), needed=True)
    yield Finding("key", _key(settings, host), needed=True)


def _version() -> str:
    system = f"{platform.system()} {platform.machine()}"
    return f"claude-proxy {__version__}, Python {platform.python_version()}, {system}."


def _sources(settings: Settings) -> str:
    """How many values come from where; never a value."""
    if not settings.sources:
        return "nothing is set; the defaults hold."
    places = Counter(_place(source) for source in settings.sources.values())
    return f"{', '.join(f'{count} from {place}' for place, count in places.items())}."


def _place(source: str) -> str:
    words = source.split(", ")[0].rsplit(" ", 1)[0]
    return "options" if words.startswith("option") else words


def _bind(settings: Settings) -> Verdict:
    try:
        host, why = settings.bind()
    except SettingsError as error:
        return Verdict("failed", "the server would refuse to start.", error.message)
    return Verdict("ok", f"{host}:{settings.port} ({why}).")


def _key(settings: Settings, host: str) -> Verdict:
    variable = settings.backing.key
    if settings.upstream_key is not None:
        source = settings.sources.get(variable.lower(), "the caller")
        kind = "used for all clients" if settings.fixed else "used for these probes only"
        return Verdict("ok", f"set, from {source}; {kind}.")
    if is_loopback(host):
        return Verdict("ok", "none; an upstream on this machine hardly wants one.")
    remedy = f"Set {variable}; with {PREFIX}MODE=passthrough it is used by this command only."
    return Verdict("failed", "there is none to ask the upstream with.", remedy)
