"""The native engine: texts to vectors on our own kernel, without torch in the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import ModelRefusedError
from ...request_errors import OptionError
from ..contract import NO_BOUNDS, Bounds, Embeddings
from ..model import Model
from ..options import DEFAULT, Options, Text
from ..tokens import TokenizedText
from ..vectors import finished
from . import choice, selfcheck
from .calls import calls, laid_out
from .forward import Forward
from .preparation import Prepared
from .selfcheck import WrongPathError
from .structs import Weights
from .tensorfile import TensorFile

NAME = "native"


class NativeEncoder:
    """A model on the kernel; see `contract.Encoder`."""

    def __init__(self, model: Model, prepared: Prepared) -> None:
        """Map the packed file and hold the path against the plain one. Raises ModelRefusedError if they differ."""
        architecture = prepared.architecture
        self._prepared, self._file = prepared, TensorFile(prepared.packed.descriptor)
        weights = Weights(self._file, architecture, prepared.precision)
        try:
            selfcheck.compare(weights, prepared.isa, prepared.precision, model.max_tokens, prepared.witness)
        except WrongPathError as error:
            raise ModelRefusedError(f"{error}; BERT_ISA or BERT_ENGINE can name another") from None
        self._forward = Forward(weights, prepared.isa, architecture.poolings, model.max_tokens)
        self.tokenizer = model.description.text_tokenizer(prepared.tokenizer, model.max_tokens)
        self._leaves_prompts_out = model.leaves_prompts_out
        self._normalizes = model.recipe.normalize
        self._hidden = architecture.shape.hidden
        self._dimension = model.cut(architecture.dimension)
        self.info = model.info(
            engine=NAME,
            precision=prepared.precision,
            dimension=self._dimension,
            isa=prepared.isa,
            sums=prepared.sums,
            packed_sha256=self._file.metadata["payload_sha256"],
            measured_ms=choice.in_ms(prepared.choice.times),
        )

    def let_go(self) -> None:
        """See `contract.Encoder.let_go`."""
        self._forward.rest()
        self._file.unmap()

    def take_over(self) -> None:
        """See `contract.Encoder.take_over`."""
        self._file.map_again(self._prepared.packed.descriptor)

    def rest(self) -> None:
        """See `contract.Encoder.rest`."""
        self._forward.rest()

    def encode(self, texts: Sequence[Text], options: Options = DEFAULT, *, bounds: Bounds = NO_BOUNDS) -> Embeddings:
        """See `contract.Encoder.encode`. Equal texts are computed once."""
        started = time.perf_counter()
        if options.prompt_name is not None and self._leaves_prompts_out:
            raise OptionError(
                "prompt_name",
                "cannot be had: this model leaves prompts out of its pooling; BERT_ENGINE=sentence-transformers can",
            )
        first: dict[str | tuple[int, ...], int] = {}
        keys = [text if isinstance(text, str) else tuple(text) for text in texts]
        for place, key in enumerate(keys):
            first.setdefault(key, place)
        tokenized = self.tokenizer.tokenize(list(first), options, places=list(first.values()), look=bounds.look)
        places = {key: place for place, key in enumerate(first)}
        order = [places[key] for key in keys]
        tokenize_s = time.perf_counter() - started
        lengths = [len(tokenized[place].ids) for place in order]
        is_unpooled = options.pooling == "none"
        bounds.check(sum(lengths), sum(lengths) * self._hidden if is_unpooled else 0)
        found = (self._states if is_unpooled else self._vectors)(tokenized, bounds.look)
        found = finished(found, options, by_default=self._normalizes, dimension=self._dimension)
        return Embeddings(
            vectors=[found[place] for place in order] if is_unpooled else _in_order(found, order),
            lengths=lengths,
            lost_tokens=[tokenized[place].lost_tokens for place in order],
            tokenize_s=tokenize_s,
            forward_s=time.perf_counter() - started - tokenize_s,
            fingerprint=self.info.fingerprint,
            unknown_tokens=sum(tokenized[place].unknown_tokens for place in order),
            empty_texts=sum(tokenized[place].is_empty for place in order),
        )

    def _vectors(self, tokenized: list[TokenizedText], look: Callable[[], None]) -> list[np.ndarray]:
        """float32 arrays of shape (texts, dimension), a few texts in each, all of them in order."""
        found: list[np.ndarray] = []
        for texts in calls(tokenized):
            if found:
                look()
            found.append(self._forward.vectors(*laid_out(texts)))
        return found

    def _states(self, tokenized: list[TokenizedText], look: Callable[[], None]) -> list[np.ndarray]:
        """One float32 array a text, shape (tokens, hidden)."""
        found: list[np.ndarray] = []
        for text in tokenized:
            if found:
                look()
            found.append(self._forward.states(*laid_out([text])))
        return found


def _in_order(found: list[np.ndarray], order: list[int]) -> np.ndarray:
    """All vectors in one array, one for each text of the request, equal texts included."""
    whole = found[0] if len(found) == 1 else np.concatenate(found)
    return whole if len(order) == len(whole) else whole[order]
