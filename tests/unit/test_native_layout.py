"""What a packed file holds: its header, where its tensors lie, and what a panel is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from app.encoder.native import layout, packed
from app.encoder.native.packed import Packed
from app.encoder.native.tensorfile import TensorFile
from tests.native_models import SmallModel


@pytest.fixture
def found(model: SmallModel, precision: str, tmp_path: Path) -> Packed:
    return packed.obtain(model.contents(precision), tmp_path, model.read(precision))


def test_the_header(model: SmallModel, precision: str, found: Packed) -> None:
    contents = model.contents(precision)
    path = Path(found.place)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        assert set(file.keys()) == {tensor.name for tensor in contents.tensors}
    payload = path.read_bytes()[contents.header_bytes :]
    assert metadata == {
        "format": "serve-bert packed",
        "layout": str(layout.LAYOUT),
        "precision": precision,
        "source_sha256": contents.sha256,
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
    }
    assert path.stat().st_size == contents.file_bytes


def test_tensors_lie_aligned_and_in_the_order_of_execution(model: SmallModel, precision: str, found: Packed) -> None:
    file = TensorFile(found.descriptor)
    names = [tensor.name for tensor in model.contents(precision).tensors]
    addresses = [file.raw(name).ctypes.data for name in names]
    assert list(file) == names
    assert addresses == sorted(addresses)
    assert all(address % 64 == 0 for address in addresses)
    panels = [f"{layer}.{step}" for layer in range(2) for step in layout.MODULES]
    assert names[-9:] == [f"{name}.panels" for name in (*panels, "dense.0")]
    assert not file.raw("words").flags.writeable


def test_a_tensor_of_another_size_is_not_packed(model: SmallModel, precision: str, tmp_path: Path) -> None:
    wrong = replace(model, source=model.source | {"embeddings.LayerNorm.bias": np.zeros(65, np.float32)})
    with pytest.raises(ValueError, match=r"embedded\.bias: 260 bytes made, 256 promised"):
        packed.obtain(model.contents(precision), tmp_path, wrong.read(precision))
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("outputs", [1, 63, 64, 65, 200])
def test_panels_hold_the_matrix(outputs: int, precision: str) -> None:
    matrix = np.random.default_rng(outputs).standard_normal((outputs, 8), np.float32)
    if precision == "int8":
        matrix = (matrix * 40).astype(np.int8)
    panels = layout.to_panels(matrix, {"float32": "F32", "bfloat16": "BF16", "int8": "I8"}[precision])
    assert panels.dtype == {"float32": np.float32, "bfloat16": np.uint16, "int8": np.int8}[precision]
    if precision == "bfloat16":
        panels = (panels.astype(np.uint32) << 16).view(np.float32)
    whole = panels.transpose(0, 2, 1, 3).reshape(-1, 8)
    assert whole.shape == (layout.padded(outputs), 8)
    assert not whole[outputs:].any()
    assert np.abs(whole[:outputs] - matrix).max() <= (2**-8 * np.abs(matrix).max() if precision == "bfloat16" else 0)


def test_bfloat16_is_rounded_to_the_nearest_even() -> None:
    halves = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F800000, 0xFF7FFFFF, 0x7F800001, 0xFFFFFFFF], np.uint32)
    found = layout.to_bfloat16(halves.view(np.float32))
    assert [hex(bits) for bits in found] == ["0x3f80", "0x3f82", "0x3f81", "0x7f80", "0xff80", "0x7fc0", "0xffff"]
