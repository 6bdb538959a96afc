"""`serve-bert embed FILE`: the lines of a file to vectors in a file, on all cores, without HTTP.

With --ray it is many files, and a cluster's cores: embed_shards.py.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import settings as all_settings
from ..bulk.reader import Reader, format_of
from ..fleet import cores, threads
from ..names import flag
from ..settings import Settings
from . import embed_shards
from .flags import given, setting_flags

SETTINGS = (
    *("model", "model_sha256", "engine", "precision", "isa", "cache", "max_tokens", "truncate", "max_chars"),
    *("log_level", "log_format"),
)
OWN = ("output", "line_format", "text_field", "id_field", "processes", "overwrite", "ray", *embed_shards.OWN)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OUTPUT = """Where the vectors go: NAME.npy, an array with the ids beside it in NAME.ids.jsonl, or NAME.jsonl, an object
with id and embedding a line. Default: FILE's name with .npy."""
FORMAT = """A text a line, a JSON object a line, or a CSV whose first row names its columns. Default: by the file's name
(.jsonl, .ndjson, .csv, .tsv), else lines."""
FORMATS = ("lines", "jsonl", "csv", "tsv")


@click.command("embed")
@click.argument("names", metavar="FILE | INPUT...", nargs=-1)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help=OUTPUT)
@click.option("--format", "line_format", type=click.Choice(FORMATS), help=FORMAT)
@click.option("--text-field", default="", help="The field or column that has the text. Default: text.")
@click.option("--id-field", default="", help="The field that has the id. Default: the line's number, from 1 on.")
@click.option(
    "--processes", type=click.IntRange(1, 1024), help="Processes (--ray: actors) that encode. Default: one a core."
)
@click.option("--overwrite", is_flag=True, help="Begin anew, whatever is there.")
@embed_shards.cluster_flags
@setting_flags(SETTINGS)
@click.pass_context
def embed(context: click.Context, /, names: tuple[str, ...], **options: Any) -> None:
    """Encode each line of FILE, or, with --ray, of each INPUT: files, folders, s3://BUCKET/KEY.

    Stopped or killed, the same command goes on where it was.

    A line that gives no vector is told in NAME.rejected.jsonl (FOLDER/_rejected) with the reason, and the rest goes on.
    """
    own = {name: options.pop(name) for name in OWN}
    _check_settings(context)
    embed_shards.check(own, names)
    settings, _ = all_settings.load_with_origins(flags=given(context, options))
    threads.pin()  # before numpy is imported
    if own["ray"]:
        _configure_log(settings)
        sys.exit(embed_shards.run(names, own, settings))
    sys.exit(_embed_file(_one_file(names), own, settings))


def _embed_file(file: Path, own: dict[str, Any], settings: Settings) -> int:
    """Do the work; the exit code."""
    own["line_format"] = own["line_format"] or (None if file.suffix.lower() == ".json" else format_of(file))
    _check_format(own, file)
    from ..bulk.work import Work

    reader = Reader(
        file,
        own["line_format"],
        text_field=own["text_field"] or "text",
        id_field=own["id_field"],
        max_chars=settings.max_chars,
        max_line_bytes=settings.max_body_bytes,
    )
    output = own["output"] or file.with_suffix(".npy")
    work = Work(reader, output, overwrite=own["overwrite"], truncate=settings.truncate)
    return _run(work, settings, own["processes"] or cores.usable())


def _one_file(names: tuple[str, ...]) -> Path:
    """Raises UsageError if it is none."""
    if len(names) != 1:
        raise click.UsageError("one FILE at a time; --ray --out FOLDER takes several" if names else "there is no FILE")
    file = Path(names[0])
    if not file.exists():
        raise click.UsageError(f"{str(file)!r} does not exist")
    if file.is_dir() or file.suffix == ".parquet":
        raise click.UsageError(f"{file}: folders and Parquet files are read with --ray --out FOLDER")
    return file


def _check_settings(context: click.Context) -> None:
    """Raise UsageError if one has no effect here."""
    for name in set(context.obj or {}) - {*SETTINGS, "config"}:
        raise click.UsageError(f"{flag(name)} has no effect on embed")


def _check_format(own: dict[str, Any], file: Path) -> None:
    """Raise UsageError if it is not clear, or flags do not go with it."""
    if not own["line_format"]:
        raise click.UsageError(f"{file} may be lines of text or of objects: name it, --format lines or --format jsonl")
    if own["line_format"] == "lines" and (own["text_field"] or own["id_field"]):
        raise click.UsageError("--text-field and --id-field are for JSON lines and CSV: name them, --format jsonl")


def _run(work: Any, settings: Settings, processes: int) -> int:
    """Do the work; the exit code."""
    from .. import encoder
    from ..bulk.encoders import Encoders
    from .progress import Display

    _configure_log(settings)
    work.check()
    plan = encoder.verify_and_plan(settings)
    encoder.import_engine(plan)
    with _stop_signals() as stopped, Encoders(plan, processes, truncate=settings.truncate) as encoders:
        info = encoders.info()
        with work.writer(info) as writer, Display(work.reader.path, writer, info) as display:
            is_done = work.run(encoders, writer, display.tell, stopped.is_set)
    display.summarise(is_done=is_done)
    if not is_done:
        return 128 + signal.SIGINT
    return 0 if writer.counts.vectors or not writer.counts.rejected else 1


def _configure_log(settings: Settings) -> None:
    """Its own words are sentences; the log's are to look like them."""
    from ..fleet import logs

    is_auto = settings.log_format == "auto"
    logs.configure(msgspec.structs.replace(settings, log_format="console") if is_auto else settings)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set by Ctrl-C, TERM or a closed terminal: what is under way is finished first. A second one ends it at once."""
    stopped = threading.Event()

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stopped.set()

    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
