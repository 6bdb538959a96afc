"""What ends a start, or a command, with one line. What ends a request stands in request_errors.py."""

from __future__ import annotations


class ConfigurationError(Exception):
    """A setting that cannot be used. Stops the start with this one line."""


class ModelRefusedError(Exception):
    """A model that is not there, not whole, or not safe to load. Stops the start with this one line."""


class BulkError(Exception):
    """A file of texts that cannot be encoded, or not be gone on with. Ends the command with this one line."""


class MeasuringError(Exception):
    """A machine that cannot be measured. Ends the command with this one line."""


def one_line(error: Exception, max_chars: int = 300) -> str:
    """A library's error as one line of a bearable length; a key that is missing says nothing alone."""
    said = " ".join(str(error).split())[:max_chars]
    return f"{type(error).__name__}: {said}" if isinstance(error, KeyError) or not said else said
