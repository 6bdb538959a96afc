"""Text to vectors. Knows nothing of HTTP.

`verify` finds a model and checks its files, `plan` has the reference describe it and chooses the engine that will run
it (the master does both, once); `open_encoder` loads it. On our own engine the master does that, too, and each worker,
after the fork, maps the weights as its own (`take_over`) and holds what it has against the reference (`hold`); on the
other, which must not compute before a fork, every worker loads it. What comes back is an `Encoder`, whichever engine is
behind it.
"""

from __future__ import annotations

from .checkpoint import Checkpoint, verify
from .child import end_with_parent
from .contract import Bounds, Embeddings, Encoder, ModelInfo, look_away
from .locking import guarded, replaced
from .options import Options, Pooling, Side, Text
from .pieces import Piece
from .plan import MODEL_SETTINGS, Plan, hold, import_engine, open_encoder, plan, plan_as, verify_and_plan, verify_as
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
    "hold",
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
