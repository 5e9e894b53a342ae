"""gunicorn's worker class: `gunicorn -k claude_proxy.server.worker.Worker claude_proxy.main:app`.

The same uvicorn options as the command's own server; needs the extra `production`.
"""

from typing import Any

from uvicorn_worker import UvicornWorker

from claude_proxy.server.metrics_share import share_among_children
from claude_proxy.server.runner import raise_file_limit, tune_memory, uvicorn_options
from claude_proxy.settings import load_settings


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker ships no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # This runs in gunicorn's own process, before the fork.
        settings = load_settings()
        if settings.metrics_dir is None:
            share_among_children()
        self.CONFIG_KWARGS = {"loop": "auto", **uvicorn_options(settings)}
        super().__init__(*args, **kwargs)
        raise_file_limit()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        tune_memory()
