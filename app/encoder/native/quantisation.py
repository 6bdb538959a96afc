"""Weight matrices in eight bits: rotated, and rounded with error feedback. README.md beside this explains both.

The bytes that come out are the same on every processor and with every BLAS. Elementwise float64 is the same
everywhere; what goes into a matrix product is rounded to whole numbers of so few bits before that every sum of products
is exact, in whatever order it is made.

The rounding is GPTQ's (Frantar et al. 2022): inputs one after the other, each one's error passed on to those that come.
It is done here in the terms of "nearest plane" (Babai 1986), which gives the same without inverting a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .matrix import Matrix

MOST_BLOCK = 128
"""Inputs that are rotated together; MOST_BLOCK in kernel/int8_rows.inc."""
MOST_INPUTS = 16384
"""Of a matrix that can be rounded: the sums of more products might not be exact."""
LARGEST = 127
CLIPS = tuple(percent / 100 for percent in range(80, 101, 2))
"""The largest weight of a column that is not cut, as a part of its largest: the one that rounds best is taken."""
DAMPING = 0.01
"""Added to each input's own square, in parts of their mean, so that inputs that never occurred do no harm."""
LEAST_SIZE = 1e-3
"""Of an input's spread and of its weights, in parts of their mean: so that one that is always the same is not lost."""
STEP = 64
"""Columns of a factorisation, and inputs of a rounding, between two matrix products."""
# Bits after the point: those of a factor's numbers are counted from its largest. The products' sums stay below 2^53.
INPUT_BITS, FACTOR_BITS, FEEDBACK_BITS, ERROR_BITS = 20, 21, 15, 12
MOST_FEEDBACK = 64.0


def block_of(inputs: int) -> int:
    """How many inputs are rotated together: the largest power of two up to MOST_BLOCK that divides them."""
    return min(MOST_BLOCK, inputs & -inputs)


def rotated(rows: np.ndarray) -> np.ndarray:
    """Rows (…, inputs), float64, each block times the Hadamard matrix, not normalised: twice is `block_of` times."""
    block, apart = block_of(rows.shape[-1]), 1
    while apart < block:
        pairs = rows.reshape(*rows.shape[:-1], -1, 2, apart)
        first, second = pairs[..., 0, :], pairs[..., 1, :]
        rows = np.stack([first + second, first - second], axis=-2).reshape(rows.shape)
        apart *= 2
    return rows


@dataclass
class Inputs:
    """What real texts bring to a matrix: their count, sum and Gram matrix, added up call by call."""

    count: int
    sums: np.ndarray
    """float64, shape (inputs,)."""
    squares: np.ndarray
    """float64, shape (inputs, inputs)."""

    @classmethod
    def of(cls, rows: np.ndarray) -> Inputs:
        """Of float32 (rows, inputs), each number in INPUT_BITS bits of the largest."""
        whole, unit = _whole(rows.astype(np.float64), INPUT_BITS)
        return cls(len(rows), whole.sum(axis=0) * unit, (whole.T @ whole) * unit**2)

    def add(self, other: Inputs) -> None:
        """Those of more texts."""
        self.count += other.count
        self.sums += other.sums
        self.squares += other.squares


def quantised(weight: np.ndarray, bias: np.ndarray, inputs: Inputs) -> Matrix:
    """A matrix (outputs, inputs) and its bias (outputs,), float32, in int8, so that little changes for such inputs.

    Raises ArithmeticError if they are not finite numbers.
    """
    columns = weight.T.astype(np.float64)  # (inputs, outputs)
    mean = inputs.sums / inputs.count
    squares = inputs.squares / inputs.count - np.multiply.outer(mean, mean)
    stretch = _stretch(columns, squares.diagonal())
    offset = (-mean * stretch).astype(np.float32)
    stretched = columns / stretch.astype(np.float64)[:, None]
    turned = np.ascontiguousarray(rotated(stretched.T).T) / block_of(len(columns))
    scale = _scales(turned)
    squares = squares * np.multiply.outer(stretch.astype(np.float64), stretch.astype(np.float64))
    values = _rounded(turned / scale.astype(np.float64), _feedback(rotated(rotated(squares).T)))
    moved = np.add.accumulate(stretched * offset.astype(np.float64)[:, None], axis=0)[-1]
    return Matrix(
        values=np.ascontiguousarray(values.T.astype(np.int8)),
        scale=scale,
        bias=(bias.astype(np.float64) - moved).astype(np.float32),
        stretch=stretch,
        offset=offset,
    )


