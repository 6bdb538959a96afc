"""What the master does once for the native engine: choose a path, pack the weights, hear what the plain path says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache as once
from functools import partial
from pathlib import Path

import structlog
from tokenizers import Tokenizer

from ...errors import ConfigurationError
from ..child import ChildDiedError
from ..model import Model
from ..waiting import Progress
from . import choice, library, selfcheck
from .architecture import Architecture, examine
from .calls import calls, laid_out
from .choice import Choice
from .layout import Read
from .matrix import CannotQuantiseError, Quantised
from .packed import Packed
from .selfcheck import Witness, WrongPathError
from .structs import Weights, pack
from .tensorfile import TensorFile
from .trial import Candidate

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


def prepare(model: Model, *, precision: str, isa: str, cache: Path | None) -> Prepared:
    """Choose among the paths that `isa` names, and have the weights packed in the folder `cache`.

    A path that computes wrongly is left out, with a warning, and the next one serves; if it is the only one named, or
    the last, ConfigurationError is raised. Raises UnsupportedError if the kernel cannot run the model.
    """
    architecture, tokenizer, paths = examine(model), model.read_tokenizer(), choice.paths_named(isa)
    candidates = choice.candidates(paths, precision)
    measure = once(partial(choice.measured, architecture.shape, architecture.activation, cache, precision))
    while candidates:
        chosen = choice.choose(candidates, measure)
        packed = _pack(model, architecture, chosen.precision, cache, tokenizer)
        weights = Weights(TensorFile(packed.descriptor), architecture, chosen.precision)
        witness = selfcheck.ask_plain(weights, chosen.isa, chosen.precision, model.max_tokens)
        try:
            selfcheck.compare(weights, chosen.isa, chosen.precision, model.max_tokens, witness)
        except WrongPathError as error:
            if isa in paths:
                raise ConfigurationError(f"BERT_ISA: '{isa}' cannot be used: {error}") from None
            log.warning("a path is left out", isa=chosen.isa, precision=chosen.precision, reason=str(error))
            candidates.remove(Candidate(chosen.isa, chosen.precision))
            continue
        return Prepared(architecture, packed, tokenizer, chosen, witness)
    raise ConfigurationError(f"BERT_ISA: '{isa}' cannot be used: {', '.join(paths)} give other vectors than plain")


def _pack(model: Model, architecture: Architecture, precision: str, cache: Path | None, tokenizer: Tokenizer) -> Packed:
    if precision != "int8":
        return pack(model.checkpoint, architecture, precision, cache)
    try:
        quantise = partial(_quantise, model, architecture, tokenizer)
        return pack(model.checkpoint, architecture, precision, cache, quantise)
    except (CannotQuantiseError, ChildDiedError) as error:
        raise ConfigurationError(f"BERT_PRECISION: 'int8' cannot be used: {error}") from None


def _quantise(model: Model, architecture: Architecture, tokenizer: Tokenizer, read: Read) -> Quantised:
    """In a child process, which alone imports what it takes."""
    from . import calibration

    texts = calibration.texts()
    tokenized = model.description.text_tokenizer(tokenizer, model.max_tokens).tokenize(texts)
    together = [laid_out(call) for call in calls(tokenized)]
    return calibration.quantise(read, architecture, together, Progress("packing the weights in int8"))
