"""Other architectures, poolings and modules, on small models made here, each against sentence-transformers itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer

from app import encoder as encoders
from app.encoder import Checkpoint, Options
from app.errors import ModelRefusedError
from app.request_errors import InvalidInputError, OptionError, TextError, WrongModelError
from tests.kernel import engine_here
from tests.texts import LANGUAGES

SMALL = {"num_attention_heads": 2, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
CONFIGS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(vocab_size=30522, **SMALL),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=30522, dim=64, hidden_dim=128, n_layers=2, n_heads=2
    ),
    "mpnet": lambda: transformers.MPNetConfig(vocab_size=30527, max_position_embeddings=520, **SMALL),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(
        vocab_size=30522, max_position_embeddings=514, type_vocab_size=1, pad_token_id=0, **SMALL
    ),
    "modernbert": lambda: transformers.ModernBertConfig(vocab_size=30522, pad_token_id=0, **SMALL),
    "qwen3": lambda: transformers.Qwen3Config(vocab_size=30522, num_key_value_heads=2, head_dim=32, **SMALL),
}
NATIVE = {"bert", "xlm-roberta"}
Make = Callable[..., Path]


@pytest.fixture
def transformer(checkpoint: Checkpoint, tmp_path: Path) -> Callable[[str], Path]:
    """Saves a small transformer of an architecture, with the real tokenizer."""

    def make(architecture: str) -> Path:
        torch.manual_seed(7)
        folder = tmp_path / f"{architecture}-checkpoint"
        config = CONFIGS[architecture]()
        transformers.AutoModel.from_config(config).save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(str(checkpoint.directory)).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def make(transformer: Callable[[str], Path], tmp_path: Path) -> Make:
    """Saves a sentence-transformers model: a small transformer and what comes after it."""

    def build(architecture: str, *after: Any, **options: Any) -> Path:
        first = Transformer(str(transformer(architecture)))
        folder = tmp_path / f"{architecture}-model"
        SentenceTransformer(modules=[first, *after], device="cpu", **options).save(str(folder))
        return folder

    return build


def assert_same_as_sentence_transformers(folder: Path, texts: list[str] | None = None) -> encoders.Encoder:
    texts = texts or [*LANGUAGES[::5], "word " * 600]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
    checkpoint = encoders.verify(str(folder))
    cache = str(folder.parent / "cache")
    plans = [
        encoders.plan(checkpoint, engine=engine, precision="float32", cache=cache)
        for engine in ("sentence-transformers", "auto")
    ]
    for plan in plans:
        found = encoders.open_encoder(plan).encode(texts)
        assert np.abs(np.asarray(found.vectors) - expected).max() < 1e-5, plan.engine
    return encoders.open_encoder(plans[-1])


@pytest.mark.parametrize("architecture", CONFIGS)
def test_architectures(make: Make, architecture: str) -> None:
    encoder = assert_same_as_sentence_transformers(make(architecture, Pooling(64, "mean")))
    assert (encoder.info.architecture, encoder.info.dimension) == (architecture, 64)
    assert encoder.info.engine == engine_here("native" if architecture in NATIVE else "sentence-transformers")


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "lasttoken", "weightedmean", ("mean", "max")])
def test_poolings(make: Make, mode: Any) -> None:
    encoder = assert_same_as_sentence_transformers(make("bert", Pooling(64, mode), Normalize()))
    assert encoder.info.pooling == (mode if isinstance(mode, str) else "+".join(mode))
    assert encoder.info.normalize


def test_last_token_of_a_left_padded_decoder(make: Make) -> None:
    folder = make("qwen3", Pooling(64, "lasttoken"))
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace("{", '{"padding_side": "left",', 1))
    assert_same_as_sentence_transformers(folder)


def test_dense_module(make: Make) -> None:
    encoder = assert_same_as_sentence_transformers(make("bert", Pooling(64), Dense(64, 8), Normalize()))
    assert encoder.info.dimension == 8


def test_a_default_prompt_is_put_before_each_text(make: Make) -> None:
    options = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    encoder = assert_same_as_sentence_transformers(make("bert", Pooling(64), **options))
    assert encoder.info.prompts["query"] == "query: "


def test_a_prompt_may_be_left_out_of_the_pooling(make: Make) -> None:
    options = {"prompts": {"query": "find this: "}, "default_prompt_name": "query"}
    assert_same_as_sentence_transformers(make("bert", Pooling(64, include_prompt=False), **options))


def test_a_bare_transformers_checkpoint_is_mean_pooled(transformer: Callable[[str], Path]) -> None:
    folder = transformer("bert")
    encoder = assert_same_as_sentence_transformers(folder)
    assert (encoder.info.pooling, encoder.info.normalize) == ("mean", False)


def test_lower_casing_that_sentence_bert_config_asks_for(make: Make) -> None:
    folder = make("bert", Pooling(64))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": true}')
    encoder = assert_same_as_sentence_transformers(folder)
    assert encoder.info.max_tokens == 64


def test_static_embeddings_without_any_transformer(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(checkpoint.directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    module = StaticEmbedding(tokenizer, embedding_dim=16)
    SentenceTransformer(modules=[module], device="cpu").save(str(tmp_path / "static"))
    encoder = assert_same_as_sentence_transformers(tmp_path / "static", ["Hello", "two words"])
    assert encoder.encode(["two words"]).tokens == 2
    with pytest.raises(InvalidInputError, match="no token vectors"):
        encoder.encode(["Hello"], Options(pooling="none"))
    with pytest.raises(WrongModelError, match="no single tokenizer"):
        encoder.tokenizer  # noqa: B018
    with pytest.raises(TextError, match="text 1 is given as token ids"):
        encoder.encode(["Hello", [1, 2]])
    with pytest.raises(OptionError, match="can only be right"):
        encoder.encode(["Hello"], Options(cut_side="left"))


def test_sharded_weights(make: Make) -> None:
    folder = make("bert", Pooling(64))
    whole = encoders.verify(str(folder))
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="2MB")
    (folder / "model.safetensors").unlink()
    sharded = encoders.verify(str(folder))
    assert len(sharded.weights) > 1
    assert sharded.sha256 != whole.sha256
    assert_same_as_sentence_transformers(folder)
    sharded.weights[0].path.unlink()
    with pytest.raises(ModelRefusedError, match=r"is missing, though .* names it"):
        encoders.verify(str(folder))


def test_the_old_layout_with_the_transformer_in_a_folder(make: Make) -> None:
    folder = make("bert", Pooling(64))
    inner = folder / "0_Transformer"
    inner.mkdir()
    kept = {"modules.json", "config_sentence_transformers.json", "README.md"}
    for file in folder.iterdir():
        if file.is_file() and file.name not in kept:
            file.rename(inner / file.name)
    modules = folder / "modules.json"
    modules.write_text(modules.read_text().replace('"path": ""', '"path": "0_Transformer"', 1))
    assert_same_as_sentence_transformers(folder)
    with pytest.raises(ModelRefusedError, match="is expected"):
        encoders.verify(str(folder), sha256="0" * 64)


def test_a_file_that_changed_after_it_was_verified_is_refused(make: Make) -> None:
    folder = make("bert", Pooling(64))
    plan = encoders.plan(encoders.verify(str(folder)))
    encoders.open_encoder(plan)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelRefusedError, match="has changed since it was verified"):
        encoders.open_encoder(plan)


def test_a_tensor_that_transformers_would_invent_is_refused(make: Make) -> None:
    folder = make("distilbert", Pooling(64))
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("transformer.layer.1.ffn.lin1.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelRefusedError, match=r"needs transformer\.layer\.1\.ffn\.lin1\.weight"):
        encoders.open_encoder(encoders.plan(encoders.verify(str(folder))))


@pytest.mark.parametrize("includes", [True, False])
def test_a_prompt_by_its_name(make: Make, includes: bool) -> None:
    """As sentence-transformers has it, pooled or left out; token ids stand for themselves."""
    options = {"prompts": {"query": "find this: ", "none": ""}, "default_prompt_name": "query"}
    folder = make("bert", Pooling(64, include_prompt=includes), **options)
    reference = SentenceTransformer(str(folder), device="cpu")
    encoder = encoders.open_encoder(encoders.plan(encoders.verify(str(folder)), precision="float32"))
    for name in ("query", "none"):
        given = np.asarray(encoder.encode(["Hello there"], Options(prompt_name=name)).vectors)
        assert np.abs(given - reference.encode(["Hello there"], prompt_name=name)).max() < 1e-5
    ids = [piece.id for piece in encoder.tokenizer.pieces("Hello there")]
    if includes:
        assert np.abs(np.asarray(encoder.encode([ids]).vectors) - encoder.encode(["Hello there"]).vectors).max() < 1e-5
    else:
        with pytest.raises(TextError, match="no prompt that this model's pooling can leave out"):
            encoder.encode([ids])
        with pytest.raises(OptionError, match="cannot be left"):
            encoder.encode(["Hello"], Options(cut_side="left"))
    with pytest.raises(OptionError, match="'passage' is not among the prompts of this model"):
        encoder.encode(["Hello"], Options(prompt_name="passage"))