def _stretch(columns: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """So that an input's spread and its weights are of one size: then errors of either do the least harm; float32."""
    spread = _never_nothing(np.sqrt(np.maximum(variances, 0)))
    weights = _never_nothing(np.sqrt(np.add.accumulate(columns**2, axis=1)[:, -1] / columns.shape[1]))
    stretch: np.ndarray = np.sqrt(weights / spread)
    return stretch.astype(np.float32)


def _never_nothing(sizes: np.ndarray) -> np.ndarray:
    mean = float(np.add.accumulate(sizes)[-1]) / len(sizes)
    if not mean < np.inf:
        raise ArithmeticError("its inputs are not finite numbers")
    return sizes + (LEAST_SIZE * mean or 1.0)


def _whole(numbers: np.ndarray, bits: int) -> tuple[np.ndarray, float]:
    """Numbers as whole multiples, up to 2^bits, of a power of two, and that."""
    largest = float(np.abs(numbers).max(initial=0))
    unit = 2.0 ** (int(np.frexp(largest)[1]) - bits) if largest else 1.0
    return np.rint(numbers / unit), unit


def _scales(columns: np.ndarray) -> np.ndarray:
    """Of each column of (inputs, outputs) the scale that rounds it best, of CLIPS; float32."""
    largest = np.abs(columns).max(axis=0)
    largest[largest == 0] = 1
    best = np.full(columns.shape[1], np.inf)
    found = np.empty(columns.shape[1], np.float32)
    for clip in CLIPS:
        scale = (largest * clip / LARGEST).astype(np.float32)
        steps = columns / scale.astype(np.float64)
        error = ((steps - _nearest(steps)) ** 2 * scale.astype(np.float64) ** 2).sum(axis=0)
        better = error < best
        best[better], found[better] = error[better], scale[better]
    return found


def _nearest(steps: np.ndarray) -> np.ndarray:
    nearest: np.ndarray = np.clip(np.rint(steps), -LARGEST, LARGEST)
    return nearest


def _rounded(steps: np.ndarray, feedback: np.ndarray) -> np.ndarray:
    """Steps (inputs, outputs) to whole numbers, each input's errors fed to those after it; float64."""
    errors, values = np.zeros_like(steps), np.empty_like(steps)
    unit = 2.0 ** -(ERROR_BITS + FEEDBACK_BITS)
    for start in range(0, len(steps), STEP):
        end = min(start + STEP, len(steps))
        targets = steps[start:end] + (feedback[:start, start:end].T @ errors[:start]) * unit
        for place in range(start, end):
            target = targets[place - start] + (feedback[start:place, place] @ errors[start:place]) * unit
            values[place] = _nearest(target)
            error = np.clip(steps[place] - values[place], -MOST_FEEDBACK, MOST_FEEDBACK)
            errors[place] = np.rint(error * 2.0**ERROR_BITS)
    return values


def _feedback(squares: np.ndarray) -> np.ndarray:
    """What of input i's error goes to input j > i, in units of 2^-FEEDBACK_BITS; (inputs, inputs).

    squares = R Rᵀ with R upper triangular; column j of R divided by its diagonal.
    """
    diagonal = squares.diagonal()
    # Added up one after the other: how numpy sums a row depends on the processor.
    mean = float(np.add.accumulate(diagonal)[-1]) / len(diagonal)
    if not 0 < mean < np.inf:
        raise ArithmeticError("the inputs' squares are not finite numbers")
    damped = squares + np.eye(len(squares)) * (DAMPING * mean)
    factor = _cholesky(damped[::-1, ::-1].copy())[::-1, ::-1]
    shares = np.clip(factor / factor.diagonal(), -MOST_FEEDBACK, MOST_FEEDBACK)
    return np.ascontiguousarray(np.rint(shares * 2.0**FEEDBACK_BITS))


def _cholesky(matrix: np.ndarray) -> np.ndarray:
    """The lower triangular L with L Lᵀ = matrix, which it takes the place of."""
    size = len(matrix)
    for start in range(0, size, STEP):
        end = min(start + STEP, size)
        panel = matrix[start:, start:end]
        for place in range(end - start):
            pivot = panel[place, place]
            if not pivot > 0:
                raise ArithmeticError("the inputs' squares are no sums of squares")
            panel[place:, place] /= np.sqrt(pivot)
            rest, across = panel[place + 1 :, place], panel[place + 1 : end - start, place]
            panel[place + 1 :, place + 1 :] -= np.multiply.outer(rest, across)
        whole, unit = _whole(panel[end - start :], FACTOR_BITS)
        panel[end - start :] = whole * unit
        matrix[end:, end:] -= (whole @ whole.T) * unit**2
    return np.tril(matrix)
