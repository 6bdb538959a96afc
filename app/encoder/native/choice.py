"""Which path and precision serve: those that a measurement on this very processor found fastest, unless named.

Flags do not tell speed: there are processors that have AVX512_BF16 and multiply floats faster. What was measured lies
in the cache folder, for this processor, this build of the kernel and these shapes; where it cannot be kept, every
start measures again.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ...errors import ConfigurationError
from ..kept import kept
from . import library, trial
from .layout import Shape
from .trial import Candidate, Times

AUTO, INT8 = "auto", "int8"
AUTOMATIC = ("float32", "bfloat16")
"""The precisions that `auto` chooses from: eight bits are asked for by name."""
# bfloat16 loses some digits; it must be worth it: so many times as fast, short texts and long ones in the mean.
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

    A plain path is taken in float32, unless the precision is named. In int8 a path that has no code of its own is none:
    ConfigurationError if no other is left.
    """
    precisions: Collection[str] = (precision,)
    if precision == AUTO:
        precisions = AUTOMATIC if not PLAIN & set(paths) else AUTOMATIC[:1]
    if precision == INT8:
        paths = _with_int8(paths)
    every = [Candidate(isa, one) for one in precisions for isa in paths]
    unique = {canonical(one): one for one in reversed(every)}
    return [one for one in every if unique[canonical(one)] == one]


def _with_int8(paths: Collection[str]) -> list[str]:
    own = [isa for isa in library.paths() if library.same_code(isa, INT8) == isa]
    found = [isa for isa in paths if isa in own]
    if not found:
        raise ConfigurationError(f"BERT_ISA: {', '.join(paths)} has no int8; here {', '.join(own)} can be named")
    return found


def choose(among: Sequence[Candidate], measure: Callable[[], Times]) -> Choice:
    """The fastest of one candidate or more, bfloat16 only if it is worth it; measured only if there is a choice."""
    if len(among) == 1:
        return Choice(*among[0], times={})
    times = measure()
    return Choice(*fastest(among, {one: times[canonical(one)] for one in among}), times=times)


def fastest(among: Collection[Candidate], times: Times) -> Candidate:
    """That with the least sum; bfloat16 only if it is LEAST_GAIN times as fast as float32, and slower at no length."""
    best = {
        precision: min(mine, key=lambda one: sum(times[one]))
        for precision in {one.precision: None for one in among}
        if (mine := [one for one in among if one.precision == precision])
    }
    if len(best) == 1:
        return next(iter(best.values()))
    exact, narrow = (best[precision] for precision in AUTOMATIC)
    gains = [slow / fast for slow, fast in zip(times[exact], times[narrow], strict=True)]
    return narrow if math.prod(gains) ** (1 / len(gains)) >= LEAST_GAIN and min(gains) >= 1 else exact


def measured(shape: Shape, activation: str, folder: Path | None, precision: str = AUTO) -> Times:
    """What every path but the plain ones takes, from the folder's record or measured now, by one process at a time.

    In all of AUTOMATIC, or in int8 if that is the precision.
    """
    everyone = candidates([name for name in library.paths() if name not in PLAIN], INT8 if precision == INT8 else AUTO)
    measure = partial(trial.measure, shape, activation, everyone)
    if folder is None:
        return measure()
    path = folder / f"paths-{'int8-' if precision == INT8 else ''}{_key(shape, activation)}.json"
    read = partial(_read, everyone=everyone)
    return read(path) or kept(path, "times the paths", read, measure, _dumped)


def in_ms(times: Times) -> dict[str, list[float]]:
    """By path and precision the milliseconds of each trial."""
    return {" ".join(one): [round(each * 1e3, 3) for each in seconds] for one, seconds in times.items()}


def canonical(one: Candidate) -> Candidate:
    """The plainest path that has the same code in this precision."""
    return Candidate(library.same_code(*one), one.precision)


def _key(shape: Shape, activation: str) -> str:
    """Of what a time depends on, as far as a program is told."""
    facts = {
        "processor": library.processor() or platform.processor(),
        "kernel": hashlib.sha256(library.LIBRARY.read_bytes()).hexdigest(),
        "shape": asdict(trial.trial_shape(shape)),
        "activation": activation,
        "trial": trial.VERSION,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path, everyone: Collection[Candidate]) -> Times | None:
    """A record that has everyone; None if there is none, or it is torn or another's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        times = {one: tuple(content[" ".join(one)]) for one in everyone}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = all(len(one) == len(trial.TOKENS) and all(map(_is_time, one)) for one in times.values())
    return times if sound else None


def _is_time(seconds: object) -> bool:
    return isinstance(seconds, float) and 0 < seconds < math.inf


def _dumped(times: Times) -> bytes:
    return json.dumps({" ".join(one): seconds for one, seconds in times.items()}, indent=1).encode()
