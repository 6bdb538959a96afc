"""Which models the native engine takes, why it leaves others to sentence-transformers, and what it makes of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import encoder as encoders
from app.encoder.description import Description
from app.encoder.model import limited
from app.encoder.native import library
from app.encoder.native.architecture import Architecture, UnsupportedError, examine
from tests.native_bert import bert, dense_layers, pooled
from tests.native_checkpoints import change, renamed, save, tokenizer, write
from tests.native_models import SmallModel, Texts, dense, normalized, small_model

TEXTS = ["hello", "Hello WORLD", "", "a bc def ghij", "éà hello 漢 zz", "hello " * 50, "hello"]
MODELS: dict[str, SmallModel] = {
    "bert": small_model(positions=32),
    "two poolings and two dense layers": small_model(
        positions=32, poolings=("cls", "mean"), dense=(dense(0, 128, 66, "tanh"), dense(1, 66, 7, "relu", bias=False))
    ),
    "roberta": small_model(positions=32, types=1, pad_id=1, activation="gelu_tanh"),
    "in float16": small_model(positions=32, activation="relu", poolings=("lasttoken",)),
}
PREFIXES = {"bert": "bert.", "roberta": "roberta."}
for name, tensor in MODELS["in float16"].source.items():
    MODELS["in float16"].source[name] = tensor.astype(np.float16)


def reference(model: SmallModel, texts: list[str]) -> np.ndarray:
    """The vectors by numpy, of length 1."""
    rows = []
    for encoding in tokenizer().encode_batch(texts):
        kept = encoding.ids if len(encoding.ids) <= model.longest else [*encoding.ids[: model.longest - 1], 3]
        ids = np.array(kept, np.int32)
        states = bert(model, Texts(ids, np.zeros_like(ids), np.array([0, len(ids)], np.int32)))
        rows.append(dense_layers(model, pooled(states, model.architecture.poolings)))
    return normalized(np.stack(rows))


@pytest.mark.parametrize("name", MODELS)
def test_from_files_to_vectors(name: str, tmp_path: Path) -> None:
    folder = save(renamed(MODELS[name], PREFIXES.get(name, "")), tmp_path / "model", normalize=True)
    checkpoint, expected = encoders.verify(str(folder)), reference(MODELS[name], TEXTS)
    for isa in library.paths():
        plan = encoders.plan(checkpoint, engine="native", precision="float32", isa=isa, cache=str(tmp_path / "cache"))
        encoder = encoders.open_encoder(plan)
        found = encoder.encode(TEXTS)
        assert (encoder.info.engine, encoder.info.isa, encoder.info.precision) == ("native", isa, "float32")
        assert (encoder.info.dimension, np.asarray(found.vectors).shape) == (expected.shape[1], expected.shape)
        assert np.abs(np.asarray(found.vectors) - expected).max() < 1e-5
        assert found.lost_tokens[-2] == 52 - 32


def examined(folder: Path, default_prompt: str = "") -> Architecture:
    """Of the files alone, as if the reference agreed with them."""
    checkpoint = encoders.verify(str(folder))
    recipe = checkpoint.recipe
    description = Description(
        made_with="",
        tokenizer="",
        tokenizer_sha256="",
        own_limit=recipe.sentence["max_seq_length"],
        positions=0,
        modules=tuple(module.kind for module in recipe.modules),
        pooling=recipe.pooling,
        default_prompt=default_prompt,
    )
    return examine(limited(checkpoint, description))


def test_what_the_kernel_must_know_is_read(tmp_path: Path) -> None:
    wanted = MODELS["two poolings and two dense layers"].architecture
    found = examined(save(MODELS["two poolings and two dense layers"], tmp_path / "model"))
    assert (found.shape, found.activation, found.epsilon, found.pad_id) == (wanted.shape, "gelu", 1e-12, -1)
    assert (found.poolings, found.dimension) == (("cls", "mean"), 7)
    assert [(module.inputs, module.outputs, module.activation) for module in found.dense] == [
        (128, 66, "tanh"),
        (66, 7, "relu"),
    ]
    assert found.dense[0].bias
    assert found.dense[1].bias is None


def config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "config.json", **values)


def dense_config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "2_Dense" / "config.json", **values)


def modules(*kinds: str) -> Callable[[Path], None]:
    listed = [
        {"idx": i, "name": str(i), "path": "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    return lambda folder: write(folder / "modules.json", listed)


def prompt_left_out(folder: Path) -> None:
    change(folder / "1_Pooling" / "config.json", include_prompt=False)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "distilbert": (config(model_type="distilbert"), "its architecture is 'distilbert', not BERT's"),
    "activation": (config(hidden_act="silu"), "its activation function is 'silu'"),
    "relative positions": (
        config(position_embedding_type="relative_key"),
        "its positions are 'relative_key', not absolute",
    ),
    "decoder": (config(is_decoder=True), "it is a decoder"),
    "no pooling": (modules("Transformer", "Normalize"), "its modules are Transformer, Normalize"),
    "another module": (
        modules("Transformer", "Pooling", "Dropout", "Normalize"),
        "its modules are Transformer, Pooling, Dropout, Normalize",
    ),
    "weighted mean": (
        lambda folder: change(folder / "1_Pooling" / "config.json", pooling_mode="weightedmean"),
        "its pooling is 'weightedmean'",
    ),
    "a prompt left out": (prompt_left_out, "its pooling leaves the prompt out"),
    "narrow heads": (config(num_attention_heads=8), "its 8 heads share 64 columns"),
    "heads that do not divide": (config(num_attention_heads=3), "its 3 heads share 64 columns"),
    "heads unknown": (config(num_attention_heads=...), "its 12 heads share 64 columns"),
    "texts longer than the positions": (
        lambda folder: change(folder / "sentence_bert_config.json", max_seq_length=64),
        "its longest text is 64 tokens, its positions are 32",
    ),
    "positions that the padding takes": (
        config(model_type="roberta", pad_token_id=1),
        "its longest text is 32 tokens, its positions are 30",
    ),
    "a residual": (dense_config(use_residual=True), "its Dense module has use_residual"),
    "another input": (dense_config(module_input_name="token_embeddings"), "its Dense module has module_input_name"),
    "a dense activation": (
        dense_config(activation_function="torch.nn.modules.activation.SiLU"),
        "its Dense module has activation torch.nn.modules.activation.SiLU",
    ),
    "an activation of one's own": (
        dense_config(activation_function="mine.Tanh"),
        "its Dense module has activation mine.Tanh",
    ),
    "another dense size": (
        dense_config(out_features=9),
        "its Dense module is not 64 × 9, as its config.json says",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(small_model(positions=32, dense=(dense(0, 64, 8),)), tmp_path / "model")


@pytest.mark.parametrize(("spoil", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_it_cannot_run_is_refused(folder: Path, spoil: Callable[[Path], None], sentence: str) -> None:
    examined(folder, "q: ")
    spoil(folder)
    with pytest.raises(UnsupportedError) as caught:
        examined(folder, "q: ")
    assert str(caught.value) == sentence


SIZES: dict[str, tuple[SmallModel, str]] = {
    "inner": (small_model(inner=96, positions=32), "its sizes, 64 and 96, are no multiples of 64"),
    "hidden": (small_model(hidden=96, head=32, positions=32), "its sizes, 96 and 128, are no multiples of 64"),
    "heads of 512": (small_model(hidden=512, head=512, inner=64, positions=32), "its 1 heads share 512 columns"),
    "dense": (
        small_model(positions=32, dense=(dense(0, 64, 7), dense(1, 7, 4))),
        "its Dense module has 7 inputs, an odd number",
    ),
}


@pytest.mark.parametrize(("model", "sentence"), SIZES.values(), ids=SIZES)
def test_sizes_that_it_cannot_run_are_refused(model: SmallModel, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        examined(save(model, tmp_path / "model"))
    assert str(caught.value) == sentence
