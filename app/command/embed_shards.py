"""`serve-bert embed INPUT… --out FOLDER --ray [ADDRESS]`: many files to a folder of parts, on a Ray cluster."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from tqdm import tqdm

from ..errors import BulkError
from ..fleet import threads
from ..settings import Settings
from .words import counted, say

if TYPE_CHECKING:
    from ..bulk.cluster.run import Run

Function = TypeVar("Function", bound=Callable[..., Any])
BAR = "{percentage:3.0f} %|{bar:30}| {desc}, {remaining} left"
RAY = """On a Ray cluster: its ADDRESS (auto: the one that this machine is of, or HOST:6379); without one, on a cluster
of this machine alone, for this run. Needs serve-bert[ray] on every machine."""
OUT = "With --ray: the folder of the parts, here or on object storage (s3://BUCKET/KEY); all machines must see it."
SHARD = "With --ray: bytes of text that become one part. Default: 64 KiB to 2 MiB, by all that there is to do."
LOCAL = "local"
OWN = ("out", "vectors", "with_text", "shard_bytes")
# Failures that are told in full.
MOST_TOLD = 5


def cluster_flags(function: Function) -> Function:
    """The flags that have an effect with --ray alone."""
    for option in (
        click.option("--shard-bytes", type=click.IntRange(1024), help=SHARD),
        click.option("--with-text", is_flag=True, default=None, help="With --ray: a column with the text, too."),
        click.option("--vectors", type=click.Choice(["float32", "float16"]), help="With --ray: their numbers."),
        click.option("--out", metavar="FOLDER", help=OUT),
        click.option("--ray", is_flag=False, flag_value=LOCAL, metavar="[ADDRESS]", help=RAY),
    ):
        function = option(function)
    return function


def check(own: dict[str, Any], names: tuple[str, ...]) -> None:
    """Raise UsageError if flags do not go together."""
    if not own["ray"]:
        if given := [name for name in OWN if own[name] is not None]:
            raise click.UsageError(f"--{given[0].replace('_', '-')} has an effect with --ray alone")
        return
    if Path(own["ray"]).exists() and own["ray"] != LOCAL:
        raise click.UsageError(f"--ray took {own['ray']!r} for a cluster's address: put --ray last, or --ray=auto")
    if not names:
        raise click.UsageError("there is no INPUT")
    if not own["out"]:
        raise click.UsageError("--ray needs --out FOLDER")
    if own["output"] or own["overwrite"]:
        raise click.UsageError("--ray goes on with what is in --out FOLDER: -o and --overwrite have no effect")


def run(names: tuple[str, ...], own: dict[str, Any], settings: Settings) -> int:
    """Do the work; the exit code."""
    if own["ray"] == LOCAL:
        # What is for this run alone listens to this machine alone: by what Ray has for systems whose firewalls ask.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        from ..bulk.cluster.run import Asked, Run
    except ImportError as error:
        raise BulkError(f"--ray: {error.name} is not installed; pip install 'serve-bert[ray]'") from None
    asked = Asked(
        names=names,
        folder=own["out"],
        address=own["ray"],
        format=own["line_format"],
        text_field=own["text_field"] or "text",
        id_field=own["id_field"],
        vectors=own["vectors"] or "float32",
        with_text=bool(own["with_text"]),
        shard_bytes=own["shard_bytes"],
        actors=own["processes"],
        environ=threads.SINGLE_THREADED,
    )
    with _interrupted_by_signals():
        work = None
        try:
            work = Run(asked, settings)
            return _encode(work)
        except KeyboardInterrupt:
            say(_stopped(work))
            return 128 + signal.SIGINT
        finally:
            if work:
                work.close()


def _encode(work: Run) -> int:
    shards, before = len(work.plan.shards), len(work.done)
    model = f"{work.info.model_id} on {work.info.engine}, {work.info.precision}"
    say(f"{counted(len(work.sources), 'file')} -> {work.name}: {model}")
    say(f"{counted(shards, 'shard')}, {before:,} of them done, {counted(work.actors, 'actor')}")
    display, failed = Display(shards, before), []
    for found in work.shards():
        if isinstance(found, str):
            failed.append(found)
        else:
            display.tell(found.lines)
    display.close()
    for sentence in failed[:MOST_TOLD]:
        say(sentence)
    if failed:
        say(f"{counted(len(failed), 'shard')} of {shards:,} could not be made. The same command tries again.")
        return 1
    work.finish()
    _summarise(work, display)
    return 0


def _summarise(work: Run, display: Display) -> None:
    done = work.done.values()
    vectors, rejected = sum(one.vectors for one in done), sum(one.rejected for one in done)
    made = f"{counted(vectors, 'vector')} of {work.info.dimension} numbers in {counted(len(done), 'part')}"
    say(f"{work.name}: {made}; {display.age_s:.1f} s, {display.rate:,.0f} lines/s")
    if cut := sum(one.cut_texts for one in done):
        say(f"{counted(cut, 'text')} cut to {work.info.max_tokens} tokens")
    if rejected:
        say(f"{counted(rejected, 'line')} without a vector: {work.name}/_rejected says why")


def _stopped(work: Run | None) -> str:
    if not work:
        return "Stopped before anything was made."
    return f"Stopped after {len(work.done):,} of {len(work.plan.shards):,} shards. The same command goes on from there."


class Display:
    """How far it is: a bar for people, now and then a line for a log."""

    def __init__(self, shards: int, done: int) -> None:
        from ..encoder import Progress

        self._began_s = time.monotonic()
        self._shards, self._done, self._lines = shards, done, 0
        self._made = 0
        self._log = Progress("encoding")
        is_shown = sys.stderr.isatty()
        self._bar = tqdm(total=shards, initial=done, bar_format=BAR, disable=not is_shown, leave=False)

    @property
    def age_s(self) -> float:
        """Since the first shard was begun."""
        return time.monotonic() - self._began_s

    @property
    def rate(self) -> float:
        """Lines a second."""
        return self._lines / max(self.age_s, 1e-3)

    def tell(self, lines: int) -> None:
        """A shard of so many lines is whole."""
        self._lines += lines
        self._made += 1
        left = self._shards - self._done - self._made
        self._bar.set_description_str(f"{self._lines:,} lines, {self.rate:,.0f} lines/s", refresh=False)
        self._bar.update()
        if self._bar.disable:
            self._log(
                shards=self._done + self._made,
                of=self._shards,
                lines_per_s=round(self.rate),
                left_s=round(left * self.age_s / self._made),
            )

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """TERM and a closed terminal end it as Ctrl-C does: what was being made is made again by the next."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    heeded = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
