"""Eight bits: what is packed is the same on every machine, what is computed on every path, and it is near enough."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from app import encoder as encoders
from app.encoder import Checkpoint, child, waiting
from app.encoder.native import calibration, layout, library, packed, quantisation
from app.encoder.native.calls import laid_out
from app.encoder.native.layout import Read
from app.encoder.native.matrix import CannotQuantiseError, Quantised
from app.encoder.native.quantisation import Inputs, quantised, rotated
from app.encoder.tokens import TokenizedText
from app.errors import ConfigurationError
from tests.bench.encoder.corpus import collect
from tests.native_models import SmallModel, bits, forward_of, own_code, small_model, states
from tests.texts import real_texts

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "int8-default.json").read_text(encoding="utf-8"))
OWN_INT8 = own_code("int8")
needs_avx2 = pytest.mark.skipif("avx2" not in library.paths(), reason="int8 is packed on AVX2")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the default model is packed once, by whichever test comes first."""
    return tmp_path_factory.mktemp("int8")


@pytest.mark.long
@needs_avx2
@pytest.mark.parametrize("isa", OWN_INT8[::-1])  # whoever packs proves nine texts, which takes plain long
def test_the_default_has_the_published_bits(checkpoint: Checkpoint, cache: Path, isa: str) -> None:
    """Of its packed weights, and of its vectors, on this processor and on this path."""
    plan = encoders.plan(checkpoint, engine="native", precision="int8", isa=isa, cache=str(cache))
    encoder = encoders.open_encoder(plan)
    info = encoder.info
    assert (info.precision, info.sums, info.isa) == ("int8", "integers", isa)
    assert info.packed_sha256 == PUBLISHED["payload_sha256"]
    some = "first_" if isa == "plain" else ""  # which takes seconds for a text
    count = PUBLISHED["first"] if some else None
    vectors = np.asarray(encoder.encode(PUBLISHED["texts"][:count]).vectors)
    assert hashlib.sha256(bits(vectors)).hexdigest() == PUBLISHED[f"{some}vectors_sha256"]


@pytest.mark.long
@needs_avx2
def test_the_default_stays_near_float32(checkpoint: Checkpoint, cache: Path) -> None:
    texts = real_texts()
    found, exact = (
        np.asarray(
            encoders.open_encoder(encoders.plan(checkpoint, precision=precision, cache=str(cache)))
            .encode(texts)
            .vectors,
            np.float64,
        )
        for precision in ("int8", "float32")
    )
    cosines = (found * exact).sum(axis=1)
    assert (cosines.min(), cosines.mean()) > (0.9993, 0.9998)


def test_no_text_that_it_is_measured_with_was_calibrated_with() -> None:
    own = calibration.texts()
    assert len(own) == len(set(own)) > 100
    assert not set(own) & set(collect(None)[0])
    assert all(text.strip() == text and text for text in own)


