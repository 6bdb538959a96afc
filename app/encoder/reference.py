"""The reference describes a model: sentence-transformers loads it, tokenizes and encodes. Runs in a child process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from ..errors import ModelRefusedError, one_line
from ..request_errors import NoTokensError
from . import torch_loading
from .checkpoint import Checkpoint
from .description import Description, canonical, check_vocabulary, sha256_of
from .recipe import read_object
from .tokens import TextTokenizer

# Scripts, cases, spaces, marks, special tokens as text, numbers, code, and more than most limits.
TEXTS = (
    "Hello",
    "The quick brown fox jumps over the lazy dog.",
    "Grüße aus Köln; 東京からこんにちは! Привет, мир. مرحبا بالعالم नमस्ते",
    "ALL CAPS, Title Case, camelCase; naïve café, Ångström, İstanbul",
    "  spaces   before,\ttabs\n\nand lines  after ",
    "special [CLS] tokens [SEP] as <s> text </s> <mask> [MASK] <pad> [PAD] <unk>",
    "emoji 🙂👍🏽, e\u0301 and \ufb01, zero\u200bwidth, soft\u00adhyphen, “quotes” — dashes…",
    "0123 4,567.89 x² ½ № if (a[i] != b->c) { return `x` + 'y'; } // https://example.org/?q=a&b=%20",
)
FILLER = "word after word, Wort für Wort, 字 "
LEAST_TOKENS = 4
"""Of the filler, in the coarsest of tokenizers."""
LONGEST_TRIED = 512
"""Tokens of the longest text that is tried: more would make the start of a large model wait."""
# An odd end, an odd beginning and odd characters: ids alone are compared.
ODD = (
    "a ",
    " a",
    "a  b",
    "ſ ß ẞ ǅ",
    "\u00a0\u3000",
    "\x00\x1b\ufffd",
    "don't can't ##ing ▁a Ġa",
    "\U0001f1e9\U0001f1ea",
)
POSITION_TABLES = ("position_embeddings", "wpe")


def describe(checkpoint: Checkpoint, made_with: str) -> Description:
    """Load the model and ask it everything. Raises ModelRefusedError if it is not whole or gives no sound vectors."""
    try:
        return _describe(checkpoint, made_with)
    except ModelRefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model's files provoke, the answer is one line
        raise ModelRefusedError(
            f"{checkpoint.directory}: sentence-transformers cannot encode with it: {one_line(error)}"
        ) from None


def _describe(checkpoint: Checkpoint, made_with: str) -> Description:
    model = torch_loading.load(checkpoint)
    torch_loading.check_whole(model, checkpoint)
    _check_numbers(model, checkpoint)
    prompt = _default_prompt(model)
    own_limit, positions = _own_limit(model), _positions(model)
    longest = min((limit for limit in (own_limit, positions) if limit), default=0)
    about_tokens = _tokenizer(model, checkpoint, prompt, own_limit)
    if longest:
        model.max_seq_length = longest
    texts = (*TEXTS, _long_text(longest))
    return Description(
        made_with=made_with,
        own_limit=own_limit,
        positions=positions,
        prompts=_prompts(model, checkpoint),
        default_prompt=prompt,
        modules=tuple(type(module).__name__ for module in model),
        pooling=_pooling(model),
        cut_dimension=model.truncate_dim or 0,
        texts=texts,
        vectors=_vectors(model, texts, checkpoint),
        **about_tokens,
    )


def _check_numbers(model: SentenceTransformer, checkpoint: Checkpoint) -> None:
    """Blame the file: a tensor there that nothing uses may hold what it will."""
    odd = next((name for name, values in model.named_parameters() if not torch.isfinite(values).all()), None)
    if odd is None:
        return
    for file in checkpoint.weights:
        with safe_open(file.path, framework="pt") as tensors:
            spoilt = next((name for name in file.shapes if not torch.isfinite(tensors.get_tensor(name)).all()), None)
        if spoilt:
            raise ModelRefusedError(f"{file.path}: its weights are not finite numbers (in {spoilt})")
    raise ModelRefusedError(f"{checkpoint.directory}: its weights are not finite numbers (in {odd})")


def _prompts(model: SentenceTransformer, checkpoint: Checkpoint) -> dict[str, str]:
    """By name, the empty ones too that the model's files name; not those that the library gives every model."""
    named = read_object(checkpoint.directory / "config_sentence_transformers.json", optional=True).get("prompts") or {}
    return {name: text or "" for name, text in model.prompts.items() if text or name in named}


def _default_prompt(model: SentenceTransformer) -> str:
    name = model.default_prompt_name
    return "" if name is None else model.prompts.get(name) or ""


def _own_limit(model: SentenceTransformer) -> int:
    """A tokenizer that means "no limit" says 1e30."""
    by_call = (getattr(model[0], "processing_kwargs", {}).get("text") or {}).get("max_length")
    limit = by_call or model.max_seq_length
    return int(limit) if isinstance(limit, int | float) and 0 < limit < 10**9 else 0


