"""Text to vectors. Knows nothing of HTTP.

`verify` finds a model and checks its files, `plan` has the reference describe it and chooses the engine that will run
it (the master does both, once); `open_encoder` loads it (every worker does this, after the fork). What comes back is an
`Encoder`, whichever engine is behind it.
"""

from __future__ import annotations

from .checkpoint import Checkpoint, verify
from .child import end_with_parent
from .contract import Bounds, Embeddings, Encoder, ModelInfo, look_away
from .locking import guarded, replaced
from .options import Options, Pooling, Side, Text
from .pieces import Piece
from .plan import MODEL_SETTINGS, Plan, import_engine, open_encoder, plan, plan_as, verify_and_plan, verify_as
from .waiting import Progress

__all__ = [
    "MODEL_SETTINGS",
    "Bounds",
    "Checkpoint",
    "Embeddings",
    "Encoder",
    "ModelInfo",
    "Options",
    "Piece",
    "Plan",
    "Pooling",
    "Progress",
    "Side",
    "Text",
    "end_with_parent",
    "guarded",
    "import_engine",
    "look_away",
    "open_encoder",
    "plan",
    "plan_as",
    "replaced",
    "verify",
    "verify_and_plan",
    "verify_as",
]
