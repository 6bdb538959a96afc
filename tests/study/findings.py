"""What follows from the figures, in plain words: every number and every verdict is computed from this run's visits.

A finding whose configurations were not measured is left out, and a cause is named only where its own figure shows it.
"""

from __future__ import annotations

from tests.kit.texts import LONG_TOKENS, SHORT_TOKENS
from tests.report.tables import number
from tests.study.columns import CUT
from tests.study.figures import Figures, Spread
from tests.study.pairs import AGAIN
from tests.study.plan import RISING
from tests.study.replacing import Outcome
from tests.study.tables import given

SHARED, PER_WORKER, MUTEX = "shared, none", "per-worker, none", "shared, mutex"
WORKERS = {2: "per-worker, none, 2 workers", 10: PER_WORKER, 20: "per-worker, none, 20 workers"}
TORCH_SHARED, PADDED = "torch: shared, rwlock", f"torch: shared, rwlock, padded to {CUT}"
AT = {"long": f"at {LONG_TOKENS} tokens", "short": f"at {SHORT_TOKENS}"}
KNEE_SHARE = 0.95
# Less CPU than this part of another's is idle cores, not noise.
LESS_BUSY = 0.9


def findings(figures: Figures, replaced: dict[str, Outcome], lock_us: dict[str, float], cores: int) -> str:
    """A Markdown section; a paragraph each."""
    told = [
        _sharing(figures, cores),
        _locks_shared(figures, lock_us, cores),
        _locks_alone(figures),
        _against_the_study(figures),
        _padding(figures),
        _memory(figures),
        _workers(figures, cores),
        _knee(figures),
        _engines(figures),
        _replacing(replaced),
    ]
    return "\n\n".join(["## What follows", *filter(None, told)])


def times(ratio: Spread) -> str:
    """A ratio of rates in words, as far as the rounds agree."""
    if ratio.rounds > 1 and ratio.least <= 1 <= ratio.most:
        return f"{ratio.ranged} times (no difference to be seen)"
    return f"{ratio.ranged} times"


def _by_length(figures: Figures, column: str, other: str) -> str:
    """How many times the other's requests/s, long and short."""
    ratios = {says: figures.ratio(column, other, kind) for kind, says in AT.items()}
    return ", ".join(f"{times(ratio)} {says}" for says, ratio in ratios.items() if ratio)


def _cpu(figures: Figures, column: str, kind: str) -> float:
    found = figures.of_cells(column, kind, lambda one: one.cpu_percent_load)
    return found.median if found else 0.0


def _sharing(figures: Figures, cores: int) -> str:
    """Threads on one model against processes with one each."""
    told = _by_length(figures, SHARED, PER_WORKER)
    if not told:
        return ""
    says = f"**Shared or not.** Ten threads on one model, in requests/s beside ten processes: {told}."
    threads, processes = (_cpu(figures, name, "short") for name in (SHARED, PER_WORKER))
    if threads < LESS_BUSY * processes:
        says += (
            f" At {SHORT_TOKENS} tokens Python's own part of a request is large, and one interpreter does it for one "
            f"thread at a time: the threads use {threads:.0f} % CPU of {100 * cores}, the processes {processes:.0f} %."
        )
    return says


def _locks_shared(figures: Figures, lock_us: dict[str, float], cores: int) -> str:
    """A lock that ten threads contend for."""
    names = {"a read-write lock": "shared, rwlock", "a mutex": MUTEX}
    told = {lock: found for lock, name in names.items() if (found := _by_length(figures, name, SHARED))}
    if not told:
        return ""
    each = "; ".join(f"{lock} {found}" for lock, found in told.items())
    says = f"**A lock around the model, ten threads.** In requests/s beside no lock: {each}."
    mutex, free = (_cpu(figures, name, "long") for name in (MUTEX, SHARED))
    if 0 < mutex < LESS_BUSY * free:
        says += (
            f" Under the mutex one forward runs at a time: {mutex:.0f} % CPU of {100 * cores} are used, "
            f"without it {free:.0f} %."
        )
    if lock_us:
        says += (
            f" Where nobody contends, being held behind the read-write lock costs a request {lock_us['rwlock']:.1f} µs "
            f"and behind the mutex {lock_us['mutex']:.1f} µs."
        )
    return says


def _locks_alone(figures: Figures) -> str:
    """A lock that nobody else wants."""
    locks = {lock: _by_length(figures, f"per-worker, {lock}", PER_WORKER) for lock in ("rwlock", "mutex")}
    told = "; ".join(f"{lock} {found}" for lock, found in locks.items() if found)
    if not told:
        return ""
    says = (
        f"**A lock in each of ten processes.** In requests/s beside no lock: {told}. Each worker has one thread, so "
        "nobody ever waits for its lock."
    )
    again = _by_length(figures, PER_WORKER + AGAIN, PER_WORKER)
    return f"{says} The same without a lock beside itself: {again}." if again else says


def _against_the_study(figures: Figures) -> str:
    """What the mutex costs a shared model: published, on two cores, here."""
    mutex, rwlock = f"shared, mutex, cut at {CUT}", f"shared, rwlock, cut at {CUT}"
    ours, rate = figures.ratio(mutex, rwlock, "fixed"), figures.rate(rwlock, "fixed")
    if not ours or not rate:
        return ""
    here, parts = given("measured-here"), []
    for says, name in (("as published", "published"), ("its design on two cores", "measured-here")):
        columns = given(name)["columns"]
        ratio = columns["shared, Mutex"]["requests/s"] / columns["shared, RwLock"]["requests/s"]
        parts.append(f"{says} {number(ratio)}")
    theirs = here["columns"]["shared, RwLock"]["requests/s"]
    return (
        "**The study's own comparison.** The shared model behind a mutex, in requests/s beside the same behind a "
        f"read-write lock: {', '.join(parts)}, serve-bert {ours.ranged}. Behind the read-write lock its design answers "
        f"{number(theirs)} requests/s on {here['machine'].partition(';')[0]}, serve-bert {rate} on this machine: "
        f"{number(rate.median / theirs)} times."
    )


