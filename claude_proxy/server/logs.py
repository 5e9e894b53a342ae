"""Logs by structlog: ours, uvicorn's and gunicorn's through one chain, with keys masked.

Console lines for people, JSON for machines. Never prompts, bodies or whole headers.
"""

import logging
import logging.config
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from claude_proxy.server.redact import Redactor
from claude_proxy.server.services import secrets_of
from claude_proxy.settings import Settings


def configure_logs(settings: Settings, *, file: str | None = None) -> None:
    """Sets up logging for the whole process, to standard error or to `file`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(_config(settings, shared, file))


def _config(settings: Settings, shared: list[Processor], file: str | None) -> dict[str, Any]:
    handler: dict[str, Any] = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
    if file is not None:
        handler = {"class": "logging.FileHandler", "filename": file, "encoding": "utf-8"}
    handler["formatter"] = "structlog"
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": _final(settings, to_file=file is not None),
    }
    quiet = {"level": "WARNING", "propagate": True, "handlers": []}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structlog": formatter},
        "handlers": {"default": handler},
        "root": {"handlers": ["default"], "level": settings.log_level},
        "loggers": {
            "uvicorn": {"level": settings.log_level, "propagate": True, "handlers": []},
            "uvicorn.error": {"level": settings.log_level, "propagate": True, "handlers": []},
            # Our own access line says more, and shows no query string.
            "uvicorn.access": quiet,
            "httpx": quiet,
            "httpcore": quiet,
            "aiohttp": quiet,
            "asyncio": quiet,
        },
    }


def _final(settings: Settings, *, to_file: bool) -> list[Processor]:
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and not to_file and sys.stderr.isatty()
    )
    first: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _drop_color_message,
        # Before the redaction, so that a traceback's text passes it too.
        structlog.processors.format_exc_info,
        _redact(Redactor(secrets_of(settings))),
    ]
    if console:
        return [*first, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [*first, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _drop_color_message(logger: Any, name: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's second copy of the text
    return event


def _redact(redactor: Redactor) -> Processor:
    def redact(logger: Any, name: str, event: EventDict) -> EventDict:
        return {
            key: redactor.clean(value) if isinstance(value, str) else value
            for key, value in event.items()
        }

    return redact
