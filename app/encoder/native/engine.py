"""The native engine: texts to vectors on our own kernel, without torch in the process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import structlog
from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as Normalizers

from app.encoder.checkpoint import Checkpoint
from app.encoder.contract import Embeddings, ModelInfo
from app.encoder.native import choice, library, selfcheck
from app.encoder.native.choice import Choice
from app.encoder.native.forward import CALL_TOKENS, Forward, LaidOut
from app.encoder.native.packed import Packed
from app.encoder.native.selfcheck import Witness, WrongPathError
from app.encoder.native.support import Architecture, examine
from app.encoder.native.tensorfile import TensorFile
from app.encoder.native.trial import Candidate
from app.encoder.native.weights import Weights, pack
from app.encoder.tokens import TextTokenizer, TokenizedText
from app.encoder.vectors import finished
from app.errors import ConfigurationError, ModelRefusedError, TextTooLongError

NAME = "native"
log = structlog.get_logger("serve-bert")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is done once, before the fork, and inherited by every worker: the tokenizer's pages, the packed file."""

    architecture: Architecture
    packed: Packed
    tokenizer: Tokenizer
    choice: Choice
    witness: Witness

    @property
    def isa(self) -> str:
        """The path that computes."""
        return self.choice.isa

    @property
    def precision(self) -> str:
        """That of the weights and of what goes into each product."""
        return self.choice.precision

    @property
    def sums(self) -> str:
        """The order in which the path adds, of which its bits come."""
        return library.sums(self.isa, self.precision)

    def facts(self) -> dict[str, object]:
        """What a boot says of it."""
        packed = self.packed
        facts: dict[str, object] = {"isa": self.isa, "sums": self.sums}
        if self.choice.times:
            facts["measured_ms"] = choice.in_ms(self.choice.times)
        return facts | {"packed": packed.place + (f" ({packed.why or 'made just now'})" if packed.made else "")}


class NativeEncoder:
    """A model on the kernel; see `app.encoder.contract.Encoder`."""

    def __init__(self, checkpoint: Checkpoint, prepared: Prepared) -> None:
        """Map the packed file and hold the path against the plain one. Raises ModelRefusedError if they differ."""
        architecture = prepared.architecture
        weights = Weights(TensorFile(prepared.packed.descriptor), architecture, prepared.precision)
        try:
            selfcheck.compare(weights, prepared.isa, prepared.precision, checkpoint.max_tokens, prepared.witness)
        except WrongPathError as error:
            raise ModelRefusedError(f"{error}; BERT_ISA or BERT_ENGINE can name another") from None
        self._forward = Forward(weights, prepared.isa, architecture.poolings, checkpoint.max_tokens)
        self._tokenizer = TextTokenizer(prepared.tokenizer, checkpoint.max_tokens)
        self._prompt = checkpoint.recipe.default_prompt
        self._normalizes = checkpoint.recipe.normalize
        self.info = _describe(checkpoint, prepared)

    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool | None = None,
        truncate: bool = True,
        pooling: Literal["none"] | None = None,
    ) -> Embeddings:
        """See `app.encoder.contract.Encoder.encode`. Equal texts are computed once."""
        started = time.perf_counter()
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        tokenized = self._tokenize(texts, list(places), truncate=truncate)
        tokenize_s = time.perf_counter() - started
        found = self._states(tokenized) if pooling == "none" else self._vectors(tokenized)
        by_default = self._normalizes and pooling is None
        found = finished(found, normalize=by_default if normalize is None else normalize)
        order = [places[text] for text in texts]
        return Embeddings(
            vectors=[found[place] for place in order] if pooling == "none" else _in_order(found, order),
            tokens=sum(len(tokenized[place].ids) for place in order),
            lost_tokens=[tokenized[place].lost_tokens for place in order],
            tokenize_s=tokenize_s,
            forward_s=time.perf_counter() - started - tokenize_s,
        )

    def _tokenize(self, texts: Sequence[str], different: list[str], *, truncate: bool) -> list[TokenizedText]:
        try:
            return self._tokenizer.tokenize([self._prompt + text for text in different], truncate=truncate)
        except TextTooLongError as error:  # which speaks of the texts' places among the different ones
            raise TextTooLongError(texts.index(different[error.index]), error.tokens, error.max_tokens) from None

    def _vectors(self, tokenized: list[TokenizedText]) -> list[np.ndarray]:
        """float32 arrays of shape (texts, dimension), a few texts in each, all of them in order."""
        return [self._forward.vectors(*_laid_out(texts)) for texts in _calls(tokenized)]

    def _states(self, tokenized: list[TokenizedText]) -> list[np.ndarray]:
        """One float32 array a text, shape (tokens, hidden)."""
        return [self._forward.states(*_laid_out([text])) for text in tokenized]


