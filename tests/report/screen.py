"""What a person sees meanwhile. Nothing is drawn while something is measured: the generator is alone in its process."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tests.bench.figures import Figures


class Screen:
    """A bar by expected time, and a line for each result."""

    def __init__(self, console: Console, expected_s: float) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            console=console, auto_refresh=False, transient=True,
        )  # fmt: skip
        self._began_s = time.monotonic()
        self._task = self._progress.add_task("", total=expected_s)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def doing(self, what: str, planned_s: float) -> None:
        """What comes next, and where the plan stands then."""
        self._progress.update(self._task, description=what, completed=planned_s)
        if self._console.is_terminal:
            self._progress.refresh()

    def say(self, line: str) -> None:
        """One line that stays."""
        elapsed = int(time.monotonic() - self._began_s)
        self._console.print(f"{elapsed // 60:3d}:{elapsed % 60:02d}  {line}", highlight=False, markup=False)

    def result(self, one: Figures) -> None:
        """The line of one case."""
        latency = "no answer" if one.p50_ms is None else f"p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms or 0:.0f} ms"
        errors = ", ".join(f"{count} {kind}" for kind, count in one.errors.items())
        self.say(
            f"{one.service:32s} {one.case:24s} {one.requests_per_s:7.1f} requests/s  {latency}"
            f"  generator {one.generator_share:.0%}" + (f"  ERRORS: {errors}" if errors else "")
        )
