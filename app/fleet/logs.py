"""One structured line an event: JSON, or coloured text on a terminal. gunicorn's own lines come out the same way.

A line is written in one call, so that the lines of ten workers do not mix.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from typing import Any

import orjson
import structlog
from gunicorn.glogging import Logger

from ..settings import Settings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _json(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def _is_json(settings: Settings) -> bool:
    return settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())


def _stamp() -> list[Any]:
    return [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]


def _renderer(settings: Settings) -> Any:
    if _is_json(settings):
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


class StderrLogger:
    """Writes each line in one call to whatever standard error is at that moment."""

    def msg(self, line: str) -> None:
        """Write a line."""
        with contextlib.suppress(OSError):  # a log collector that has gone away must not cost an answer
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = msg


def configure(settings: Settings) -> None:
    """Set up `structlog.get_logger()` for this process and those that it forks."""
    structlog.configure(
        processors=[*_stamp(), _renderer(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=lambda *_: StderrLogger(),
        cache_logger_on_first_use=False,
    )


def gunicorn_config(settings: Settings) -> dict[str, Any]:
    """gunicorn's `logconfig_dict`: its lines through the same renderer, to standard error."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
        "foreign_pre_chain": [*_stamp(), structlog.processors.format_exc_info],
    }
    handler = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
    level = settings.log_level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": handler},
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": {"gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False}},
    }


def frames(error: BaseException, most: int = 12) -> list[str]:
    """Where an error happened, innermost last, without its message, which might quote a text."""
    found = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in found][-most:]


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without its access line, which our hook writes better."""

    def access(self, *_: Any) -> None:
        """Write nothing."""
