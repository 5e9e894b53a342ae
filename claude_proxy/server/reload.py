"""New settings for a server that runs: read and checked as a whole, or nothing is changed.

Requests that run go on by the settings that they began with. What was made of settings that are
still the same goes over to the new ones: connections, windows of rates, what is remembered.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import structlog

from claude_proxy.settings import Settings, SettingsError, variables

FIXED = (
    *("host", "port", "workers", "metrics_dir", "drain_seconds"),
    *("header_timeout", "body_timeout", "log_level", "log_format"),
)
"""What is used at the start alone: a change takes a restart."""

_TERMINAL = "/dev/tty"

Read = Callable[[], Settings]
Install = Callable[[Settings], Settings]
"""Makes the settings those of the next request; gives the ones before. Raises `SettingsError`."""

log = structlog.get_logger("claude_proxy.reload")


_given: list[Settings] = []


def give(settings: Settings) -> None:
    """To this process's app: settings that somebody has read and checked for it."""
    _given[:] = [settings]


def given() -> Settings | None:
    return _given[0] if _given else None


def check_mode(before: Settings, after: Settings) -> None:
    """Raises `SettingsError` where the server's key has gone, perhaps with a file that is just
    being replaced: clients' keys, which were this server's, would go to the upstream."""
    if before.fixed and not after.fixed and after.mode == "auto":
        raise SettingsError(
            f"{before.backing.key} is not set any more, and without it each client's key would go "
            "to the upstream. If that is meant, set CLAUDE_PROXY_MODE=passthrough."
        )


class Reload:
    """What SIGHUP does. Mutable: it remembers the settings of the start, and the present ones."""

    def __init__(self, settings: Settings, read: Read, install: Install) -> None:
        self._started = self._now = settings
        self._read = read
        self._install = install

    def __call__(self) -> None:
        """Never raises what a wrong setting could cause: it is logged, and all stays as it was."""
        try:
            settings = self._read()
            settings.bind()
            check_mode(self._now, settings)
            after = settings.model_copy(
                update={name: getattr(self._started, name) for name in FIXED}
            )
            before = self._install(after)
            self._now = after
        except SettingsError as error:
            # Its text names variables and sources, and no secret.
            log.error("reload_refused", reason=error.message)
            return
        for warning in (*settings.warnings, *self._without_effect(settings)):
            log.warning("reload_warning", text=warning)
        log.info("reloaded", changed="; ".join(_changed(before, after)))

    def _without_effect(self, settings: Settings) -> list[str]:
        names = _changed(self._started, settings, FIXED)
        return [f"{name} has changed, which takes a restart." for name in names]


def _changed(before: Settings, after: Settings, of: tuple[str, ...] = ()) -> list[str]:
    """The variables that are set otherwise; never their values, which may be secret."""
    return [
        var.name
        for attribute, var in variables().items()
        if (not of or attribute in of) and getattr(before, attribute) != getattr(after, attribute)
    ]


class Hangup:
    """SIGHUP, of which there are two: somebody sends it, or the terminal has been closed."""

    def __init__(self) -> None:
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        # Under nohup the end of the terminal is no end of ours.
        self._had_terminal = not ignored and _has_terminal()

    def means_the_end(self) -> bool:
        return self._had_terminal and not _has_terminal()


def _has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY))
        return True
    return False
