"""One structured line an event: JSON, or coloured text on a terminal. gunicorn's own lines come out the same way.

Every line has `timestamp`, `level`, `event` and `pid`, of the process that writes it, and then what is said of the
event; a worker that another process speaks of is `worker_pid`. A line goes out through app/fleet/outlet.py, which never
waits for who reads it.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from gunicorn.glogging import Logger

from ..settings import Settings
from . import library_lines
from .outlet import Outlet

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
TERMINAL_INDENT = 4
TERMINAL_NAME_WIDTH = 22


def _json(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


def _is_json(log_format: str) -> bool:
    return log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())


def _head(level: str, event: str) -> dict[str, Any]:
    """What every line begins with."""
    return {"timestamp": datetime.now(UTC), "level": level, "event": event, "pid": os.getpid()}


def _headed(_logger: Any, level: str, line: Any) -> Any:
    return _head(level, line.pop("event")) | line


def _readable(_logger: Any, _level: str, line: Any) -> Any:
    return line | {"timestamp": f"{line['timestamp']:%Y-%m-%dT%H:%M:%S.%f}Z"}


def _rendering(settings: Settings) -> list[Any]:
    """structlog's processors, which make text of a line."""
    if _is_json(settings.log_format):
        return [_headed, structlog.processors.JSONRenderer(serializer=_json)]
    return [_headed, _readable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _dropped(lines: int) -> str:
    line: Any = {"event": "log lines were dropped, for nobody read them", "lines": lines}
    for processor in _processors:
        line = processor(None, "warning", line)
    return str(line)


_OUTLET = Outlet(_dropped)
_processors: list[Any] = [_headed, _json]
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


def write(level: str, event: str, facts: dict[str, Any]) -> None:
    """A line that every request writes, and so made without the library's twenty calls: what it would write."""
    if LEVELS[level] < _least:
        return
    if _writes_json:
        line = _head(level, event) | facts
        _OUTLET.data(orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
    else:
        getattr(structlog.get_logger("serve-bert"), level)(event, **facts)


def write_at_length(event: str, facts: dict[str, Any]) -> None:
    """A line of many facts; on a terminal one beneath the other."""
    log = structlog.get_logger("serve-bert")
    if _writes_json or _least > logging.INFO:
        log.info(event, **facts)
        return
    log.info(event)
    for name, value in facts.items():
        _OUTLET.line(f"{'':{TERMINAL_INDENT}}{name:{TERMINAL_NAME_WIDTH}}{value}")


def last_words(error: Exception, log_format: str = "auto") -> str:
    """What a start that cannot be ends with, for `sys.exit`: a line of the log, or a sentence for people."""
    if not _is_json(log_format):
        return f"serve-bert: {error}"
    return _json(_head("critical", "start refused") | {"error": str(error)})


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
        if not library_lines.is_needless(record):
            _OUTLET.line(self.format(record))


def configure(settings: Settings) -> None:
    """Set up `structlog.get_logger()` for this process and those that it forks."""
    global _processors, _least, _writes_json  # noqa: PLW0603 - as structlog's own configuration, which they belong to
    _least, _writes_json = LEVELS[settings.log_level], _is_json(settings.log_format)
    _processors = _rendering(settings)
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=lambda *_: LineLogger(),
        cache_logger_on_first_use=False,
    )


def gunicorn_config(settings: Settings) -> dict[str, Any]:
    """gunicorn's `logconfig_dict`: its lines through the same renderer, to standard error."""
    headed, *rendering = _rendering(settings)
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "pass_foreign_args": True,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        "foreign_pre_chain": [library_lines.told_in_fields, structlog.processors.format_exc_info, headed],
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
