"""Logs by structlog: ours, uvicorn's and gunicorn's through one chain, with keys masked.

Console lines for people, JSON for machines. Never prompts, bodies or whole headers. Our own
events skip the standard library's logging, which costs five times as much per line.
"""

import json
import logging
import logging.config
import re
import sys
import time
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from claude_proxy.server.redact import Redactor
from claude_proxy.server.services import secrets_of
from claude_proxy.settings import Settings
from claude_proxy.types import Json

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING}

# What other libraries say at a lower level belongs to their own developers.
_QUIET = ("uvicorn.access", "httpx", "httpcore", "aiohttp", "asyncio")


def configure_logs(settings: Settings, *, file: str | None = None) -> None:
    """Sets up logging for the whole process, to standard error or to `file`."""
    stream: TextIO = sys.stderr
    if file is not None:
        stream = open(file, "a", encoding="utf-8", buffering=1)
    first: list[Processor] = [structlog.stdlib.add_log_level, _add_time]
    last = _last(settings, stream)
    level = getattr(logging, settings.log_level)
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=_bound_logger(level, json=last[-1] is _render_json),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(_config(settings, stream, first, last))


def _bound_logger(level: int, *, json: bool) -> Any:
    """structlog's for events from `level` on, with a way for those that are a dict already. Each
    copy of one costs as much as all that is done with it, and by keywords there are five."""
    base: Any = structlog.make_filtering_bound_logger(level)

    class Logger(base):  # type: ignore[misc]  # its type is made by a function
        escapes = json
        """Whether control characters are escaped anyway."""

        def emit(self, method: str, event: EventDict) -> None:
            """As `log.info(**event)`; the dict is the log's from now on."""
            if self.is_enabled_for(_LEVELS[method]):
                self._emit(method, event)

        def _emit(self, method: str, event: Any) -> None:
            try:
                for processor in self._processors:
                    event = processor(self._logger, method, event)
            except structlog.DropEvent:
                return
            getattr(self._logger, method)(event)

        def _proxy_to_logger(self, method_name: str, event: str | None = None, **more: Any) -> None:
            self._emit(method_name, {**self._context, **more, "event": event})

    return Logger


def _add_time(logger: Any, name: str, event: EventDict) -> EventDict:
    """As structlog's own, at a quarter of its cost: it formats a second once."""
    now, micros = divmod(time.time_ns() // 1000, 1_000_000)
    event["timestamp"] = f"{_second(now)}.{str(1_000_000 + micros)[1:]}Z"
    return event


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


def _config(
    settings: Settings, stream: TextIO, first: list[Processor], last: list[Processor]
) -> Json:
    """The standard library's side: the same chain behind every other library's logger."""
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [structlog.stdlib.add_logger_name, *first],
        "processors": [remove_meta, _drop_color_message, *last],
    }
    handler = {"class": "logging.StreamHandler", "stream": stream, "formatter": "structlog"}
    quiet: Json = {"level": "WARNING", "propagate": True, "handlers": []}
    talkative: Json = {"level": settings.log_level, "propagate": True, "handlers": []}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structlog": formatter},
        "handlers": {"default": handler},
        "root": {"handlers": ["default"], "level": settings.log_level},
        "loggers": {
            "uvicorn": talkative,
            "uvicorn.error": talkative,
            # Our own access line says more, and shows no query string.
            **dict.fromkeys(_QUIET, quiet),
        },
    }


def _last(settings: Settings, stream: TextIO) -> list[Processor]:
    """Tracebacks to text, the keys out of every text, and the event to one line."""
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    render: Processor = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    if not console:
        render = _render_json
    return [
        _show_exception,
        _redact(Redactor(secrets_of(settings))),
        render,
    ]


def _show_exception(logger: Any, name: str, event: EventDict) -> EventDict:
    has_one = "exc_info" in event
    return structlog.processors.format_exc_info(logger, name, event) if has_one else event


def _drop_color_message(logger: Any, name: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn's second copy of the text
    return event


_encoder = msgspec.json.Encoder(enc_hook=repr)
_ODD = re.compile(r"[^\x20-\x7e]")


def _render_json(logger: Any, name: str, event: EventDict) -> str:
    line = _encoder.encode(event).decode()
    # What JSON escapes is printable; of ASCII that is all but one character.
    return line if line.isascii() and "\x7f" not in line else _ODD.sub(_escaped, line)


def _escaped(found: re.Match[str]) -> str:
    """As JSON has it: what JSON may hold raw, such as U+2028, ends lines for some readers."""
    char = found[0]
    return char if char.isprintable() else json.dumps(char)[1:-1]


_OURS = frozenset({"request_id", "timestamp", "level"})
_SCALARS = frozenset({int, float, bool, type(None)})
_SHORT, _MOST_HARMLESS = 100, 1024


def _redact(redactor: Redactor) -> Processor:
    # Most texts of an access line come again and again: paths, models, kinds of errors.
    harmless: set[str] = set()

    def redact(logger: Any, name: str, event: EventDict) -> EventDict:
        try:
            new = [
                key
                for key, value in event.items()
                if value not in harmless and type(value) not in _SCALARS and key not in _OURS
            ]
        except TypeError:  # A list, or the like, is in no set.
            scalars = {key for key, value in event.items() if type(value) in _SCALARS}
            new = list(event.keys() - scalars - _OURS)
        for key in new:
            value = event[key]
            text = value if isinstance(value, str) else repr(value)
            clean = redactor.clean(text)
            if clean != text:
                event[key] = clean
            elif len(text) <= _SHORT:
                if len(harmless) >= _MOST_HARMLESS:
                    harmless.clear()
                harmless.add(text)
        return event

    return redact
