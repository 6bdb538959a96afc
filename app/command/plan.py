"""`serve-bert plan --rate R --tokens N [--p99 MS]`: how many machines like this one a load takes."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .. import settings as all_settings
from ..fleet import cores, threads
from ..names import flag
from .flags import given, setting_flags
from .words import counted, figure, say

if TYPE_CHECKING:
    from ..capacity.forecast import Forecast
    from ..capacity.measured import Measured

SETTINGS = ("model", "model_sha256", "engine", "precision", "isa", "cache", "max_tokens")
RATE = "Requests a second, of one text each, that are to be answered."
TOKENS = "Tokens of each text, special ones included."
P99 = "Milliseconds within which 99 of 100 are to be answered; cores are 70 % busy at most in any case."
CORES = "Cores of a replica. Default: as many as are usable here."
JSON = "Print an object with all figures instead of words."
BINDS = {
    "cores": "cores: they are to be 70 % busy at most, so that a burst finds one free",
    "latency": "latency: with fewer replicas too many requests meet others",
    "network": "network: it is to be 70 % busy at most, too",
    "memory": "memory: a machine with as much for each core as this one has too little",
}
# Below, somebody else was at work: the clients take a tenth.
LEAST_HAD = 0.75
MB, GB = 1e6, 1e9

Row = tuple[str, str]
"""What it is, and the words; without the first, a heading."""


class Positive(click.FloatRange):
    """A number above 0, and no infinity."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises BadParameter."""
        found = super().convert(value, param, ctx)
        return found if math.isfinite(found) else self.fail(f"{value} is no number to count with", param, ctx)


@click.command("plan")
@click.option("--rate", "rate_per_s", type=Positive(), required=True, metavar="R", help=RATE)
@click.option("--tokens", type=click.IntRange(1), required=True, metavar="N", help=TOKENS)
@click.option("--p99", "p99_ms", type=Positive(), metavar="MS", help=P99)
@click.option("--cores", "replica_cores", type=click.IntRange(1, 1024), metavar="N", help=CORES)
@click.option("--json", "as_json", is_flag=True, help=JSON)
@setting_flags(SETTINGS)
@click.pass_context
def plan(context: click.Context, /, rate_per_s: float, tokens: int, p99_ms: float | None, **options: Any) -> None:
    """Measure this machine for ten seconds, and say how many like it a load takes.

    A fleet is started for that, on a free port of this machine, with a worker a core; nothing else should run. Of the
    settings those of the model have an effect; it serves with the defaults of all others.
    """
    replica_cores, as_json = options.pop("replica_cores"), options.pop("as_json")
    measured = _measured(_model(context, options), tokens)
    from ..capacity.forecast import forecast

    found = forecast(measured, rate_per_s, p99_ms, replica_cores or measured.cores)
    if as_json:
        click.echo(json.dumps({"measured": measured.told(), "forecast": asdict(found) if found else None}, indent=2))
    else:
        for name, words in (*_machine(measured), *(_fleet(measured, found) if found else ())):
            click.echo(f"  {name:<12} {words}" if name else words)
    if measured.had < LEAST_HAD:
        had = f"the fleet had {100 * measured.had:.0f} % of the cores"
        say(f"Something else was at work meanwhile: {had}. Latencies are too high by that; measure again in peace.")
    if not found:
        alone = f"99 of 100 requests take up to {figure(measured.alone_p99_ms)} ms without waiting for another"
        say(f"No number of replicas will do: {alone}, and not {p99_ms:g}.")
        sys.exit(1)


def _model(context: click.Context, options: dict[str, Any]) -> dict[str, str]:
    """The model's settings that are not as by default. Raises UsageError, ConfigurationError."""
    for name in set(context.obj or {}) - {*SETTINGS, "config"}:
        raise click.UsageError(f"{flag(name)} has no effect on plan")
    _, origins = all_settings.load_with_origins(flags=given(context, options))
    return {one.name: str(one.value) for one in origins if one.name in SETTINGS and one.source != "default"}


def _measured(model: dict[str, str], tokens: int) -> Measured:
    threads.pin()  # before numpy is imported
    signal.signal(signal.SIGTERM, _end)
    from ..capacity.measured import measure

    here = cores.usable()
    say(f"Measuring this machine for ten seconds, {counted(here, 'core')} at work…")
    return measure(model, here, tokens)


def _end(number: int, _: object) -> None:
    """So that TERM, too, ends the fleet before us."""
    sys.exit(128 + number)


def _machine(measured: Measured) -> Iterator[Row]:
    kind = ", ".join(filter(None, (measured.model, measured.precision, measured.isa)))
    yield "", f"This machine, texts of {measured.tokens} tokens ({kind})"
    yield "a request", f"{figure(measured.cpu_ms)} ms of a core, the forward {figure(measured.forward_ms)}"
    yield "alone", f"p99 {figure(measured.alone_p99_ms, 2)} ms"
    yield "a core", f"{measured.requests_per_s:,.0f} requests/s"


def _fleet(measured: Measured, found: Forecast) -> Iterator[Row]:
    within = f", p99 within {found.p99_wanted_ms:g} ms" if found.p99_wanted_ms else ""
    yield "", f"{found.rate_per_s:,g} requests/s{within}"
    each = f"of {counted(found.cores, 'core')} and {counted(found.cores, 'worker')}"
    yield "replicas", f"{found.replicas:,}, {each}: {counted(found.replicas * found.cores, 'core')} in all"
    if found.cores > measured.cores:
        yield "", f"  (measured with {counted(measured.cores, 'core')}: what more of them have in common is not in it)"
    yield "busy", f"{figure(100 * found.busy, 2)} % of the cores' time"
    yield "p99", f"{figure(found.p99_ms, 2)} ms, of requests that come at random and are spread evenly"
    yield "memory", f"{found.memory_bytes / MB:,.0f} MB a replica"
    yield "binds first", BINDS[found.binds_first]
    yield from _computed(measured, found)


def _computed(measured: Measured, found: Forecast) -> Iterator[Row]:
    from ..capacity.forecast import last_cache_bytes

    yield "", "Computed from sizes, not measured"
    sizes = f"a request {measured.request_bytes:,} bytes, an answer {measured.answer_bytes:,}"
    share = f"{figure(100 * found.network_share, 2)} % of 1 Gbit/s"
    yield "network", f"{figure(found.network_bytes_per_s / MB)} MB/s a replica, {share}: {sizes}"
    if measured.weights_bytes and found.weights_bytes_per_s:
        cache_bytes = last_cache_bytes()
        cache = f"; the last cache here has {cache_bytes / MB:,.0f} MB" if cache_bytes else ""
        weights = f"{measured.weights_bytes / MB:,.0f} MB of weights a request{cache}"
        yield "bandwidth", f"{figure(found.weights_bytes_per_s / GB)} GB/s a replica: {weights}"