def _positions(model: SentenceTransformer) -> int:
    """Rows of the position table that texts can use; RoBERTa's begins after the padding's."""
    for name, module in model[0].named_modules():
        if isinstance(module, torch.nn.Embedding) and name.rpartition(".")[2] in POSITION_TABLES:
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings - taken)
    return 0


def _pooling(model: SentenceTransformer) -> tuple[str, ...]:
    modes = next((module.pooling_mode for module in model if type(module).__name__ == "Pooling"), ())
    return (modes,) if isinstance(modes, str) else tuple(modes)


def _tokenizer(model: SentenceTransformer, checkpoint: Checkpoint, prompt: str, limit: int) -> dict[str, Any]:
    """The fields of a Description that are the tokenizer's."""
    theirs = model.tokenizer
    if not isinstance(theirs, PreTrainedTokenizerBase) or not theirs.is_fast:
        return _no_tokenizer(checkpoint, "its tokenizer is none of the `tokenizers` library's")
    tokenizer = theirs.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _refuse_dropout(tokenizer, checkpoint)
    check_vocabulary(tokenizer, model[0].auto_model.get_input_embeddings().num_embeddings, checkpoint.directory)
    found = {
        "tokenizer": "" if _is_as_it_lies(tokenizer, checkpoint) else tokenizer.to_str(),
        "tokenizer_sha256": sha256_of(tokenizer),
        "splits_special_tokens": bool(theirs.split_special_tokens),
        "takes_type_ids": "token_type_ids" in theirs.model_input_names,
        "cut_side": theirs.truncation_side,
    }
    described = Description(made_with="", own_limit=0, positions=0, modules=(), pooling=(), **found)
    odd = next(_texts_told_otherwise(model, described, prompt, limit), None)
    if odd is not None:
        return _no_tokenizer(checkpoint, f"the reference does more to {odd[:40]!r} than its tokenizer alone")
    return found


def _no_tokenizer(checkpoint: Checkpoint, why: str) -> dict[str, Any]:
    return {"tokenizer": "", "tokenizer_sha256": checkpoint.files_sha256, "why_no_tokenizer": why}


def _is_as_it_lies(tokenizer: Tokenizer, checkpoint: Checkpoint) -> bool:
    path = checkpoint.recipe.modules[0].directory / "tokenizer.json"
    return path.is_file() and canonical(Tokenizer.from_file(str(path))) == canonical(tokenizer)


def _refuse_dropout(tokenizer: Tokenizer, checkpoint: Checkpoint) -> None:
    dropout = getattr(tokenizer.model, "dropout", None)
    if dropout:
        raise ModelRefusedError(
            f"{checkpoint.directory}: its tokenizer leaves out merges at random (dropout {dropout:g}), so a text has "
            "no vector of its own; take it out of tokenizer.json"
        )


def _texts_told_otherwise(model: SentenceTransformer, described: Description, prompt: str, limit: int) -> Iterator[str]:
    """Texts that the reference tokenizes otherwise than our own tokenizer of this description."""
    theirs = model.tokenizer
    # A copy: ours and theirs set the same switches of the tokenizer differently.
    ours = described.text_tokenizer(Tokenizer.from_str(theirs.backend_tokenizer.to_str()), limit)
    special = " ".join(theirs.all_special_tokens)
    for text in (*TEXTS, *ODD, f"a{special} b", special, _long_text(limit)):
        features = model[0].preprocess([text], prompt=prompt or None)
        ids, type_ids = _by(ours, prompt + text)
        types = features.get("token_type_ids")
        is_same = _listed(features.get("input_ids")) == ids and features.get("modality") == "text"
        if not is_same or (types is not None and _listed(types) != type_ids):
            yield text


def _by(tokenizer: TextTokenizer, text: str) -> tuple[list[int], list[int]]:
    """Ids and type ids of a text, which may have none."""
    try:
        found = tokenizer.tokenize([text])[0]
    except NoTokensError:
        return [], []
    return found.ids, found.type_ids


def _listed(tensor: torch.Tensor | None) -> list[int]:
    return [] if tensor is None else [int(number) for number in tensor[0]]


def _long_text(limit: int) -> str:
    return FILLER * (min(limit or LONGEST_TRIED, LONGEST_TRIED) // LEAST_TOKENS + 1)


def _vectors(
    model: SentenceTransformer, texts: tuple[str, ...], checkpoint: Checkpoint
) -> tuple[tuple[float, ...], ...]:
    """One text at a time: where a text is padded, its neighbours may bear on its vector."""
    found = np.asarray(model.encode(list(texts), batch_size=1, show_progress_bar=False), np.float64)
    if not np.isfinite(found).all():
        raise ModelRefusedError(f"{checkpoint.directory}: its vectors are not finite numbers")
    return tuple(tuple(float(f"{number:.8g}") for number in vector) for vector in found)
