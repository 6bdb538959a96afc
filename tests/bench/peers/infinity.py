"""Infinity (infinity-emb) with its torch engine: one process that batches across requests; its own environment."""

from __future__ import annotations

from typing import Any

from tests.bench.peers import Peer
from tests.kit.places import INFINITY, SERVICES, default_model, has_environment


def peers() -> list[Peer]:
    """All default, but for the device and what would reach for a hub."""
    return [
        Peer(
            key="infinity",
            name="Infinity",
            command=_command,
            body=_body,
            path="/embeddings",
            folder=SERVICES,
            environ={"INFINITY_ANONYMOUS_USAGE_STATS": "0"},
            why_missing=_why_missing,
        )
    ]


def _command(port: int) -> list[str]:
    served = ["--model-id", str(default_model().directory), "--served-model-name", "bench"]
    return [
        *(str(INFINITY / "bin" / "infinity_emb"), "v2", *served),
        *("--engine", "torch", "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)),
    ]


def _body(texts: list[str]) -> Any:
    return {"model": "bench", "input": texts}


def _why_missing() -> str | None:
    return None if has_environment(INFINITY) else "infinity-emb could not be installed (see the output of `make bench`)"
