"""`serve-bert plan --rate R --tokens N [--p99 MS]`: how many machines like this one a load takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .. import settings as all_settings
from ..fleet import cores, threads
from ..names import flag
from .flags import given, setting_flags
from .progress import counted, say

if TYPE_CHECKING:
    from ..capacity.forecast import Forecast
    from ..capacity.measured import Measured

SETTINGS = ("model", "model_sha256", "engine", "precision", "isa", "cache", "max_tokens", "log_level")
RATE = "Requests a second, of one text each, that are to be answered."
TOKENS = "Tokens of each text, special ones included."
P99 = "Milliseconds within which 99 of 100 are to be answered. Default: what comes of cores that are 70 % busy."
CORES = "Cores of a replica. Default: as many as are usable here."
JSON = "Print an object with all figures instead of words."
BINDS = {
    "cores": "the cores: they are to be 70 % busy at most, so that a burst finds one free",
    "latency": "the latency: with fewer replicas too many requests meet others",
    "network": "the network, of 1 Gbit/s",
    "memory": "memory: the cores have more of it to share than this machine has",
}
MB, GB = 1e6, 1e9

Row = tuple[str, str]
"""What it is, and the words; without the first, a heading."""


@click.command("plan")
@click.option("--rate", "rate_per_s", type=click.FloatRange(0, min_open=True), required=True, metavar="R", help=RATE)
@click.option("--tokens", type=click.IntRange(1), required=True, metavar="N", help=TOKENS)
@click.option("--p99", "p99_ms", type=click.FloatRange(0, min_open=True), metavar="MS", help=P99)
@click.option("--cores", "replica_cores", type=click.IntRange(1, 1024), metavar="N", help=CORES)
@click.option("--json", "as_json", is_flag=True, help=JSON)
@setting_flags(SETTINGS)
@click.pass_context
def plan(context: click.Context, /, rate_per_s: float, tokens: int, p99_ms: float | None, **options: Any) -> None:
    """Measure this machine for ten seconds, and say how many like it a load takes.

    A fleet is started for that, on a free port of this machine, with a worker a core; nothing else should run.
    """
    replica_cores, as_json = options.pop("replica_cores"), options.pop("as_json")
    measured = _measured(_flags(context, options), tokens)
    from ..capacity.forecast import forecast

    found = forecast(measured, rate_per_s, p99_ms, replica_cores or measured.cores)
    if as_json:
        click.echo(json.dumps({"measured": measured.told(), "forecast": asdict(found) if found else None}, indent=2))
    else:
        for name, words in (*_machine(measured), *(_fleet(measured, found) if found else ())):
            click.echo(f"  {name:<12} {words}" if name else words)
    if not found:
        alone = f"alone, 99 of 100 requests take up to {measured.alone_p99_ms:.3g} ms, and not {p99_ms:g}"
        say(f"No number of replicas will do: {alone}.")
        sys.exit(1)


def _flags(context: click.Context, options: dict[str, Any]) -> dict[str, str]:
    """The settings that were given. Raises UsageError, ConfigurationError."""
    for name in set(context.obj or {}) - {*SETTINGS, "config"}:
        raise click.UsageError(f"{flag(name)} has no effect on plan")
    flags = given(context, options)
    all_settings.load_with_origins(flags=flags)
    return flags


def _measured(flags: dict[str, str], tokens: int) -> Measured:
    threads.pin()  # before numpy is imported
    from ..capacity.measured import measure

    here = cores.usable()
    say(f"Measuring this machine for ten seconds, {counted(here, 'core')} at work…")
    return measure(flags, here, tokens)


def _machine(measured: Measured) -> Iterator[Row]:
    kind = ", ".join(filter(None, (measured.model, measured.precision, measured.isa)))
    yield "", f"This machine, texts of {measured.tokens} tokens ({kind})"
    yield "a request", f"{measured.cpu_ms:.3g} ms of a core, {measured.forward_ms:.3g} of them the forward"
    yield "alone", f"p99 {measured.alone_p99_ms:.3g} ms"
    yield "a core", f"{measured.requests_per_s:,.0f} requests/s"


def _fleet(measured: Measured, found: Forecast) -> Iterator[Row]:
    within = f", p99 within {found.p99_wanted_ms:g} ms" if found.p99_wanted_ms else ""
    yield "", f"{found.rate_per_s:,g} requests/s{within}"
    each = f"of {counted(found.cores, 'core')} and {counted(found.cores, 'worker')}"
    yield "replicas", f"{found.replicas:,}, {each}: {counted(found.replicas * found.cores, 'core')} in all"
    if found.cores > measured.cores:
        yield "", f"  (measured with {counted(measured.cores, 'core')}: what more of them have in common is not in it)"
    yield "busy", f"{100 * found.busy:.0f} % of them, in the mean"
    yield "p99", f"{found.p99_ms:.3g} ms, of requests that come at random and are spread evenly"
    yield "memory", f"{found.memory_bytes / MB:,.0f} MB a replica"
    yield "binds first", BINDS[found.binds]
    yield from _computed(measured, found)


def _computed(measured: Measured, found: Forecast) -> Iterator[Row]:
    from ..capacity.forecast import last_cache_bytes

    yield "", "Computed from sizes, not measured"
    sizes = f"a request {measured.request_bytes:,} bytes, an answer {measured.answer_bytes:,}"
    share = f"{100 * found.network_share:.1f} % of 1 Gbit/s"
    yield "network", f"{found.network_bytes_per_s / MB:.3g} MB/s a replica, {share}: {sizes}"
    if measured.weights_bytes and found.weights_bytes_per_s:
        cache_bytes = last_cache_bytes()
        cache = f"; the last cache here has {cache_bytes / MB:,.0f} MB" if cache_bytes else ""
        weights = f"{measured.weights_bytes / MB:,.0f} MB of weights a request{cache}"
        yield "bandwidth", f"{found.weights_bytes_per_s / GB:.3g} GB/s a replica: {weights}"
