"""Nobody serves from a path that computes something else than the plain one of its order."""

from __future__ import annotations

import numpy as np
import pytest

from app.encoder.native import library
from app.encoder.native.forward import Forward
from app.encoder.native.selfcheck import WrongPathError, ask_plain, compare
from tests.native_models import small_model

FASTER = [isa for isa in library.paths() if isa not in library.PLAIN_PATHS.values()]


@pytest.mark.parametrize("precision", library.PRECISIONS)
@pytest.mark.parametrize("isa", library.paths())
def test_the_self_check_passes_every_path(isa: str, precision: str) -> None:
    weights = small_model(layers=3, positions=9).weights(precision)
    compare(weights, isa, precision, 9, ask_plain(weights, isa, precision, 9))
    assert weights.model.layers == 3


@pytest.mark.skipif(not FASTER, reason="this processor runs the plain paths alone")
@pytest.mark.parametrize(
    ("precision", "wrong"), [("float32", 1.5), ("float32", np.nan), ("bfloat16", np.inf), ("bfloat16", 1 + 2.0**-23)]
)
def test_a_path_that_gives_other_vectors_is_refused(
    monkeypatch: pytest.MonkeyPatch, precision: str, wrong: float
) -> None:
    """In bfloat16 by a single bit."""
    weights = small_model(layers=1).weights(precision)
    sound, last = Forward.states, FASTER[-1]
    witness = ask_plain(weights, last, precision, 512)

    def states(self: Forward, *laid_out: np.ndarray) -> np.ndarray:
        found = sound(self, *laid_out)
        found[-1, -1] *= np.float32(wrong)
        return found

    monkeypatch.setattr(Forward, "states", states)
    with pytest.raises(WrongPathError, match=f"the {last} path of the kernel gives other vectors"):
        compare(weights, last, precision, 512, witness)
