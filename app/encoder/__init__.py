"""Text to vectors. Knows nothing of HTTP.

`verify` finds a model and checks its files, `plan` has the reference describe it and chooses the engine that will run
it (the master does both, once); `open_encoder` loads it (every worker does this, after the fork). What comes back is an
`Encoder`, whichever engine is behind it.
"""

from __future__ import annotations

from app.encoder.checkpoint import Checkpoint, verify
from app.encoder.contract import Bounds, Embeddings, Encoder, ModelInfo, Pooling
from app.encoder.locking import guarded, replaced
from app.encoder.plan import MODEL_SETTINGS, Plan, import_engine, open_encoder, plan, verify_and_plan

__all__ = [
    "MODEL_SETTINGS",
    "Bounds",
    "Checkpoint",
    "Embeddings",
    "Encoder",
    "ModelInfo",
    "Plan",
    "Pooling",
    "guarded",
    "import_engine",
    "open_encoder",
    "plan",
    "replaced",
    "verify",
    "verify_and_plan",
]
