"""A worker does not serve from a path that computes something else than the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from app.encoder.native import library
from app.encoder.native.forward import Forward
from app.encoder.native.selfcheck import compare_with_plain
from app.errors import ModelRefusedError
from tests.native_models import small_model


@pytest.mark.parametrize("precision", library.PRECISIONS)
@pytest.mark.parametrize("isa", library.paths())
def test_the_self_check_passes_every_path(isa: str, precision: str) -> None:
    weights = small_model(layers=3, positions=9).weights(precision)
    compare_with_plain(weights, isa, 9)
    assert weights.model.layers == 3


@pytest.mark.skipif(len(library.paths()) == 1, reason="this processor runs the plain path alone")
@pytest.mark.parametrize("wrong", [1.5, np.nan, np.inf])
def test_a_path_that_gives_other_vectors_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    weights = small_model(layers=1).weights("float32")
    sound = Forward.states
    last = list(library.paths())[-1]

    def states(self: Forward, *laid_out: np.ndarray) -> np.ndarray:
        found = sound(self, *laid_out)
        if self._path == library.paths()[last]:
            found[-1, -1] *= wrong
        return found

    monkeypatch.setattr(Forward, "states", states)
    with pytest.raises(ModelRefusedError, match=f"the {last} path of the kernel gives other vectors"):
        compare_with_plain(weights, last, 512)
