"""What is measured: each column is a service that one can start, by the settings that stand here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from tests.bench.peers import Peer, ours, write_up
from tests.kit.places import SERVING

Group = Literal["study", "ours", "torch"]
ALL_KINDS = ("fixed", "short", "long", "mixed")
# Of a text that is short, nothing is cut: it shows what padding costs.
CUT_KINDS = ("fixed", "short")
CUT = 128
"""Tokens at which the study's tokenizer.json cuts, and to which it pads."""


@dataclass(frozen=True)
class Column:
    """A configuration; `group`: the table in which it stands."""

    name: str
    group: Group
    peer: Peer
    kinds: tuple[str, ...] = ALL_KINDS
    published: str = ""
    """The study's column that this one answers."""
    is_cut: bool = False
    """Whether texts are cut at `CUT` tokens, so that other vectors are right."""
    is_slow: bool = False
    """Then one round is enough."""

    @property
    def is_ours(self) -> bool:
        """Whether it is serve-bert, and so can replace its model."""
        return self.peer.has_info

    @property
    def is_shared(self) -> bool:
        """Whether one process holds the model."""
        return self.peer.environ.get("BERT_STATE") == "shared"

    @property
    def workers(self) -> int:
        """Processes that answer."""
        return 1 if self.is_shared else int(self.peer.environ.get("WEB_CONCURRENCY", "10"))


def columns() -> list[Column]:
    """All, in the order of the report."""
    return [*_study(), *_ours(), *_torch(), *_write_up()]


def _study() -> list[Column]:
    """The study's five as it had them: texts cut at 128 tokens, but for the column that cuts nothing (see `_ours`)."""
    return [
        _column(f"{state}, {lock}, cut at {CUT}", "study", state, lock, published=published, is_cut=True)
        for state, lock, published in (
            ("shared", "rwlock", "shared, RwLock"),
            ("per-worker", "rwlock", "non-shared, RwLock"),
            ("shared", "mutex", "shared, Mutex"),
            ("per-worker", "mutex", "non-shared, Mutex"),
        )
    ]


def _ours() -> list[Column]:
    """Whole texts: both states under each lock, and the default with fewer workers and with more."""
    published = {("shared", "rwlock"): "shared, RwLock, no padding/truncation"}
    states = [(state, lock) for state in ("shared", "per-worker") for lock in ("none", "rwlock", "mutex")]
    found = [
        _column(f"{state}, {lock}", "ours", state, lock, published=published.get((state, lock), ""))
        for state, lock in states
    ]
    few = [
        _column(f"per-worker, none, {count} workers", "ours", "per-worker", "none", environ={"WEB_CONCURRENCY": count})
        for count in ("2", "20")
    ]
    return found + few


def _torch() -> list[Column]:
    """The same service on the reference engine, and once as the study's tokenizer had it: padded to 128."""
    torch = {"BERT_ENGINE": "sentence-transformers"}
    padded = _column(f"torch: shared, rwlock, padded to {CUT}", "torch", "shared", "rwlock", is_cut=True, environ=torch)
    command = [str(SERVING / "bin" / "gunicorn"), "tests.study.padded:create_app()"]
    padded = replace(padded, peer=replace(padded.peer, command=lambda _port: command))
    return [
        padded,
        _column("torch: shared, rwlock", "torch", "shared", "rwlock", environ=torch),
        _column("torch: per-worker, none", "torch", "per-worker", "none", environ=torch),
    ]


def _write_up() -> list[Column]:
    """The write-up's Python service, with one torch thread a worker and as published."""
    one_thread, as_published = write_up.peers()
    return [
        Column("write-up's Python, one torch thread", "torch", one_thread),
        Column("write-up's Python, as published", "torch", as_published, kinds=("fixed",), is_slow=True),
    ]


def _column(
    name: str,
    group: Group,
    state: str,
    lock: str,
    *,
    published: str = "",
    is_cut: bool = False,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Column:
    settings = {"BERT_STATE": state, "BERT_LOCK": lock, **environ}
    if is_cut:
        settings["BERT_MAX_TOKENS"] = str(CUT)
    peer = replace(ours.peers()[0], environ=settings)
    return Column(name, group, peer, CUT_KINDS if is_cut else ALL_KINDS, published, is_cut)
