"""Damaged packed files: whatever lies in the cache folder, the weights that come out are the right ones."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from app.encoder.native import library, packed
from tests.native_models import SmallModel, small_model

Damage = Callable[[np.random.Generator, Path], None]


@cache
def the_model() -> SmallModel:
    return small_model(positions=16, layers=1)


@cache
def sound(precision: str) -> bytes:
    found = packed.obtain(the_model().contents(precision), None, the_model().read(precision))
    return os.pread(found.descriptor, 1 << 22, 0)


def run(random: np.random.Generator) -> None:
    precision = str(random.choice(library.PRECISIONS))
    contents, content = the_model().contents(precision), sound(precision)
    with tempfile.TemporaryDirectory(prefix="fuzz-packed-") as folder:
        place = Path(folder) / contents.name
        place.write_bytes(content)
        damage = DAMAGES[int(random.integers(len(DAMAGES)))]
        damage(random, place)
        is_sound = place.is_file() and place.stat().st_size == len(content) and place.read_bytes() == content
        found = packed.obtain(contents, Path(folder), the_model().read(contents.precision))
        assert os.pread(found.descriptor, 1 << 22, 0) == content, f"wrong weights after {damage.__name__}"
        assert found.made != is_sound, f"made: {found.made} after {damage.__name__}"


def flip_bits(random: np.random.Generator, place: Path) -> None:
    content = bytearray(place.read_bytes())
    most = len(content) if random.random() < 0.5 else 4096  # the header, or anywhere
    for at in random.integers(0, most, int(random.integers(1, 9))):
        content[at] ^= 1 << int(random.integers(8))
    place.write_bytes(content)


def resize(random: np.random.Generator, place: Path) -> None:
    size = place.stat().st_size
    change = int(random.integers(-size, size)) if random.random() < 0.5 else int(random.integers(-64, 65))
    os.truncate(place, max(0, size + change))


def overwrite(random: np.random.Generator, place: Path) -> None:
    content = bytearray(place.read_bytes())
    begin, end = sorted(random.integers(0, len(content), 2).tolist())
    content[begin:end] = random.bytes(end - begin) if random.random() < 0.5 else bytes(end - begin)
    place.write_bytes(content)


def swap_digits(random: np.random.Generator, place: Path) -> None:
    """A header that is still JSON and promises something else."""
    content = bytearray(place.read_bytes())
    digits = [at for at in range(8, 4096) if chr(content[at]).isdigit()]
    for at in random.choice(digits, int(random.integers(1, 5))):
        content[at] = ord("0") + int(random.integers(10))
    place.write_bytes(content)


def move_tensors(random: np.random.Generator, place: Path) -> None:
    content = place.read_bytes()
    at = 64 * int(random.integers(1, len(content) // 64))
    place.write_bytes(content[:4096] + content[4096 + at :] + content[4096 : 4096 + at])


def take_the_place(random: np.random.Generator, place: Path) -> None:
    place.unlink()
    if random.random() < 0.5:
        place.mkdir()
    else:
        place.symlink_to(str(random.choice([place.name, "nowhere", "/dev/null", "/proc/self/mem", "/"])))


def take_the_neighbours(random: np.random.Generator, place: Path) -> None:
    """The temporary file's place, or the lock's, is taken by something else; the file itself is damaged."""
    resize(random, place)
    neighbour = place.with_suffix(".tmp") if random.random() < 0.5 else place.with_name(f"{place.name}.lock")
    if random.random() < 0.5:
        neighbour.mkdir()
    else:
        neighbour.write_bytes(random.bytes(100))


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    resize,
    overwrite,
    swap_digits,
    move_tensors,
    take_the_place,
    take_the_neighbours,
)
