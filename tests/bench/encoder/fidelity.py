"""How near the vectors of less than float32 are to sentence-transformers', over real texts; the same on every path?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from app.encoder import Checkpoint, Encoder, open_encoder
from app.encoder import plan as plan_of
from app.encoder.native import library
from tests.bench.encoder import agreement, native
from tests.bench.encoder.contender import CannotRunError, Contender
from tests.bench.encoder.libraries import Reference
from tests.bench.encoder.plan import Plan
from tests.bench.encoder.workloads import Workload

TOGETHER = 64
SHOWN_CHARS = 60
Tell = Callable[[str, float], None]
"""What is computed now, and what part of all was computed before."""


@dataclass(frozen=True)
class Fidelity:
    """One path in one precision, beside `SentenceTransformer.encode` in float32."""

    path: str
    precision: str
    texts: int
    least_cosine: float
    least_text: str
    mean_cosine: float
    largest_difference: float
    """Between components of vectors of length 1."""
    neighbour_overlap: float | None
    """The part of each text's five nearest texts that are the same; None over a few texts, where it says little."""
    same_bits: int | None
    """Texts whose vector is the same to the bit alone and together with others; None of engines that pack nothing."""


@dataclass(frozen=True)
class PathDifference:
    """Two paths of the kernel in one precision."""

    precision: str
    one: str
    other: str
    texts: int
    largest_difference: float
    same_bits: int


class Found(NamedTuple):
    path: str
    precision: str
    vectors: np.ndarray
    """Of the first texts, as many as there was time for."""
    same_bits: int | None


def compare(
    checkpoint: Checkpoint, peers: Sequence[Contender], texts: Sequence[str], plan: Plan, tell: Tell
) -> tuple[list[Fidelity], list[PathDifference]]:
    """Every path in each precision, and other engines. Raises CannotRunError if there is no kernel."""
    runs = [(path, precision) for precision in library.PRECISIONS for path in native.paths(precision)]
    tell("SentenceTransformer.encode", 0)
    expected = Reference(checkpoint).encode(texts)
    found = []
    for index, (path, precision) in enumerate(runs, 1):
        tell(f"native {path} {precision}", index / (len(runs) + 1))
        some = texts[: plan.plain_texts] if path in library.PLAIN_PATHS.values() else texts
        found.append(_encode(open_encoder(native.planned(checkpoint, precision, path)), path, precision, some))
    others = [_encode_by(peer, checkpoint, texts) for peer in peers]
    return [_fidelity(one, expected, texts) for one in (*found, *others)], list(_differences(found))


def _encode_by(peer: Contender, checkpoint: Checkpoint, texts: Sequence[str]) -> Found:
    """One text after the other, cut as the engines cut them."""
    tokenizer = Tokenizer.from_file(str(checkpoint.directory / "tokenizer.json"))
    tokenizer.enable_truncation(plan_of(checkpoint).model.max_tokens)
    tokenizer.no_padding()
    rows = []
    for text in texts:
        call = peer.prepare(Workload(peer.name, (text,), np.array([tokenizer.encode(text).ids])))
        if call is None:
            raise CannotRunError(f"{peer.label} takes no single texts")
        rows.append(np.array(call()))
    vectors = np.concatenate(rows)
    return Found(peer.name, peer.precision, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), None)


def _encode(encoder: Encoder, path: str, precision: str, texts: Sequence[str]) -> Found:
    """Alone, and together: the engine then packs as many into a call as it holds."""
    alone = np.concatenate([_vectors(encoder, [text]) for text in texts])
    together = np.concatenate([_vectors(encoder, part) for part in _parts(texts)])
    return Found(path, precision, alone, agreement.same_bits(alone, together))


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    yield from (list(texts[begin : begin + TOGETHER]) for begin in range(0, len(texts), TOGETHER))


def _vectors(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    return np.asarray(encoder.encode(texts).vectors, np.float32)


def _fidelity(found: Found, expected: np.ndarray, texts: Sequence[str]) -> Fidelity:
    count = len(found.vectors)
    cosines = agreement.cosines(found.vectors, expected[:count])
    is_whole = count == len(texts) > agreement.NEIGHBOURS
    return Fidelity(
        path=found.path,
        precision=found.precision,
        texts=count,
        least_cosine=float(cosines.min()),
        least_text=texts[int(cosines.argmin())][:SHOWN_CHARS],
        mean_cosine=float(cosines.mean()),
        largest_difference=agreement.largest_difference(found.vectors, expected[:count]),
        neighbour_overlap=agreement.neighbour_overlap(found.vectors, expected) if is_whole else None,
        same_bits=found.same_bits,
    )


def _differences(found: Sequence[Found]) -> Iterator[PathDifference]:
    for one, other in combinations(found, 2):
        if one.precision != other.precision:
            continue
        count = min(len(one.vectors), len(other.vectors))
        pair = one.vectors[:count], other.vectors[:count]
        largest, same = agreement.largest_difference(*pair), agreement.same_bits(*pair)
        yield PathDifference(one.precision, one.path, other.path, count, largest, same)
