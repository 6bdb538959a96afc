"""How far a file is: a bar with rate and time left for people, now and then a line for a log, a summary for both."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from .words import counted, say

if TYPE_CHECKING:
    from ..bulk.writer import Writer
    from ..encoder import ModelInfo

BAR = "{percentage:3.0f} %|{bar:30}| {desc}, {remaining} left"


class Display:
    """Of one run; use it as a context manager."""

    def __init__(self, path: Path, writer: Writer, info: ModelInfo) -> None:
        self._path = path
        self._info = info
        self._writer = writer
        self._bytes = path.stat().st_size
        self._began_s = time.monotonic()
        self._began = writer.place
        from ..encoder import Progress

        self._log = Progress("encoding")
        self._bar = tqdm(
            total=self._bytes, initial=self._began.offset, bar_format=BAR, disable=not sys.stderr.isatty(), leave=False
        )

    def __enter__(self) -> Self:
        model = f"{self._info.model_id} on {self._info.engine}, {self._info.precision}"
        begun = f", going on after line {self._began.line:,}" if self._began.line else ""
        say(f"{self._path} -> {self._writer.output}: {model}{begun}")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tell(self, writer: Writer) -> None:
        """After each chunk."""
        if self._bar.disable:
            percent = round(100 * writer.place.offset / self._bytes)
            self._log(lines=writer.place.line, percent=percent, lines_per_s=round(self._rate()))
            return
        self._bar.set_description_str(f"{writer.place.line:,} lines, {self._rate():,.0f} lines/s", refresh=False)
        self._bar.update(writer.place.offset - self._bar.n)

    def summarise(self, *, is_done: bool) -> None:
        """What there is now, and what was lost on the way."""
        counts, output = self._writer.counts, self._writer.output
        seconds, rate = time.monotonic() - self._began_s, self._rate()
        if not is_done:
            say(f"Stopped after line {self._writer.place.line:,}. The same command goes on from there.")
            return
        made = f"{counted(counts.vectors, 'vector')} of {self._info.dimension} numbers"
        say(f"{output}: {made}; {seconds:.1f} s, {rate:,.0f} lines/s")
        if counts.cut_texts:
            lost = f"{counts.lost_tokens:,} tokens lost"
            say(f"{counted(counts.cut_texts, 'text')} cut to {self._info.max_tokens} tokens: {lost}")
        if counts.rejected:
            say(f"{counted(counts.rejected, 'line')} without a vector: {self._writer.rejected_path} says why")

    def _rate(self) -> float:
        return (self._writer.place.line - self._began.line) / max(time.monotonic() - self._began_s, 1e-3)
