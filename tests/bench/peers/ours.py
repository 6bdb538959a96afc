"""serve-bert, started as a user starts it, and its other configurations as far as they differ."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.peers import Peer, one_text_or_many
from tests.kit.places import ROOT, SERVING


def peers() -> list[Peer]:
    """All default first."""
    default = Peer(
        key="ours",
        name="serve-bert",
        command=lambda _port: [str(SERVING / "bin" / "gunicorn"), "app:create_app()"],
        body=one_text_or_many,
        ready_path="/readyz",
        folder=ROOT,
        has_info=True,
    )
    others = {
        "ours-float32": {"BERT_PRECISION": "float32"},
        "ours-bfloat16": {"BERT_PRECISION": "bfloat16"},
        "ours-int8": {"BERT_PRECISION": "int8"},
        "ours-torch": {"BERT_ENGINE": "sentence-transformers"},
    }
    variant = replace(default, scope="variant", in_quick=False)
    return [default] + [replace(variant, key=key, environ=extra) for key, extra in others.items()]