def _padding(figures: Figures) -> str:
    """What it costs to pad a short text, and what cutting a long one saves."""
    padded = figures.ratio(TORCH_SHARED, PADDED, "short")
    cut = figures.ratio(f"shared, rwlock, cut at {CUT}", "shared, rwlock", "fixed")
    told = []
    if padded:
        told.append(
            f"On torch, texts of {SHORT_TOKENS} tokens as they are, in requests/s beside the same padded to {CUT}: "
            f"{times(padded)}; {CUT - SHORT_TOKENS} of the {CUT} positions are padding"
        )
    if cut:
        told.append(
            f"The fixed text of {LONG_TOKENS} tokens cut at {CUT}, beside the whole: {times(cut)}, for "
            f"{LONG_TOKENS - CUT} tokens that are not read"
        )
    if not told:
        return ""
    return f"**Padding and cutting.** {'. '.join(told)}. The native engine lays texts end to end and pads none."


def _memory(figures: Figures) -> str:
    """What sharing saves, once the file is mapped."""
    one, ten, summed = figures.pss_mb(SHARED), figures.pss_mb(PER_WORKER), figures.rss_mb(PER_WORKER)
    if not (one and ten and summed) or ten.median <= one.median:
        return ""
    published = given("published")["columns"]
    saved = published["non-shared, RwLock"]["RSS MB load"] - published["shared, RwLock"]["RSS MB load"]
    return (
        f"**What sharing saves.** After the load ten workers weigh {ten} MB (PSS; `ps` adds up {summed} MB, since it "
        f"counts each mapping ten times), the one process {one} MB: {number(ten.median - one.median)} MB less, or "
        f"{number((ten.median - one.median) / 9)} MB for each further worker, since all of them map one file. In the "
        f"study's design, where each worker reads the model into memory of its own, the same step costs {saved:.0f} MB."
    )


def _workers(figures: Figures, cores: int) -> str:
    """Fewer workers and more, and ten threads against as many processes as cores."""
    told = []
    for count, name in WORKERS.items():
        rate, p99 = figures.rate(name, "mixed"), figures.of_cells(name, "mixed", lambda one: one.p99_s)
        pss = figures.pss_mb(name)
        if rate and p99 and pss:
            told.append(f"{count} workers {rate}/s, p99 {number(1e3 * p99.median)} ms, {number(pss.median)} MB")
    if not told:
        return ""
    says = f"**How many workers.** Mixed lengths from ten clients: {'; '.join(told)}."
    equal = _by_length(figures, SHARED, WORKERS[2])
    if equal and cores == 2:
        says += f" At equal arithmetic, ten threads in requests/s beside a process for each core: {equal}."
    return says


def _knee(figures: Figures) -> str:
    """The least number of clients that gives nearly the most."""
    told = []
    for name in RISING:
        steps = figures.rise(name)
        if not steps:
            continue
        most = max(rate for _, rate, _ in steps)
        clients, rate, p95_s = next(step for step in steps if step[1] >= KNEE_SHARE * most)
        last, last_rate, last_p95_s = steps[-1]
        if clients == last:
            told.append(f"{name}: not reached at {last} clients ({number(rate)}/s)")
        else:
            told.append(
                f"{name}: {clients} clients, {number(rate)}/s and a p95 of {number(1e3 * p95_s)} ms "
                f"({last} clients: {number(last_rate)}/s, {number(1e3 * last_p95_s)} ms)"
            )
    if not told:
        return ""
    return (
        f"**Where the knee is.** The least number of clients that gets {KNEE_SHARE:.0%} of the highest rate at "
        f"{SHORT_TOKENS} tokens: {'; '.join(told)}."
    )


def _engines(figures: Figures) -> str:
    """The kernel against torch in the same house, and against the write-up's service."""
    others = {
        "the same service on torch": "torch: per-worker, none",
        "the write-up's Python with one torch thread": "write-up's Python, one torch thread",
    }
    told = [
        f"beside {says} {found}" for says, name in others.items() if (found := _by_length(figures, PER_WORKER, name))
    ]
    if not told:
        return ""
    info = figures.visits(PER_WORKER)[0].info
    return (
        f"**The engine.** Ten workers of the default ({info.get('precision', '')} {info.get('isa', '')}), in "
        f"requests/s: {'; '.join(told)}. Torch computes in float32."
    )


def _replacing(replaced: dict[str, Outcome]) -> str:
    """The model replaced under load."""
    if not replaced:
        return ""
    answers = sum(sum(one.answers.values()) for one in replaced.values())
    failed = sum(sum(one.failed.values()) for one in replaced.values())
    mixed = sum(one.mixed for one in replaced.values())
    slowest = max(replaced, key=lambda name: replaced[name].longest_s)
    says = (
        f"**Replacing the model.** {sum(one.times for one in replaced.values())} replacements in {len(replaced)} "
        f"configurations while ten clients asked: {answers} answers, {failed} failed, {mixed} with a vector of another "
        f"model than they name. The longest took {number(replaced[slowest].longest_s)} s ({slowest})."
    )
    free = replaced.get(SHARED)
    if free and not free.failed and not free.mixed:
        says += " None was lost or mixed without a lock either: a model that never changes needs none."
    return says
