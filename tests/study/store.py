"""What a run has seen so far, a JSON file each, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.study.cells import Visit
from tests.study.pairs import Paired
from tests.study.plan import Plan
from tests.study.replacing import Outcome

RESULTS = Path(__file__).parent / "results"
REPORT = "report.html"


class Store:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "visits").mkdir(parents=True, exist_ok=True)
        (folder / "replaced").mkdir(exist_ok=True)
        (folder / "paired").mkdir(exist_ok=True)

    @property
    def run(self) -> dict[str, Any]:
        """When it began, and on what."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return found

    def has(self, column: str, number: int) -> bool:
        return self._visit(column, number).exists()

    def keep(self, visit: Visit) -> None:
        _write(self._visit(visit.column, visit.round), msgspec.json.encode(visit))

    def has_replaced(self, column: str) -> bool:
        return self._replaced(column).exists()

    def keep_replaced(self, column: str, outcome: Outcome) -> None:
        _write(self._replaced(column), json.dumps({"column": column, **asdict(outcome)}).encode())

    def keep_paired(self, paired: Paired) -> None:
        _write(self._paired(paired.name), msgspec.json.encode(paired))

    def has_paired(self, name: str) -> bool:
        return self._paired(name).exists()

    def paired(self) -> list[Paired]:
        """All comparisons."""
        files = sorted((self.folder / "paired").glob("*.json"))
        return [msgspec.json.decode(file.read_bytes(), type=Paired) for file in files]

    def _paired(self, name: str) -> Path:
        return self.folder / "paired" / f"{_slug(name)}.json"

    def keep_lock_us(self, lock_us: dict[str, float]) -> None:
        _write(self.folder / "lock_us.json", json.dumps(lock_us).encode())

    @property
    def lock_us(self) -> dict[str, float]:
        """By lock, what a prediction pays for it where nobody contends; empty before it was measured."""
        file = self.folder / "lock_us.json"
        found: dict[str, float] = json.loads(file.read_bytes()) if file.exists() else {}
        return found

    def visits(self) -> list[Visit]:
        """In the order of rounds."""
        files = sorted((self.folder / "visits").glob("*.json"))
        return sorted((msgspec.json.decode(file.read_bytes(), type=Visit) for file in files), key=lambda one: one.round)

    def replaced(self) -> dict[str, Outcome]:
        """By column."""
        found = [json.loads(file.read_bytes()) for file in sorted((self.folder / "replaced").glob("*.json"))]
        return {one.pop("column"): msgspec.convert(one, Outcome) for one in found}

    def _visit(self, column: str, number: int) -> Path:
        return self.folder / "visits" / f"{_slug(column)}-{number}.json"

    def _replaced(self, column: str) -> Path:
        return self.folder / "replaced" / f"{_slug(column)}.json"


def obtain(began: datetime, plan: Plan, machine: dict[str, Any], software: dict[str, Any], *, is_fresh: bool) -> Store:
    """The newest run that was stopped, if it is of the same plan, commit and processor; else a new one.

    With changes beside the commit always a new one: a run must not mix two states of the code.
    """
    same = {"plan": json.loads(json.dumps(asdict(plan))), "commit": software["commit"]}
    same["processor"] = [machine[key] for key in ("processor", "model", "cores")]
    same["changes"] = software["changes_beside_the_commit"] and began.isoformat()  # of which we cannot tell two apart
    for file in [] if is_fresh else sorted(RESULTS.glob("*/run.json"), reverse=True):
        if json.loads(file.read_text(encoding="utf-8"))["same"] == same:
            if not (file.parent / REPORT).exists():
                return Store(file.parent)
            break
    store = Store(RESULTS / began.strftime("%Y-%m-%dT%H%M%SZ"))
    facts = {"began": began.isoformat(timespec="seconds"), "same": same, "machine": machine, "software": software}
    _write(store.folder / "run.json", json.dumps(facts, indent=1).encode())
    return store


def _slug(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", column.lower())


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)
