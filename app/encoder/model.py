"""A verified and described model, and the limit in force: what every engine is given."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from ..errors import ConfigurationError
from .checkpoint import Checkpoint
from .contract import ModelInfo
from .description import Description
from .recipe import Module, Recipe

# Room for the special tokens of every usual tokenizer (two or three) and a little text.
MIN_TOKENS = 8
# Modules of which other parts of a fingerprint tell all.
TOLD_ELSEWHERE = ("Transformer", "Pooling", "Normalize", "Dropout")

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
class Model:
    """What is served, whichever engine computes."""

    checkpoint: Checkpoint
    description: Description
    max_tokens: int
    """Tokens of a text that are encoded, special tokens included; 0: no limit."""

    @property
    def recipe(self) -> Recipe:
        """The modules and their configuration."""
        return self.checkpoint.recipe

    def read_tokenizer(self) -> Tokenizer:
        """The tokenizer in force. Raises ModelRefusedError if its file is torn."""
        return self.description.read_tokenizer(self.recipe.modules[0].directory)

    @property
    def leaves_prompts_out(self) -> bool:
        """Whether a prompt's own tokens are left out of the pooling."""
        pooling = (module for module in self.recipe.modules if module.kind == "Pooling")
        return not all(module.config.get("include_prompt", True) for module in pooling)

    def cut(self, dimension: int) -> int:
        """Numbers that are kept of a finished vector."""
        return min(dimension, self.description.cut_dimension or dimension)

    @property
    def fingerprint(self) -> str:
        """A sha256 over all that makes the embedding space, so that two fleets can be compared.

        Weights, architecture, modules with pooling and normalisation, the tokenizer in force, the model's own limit,
        prompts. Not the precision, nor a limit that was lowered: these stand beside it, and their vectors are of the
        same space.
        """
        recipe, described = self.recipe, self.description
        parts = {
            "weights": [file.sha256 for file in self.checkpoint.weights],
            "config": {name: value for name, value in recipe.config.items() if name not in IDLE_CONFIG},
            "modules": [(module.kind, self._says(module)) for module in recipe.modules],
            "pooling": [described.pooling, _pooling_options(recipe)],
            "tokenizer": [described.tokenizer_sha256, described.splits_special_tokens, described.takes_type_ids],
            "limit": [described.longest, described.cut_side],
            "prompts": {name: text for name, text in described.prompts.items() if text},
            "default_prompt": described.default_prompt,
            "cut_dimension": described.cut_dimension,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _says(self, module: Module) -> Any:
        """What a module's own files say beside the weights; of a kind that we do not know, all of them."""
        if module.kind in TOLD_ELSEWHERE:
            return {}
        return module.config if module.kind == "Dense" else self.checkpoint.bearing_sha256(module.directory)

    def info(self, *, engine: str, precision: str, dimension: int, **computed: Any) -> ModelInfo:
        """The facts of a model that an engine computes; `computed`: those that the native engine has beside."""
        unsaid: dict[str, Any] = {"isa": "", "sums": "", "packed_sha256": "", "measured_ms": {}}
        return ModelInfo(
            model_id=self.checkpoint.model_id,
            revision=self.checkpoint.revision,
            sha256=self.checkpoint.sha256,
            fingerprint=self.fingerprint,
            proof=self.description.made_with,
            engine=engine,
            architecture=self.recipe.model_type,
            precision=precision,
            dimension=dimension,
            max_tokens=self.max_tokens,
            pooling="+".join(self.description.pooling) or "none",
            normalize=self.recipe.normalize,
            prompts=self.description.prompts,
            weights_modified_s=max((file.identity[-1] for file in self.checkpoint.weights), default=0) // 10**9,
            **unsaid | computed,
        )


def limited(checkpoint: Checkpoint, description: Description) -> Model:
    """The model with the limit that is asked for, else its own. Raises ConfigurationError if that cannot be."""
    own, wanted = description.longest, checkpoint.wanted_tokens
    if own and wanted > own:
        raise ConfigurationError(f"BERT_MAX_TOKENS: {wanted} is more than the model's own limit of {own} tokens")
    if 0 < wanted < MIN_TOKENS:
        raise ConfigurationError(f"BERT_MAX_TOKENS: {wanted} leaves no room for text; {MIN_TOKENS} is the least")
    return Model(checkpoint, description, wanted or own)


def _pooling_options(recipe: Recipe) -> list[Any]:
    return [module.config.get("include_prompt", True) for module in recipe.modules if module.kind == "Pooling"]
