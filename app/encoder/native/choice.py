"""Which path and precision serve: those that a measurement on this very processor found fastest, unless named.

Flags do not tell speed: there are processors that have AVX512_BF16 and multiply floats faster. What was measured lies
in the cache folder, for this processor, this build of the kernel and these shapes; where it cannot be kept, every
start measures again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.encoder.native import library, trial
from app.encoder.native.layout import Shape
from app.encoder.native.trial import Candidate, Times
from app.errors import ConfigurationError

AUTO = "auto"
# bfloat16 loses some digits; it must be worth it, for short texts and for long ones.
LEAST_GAIN = 1.3
PLAIN = frozenset(library.PLAIN_PATHS.values())


@dataclass(frozen=True, slots=True)
class Choice:
    """What serves, and what it was measured against: nothing, if there was nothing to choose."""

    isa: str
    precision: str
    times: Times


def paths_named(isa: str) -> list[str]:
    """The paths that BERT_ISA allows and this processor runs: "auto", one name, or several, separated by commas.

    Raises ConfigurationError if none of those named can run, UnavailableError if there is no kernel at all.
    """
    runnable = list(library.paths())
    named = runnable if isa == AUTO else [name.strip() for name in isa.split(",")]
    found = [name for name in runnable if name in named]
    fast = [name for name in found if name not in PLAIN]
    if not found:
        why = f" ({library.tiles_obstacle()})" if library.tiles_obstacle() else ""
        raise ConfigurationError(
            f"BERT_ISA: '{isa}' cannot run on this processor{why}; these can: {', '.join(runnable)}"
        )
    return fast or found[:1]


def candidates(paths: Collection[str], precision: str) -> list[Candidate]:
    """These paths in this precision, or in each if that is "auto"; different code once.

    A plain path is taken in float32, unless the precision is named.
    """
    if precision == AUTO:
        precisions = library.PRECISIONS if not PLAIN & set(paths) else library.PRECISIONS[:1]
    else:
        precisions = (precision,)
    every = [Candidate(isa, one) for one in precisions for isa in paths]
    unique = {canonical(one): one for one in reversed(every)}
    return [one for one in every if unique[canonical(one)] == one]


def choose(among: Sequence[Candidate], measure: Callable[[], Times]) -> Choice:
    """The fastest of one candidate or more, bfloat16 only if it is worth it; measured only if there is a choice."""
    if len(among) == 1:
        return Choice(*among[0], times={})
    times = measure()
    return Choice(*fastest(among, {one: times[canonical(one)] for one in among}), times=times)


def fastest(among: Collection[Candidate], times: Times) -> Candidate:
    """That with the least sum; bfloat16 only if it is LEAST_GAIN times as fast as float32 at every length."""
    best = {
        precision: min(mine, key=lambda one: sum(times[one]))
        for precision in library.PRECISIONS
        if (mine := [one for one in among if one.precision == precision])
    }
    if len(best) == 1:
        return next(iter(best.values()))
    exact, narrow = (best[precision] for precision in library.PRECISIONS)
    gains = [slow / fast for slow, fast in zip(times[exact], times[narrow], strict=True)]
    return narrow if min(gains) >= LEAST_GAIN else exact


def measured(shape: Shape, activation: str, folder: Path | None) -> Times:
    """What every path but the plain ones takes, from the folder's record or measured now, by one process at a time."""
    everyone = candidates([name for name in library.paths() if name not in PLAIN], AUTO)
    if folder is None:
        return trial.measure(shape, activation, everyone)
    path = folder / f"paths-{_key(shape, activation)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _read(path, everyone)
        if found:
            return found
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _read(path, everyone) or _measure_and_write(path, shape, activation, everyone)
    except OSError:
        return _read(path, everyone) or trial.measure(shape, activation, everyone)


def in_ms(times: Times) -> dict[str, list[float | None]]:
    """By path and precision the milliseconds of each trial; None where a path was hopeless before."""
    return {
        " ".join(one): [round(each * 1e3, 3) if each < math.inf else None for each in seconds]
        for one, seconds in times.items()
    }


def canonical(one: Candidate) -> Candidate:
    """The plainest path that has the same code in this precision."""
    return Candidate(library.same_code(*one), one.precision)


def _key(shape: Shape, activation: str) -> str:
    """Of all that a time depends on."""
    facts = {
        "processor": library.processor() or platform.processor(),
        "kernel": hashlib.sha256(library.LIBRARY.read_bytes()).hexdigest(),
        "shape": asdict(trial.trial_shape(shape)),
        "activation": activation,
        "tokens": trial.TOKENS,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path, everyone: Collection[Candidate]) -> Times | None:
    """A record that has everyone; None if there is none, or it is torn or another's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        times = {one: tuple(float(seconds or math.inf) for seconds in content[" ".join(one)]) for one in everyone}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sound = all(len(one) == len(trial.TOKENS) and min(one) > 0 and one[0] < math.inf for one in times.values())
    return times if sound else None


def _measure_and_write(path: Path, shape: Shape, activation: str, everyone: Collection[Candidate]) -> Times:
    times = trial.measure(shape, activation, everyone)
    content = {" ".join(one): [s if s < math.inf else None for s in seconds] for one, seconds in times.items()}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    temporary.replace(path)
    return times
