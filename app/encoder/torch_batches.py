"""Texts to the batches of tensors that a sentence-transformers model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from ..request_errors import NoTokensError, OptionError, TextError, TextTooLongError, WrongModelError
from .model import Model
from .options import DEFAULT, Options, Text
from .tokens import Prompts, TextTokenizer, TokenizedText

# One forward takes at most this many tokens, padding included: attention's scratch grows with it (100 MB at 32 × 256).
FORWARD_TOKENS = 2048
FORWARD_TEXTS = 32
Features = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batches:
    """All of a request's texts, ready for the model."""

    batches: list[tuple[list[int], Features]]
    """Positions of the texts in the request, and the features to feed to the model."""
    lengths: list[int]
    """Tokens of each text."""
    lost_tokens: list[int]
    unknown_tokens: int = 0
    """Of all texts, as far as it can be told."""
    empty_texts: int = 0
    """Those in which the tokenizer found nothing, as far as it can be told."""


class Batcher(Protocol):
    """Prepares texts for the model."""

    @property
    def tokenizer(self) -> TextTokenizer:
        """See `contract.Encoder.tokenizer`."""
        ...

    def prepare(
        self, texts: Sequence[Text], options: Options = DEFAULT, look: Callable[[], None] | None = None
    ) -> Batches:
        """Raises what `TextTokenizer.tokenize` does."""
        ...


def batcher(loaded: SentenceTransformer, model: Model) -> Batcher:
    """The fast batcher where texts are known to go through one Rust tokenizer, else the general one."""
    if model.description.why_no_tokenizer:
        return PlainBatcher(loaded, model)
    return FastBatcher(loaded, model)


class FastBatcher:
    """Cut and counted by us, sorted by length, padded no further than need be."""

    def __init__(self, loaded: SentenceTransformer, model: Model) -> None:
        tokenizer, described = loaded.tokenizer, model.description
        self._pad_ids = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id or 0}
        self._pads_left = tokenizer.padding_side == "left"
        self._takes_types = described.takes_type_ids
        self._cut_side = described.cut_side
        self._leaves_prompts_out = model.leaves_prompts_out
        # Nobody else uses this model's tokenizer, so ours to set up: a copy would cost each worker 6 MB.
        self.tokenizer = described.text_tokenizer(tokenizer.backend_tokenizer, model.max_tokens)

    def prepare(
        self, texts: Sequence[Text], options: Options = DEFAULT, look: Callable[[], None] | None = None
    ) -> Batches:
        """See `Batcher`."""
        prompt_tokens = self.tokenizer.prompt_tokens(options.prompt_name) if self._leaves_prompts_out else 0
        if prompt_tokens:
            self._check_prompted(texts, options)
        tokenized = self.tokenizer.tokenize(texts, options, look=look)
        lengths = [len(text.ids) for text in tokenized]
        # Padding on the left moves a text's positions, so there only texts of one length go together.
        together = positions_by_length(lengths, FORWARD_TOKENS, FORWARD_TEXTS, of_one_length=self._pads_left)
        batches = [
            (positions, self._features([tokenized[position] for position in positions], prompt_tokens))
            for positions in together
        ]
        return Batches(
            batches,
            lengths,
            [text.lost_tokens for text in tokenized],
            sum(text.unknown_tokens for text in tokenized),
            sum(text.is_empty for text in tokenized),
        )

    def _check_prompted(self, texts: Sequence[Text], options: Options) -> None:
        """The pooling leaves out so many tokens of each text, whether they are the prompt's or not."""
        if options.cut_side not in (None, self._cut_side):
            raise OptionError("truncation_direction", "cannot be left with this model, which pools no prompt")
        index = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if index is not None:
            raise TextError(
                index, "is given as token ids, which have no prompt that this model's pooling can leave out"
            )

    def _features(self, texts: list[TokenizedText], prompt_tokens: int) -> Features:
        features: Features = {"modality": "text", "input_ids": self._padded("input_ids", [text.ids for text in texts])}
        features["attention_mask"] = self._padded("attention_mask", [[1] * len(text.ids) for text in texts])
        if self._takes_types:
            features["token_type_ids"] = self._padded("token_type_ids", [text.type_ids for text in texts])
        if prompt_tokens:
            features["prompt_length"] = prompt_tokens
        return features

    def _padded(self, name: str, rows: list[list[int]]) -> torch.Tensor:
        """int64, shape (texts, longest)."""
        longest = max(len(row) for row in rows)
        padded = np.full((len(rows), longest), self._pad_ids.get(name, 0), np.int64)
        for index, row in enumerate(rows):
            start = longest - len(row) if self._pads_left else 0
            padded[index, start : start + len(row)] = row
        return torch.from_numpy(padded)


class PlainBatcher:
    """For every other model: sentence-transformers prepares the features; the tokens are counted a second time.

    Text by text: what it does to a batch is not known.
    """

    def __init__(self, loaded: SentenceTransformer, model: Model) -> None:
        self._model = loaded
        self._max_tokens = model.max_tokens
        described = model.description
        self._prompts = Prompts(described.prompts, described.default_prompt)
        self._cut_side = described.cut_side

    @property
    def tokenizer(self) -> TextTokenizer:
        """See `Batcher`."""
        raise WrongModelError(
            "the texts of this model go through no single tokenizer, so they cannot be shown as tokens"
        )

    def prepare(
        self, texts: Sequence[Text], options: Options = DEFAULT, look: Callable[[], None] | None = None
    ) -> Batches:
        """See `Batcher`."""
        if options.cut_side not in (None, self._cut_side):
            raise OptionError("truncation_direction", f"can only be {self._cut_side} with this model")
        prompt = self._prompts.text(options.prompt_name)
        read = [self._checked(place, text) for place, text in enumerate(texts)]
        if look:
            look()
        lengths = [self._length(prompt + text) for text in read]
        lost = [max(0, length - self._max_tokens) if self._max_tokens else 0 for length in lengths]
        if 0 in lengths and isinstance(self._model.tokenizer, PreTrainedTokenizerBase):
            raise NoTokensError(lengths.index(0))
        for index, tokens in enumerate(lost):
            if tokens and not options.truncate:
                raise TextTooLongError(index, lengths[index], self._max_tokens)
        batches = [([index], self._model.preprocess([text], prompt=prompt or None)) for index, text in enumerate(read)]
        return Batches(batches, [length - cut for length, cut in zip(lengths, lost, strict=True)], lost)

    @staticmethod
    def _checked(place: int, text: Text) -> str:
        if isinstance(text, str):
            return text
        raise TextError(place, "is given as token ids, but the texts of this model go through no single tokenizer")

    def _length(self, text: str) -> int:
        tokenizer = self._model.tokenizer
        if isinstance(tokenizer, PreTrainedTokenizerBase):
            return len(tokenizer(text, truncation=False, verbose=False)["input_ids"])
        if isinstance(tokenizer, Tokenizer):
            return len(tokenizer.encode(text, add_special_tokens=False))
        return len(text.split())


def positions_by_length(
    lengths: Sequence[int], batch_tokens: int, batch_texts: int, *, of_one_length: bool = False
) -> Iterator[list[int]]:
    """Positions of texts, longest first, in batches of at most so many texts and tokens, padding included."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        is_full = len(batch) == batch_texts or (len(batch) + 1) * lengths[batch[0] if batch else 0] > batch_tokens
        if batch and (is_full or (of_one_length and lengths[position] != lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
