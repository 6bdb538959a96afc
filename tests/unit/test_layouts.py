"""Every layout that a checkpoint may have gives sentence-transformers' vectors on both engines, or one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from structlog.testing import capture_logs

from app import encoder as encoders
from app.encoder import describing, forms, proof
from app.encoder.plan import HOW
from app.encoder.reference import ODD, TEXTS
from app.errors import ConfigurationError, ModelRefusedError
from app.request_errors import NoTokensError
from tests.kernel import engine_here, has_kernel
from tests.layouts.changes import TOKENS, in_file, tokenizer_part
from tests.layouts.known import KNOWN_FORMS, LAYOUTS, UNSURE, T
from tests.layouts.models import bert

OURS = (
    *TEXTS,
    *(text for text in ODD if text.strip()),
    "word " * 700,
    "Hello the quick Brown [MASK] fox",
    "hello ",
    "é",
)


@pytest.mark.parametrize("name", UNSURE)
def test_without_the_reference_what_is_not_sure_is_refused(name: str, tmp_path: Path) -> None:
    folder = bert(tmp_path / "model")
    forms.describe(encoders.verify(str(folder)))
    UNSURE[name](folder)
    with pytest.raises(ModelRefusedError) as caught:
        forms.describe(encoders.verify(str(folder)))
    assert str(caught.value).endswith(forms.HOW)
    assert "\n" not in str(caught.value)


def test_a_text_without_tokens_is_refused_and_nothing_else(tmp_path: Path, cache: str) -> None:
    folder = bert(tmp_path / "model")
    tokenizer_part(post_processor=None)(folder)
    in_file(TOKENS, tokenizer_class="PreTrainedTokenizerFast")(folder)
    for engine in ("auto", T):
        plan = encoders.plan(encoders.verify(str(folder)), engine=engine, precision="float32", cache=cache)
        encoder = encoders.open_encoder(plan)
        with pytest.raises(NoTokensError, match="text 2 has no tokens for this model") as caught:
            encoder.encode(["hello", "hello", "\x00"])
        assert caught.value.index == 2
        assert len(encoder.encode(["hello", "é"]).vectors) == 2


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for all: their shapes are timed once."""
    return str(tmp_path_factory.mktemp("cache"))


def expected(folder: Path) -> np.ndarray:
    """One text at a time, so that no padding bears on it, and no longer than the positions carry."""
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    with capture_logs():
        checkpoint = encoders.verify(str(folder))
        longest = encoders.plan(checkpoint, engine=T).model.max_tokens
    if (model.max_seq_length or 10**9) > longest:
        model.max_seq_length = longest
    vectors: np.ndarray = model.encode(list(OURS), batch_size=1)
    return vectors


def outcome(folder: Path, engine: str, cache: str) -> Any:
    """The engine's name and its vectors, or the sentence."""
    try:
        plan = encoders.plan(encoders.verify(str(folder)), engine=engine, precision="float32", cache=cache)
        encoder = encoders.open_encoder(plan)
    except (ModelRefusedError, ConfigurationError) as error:
        return "", str(error)
    together = np.asarray(encoder.encode(list(OURS)).vectors)
    alone = np.concatenate([np.asarray(encoder.encode([text]).vectors) for text in OURS[:3]])
    assert np.abs(together[:3] - alone).max() < 1e-5
    return encoder.info.engine, together


@pytest.mark.parametrize("name", LAYOUTS)
def test_right_or_refused(name: str, tmp_path: Path, cache: str) -> None:
    layout, folder = LAYOUTS[name], tmp_path / "model"
    layout.make(folder)
    found = {engine: outcome(folder, engine, cache) for engine in ("auto", T)}
    assert found["auto"][0] == engine_here(layout.engine), found["auto"]
    if not layout.engine:
        for _, sentence in found.values():
            assert layout.refusal in sentence
            assert "\n" not in sentence
        return
    assert found[T][0] == T, found[T]
    wanted = expected(folder).astype(np.float64)
    for engine, given in found.values():
        cosines = proof.cosines(given, wanted)
        assert cosines.min() >= 0.99999, (engine, OURS[int(cosines.argmin())], cosines.min())


@pytest.mark.parametrize("name", LAYOUTS)
def test_without_the_reference_it_is_the_same_or_refused(
    name: str, tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is served without it has the description that the reference would give, but for the vectors."""
    layout, folder = LAYOUTS[name], tmp_path / "model"
    layout.make(folder)
    with monkeypatch.context() as alone:
        alone.setattr(describing, "made_with", lambda: "")
        engine, found = outcome(folder, "auto", cache)
    if not engine:
        assert name not in KNOWN_FORMS or not has_kernel(), found
        assert "\n" not in found
        assert not layout.engine or found.endswith((forms.HOW, HOW))
        return
    assert layout.engine, "served, though the reference refuses it"
    checkpoint = encoders.verify(str(folder))
    asked, _ = describing.obtain(checkpoint, Path(cache))
    assert forms.describe(checkpoint) == msgspec.structs.replace(asked, made_with="", texts=(), vectors=())