SHA256_OF_A_MATRIX = """
import hashlib, numpy as np
from app.encoder.native.quantisation import Inputs, quantised
random = np.random.default_rng(4)
rows = random.standard_normal((700, 384), np.float32)
rows += np.roll(rows, 1, axis=1) + np.roll(rows, 7, axis=1)  # not a matrix product, which a BLAS makes in its own way
inputs = Inputs.of(rows[:256])
for start in (256, 512):
    inputs.add(Inputs.of(rows[start : start + 256]))
made = quantised(random.standard_normal((192, 384), np.float32), random.standard_normal(192, np.float32), inputs)
arrays = (made.values, made.scale, made.bias, made.stretch, made.offset, made.sums)
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""
AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"
MACHINES = [
    {},
    {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": f"{AVX512} AVX2 FMA3 X86_V3"},
]


def test_a_matrix_comes_out_the_same_with_every_blas_and_processor() -> None:
    found = set()
    for machine in MACHINES:
        command = [sys.executable, "-W", "ignore", "-c", SHA256_OF_A_MATRIX]
        ran = subprocess.run(command, cwd=ROOT, env=os.environ | machine, capture_output=True, text=True, check=True)
        found.add(ran.stdout)
    assert len(found) == 1


def relative_error(exact: np.ndarray, found: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_feedback_rounds_better_than_rounding() -> None:
    random = np.random.default_rng(7)
    rows = random.standard_normal((900, 192), np.float32) @ random.standard_normal((192, 192), np.float32)
    rows[:, 5] *= 40  # what stands out
    rows += np.float32(3)
    weight, bias = random.standard_normal((64, 192), np.float32), random.standard_normal(64, np.float32)
    made = quantised(weight, bias, Inputs.of(rows))
    assert np.abs(made.values).max() == quantisation.LARGEST
    exact = rows.astype(np.float64) @ weight.T.astype(np.float64) + bias
    given = rotated(rows.astype(np.float64) * made.stretch + made.offset)
    found = given @ (made.values * made.scale[:, None].astype(np.float64)).T + made.bias
    turned = rotated(weight.astype(np.float64) / made.stretch) / quantisation.block_of(192)
    scale = np.abs(turned).max(axis=1) / quantisation.LARGEST
    nearest = given @ (np.rint(turned / scale[:, None]) * scale[:, None]).T + made.bias
    assert relative_error(exact, found) < 0.7 * relative_error(exact, nearest)
    assert relative_error(exact, given @ turned.T + made.bias) < 1e-6


def test_a_rotation_twice_is_the_block_and_blocks_are_powers_of_two() -> None:
    assert [quantisation.block_of(inputs) for inputs in (64, 128, 192, 384, 1024, 1536)] == [64, 128, 64, 128, 128, 128]
    rows = np.random.default_rng(1).standard_normal((3, 192))
    assert np.allclose(rotated(rotated(rows)), 64 * rows)


def test_the_factorisation_is_cholesky() -> None:
    rows = np.random.default_rng(2).standard_normal((400, 150))
    squares = rows.T @ rows
    found = quantisation._cholesky(squares.copy())
    assert np.allclose(found, np.linalg.cholesky(squares), rtol=1e-4, atol=1e-4)
    with pytest.raises(ArithmeticError, match="no sums of squares"):
        quantisation._cholesky(-squares)


def test_inputs_and_weights_that_are_nothing_do_no_harm() -> None:
    """An input that is always 0, one that is always the same, an output that takes nothing."""
    random = np.random.default_rng(3)
    rows, weight = random.standard_normal((90, 64), np.float32), random.standard_normal((64, 64), np.float32)
    rows[:, 0], rows[:, 1], weight[2], weight[:, 3] = 0, 5, 0, 0
    made = quantised(weight, np.ones(64, np.float32), Inputs.of(rows))
    assert all(np.isfinite(array).all() for array in (made.scale, made.bias, made.stretch, made.offset, made.sums))
    given = rotated(rows.astype(np.float64) * made.stretch + made.offset)
    found = given @ (made.values * made.scale[:, None].astype(np.float64)).T + made.bias
    assert relative_error(rows @ weight.T + 1, found) < 0.02
    assert not made.values[2].any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_refused(value: float) -> None:
    rows = np.ones((4, 64), np.float32)
    rows[0, 0] = value
    with np.errstate(all="ignore"), pytest.raises(ArithmeticError, match="not finite"):
        quantised(np.ones((64, 64), np.float32), np.ones(64, np.float32), Inputs.of(rows))


def test_what_is_not_finite_does_not_become_an_ordinary_number() -> None:
    """Of a row of bytes, too, which could not hold it."""
    model = small_model(layers=1)
    source = {name: tensor.copy() for name, tensor in model.source.items()}
    source["encoder.layer.0.attention.self.value.bias"][3] = np.inf
    model = replace(model, source=source)
    weights, texts = model.weights("int8"), model.texts([5, 20])
    for isa in OWN_INT8:
        assert np.isnan(states(forward_of(model, weights, isa), texts)).all()


def some_calls(model: SmallModel) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    random = np.random.default_rng(8)
    ids = [[int(token) for token in random.integers(0, 97, length)] for length in (9, 30, 4)]
    return [laid_out([TokenizedText(each, [0] * len(each), 0)]) for each in ids]


@needs_avx2
def test_a_model_that_eight_bits_do_not_keep_is_refused_with_the_figure() -> None:
    model = small_model()
    calls, heard = some_calls(model), []

    def tell(*, step: str, done: str) -> None:
        heard.append((step, done))

    with pytest.raises(CannotQuantiseError, match=r"keeps a cosine of 0\.9\d+ to its float32 vector, 1\.5 is needed"):
        calibration.quantise(model.source.__getitem__, model.architecture, calls, tell, 1.5)
    assert ("matrices are rounded", "50%") in heard
    assert ("texts go through 2 layers", "67%") in heard


@needs_avx2
def test_layers_in_groups_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all Gram matrices have room at once."""
    model = small_model(layers=3)
    found = []
    for room in (quantisation.STEP, 1 << 30):
        monkeypatch.setattr(calibration, "SQUARES_BYTES", room)
        source = calibration.quantise(
            model.source.__getitem__, model.architecture, some_calls(model), waiting.Progress(""), 0
        )
        found.append([source.matrix(f"{layer}.{kind}") for layer in range(3) for kind in layout.MODULES])
    assert all(
        bits(getattr(one, part)) == bits(getattr(other, part))
        for one, other in zip(*found, strict=True)
        for part in ("values", "scale", "bias", "stretch", "offset")
    )


