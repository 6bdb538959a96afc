"""What several modules of the native engine's tests begin with; a module may have its own of the same name."""

from __future__ import annotations

import pytest

from app.encoder.native import library
from tests.kernel import has_kernel
from tests.native_models import SmallModel, dense, small_model

# Not those of its build and of the packed file's layout, which need none.
collect_ignore_glob = [] if has_kernel() else ["test_native_[!bl]*.py"]


@pytest.fixture(scope="module", params=library.PRECISIONS)
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model() -> SmallModel:
    return small_model(dense=(dense(0, 64, 7, "tanh"),), positions=32)
