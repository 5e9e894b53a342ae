"""claude-proxy serve: the server."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from claude_proxy.cli.common import config_option, model_options, remembering, say

if TYPE_CHECKING:
    from claude_proxy.settings import Settings

_PRODUCTION = ("gunicorn", "uvicorn_worker")
# gunicorn kills a worker this long after it was told to stop: not before our own drain ends.
_AFTER_DRAIN = 10  # seconds


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.  [default: 8085]")
@click.option("--workers", type=int, metavar="N", help="Processes (needs extra `production`).")
@model_options
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
@config_option
def command(config: str | None, **options: Any) -> None:
    """Serve until stopped (the default command).

    Keys are not options, because other users see command lines: set OPENAI_API_KEY and
    CLAUDE_PROXY_AUTH_KEY in the environment, in .env, or as secret files.
    """
    from claude_proxy.settings import load_settings

    def read() -> "Settings":
        settings = load_settings(options=options, config=config)
        return settings.model_copy(update=remembering(settings, os.environ))

    settings = read()
    if settings.workers > 1:
        _serve_many(settings, options, config)
    else:
        _serve_one(settings, read)


def _serve_one(settings: "Settings", read: Callable[[], "Settings"]) -> None:
    from claude_proxy.cli.banner import banner, check_upstream
    from claude_proxy.cli.ports import listen, refuse_loop
    from claude_proxy.server.app import create_app
    from claude_proxy.server.logs import configure_logs
    from claude_proxy.server.runner import serve

    host, _ = settings.bind()
    refuse_loop(settings, host)
    configure_logs(settings)
    sock = listen(host, settings.port)
    for line in banner(settings, settings.port):
        say(line)
    check_upstream(settings, say)
    serve(create_app(settings), settings, sock, read)


def _serve_many(settings: "Settings", options: Mapping[str, Any], config: str | None) -> None:
    """Becomes gunicorn, which then owns the port, the workers and the signals."""
    from claude_proxy.cli.banner import banner
    from claude_proxy.cli.ports import listen, refuse_loop

    _require_production()
    host, _ = settings.bind()
    refuse_loop(settings, host)
    listen(host, settings.port).close()
    for line in banner(settings, settings.port):
        say(line)
    options = {**options, "learned_file": settings.learned_file}
    environ = {**os.environ, **dict(_as_variables(options, config))}
    command = [sys.executable, "-m", "gunicorn", *gunicorn_arguments(settings)]
    # This Python, and arguments that the settings have checked.
    os.execve(sys.executable, command, environ)  # noqa: S606  # nosec B606


def _require_production() -> None:
    missing = [name for name in _PRODUCTION if find_spec(name) is None]
    if missing or os.name != "posix":
        from claude_proxy.cli import Failure

        why = f"{' and '.join(missing)} missing" if missing else "not on this system"
        raise Failure(
            f"More than one worker needs gunicorn ({why}): pip install 'claude-proxy[production]'"
        )


def _as_variables(options: Mapping[str, Any], config: str | None) -> Iterator[tuple[str, str]]:
    """Options as environment variables: each worker reads the settings itself."""
    from claude_proxy.settings import variables

    for attribute, var in variables().items():
        value = options.get(attribute)
        if value is not None:
            yield var.name, str(value)
    if config:
        yield "CLAUDE_PROXY_CONFIG", os.path.abspath(config)


def gunicorn_arguments(settings: "Settings") -> list[str]:
    """gunicorn's command line for these settings."""
    host, _ = settings.bind()
    address = f"[{host.strip('[]')}]" if ":" in host else host
    grace = int(settings.drain_seconds) + _AFTER_DRAIN
    return [
        "claude_proxy.main:app",
        "--worker-class=claude_proxy.server.worker.Worker",
        f"--workers={settings.workers}",
        f"--bind={address}:{settings.port}",
        f"--graceful-timeout={grace}",
        f"--log-level={settings.log_level.lower()}",
        *_control_socket(),
    ]


def _control_socket() -> list[str]:
    """Newer gunicorns open a control socket in the home folder, which may be read-only."""
    # gunicorn ships no types.
    from gunicorn.config import Config  # type: ignore[import-untyped]

    return ["--no-control-socket"] if "control_socket_disable" in Config().settings else []
