"""gunicorn's worker class: `gunicorn -k claude_proxy.server.worker.Worker claude_proxy.main:app`.

The same server as the command's own; needs the extra `production`.
"""

import asyncio
import logging
import os
import signal
import sys
from typing import Any

# gunicorn ships no types.
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn_worker import UvicornWorker

from claude_proxy.server.life import Server
from claude_proxy.server.metrics_share import share_among_children
from claude_proxy.server.reload import check_mode, give
from claude_proxy.server.runner import (
    raise_file_limit,
    reload_for,
    server_for,
    tune_memory,
    uvicorn_options,
)
from claude_proxy.settings import Settings, SettingsError, load_settings

_NOTIFY_SECONDS = 0.5
# gunicorn kills a worker `graceful_timeout` after SIGTERM: the last words must be said before.
_LAST_WORDS = 2


_good: list[Settings] = []
"""The last settings that could be used, in gunicorn's own process."""

log = logging.getLogger("gunicorn.error")


def _checked_settings() -> Settings:
    """The settings as they are now; where they are wrong, as they were for the workers before.

    After SIGHUP gunicorn starts new workers, and would end with the first one that cannot start.
    """
    try:
        settings = load_settings()
        settings.bind()
        if settings.metrics_dir is None:
            share_among_children()
            settings = load_settings()  # It finds the folder in the environment.
        if _good:
            check_mode(_good[0], settings)
    except SettingsError as error:
        if not _good:
            raise
        log.error("reload refused, the settings stay as they were: %s", error.message)
    else:
        _good[:] = [settings]
    return _good[0]


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # This runs in gunicorn's own process, before the fork.
        self._settings = _checked_settings()
        raise_file_limit()
        options = {"loop": "auto", **uvicorn_options()}
        self.CONFIG_KWARGS = {**options, "timeout_notify": _NOTIFY_SECONDS}
        super().__init__(*args, **kwargs)
        keep_alive = self.cfg.settings["keepalive"]
        if keep_alive.value != keep_alive.default:
            self.config.timeout_keep_alive = keep_alive.value

    def load_wsgi(self) -> None:
        give(self._settings)
        super().load_wsgi()
        tune_memory()

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        grace = max(0, self.cfg.graceful_timeout - _LAST_WORDS)
        ceiling = min(self._settings.drain_seconds, grace)
        self._server = server_for(
            self.wsgi,
            self._settings,
            self.config,
            warm=True,
            ceiling=ceiling,
            reload=reload_for(self.wsgi, self._settings, load_settings),
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, self._quit, self._server)
        await self._server.serve(sockets=self.sockets)
        if not self._server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _quit(self, server: Server) -> None:
        """gunicorn's quick end. On Ctrl-C the terminal has sent SIGINT to us already."""
        if server.should_exit and signal.SIGINT not in server.captured:
            server.force_exit = True
        server.stop()

    async def callback_notify(self) -> None:
        await super().callback_notify()
        if os.getppid() != self.ppid:
            # gunicorn was killed. Without it we would keep its port from the next one.
            self._server.stop()
