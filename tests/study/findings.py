"""What follows from the figures, in plain words: every number and every verdict is computed from this run's visits.

A finding whose configurations were not measured is left out.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.report.tables import number
from tests.study.columns import CUT
from tests.study.figures import Figures, Spread, verdict
from tests.study.plan import RISING
from tests.study.replacing import Outcome
from tests.study.tables import given

SHARED, PER_WORKER = "shared, none", "per-worker, none"
TORCH_SHARED, PADDED = "torch: shared, rwlock", f"torch: shared, rwlock, padded to {CUT}"
KNEE_SHARE = 0.95


def findings(figures: Figures, replaced: dict[str, Outcome], lock_us: dict[str, float], cores: int) -> str:
    """A Markdown section; a paragraph each."""
    told: list[str] = [
        _sharing(figures, cores),
        _locks_shared(figures, lock_us, cores),
        _locks_alone(figures),
        _against_the_study(figures),
        _padding(figures),
        _memory(figures),
        _workers(figures),
        _knee(figures),
        _engines(figures),
        _replacing(replaced),
    ]
    return "\n\n".join(["## What follows", *filter(None, told)])


def _sharing(figures: Figures, cores: int) -> str:
    """Threads on one model against processes with one each."""
    long, short = (figures.ratio(SHARED, PER_WORKER, kind) for kind in ("long", "short"))
    if not long or not short:
        return ""
    cpu = [_median(figures.of_cells(name, "short", lambda one: one.cpu_percent_load)) for name in (SHARED, PER_WORKER)]
    says = (
        f"**Shared or not.** One process whose ten threads hold one model answers, beside ten processes, "
        f"{verdict(long)} at 242 tokens, and {verdict(short)} at 22."
    )
    if short.most < 1:
        says += (
            f" At 22 tokens Python's own part of a request is large, and one interpreter does it for one thread at a "
            f"time: {cpu[0]:.0f} % CPU of {100 * cores}, where the processes use {cpu[1]:.0f} %."
        )
    return says


def _locks_shared(figures: Figures, lock_us: dict[str, float], cores: int) -> str:
    """A lock that ten threads contend for."""
    names = {"read-write lock": "shared, rwlock", "mutex": "shared, mutex"}
    told = []
    for lock, name in names.items():
        pairs = {says: figures.ratio(name, SHARED, kind) for says, kind in (("242", "long"), ("22", "short"))}
        told += [
            f"a {lock} {verdict(ratio)} the requests/s of no lock at {says} tokens"
            for says, ratio in pairs.items()
            if ratio
        ]
    if not told:
        return ""
    says = f"**A lock around the model, ten threads.** Of an immutable model: {'; '.join(told)}."
    mutex, free = (
        _median(figures.of_cells(name, "long", lambda one: one.cpu_percent_load)) for name in ("shared, mutex", SHARED)
    )
    if mutex and free and mutex < 0.8 * free:
        says += (
            f" Under the mutex one forward runs at a time, so {mutex:.0f} % CPU are used of {100 * cores} "
            f"(without: {free:.0f} %)."
        )
    if lock_us:
        says += (
            f" Entering and leaving, where nobody contends, costs {lock_us['rwlock']:.1f} µs a request for the "
            f"read-write lock and {lock_us['mutex']:.1f} µs for the mutex."
        )
    return says


def _locks_alone(figures: Figures) -> str:
    """A lock that nobody else wants."""
    told = []
    for lock in ("rwlock", "mutex"):
        ratio = figures.ratio(f"per-worker, {lock}", PER_WORKER, "long")
        told += [f"{lock} {verdict(ratio)}"] if ratio else []
    if not told:
        return ""
    return (
        "**A lock in each of ten processes.** Beside no lock, at 242 tokens: "
        f"{'; '.join(told)}. Each worker has one thread, so its lock is always free."
    )


def _against_the_study(figures: Figures) -> str:
    """What the mutex costs a shared model: published, on two cores, here."""
    ours = figures.ratio(f"shared, mutex, cut at {CUT}", f"shared, rwlock, cut at {CUT}", "fixed")
    if not ours:
        return ""
    parts = []
    for says, name in (("published", "published"), ("its design on two cores", "measured-here")):
        columns = given(name)["columns"]
        ratio = columns["shared, Mutex"]["requests/s"] / columns["shared, RwLock"]["requests/s"]
        parts.append(f"{says} {number(ratio)}")
    rate = figures.rate(f"shared, rwlock, cut at {CUT}", "fixed")
    here = given("measured-here")["columns"]["shared, RwLock"]["requests/s"]
    return (
        f"**The study's own comparison.** Requests/s of the shared model behind a mutex, in parts of those behind a "
        f"read-write lock: {', '.join(parts)}, serve-bert {ours.ranged}. The shared read-write column in requests/s: "
        f"its design on {given('measured-here')['machine'].partition(';')[0]} {number(here)}, serve-bert on this "
        f"machine {rate}, {number((rate.median if rate else 0) / here)} times."
    )


def _padding(figures: Figures) -> str:
    """What it costs to pad a short text to 128, and what cutting a long one saves."""
    padded = figures.ratio(TORCH_SHARED, PADDED, "short")
    cut = figures.ratio(f"shared, rwlock, cut at {CUT}", "shared, rwlock", "fixed")
    told = []
    if padded:
        told.append(
            f"On torch, a text of 22 tokens that is not padded to {CUT} is answered {verdict(padded)} as often: "
            f"{CUT - 22} of {CUT} positions are arithmetic on nothing"
        )
    if cut:
        told.append(
            f"cutting the fixed text of 242 tokens at {CUT} brings {verdict(cut)} the requests/s, and leaves out "
            f"{242 - CUT} of its tokens"
        )
    if not told:
        return ""
    return f"**Padding and cutting.** {'; '.join(told)}. The native engine lays texts end to end and pads none."


def _memory(figures: Figures) -> str:
    """What sharing saves, once the file is mapped."""
    one, ten = figures.pss_mb(SHARED), figures.pss_mb(PER_WORKER)
    summed = figures.rss_mb(PER_WORKER)
    if not (one and ten and summed):
        return ""
    published = given("published")["columns"]
    saved = published["non-shared, RwLock"]["RSS MB load"] - published["shared, RwLock"]["RSS MB load"]
    return (
        f"**What sharing saves.** After the load ten workers weigh {ten} MB (PSS; `ps` adds up {summed} MB, since it "
        f"counts each mapping ten times), the one process {one} MB: {number(ten.median - one.median)} MB less, or "
        f"{number((ten.median - one.median) / 9)} MB for each further worker, since all of them map one file. In the "
        f"study's design, where each worker reads the model into memory of its own, the same step costs {saved:.0f} MB."
    )


def _workers(figures: Figures) -> str:
    """Fewer workers and more, and ten threads against as many processes as cores."""
    names = {2: "per-worker, none, 2 workers", 10: PER_WORKER, 20: "per-worker, none, 20 workers"}
    told = []
    for count, name in names.items():
        rate, p99 = figures.rate(name, "mixed"), figures.of_cells(name, "mixed", lambda one: one.p99_s)
        pss = figures.pss_mb(name)
        if rate and p99 and pss:
            told.append(f"{count} workers {rate}/s, p99 {number(1e3 * p99.median)} ms, {number(pss.median)} MB")
    equal = figures.ratio(SHARED, names[2], "long")
    if not told:
        return ""
    says = f"**How many workers.** Mixed lengths from ten clients: {'; '.join(told)}."
    if equal:
        says += f" At equal arithmetic, ten threads beside two processes: {verdict(equal)} at 242 tokens."
    return says


def _knee(figures: Figures) -> str:
    """The least number of clients that gives nearly the most."""
    told = []
    for name in RISING:
        visits = [one for one in figures.visits(name) if one.steps]
        if not visits:
            continue
        rates = {
            step.clients: _median(Spread.of([visit.steps[place].requests_per_s for visit in visits])) or 0.0
            for place, step in enumerate(visits[0].steps)
        }
        most = max(rates.values())
        knee = min(count for count, rate in rates.items() if rate >= KNEE_SHARE * most)
        last = list(rates)[-1]
        told.append(f"{name}: {knee} clients ({number(rates[knee])}/s; {last} clients get {number(rates[last])}/s)")
    if not told:
        return ""
    return (
        f"**Where the knee is.** The least number of clients that gets {KNEE_SHARE:.0%} of the highest rate at 22 "
        f"tokens: {'; '.join(told)}. Beyond it only the wait grows."
    )


def _engines(figures: Figures) -> str:
    """The kernel against torch in the same house, and against the write-up's service."""
    pairs: dict[str, Callable[[str], Spread | None]] = {
        "the same service on torch": lambda kind: figures.ratio(PER_WORKER, "torch: per-worker, none", kind),
        "the write-up's Python with one torch thread": lambda kind: figures.ratio(
            PER_WORKER, "write-up's Python, one torch thread", kind
        ),
    }
    told = []
    for says, ratio in pairs.items():
        long, short = ratio("long"), ratio("short")
        if long and short:
            told.append(f"beside {says} {short.ranged} times at 22 tokens and {long.ranged} times at 242")
    return f"**The engine.** Ten workers of the default answer, {'; '.join(told)}." if told else ""


def _replacing(replaced: dict[str, Outcome]) -> str:
    """The model replaced under load."""
    if not replaced:
        return ""
    answers = sum(sum(one.answers.values()) for one in replaced.values())
    failed, mixed = (sum(map(read, replaced.values())) for read in (lambda one: sum(one.failed.values()), _mixed))
    times = sum(one.times for one in replaced.values())
    slowest = max(replaced, key=lambda name: replaced[name].longest_s)
    return (
        f"**Replacing the model.** {times} replacements in {len(replaced)} configurations while ten clients asked: "
        f"{answers} answers, {failed} failed, {mixed} with a vector of another model than they name. The longest took "
        f"{number(replaced[slowest].longest_s)} s ({slowest}), until no worker had the old model. Without a lock the "
        "new model takes the old one's place as a reference does: an immutable model needs none."
    )


def _mixed(one: Outcome) -> int:
    return one.mixed


def _median(found: Spread | None) -> float | None:
    return found.median if found else None
