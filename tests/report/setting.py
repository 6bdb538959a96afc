"""What a run was made on: the table that opens every report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a run says of itself; what it found comes beside it."""

    began: str
    took_s: float
    machine: dict[str, Any]
    software: dict[str, Any]
    peaks_gflops: dict[str, float | None] = field(default_factory=dict)
    """Of one core, by precision; empty where it is not measured."""


def setting(found: Setting) -> str:
    """A Markdown table of machine, software and time."""
    machine, software = found.machine, found.software
    peaks = [f"{value:.0f} GFLOP/s {name}" for name, value in found.peaks_gflops.items() if value]
    model = f"{software['model']}, sha256 {software['model_sha256'][:12]}…"
    facts = {
        "machine": f"{machine['processor']} (family {machine['cpu family']}, model {machine['model']})",
        "cores, memory": f"{machine['cores']}, {machine['memory_gib']} GiB",
        "instruction sets": ", ".join(machine["instruction_sets"]) or "none known",
        "one core's peak": ", ".join(peaks) or "not measured",
        "commit": software["commit"] + (", and changes beside it" if software["changes_beside_the_commit"] else ""),
        "model": model,
        "software": ", ".join(f"{name} {version}" for name, version in software["versions"].items()),
        "began, took": f"{found.began}, {found.took_s / 60:.1f} minutes",
        "load average before": f"{machine['load_average_before']:.1f}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items())])


def left_out(found: dict[str, str]) -> str:
    """Who could not be measured, and why; empty if all were."""
    return "Left out:\n\n" + "\n".join(f"- {name}: {why}" for name, why in found.items()) if found else ""