def _in_order(found: list[np.ndarray], order: list[int]) -> np.ndarray:
    """All vectors in one array, one for each text of the request, equal texts included."""
    whole = found[0] if len(found) == 1 else np.concatenate(found)
    return whole if len(order) == len(whole) else whole[order]


def _calls(tokenized: list[TokenizedText]) -> Iterator[list[TokenizedText]]:
    """Texts for one call of the kernel each: as many as CALL_TOKENS hold, one at least."""
    call: list[TokenizedText] = []
    tokens = 0
    for text in tokenized:
        if call and tokens + len(text.ids) > CALL_TOKENS:
            yield call
            call, tokens = [], 0
        call.append(text)
        tokens += len(text.ids)
    yield call


def _laid_out(texts: Sequence[TokenizedText]) -> LaidOut:
    """Ids, type ids and starts of texts laid end to end, as the kernel takes them."""
    ids = np.array([token for text in texts for token in text.ids], np.int32)
    types = np.array([token for text in texts for token in text.type_ids], np.int32)
    starts = np.zeros(len(texts) + 1, np.int32)
    np.cumsum([len(text.ids) for text in texts], out=starts[1:])
    return ids, types, starts


def prepare(checkpoint: Checkpoint, *, precision: str, isa: str, cache: Path | None) -> Prepared:
    """Choose among the paths that `isa` names, and have the weights packed in the folder `cache`.

    A path that computes wrongly is left out, with a warning, and the next one serves; if it is the only one named, or
    the last, ConfigurationError is raised. Raises UnsupportedError if the kernel cannot run the model.
    """
    architecture, tokenizer, paths = examine(checkpoint), _read_tokenizer(checkpoint), choice.paths_named(isa)
    candidates = choice.candidates(paths, precision)
    measure = partial(choice.measured, architecture.shape, architecture.activation, cache)
    while candidates:
        chosen = choice.choose(candidates, measure)
        packed = pack(checkpoint, architecture, chosen.precision, cache)
        weights = Weights(TensorFile(packed.descriptor), architecture, chosen.precision)
        witness = selfcheck.ask_plain(weights, chosen.isa, chosen.precision, checkpoint.max_tokens)
        try:
            selfcheck.compare(weights, chosen.isa, chosen.precision, checkpoint.max_tokens, witness)
        except WrongPathError as error:
            log.warning("a path is left out", isa=chosen.isa, precision=chosen.precision, reason=str(error))
            candidates.remove(Candidate(chosen.isa, chosen.precision))
            continue
        return Prepared(architecture, packed, tokenizer, chosen, witness)
    raise ConfigurationError(f"BERT_ISA: '{isa}' cannot be used: {', '.join(paths)} give other vectors than plain")


def _read_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """The model's tokenizer; it lower-cases where sentence_bert_config.json asks for it and it does not yet."""
    tokenizer = Tokenizer.from_file(str(checkpoint.recipe.modules[0].directory / "tokenizer.json"))
    if checkpoint.recipe.lower_case:
        own = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = Normalizers([Lowercase(), *own])
    return tokenizer


def _describe(checkpoint: Checkpoint, prepared: Prepared) -> ModelInfo:
    recipe = checkpoint.recipe
    return ModelInfo(
        engine=NAME,
        isa=prepared.isa,
        sums=prepared.sums,
        measured_ms=choice.in_ms(prepared.choice.times),
        model_id=checkpoint.model_id,
        revision=checkpoint.revision,
        sha256=checkpoint.sha256,
        fingerprint=checkpoint.fingerprint(prepared.precision),
        architecture=recipe.model_type,
        dimension=prepared.architecture.dimension,
        max_tokens=checkpoint.max_tokens,
        pooling="+".join(recipe.pooling),
        normalize=recipe.normalize,
        precision=prepared.precision,
        prompts=recipe.prompts,
    )
