"""exp2, tanh and GELU of the kernel over their whole range, by a small program around kernel/functions.inc and
tile_functions.inc."""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.native_bert import ERF
from tests.native_program import KERNEL, compiled

EDGE, DEGREE = 5.0, 12
FUNCTIONS = ("exp2", "tanh", "gelu", "gelu_tanh", "power", "gelu_in_pieces")
# A softmax's powers count in sixteenths, and come with this factor.
SIXTEENTHS, FACTOR = 16, 23.0831207
# Floats from the standard input; each function's results of all of them, one function after the other.
PROGRAM = """
#include <stdio.h>
#include "bert.h"
#include "vector_plain.h"
#include "functions.inc"
#include "tile_functions.inc"
static float power(float x) { return v_power(x, v_whole(x)); }
#define EACH(f) for (size_t i = 0; i < count; i++) { float y = f(x[i]); fwrite(&y, sizeof y, 1, stdout); }
static float x[1 << 20];
int main(void)
{
    size_t count = fread(x, sizeof *x, 1 << 20, stdin);
    EACH(v_exp2) EACH(v_tanh) EACH(v_gelu) EACH(v_gelu_tanh) EACH(power) EACH(v_gelu_in_pieces)
    (void)v_activate_in_pieces, (void)is_near_zero;
    return 0;
}
"""
NUMBERS = np.concatenate([np.linspace(-12, 12, 200_001), np.linspace(-140, 126, 50_001)]).astype(np.float32)
Results = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(PROGRAM, tmp_path_factory.mktemp("functions"))


def run(program: Path, numbers: np.ndarray) -> Results:
    found = subprocess.run([program], input=numbers.tobytes(), capture_output=True, check=True).stdout
    rows = np.frombuffer(found, np.float32).reshape(len(FUNCTIONS), -1)
    return dict(zip(FUNCTIONS, rows, strict=True))


@pytest.fixture(scope="module")
def results(program: Path) -> Results:
    return run(program, NUMBERS)


def test_exp2(results: Results) -> None:
    inside = (NUMBERS >= -125) & (NUMBERS < 127)
    expected = np.exp2(NUMBERS.astype(np.float64))
    assert np.abs(results["exp2"] / expected - 1)[inside].max() < 3e-7
    below = results["exp2"][NUMBERS < -125]
    assert np.finfo(np.float32).tiny < below.min() <= below.max() < 3e-38


def test_tanh(results: Results) -> None:
    assert np.abs(results["tanh"] - np.tanh(NUMBERS.astype(np.float64))).max() < 3e-7


def test_gelu_as_the_comment_in_functions_h_promises(results: Results) -> None:
    x = NUMBERS.astype(np.float64)
    error = np.abs(results["gelu"] - x / 2 * (1 + ERF(x / math.sqrt(2))))
    assert error[x < 12].max() < 2e-6
    assert error[np.abs(x) < 4].mean() < 3e-7


def test_gelu_tanh(results: Results) -> None:
    x = NUMBERS.astype(np.float64)
    expected = x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert np.abs(results["gelu_tanh"] - expected).max() < 1e-6


def test_power_as_the_comment_in_tile_functions_h_promises(program: Path) -> None:
    x = np.linspace(-1984, 1900, 300_001).astype(np.float32)
    found = run(program, x)["power"] / FACTOR / np.exp2(x.astype(np.float64) / SIXTEENTHS)
    assert np.abs(found - 1).max() < 2.5e-4
    below = run(program, np.array([-1985, -3000, -1e5, -1e30], np.float32))["power"]
    assert 0 <= below.min() <= below.max() < 2e-36


def test_gelu_in_pieces(results: Results, program: Path) -> None:
    x = NUMBERS.astype(np.float64)
    assert np.abs(results["gelu_in_pieces"] - x / 2 * (1 + ERF(x / math.sqrt(2)))).max() < 5e-5
    far = run(program, np.array([-3e38, -100, -0.0, 0, 100, 3e38, np.inf], np.float32))["gelu_in_pieces"]
    assert far.tolist() == pytest.approx([0, 0, 0, 0, 100, 3e38, np.inf])


def test_the_table_of_powers_is_what_its_comment_says() -> None:
    text = (KERNEL / "tile_functions.inc").read_text()
    listed = re.search(r"powers\[16\] = \{(.*?)\}", text, re.DOTALL)
    assert listed
    stored = np.array([float(number.rstrip("f")) for number in re.findall(r"-?[\d.]+f", listed[1])], np.float32)
    steps = np.arange(16, dtype=np.uint32)
    bits = np.exp2(steps / 16).astype(np.float32).view(np.uint32) - (steps << 19)
    assert stored.view(np.uint32).tolist() == bits.tolist()


def test_far_off_the_range_nothing_overflows_and_what_is_no_number_stays_none(program: Path) -> None:
    found = run(program, np.array([-np.inf, -3e38, 0, 3e38, np.inf, np.nan], np.float32))
    assert all(np.isnan(found[name][-1]) for name in FUNCTIONS)  # what is no number
    assert found["exp2"][0] == found["exp2"][1] > 0
    assert found["tanh"][:-1].tolist() == [-1, -1, 0, 1, 1]
    assert found["gelu"][2:5].tolist() == pytest.approx([0, 3e38, np.inf])
    assert abs(found["gelu"][1]) <= 3e38 * 1e-7


def test_the_coefficients_are_the_chebyshev_interpolation_that_their_comment_says() -> None:
    text = (KERNEL / "functions.inc").read_text()
    listed = re.search(r"coefficients\[\] = \{(.*?)\}", text, re.DOTALL)
    assert listed
    stored = [float(number.rstrip("f")) for number in re.findall(r"-?[\d.]+f", listed[1])]
    found = coefficients()
    assert len(stored) == DEGREE + 1
    assert np.abs(np.array(stored) - found).max() < 1e-6
    u = np.linspace(-1, 1, 10_001)
    assert np.abs(np.polyval(stored, u) - np.polyval(found, u)).max() < 1e-8


def coefficients() -> np.ndarray:
    """Of P, the highest power first, where x P(x²) = Φ(x) - 1/2 and P is taken over u = 2x²/EDGE² - 1."""

    def share(u: np.ndarray) -> np.ndarray:
        x = EDGE * np.sqrt((u + 1) / 2)
        found: np.ndarray = ERF(x / math.sqrt(2)) / 2 / x
        return found

    interpolation = np.polynomial.Chebyshev.interpolate(share, DEGREE)
    return interpolation.convert(kind=np.polynomial.Polynomial).coef[::-1]
