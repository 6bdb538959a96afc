"""Arithmetic on finished vectors, the same for every engine."""

from __future__ import annotations

import numpy as np

from ..request_errors import BackendError, OptionError
from .options import Options


def finished(found: list[np.ndarray], options: Options, *, by_default: bool, dimension: int) -> list[np.ndarray]:
    """What a model gave, cut to `dimension` numbers and normalized as sentence-transformers does it.

    `by_default`: the model has a module that normalizes, which comes before the cut. What a request asks for, be it
    length or dimensions, comes after it: cut, then normalized. Token vectors are whole, and as they are unless asked.
    Raises OptionError if it asks for more dimensions than there are, BackendError if a number is not finite.
    """
    normalize = options.normalize
    if options.pooling is None:
        wanted = wanted_dimensions(options, dimension)
        if normalize is None and by_default:
            found = [normalized(vectors) for vectors in found]
        found = [np.ascontiguousarray(vectors[..., :wanted]) for vectors in found]
        normalize = by_default if normalize is None and wanted < dimension else normalize
    if normalize:
        found = [normalized(vectors) for vectors in found]
    if not all(np.isfinite(vectors).all() for vectors in found):
        raise BackendError("the model gave a vector that is not finite")
    return found


def wanted_dimensions(options: Options, dimension: int) -> int:
    """How many numbers of a vector a request wants. Raises OptionError if there are not so many."""
    wanted = dimension if options.dimensions is None else options.dimensions
    if not 0 < wanted <= dimension:
        raise OptionError("dimensions", f"is {wanted}, but a vector of this model has 1 to {dimension}")
    return wanted


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Each row brought to length 1, as torch.nn.functional.normalize does it; float32, shape as given."""
    lengths = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))  # as numpy.linalg.norm, to the bit
    result: np.ndarray = vectors / np.maximum(lengths, np.float32(1e-12))
    return result
