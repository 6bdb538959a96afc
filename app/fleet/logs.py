"""One structured line an event: JSON, or coloured text on a terminal. gunicorn's own lines come out the same way.

A line goes out through app/fleet/outlet.py, which never waits for who reads it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from gunicorn.glogging import Logger

from ..settings import Settings
from .outlet import Outlet

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


def _dropped(lines: int) -> str:
    return str(_render({"event": "log lines were dropped, for nobody read them", "lines": lines, "level": "warning"}))


_OUTLET = Outlet(_dropped)
_render: Callable[[dict[str, Any]], Any] = _json
_least = logging.INFO
_writes_json = False


def flush() -> None:
    """Write what was kept because nobody read, as far as there is room."""
    _OUTLET.flush()


def close() -> None:
    """At this process's end: write what was kept, or count it as lost."""
    _OUTLET.close()


def count_dropped(count: Callable[[int], None]) -> None:
    """Have lines that are lost from now on counted."""
    _OUTLET.count_dropped = count


def info(event: str, facts: dict[str, Any]) -> None:
    """A line that every request writes, and so made without the library's twenty calls: what it would write."""
    if _least > logging.INFO:
        return
    if _writes_json:
        line = facts | {"event": event, "level": "info", "timestamp": datetime.now(UTC)}
        _OUTLET.data(orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
    else:
        structlog.get_logger("serve-bert").info(event, **facts)


class LineLogger:
    """What structlog writes to."""

    def msg(self, line: str) -> None:
        """Write a line."""
        _OUTLET.line(line)

    debug = info = warning = error = msg


class Handler(logging.Handler):
    """What gunicorn and other libraries write to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        _OUTLET.line(self.format(record))


def configure(settings: Settings) -> None:
    """Set up `structlog.get_logger()` for this process and those that it forks."""
    global _render, _least, _writes_json  # noqa: PLW0603 - as structlog's own configuration, which they belong to
    _least, _writes_json = LEVELS[settings.log_level], _is_json(settings)
    renderer = _renderer(settings)
    _render = lambda line: renderer(None, "warning", line)  # noqa: E731
    structlog.configure(
        processors=[*_stamp(), _renderer(settings)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=lambda *_: LineLogger(),
        cache_logger_on_first_use=False,
    )


def gunicorn_config(settings: Settings) -> dict[str, Any]:
    """gunicorn's `logconfig_dict`: its lines through the same renderer, to standard error."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
        "foreign_pre_chain": [*_stamp(), structlog.processors.format_exc_info],
    }
    handler = {"()": Handler, "formatter": "line"}
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
