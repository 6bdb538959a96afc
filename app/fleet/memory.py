"""How much memory a process costs, as Linux accounts for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of physical memory: `pss_bytes` counts a page that n processes share as 1/n, `private_bytes` not at all."""

    pss_bytes: int
    private_bytes: int


def of_process(pid: int) -> Memory | None:
    """What the process costs now; None if it is gone, is not ours, or this is not Linux."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    kib = {words[0]: int(words[1]) for words in map(str.split, text.splitlines()) if words[-1] == "kB"}
    if "Pss:" not in kib:
        return None
    return Memory(kib["Pss:"] * 1024, (kib["Private_Clean:"] + kib["Private_Dirty:"]) * 1024)
