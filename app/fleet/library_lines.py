"""Libraries' sentences as events with fields, so that nobody has to find a signal or a process in prose.

gunicorn's are known by their templates, as the gunicorn that app/process/arbiter.py was built for has them; what
OpenTelemetry says is of spans that it could not send. Another sentence is its own event.
"""

from __future__ import annotations

import logging
from typing import Any

# An argument without a name stands in every line.
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Starting gunicorn %s": ("starting", ("gunicorn",)),
    "Listening at: %s (%s)": ("listening", ("addresses", "")),
    "Handling signal: %s": ("signal received", ("signal",)),
    "Ignoring unknown signal: %s": ("signal ignored", ("signal",)),
    "WORKER TIMEOUT (pid:%s)": ("worker timed out", ("worker_pid",)),
    "Master has been promoted.": ("master is alone now", ()),
    "Unhandled exception in main loop": ("unforeseen in the master", ()),
}
SENDER = "opentelemetry."
REASON_CHARS = 300
# Said by another line, too, or of no use to who runs the fleet.
NEEDLESS = {"Hang up: %s", "Using worker: %s"}


def is_needless(record: logging.LogRecord) -> bool:
    """Whether it is left out."""
    return record.msg in NEEDLESS


def told_in_fields(_logger: Any, _level: str, line: Any) -> Any:
    """A processor of structlog's, for a line of the logging module's."""
    record, values = line["_record"], line.pop("positional_args", ())
    if record.name.startswith(SENDER):
        return line | {"event": "spans not sent", "reason": str(line["event"])[:REASON_CHARS]}
    event, names = KNOWN.get(record.msg, ("", ()))
    if not event or len(values) != len(names):
        return line | {"logger": record.name}
    found = {name: value for name, value in zip(names, values, strict=True) if name}
    if "signal" in found:
        found["signal"] = f"SIG{str(found['signal']).upper()}"
    return line | {"event": event} | found
