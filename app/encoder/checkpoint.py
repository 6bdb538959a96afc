"""A model that has been found, read and checked, but not loaded: the facts that the whole fleet shares.

The master verifies once, before anything listens; every worker inherits the result through the fork and maps the
same files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from app.encoder import recipe as recipes
from app.encoder import source as sources
from app.encoder import weights
from app.encoder.recipe import Recipe
from app.errors import ModelRefusedError

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)

# Room for the special tokens of every usual tokenizer (two or three) and a little text.
MIN_TOKENS = 8
# Modules whose configuration shapes a vector in ways that `pooling` and `normalize` do not tell.
OWN_CONFIG = ("Dense", "LayerNorm", "WeightedLayerPooling")

# Keys of config.json that do not shape a vector: who wrote it, for what, and how it is trained.
IDLE_CONFIG = frozenset(
    {
        "_name_or_path",
        "architectures",
        "attention_probs_dropout_prob",
        "dtype",
        "gradient_checkpointing",
        "hidden_dropout_prob",
        "initializer_range",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified model on disk."""

    directory: Path
    model_id: str
    revision: str
    recipe: Recipe
    weights: tuple[weights.WeightFile, ...]
    tokenizer_sha256: str
    max_tokens: int
    """Tokens of a text that are encoded, special tokens included; 0: no limit."""

    @property
    def sha256(self) -> str:
        """The weights' sha256; of several files, that of their hashes in order."""
        digests = [file.sha256 for file in self.weights]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def fingerprint(self, precision: str) -> str:
        """A sha256 over all that shapes a vector, so that two fleets can be compared.

        Weights, architecture, tokenizer, the modules with pooling and normalisation, prompts and precision; not the
        longest text, which stands beside it in /info: texts within both limits have the same vectors.
        """
        recipe = self.recipe
        parts = {
            "weights": [file.sha256 for file in self.weights],
            "config": {name: value for name, value in recipe.config.items() if name not in IDLE_CONFIG},
            "tokenizer": self.tokenizer_sha256,
            "lower_case": recipe.lower_case,
            "modules": [(module.kind, module.config if module.kind in OWN_CONFIG else {}) for module in recipe.modules],
            "pooling": recipe.pooling,
            "normalize": recipe.normalize,
            "prompts": recipe.prompts,
            "default_prompt": recipe.default_prompt,
            "precision": precision,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def verify(model: str, *, sha256: str = "", max_tokens: int = 0) -> Checkpoint:
    """Find the model that BERT_MODEL names and check all of it without loading it.

    `sha256` is what its weights must have ("" if the user did not say); `max_tokens` lowers the model's own limit
    (0: keep it). Raises ModelRefusedError with one line.
    """
    source = sources.locate(model)
    recipe = recipes.read(source.directory)
    checkpoint = Checkpoint(
        directory=source.directory,
        model_id=source.model_id,
        revision=source.revision,
        recipe=recipe,
        weights=weights.verify(source.directory, recipe, source.known_sha256),
        tokenizer_sha256=_verify_tokenizer(recipe),
        max_tokens=_limit(recipe.max_tokens, max_tokens),
    )
    if sha256 and checkpoint.sha256 != sha256:
        raise ModelRefusedError(
            f"{source.directory}: its weights' sha256 is {checkpoint.sha256}, but {sha256} is expected"
        )
    published = sources.PUBLISHED.get(checkpoint.sha256)
    return replace(checkpoint, model_id=published) if published else checkpoint


def _limit(own: int, wanted: int) -> int:
    if own and wanted > own:
        raise ModelRefusedError(f"BERT_MAX_TOKENS: {wanted} is more than the model's own limit of {own} tokens")
    if 0 < wanted < MIN_TOKENS:
        raise ModelRefusedError(f"BERT_MAX_TOKENS: {wanted} leaves no room for text; {MIN_TOKENS} is the least")
    return wanted or own


def _verify_tokenizer(recipe: Recipe) -> str:
    """Check that the tokenizer can be read and fits the model; returns a sha256 over all of its files."""
    directory = recipe.modules[0].directory
    path = next((directory / name for name in TOKENIZER_FILES if (directory / name).is_file()), None)
    if path is None:
        raise ModelRefusedError(f"{directory}: no tokenizer (none of {', '.join(TOKENIZER_FILES)})")
    if path.name == "tokenizer.json":
        _check_vocabulary(path, recipe)
    files = [directory / name for name in (*TOKENIZER_FILES, "merges.txt", "tokenizer_config.json")]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _check_vocabulary(path: Path, recipe: Recipe) -> None:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises plain Exception
        raise ModelRefusedError(f"{path}: is no tokenizer: {error}") from None
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    vocabulary = recipe.config.get("vocab_size")
    if isinstance(vocabulary, int) and largest >= vocabulary:
        raise ModelRefusedError(f"{path}: has token id {largest}, but config.json knows only {vocabulary} tokens")
