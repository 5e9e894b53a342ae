"""claude-proxy run: a client with a proxy of its own."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import (
    config_option,
    model_options,
    remembering,
    say,
    state_folder,
)

if TYPE_CHECKING:
    from claude_proxy.settings import Settings

_HOST = "127.0.0.1"
_PATIENCE = 3.0  # seconds: longer than the server waits for the upstream's list
_LOG_BYTES = 5_000_000  # a larger log is set aside as run.log.1
_FORWARDED = ("SIGTERM", "SIGHUP")
_NO_COMMAND, _NOT_EXECUTABLE = 127, 126  # as shells say it

_NO_KEY = """\
There is no key for {base_url}. Set one of:
  OPENAI_API_KEY in the environment
  OPENAI_API_KEY in ~/.config/claude-proxy/.env
  a file with `openai_api_key = "…"`, named by --config
(.env and claude-proxy.toml of the current folder are not read here: a cloned repository could
redirect your key.) A server on this machine needs no key: --base-url http://127.0.0.1:11434/v1"""


@click.command(context_settings={"allow_interspersed_args": False})
@model_options
@config_option
@click.argument("words", metavar="[--] [COMMAND]...", nargs=-1, type=click.UNPROCESSED)
def command(config: str | None, words: tuple[str, ...], **options: Any) -> None:
    """Run a client, by default `claude`, with a proxy of its own.

    The proxy listens on a free port of this machine with a key made for this run, and ends with
    the client, whose status becomes ours.

    \b
    claude-proxy run --base-url http://127.0.0.1:11434/v1 --big-model qwen3:8b -- claude
    """
    from claude_proxy.settings import load_settings

    # Whatever the server's mode is: here the client's key is ours, so the upstream's is the user's.
    options["mode"] = "auto"
    settings = load_settings(options=options, trusted_folder=False, config=config)
    argv = _found(words or ("claude",))
    raise click.exceptions.Exit(_run(_for_this_run(settings), argv))


def _found(words: tuple[str, ...]) -> list[str]:
    path = shutil.which(words[0])
    if path is None:
        say(f"Error: the command {words[0]!r} was not found. Is it installed and in PATH?")
        raise click.exceptions.Exit(_NO_COMMAND)
    return [path, *words[1:]]


def _for_this_run(settings: "Settings") -> "Settings":
    """A fixed server key, and a random one for the client. `SettingsError` without a key, unless
    the client's own key or login at Anthropic will do."""
    from pydantic import SecretStr

    return settings.model_copy(
        update={
            **_upstreams_key(settings),
            "auth_key": SecretStr(secrets.token_urlsafe(32)),
            "host": _HOST,
            "workers": 1,
            # When the client has ended, nobody waits for its answers.
            "drain_seconds": 0.0,
            **remembering(settings, os.environ),
        }
    )


def _upstreams_key(settings: "Settings") -> dict[str, Any]:
    from pydantic import SecretStr

    if settings.backing.address:
        return {}
    if settings.upstream_key is None and settings.backing.anthropic:
        return {"mode": "passthrough"}
    key = settings.upstream_key or SecretStr(_local_key(settings))
    return {"mode": "fixed", settings.backing.key.lower(): key}


def _local_key(settings: "Settings") -> str:
    """Servers on this machine ask for no key, but some want the header."""
    from urllib.parse import urlsplit

    from claude_proxy.settings import SettingsError, is_loopback

    if is_loopback(urlsplit(settings.upstream_url).hostname or ""):
        return "none"
    raise SettingsError(_NO_KEY.format(base_url=settings.upstream_url))


def _run(settings: "Settings", argv: list[str]) -> int:
    from claude_proxy.cli.client_env import ask_limits, child_environment
    from claude_proxy.cli.ports import listen
    from claude_proxy.server.app import create_app
    from claude_proxy.server.logs import configure_logs
    from claude_proxy.server.runner import serving
    from claude_proxy.settings import SettingsError

    if settings.auth_key is None:
        raise SettingsError("A run needs a CLAUDE_PROXY_AUTH_KEY.")
    token = settings.auth_key.get_secret_value() if settings.fixed else None
    log = _log_file(os.environ)
    # The terminal belongs to the client: nothing of the server's may appear on it.
    configure_logs(settings, file=log)
    with serving(create_app(settings), settings, listen(_HOST, 0)) as address:
        _announce(settings, address, log)
        listed = ask_limits(address, token, _PATIENCE)
        return run_child(argv, child_environment(os.environ, settings, address, token, listed))


def _announce(settings: "Settings", address: str, log: str) -> None:
    models = settings.model_map()
    say(
        f"claude-proxy: {address} -> {settings.upstream_url} "
        f"({', '.join(dict.fromkeys([models.big, models.middle, models.small]))}); log: {log}"
    )
    for warning in settings.warnings:
        say(f"Warning: {warning}")


def run_child(argv: list[str], environ: Mapping[str, str]) -> int:
    """The child's status, as a shell says it: 128 + n when signal n ended it."""
    try:
        # The user's own command, which is what this one is for.
        child = subprocess.Popen(argv, env=dict(environ))  # noqa: S603  # nosec B603
    except OSError as error:
        say(f"Error: {argv[0]} cannot be started: {error.strerror or error}")
        return _NOT_EXECUTABLE
    with _signals(child):
        status = child.wait()
    return status if status >= 0 else 128 - status


@contextmanager
def _signals(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ctrl-C is the child's alone: the terminal sends it there, too. SIGTERM is passed on.

    A function and not SIG_IGN, which a child that is started meanwhile would inherit.
    """
    handlers: dict[int, Any] = {signal.SIGINT: lambda number, frame: None}
    for name in _FORWARDED:
        if hasattr(signal, name):
            handlers[getattr(signal, name)] = lambda number, frame: child.send_signal(number)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_file(environ: Mapping[str, str]) -> str:
    """The log's path, ready to be written; the null device when it cannot be."""
    path = log_path(environ)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
        path.open("a").close()
    except OSError as error:
        say(f"Warning: no log: {path}: {error.strerror}")
        return os.devnull
    return str(path)


def log_path(environ: Mapping[str, str]) -> Path:
    """`run.log` in the user's state folder."""
    return state_folder(environ) / "run.log"
