"""How commands speak to people. Light: it is imported before anything may import numpy."""

from __future__ import annotations

import sys


def counted(count: int, name: str) -> str:
    """So many of them, in words."""
    return f"{count:,} {name}" + ("" if count == 1 else "s")


def say(sentence: str) -> None:
    """To whoever watches; standard output is for what a command makes."""
    sys.stderr.write(sentence + "\n")


def figure(value: float, digits: int = 3) -> str:
    """So many digits, without an exponent."""
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"
