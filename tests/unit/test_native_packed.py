"""The packed file: made once, found again, never believed without being checked, always the same weights."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.encoder.native import layout, library, packed
from app.encoder.native.packed import Packed
from app.encoder.native.structs import Weights
from app.encoder.native.tensorfile import TensorFile
from tests.native_models import SmallModel, bits, forward_of, vectors

ROOT = Path(__file__).parents[2]
OTHER_SHA256 = "cd" * 32


@pytest.fixture(scope="module")
def expected(model: SmallModel, precision: str) -> bytes:
    return vectors_of(model, obtain(model, precision, None), precision)


@pytest.fixture
def intact(model: SmallModel, precision: str, tmp_path: Path) -> Path:
    """A sound packed file in a folder of its own, and writable."""
    place = Path(obtain(model, precision, tmp_path).place)
    place.chmod(0o644)
    return place


def obtain(model: SmallModel, precision: str, folder: Path | None) -> Packed:
    return packed.obtain(model.contents(precision), folder, model.read(precision))


def vectors_of(model: SmallModel, found: Packed, precision: str) -> bytes:
    weights = Weights(TensorFile(found.descriptor), model.architecture, precision)
    return bits(vectors(forward_of(model, weights, list(library.paths())[-1]), model.texts([3, 13])))


def test_it_is_made_once(model: SmallModel, precision: str, expected: bytes, tmp_path: Path) -> None:
    first = obtain(model, precision, tmp_path / "new" / "folder")
    second = obtain(model, precision, tmp_path / "new" / "folder")
    assert (first.made, second.made) == (True, False)
    assert first.place == second.place
    assert os.path.sameopenfile(first.descriptor, second.descriptor)
    assert vectors_of(model, first, precision) == vectors_of(model, second, precision) == expected
    assert Path(first.place).stat().st_mode & 0o777 == 0o444
    assert {path.suffix for path in Path(first.place).parent.iterdir()} == {".safetensors", ".lock"}


def flip(at: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return change


def resize(to: int | None = None, by: int = 0) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, path.stat().st_size + by if to is None else to)


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def rename_a_tensor(path: Path) -> None:
    """Sound as a safetensors file, of the right size, and not what was packed."""
    content = path.read_bytes()
    assert b'"position"' in content
    path.write_bytes(content.replace(b'"position"', b'"POSITION"', 1))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": resize(0),
    "only a header's length": resize(8),
    "torn": resize(by=-64),
    "one byte short": resize(by=-1),
    "one byte longer": resize(by=1),
    "flipped in the payload's end": flip(-1),
    "flipped in the middle": flip(60_000),
    "flipped in the header": flip(40),
    "flipped in the header's length": flip(0),
    "of zeros": zero,
    "another tensor's name": rename_a_tensor,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_anew(
    model: SmallModel, precision: str, expected: bytes, intact: Path, damage: Callable[[Path], None]
) -> None:
    sound = intact.read_bytes()
    damage(intact)
    again = obtain(model, precision, intact.parent)
    assert (again.made, again.place) == (True, str(intact))
    assert intact.read_bytes() == sound
    assert vectors_of(model, again, precision) == expected


def test_a_file_of_another_source_is_not_taken(model: SmallModel, precision: str, intact: Path) -> None:
    contents = model.contents(precision, OTHER_SHA256)
    intact.rename(intact.parent / contents.name)
    assert packed.obtain(contents, intact.parent, model.read(precision)).made


def test_a_file_of_another_layout_is_not_taken(
    model: SmallModel, precision: str, intact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "LAYOUT", layout.LAYOUT + 1)
    assert model.contents(precision).name != intact.name
    intact.rename(intact.parent / model.contents(precision).name)
    assert obtain(model, precision, intact.parent).made


def test_each_precision_has_its_own_file(model: SmallModel, tmp_path: Path) -> None:
    assert all(obtain(model, precision, tmp_path).made for precision in library.PRECISIONS)
    assert not any(obtain(model, precision, tmp_path).made for precision in library.PRECISIONS)


def test_a_reader_keeps_its_file_when_a_new_one_takes_the_place(
    model: SmallModel, precision: str, expected: bytes, tmp_path: Path
) -> None:
    first = obtain(model, precision, tmp_path)
    Path(first.place).unlink()
    assert obtain(model, precision, tmp_path).made
    assert vectors_of(model, first, precision) == expected


def a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


def holding(tmp_path: Path, directory: str) -> Path:
    (tmp_path / directory).mkdir()
    return tmp_path


NO_FOLDERS: dict[str, Callable[[Path, str], Path | None]] = {
    "none": lambda _, __: None,
    "under a file": lambda tmp_path, _: a_file(tmp_path) / "folder",
    "a file": lambda tmp_path, _: a_file(tmp_path),
    "the kernel's": lambda _, __: Path("/proc/self"),
    "a directory in the file's place": holding,
    "a directory in the lock's place": lambda tmp_path, name: holding(tmp_path, f"{name}.lock"),
}


@pytest.mark.parametrize("folder", NO_FOLDERS.values(), ids=NO_FOLDERS)
def test_without_a_folder_it_lies_in_sealed_memory(
    model: SmallModel, precision: str, expected: bytes, tmp_path: Path, folder: Callable[[Path, str], Path | None]
) -> None:
    found = obtain(model, precision, folder(tmp_path, model.contents(precision).name))
    assert (found.place, found.made) == ("anonymous memory", True)
    assert vectors_of(model, found, precision) == expected
    for change in (lambda: os.pwrite(found.descriptor, b"x", 100), lambda: os.ftruncate(found.descriptor, 10)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(PermissionError):
        mmap.mmap(found.descriptor, 0, access=mmap.ACCESS_WRITE)


def test_a_full_disk_leaves_nothing_behind(
    model: SmallModel, precision: str, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    found = obtain(model, precision, tmp_path)
    assert found.place == "anonymous memory"
    assert vectors_of(model, found, precision) == expected
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_no_hindrance(
    model: SmallModel, precision: str, expected: bytes, tmp_path: Path
) -> None:
    place = tmp_path / model.contents(precision).name
    place.with_suffix(".tmp").write_bytes(b"half a file")
    found = obtain(model, precision, tmp_path)
    assert found.place == str(place)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".lock"}
    assert vectors_of(model, found, precision) == expected


RACER = """
import hashlib, os, sys, time
from pathlib import Path
from app.encoder.native import packed
from tests.native_models import small_model
model, folder = small_model(positions=32), Path(sys.argv[1])
def read(name):
    time.sleep(0.01)
    return model.source[name]
print("ready", flush=True)
sys.stdin.readline()
found = packed.obtain(model.contents("float32"), folder, read)
print(found.made, hashlib.sha256(os.pread(found.descriptor, 1 << 22, 0)).hexdigest())
"""


@pytest.fixture
def racers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that wait for a line before they ask for the same packed file."""
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_of_processes_that_start_at_once_one_makes_it(racers: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    for process in racers:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in racers:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=30)[0].split() for process in racers]
    content = next(tmp_path.glob("*.safetensors")).read_bytes()
    assert sorted(made for made, _ in answers) == ["False", "False", "True"]
    assert {digest for _, digest in answers} == {hashlib.sha256(content).hexdigest()}
