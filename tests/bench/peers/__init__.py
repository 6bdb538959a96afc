"""Who is measured: each peer says how it is started, when it is ready, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.kit.places import BENCH, SERVICES, default_model

Scope = Literal["all", "variant", "slow"]


@dataclass(frozen=True)
class Peer:
    """A service over HTTP."""

    key: str
    name: str
    command: Callable[[int], list[str]]
    """The command that serves on a port of 127.0.0.1."""
    body: Callable[[list[str]], Any]
    """The request for some texts."""
    path: str = "/predict"
    ready_path: str = "/health"
    environ: dict[str, str] = field(default_factory=dict)
    folder: Path = SERVICES
    precision: str = "float32"
    engine: str = "torch"
    isa: str = ""
    """The path of our kernel that computes, if it is that."""
    has_info: bool = False
    """Whether GET /info tells its engine and precision."""
    scope: Scope = "all"
    """Which cases it gets: a variant of another peer fewer, a slow one the fewest and in one round alone."""
    in_quick: bool = True
    why_missing: Callable[[], str | None] = lambda: None


def gunicorn(*flags: str) -> Callable[[int], list[str]]:
    """A command that runs gunicorn from the bench's environment, with ten workers unless told otherwise."""
    python = str(BENCH / "bin" / "python")

    def command(port: int) -> list[str]:
        return [python, "-m", "gunicorn", "--no-control-socket", "-b", f"127.0.0.1:{port}", "-w", "10", *flags]

    return command


def model_environ() -> dict[str, str]:
    """Tells our scripts of the peers' services which folder to load."""
    return {"BENCH_MODEL": str(default_model().directory)}


def one_text_or_many(texts: list[str]) -> Any:
    """The write-up's request."""
    return {"text": texts[0] if len(texts) == 1 else texts}


def all_peers() -> list[Peer]:
    """In the order in which a round visits them; ours first, since the others of ours are told apart from it."""
    from tests.bench.peers import infinity, ours, plain_flask, write_up

    return [*ours.peers(), *plain_flask.peers(), *write_up.peers(), *infinity.peers()]