def test_a_matrix_that_is_too_wide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "MOST_INPUTS", 100)
    model = small_model()
    with pytest.raises(CannotQuantiseError, match=r"0\.feed_down has 128 inputs, at most 100 can be rounded"):
        calibration.quantise(model.source.__getitem__, model.architecture, some_calls(model), waiting.Progress(""), 0)


def test_a_refusal_ends_the_start_in_one_line(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised in the child that packs, and nothing is left behind."""
    monkeypatch.setattr(calibration, "quantise", refuse)
    with pytest.raises(ConfigurationError, match=r"^BERT_PRECISION: 'int8' cannot be used: too far$"):
        encoders.plan(checkpoint, engine="native", precision="int8", cache=str(tmp_path))
    assert not list(tmp_path.glob("*.safetensors*[!k]"))


def refuse(*_: object) -> None:
    raise CannotQuantiseError("too far")


def test_packing_happens_in_a_child(tmp_path: Path) -> None:
    model = small_model()
    seen = tmp_path / "process"

    def quantise(_: Read) -> Quantised:
        seen.write_text(str(os.getpid()))
        return model.quantised

    found = packed.obtain(model.contents("int8"), tmp_path / "cache", model.source.__getitem__, quantise)
    assert int(seen.read_text()) != os.getpid()
    again = packed.obtain(model.contents("int8"), tmp_path / "cache", model.source.__getitem__, quantise)
    assert (found.made, again.made) == (True, False)


def test_a_child_that_dies_is_told() -> None:
    with pytest.raises(child.ChildDiedError, match="ended with status 7"):
        child.in_child(lambda: os._exit(7))
    with pytest.raises(KeyError, match="lost"):
        child.in_child(lambda: dict[str, None]()["lost"])
    with pytest.raises(RuntimeError, match="cannot be pickled"):
        child.in_child(raise_what_cannot_be_pickled)


ORPHAN = """
import os, time
from pathlib import Path
from app.encoder.child import in_child
def work():
    print(os.getpid(), flush=True)
    time.sleep(60)
in_child(work)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_a_child_does_not_outlive_who_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        process = Path("/proc") / starter.stdout.readline().strip()
        assert is_alive(process)
        starter.kill()
    for _ in range(3000):
        if not is_alive(process):
            return
        time.sleep(0.01)
    pytest.fail("the child lives on")


def is_alive(process: Path) -> bool:
    """Not ended, and not ended but for somebody to ask how."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def raise_what_cannot_be_pickled() -> None:
    class LocalError(Exception):
        pass

    raise LocalError("cannot be pickled")


def test_who_waits_for_the_lock_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0)
    path = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(time, "sleep", lambda _: holder.communicate("go\n"))
        with capture_logs() as lines, waiting.lock(path, "packs the weights"):
            assert [line["event"] for line in lines] == ["waiting for a process that packs the weights"]
    finally:
        holder.kill()
        holder.wait()


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""
