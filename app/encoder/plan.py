"""Which engine runs a model, in what precision, on which instruction set: chosen once, by the master.

native: BERT-family models on our own kernel, without torch. sentence-transformers: every other model, and wherever
the kernel cannot run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from ..errors import ConfigurationError
from ..settings import Settings
from ..version import IS_CHECKOUT, WHOLE
from . import describing, proof
from .checkpoint import Checkpoint, verify
from .contract import Encoder
from .kept import cache_folder
from .model import Model, limited
from .native import choice, library
from .native.architecture import UnsupportedError
from .native.encoder import NAME as NATIVE
from .native.encoder import NativeEncoder
from .native.preparation import Prepared, prepare

TORCH = "sentence-transformers"
HOW = f"{'`make run ENGINE=sentence-transformers`' if IS_CHECKOUT else WHOLE} brings it"
MODEL_SETTINGS = ("model", "model_sha256", "engine", "precision", "isa", "cache", "max_tokens")
"""The settings that `verify_and_plan` reads."""
log = structlog.get_logger("serve-bert")


@dataclass(frozen=True, slots=True)
class Plan:
    """A verified and described model and the engine that will run it; workers inherit it through the fork."""

    model: Model
    engine: str
    precision: str
    native: Prepared | None = None
    """None for the sentence-transformers engine."""
    why_not_native: str = ""
    """Why `auto` did not take the native engine; "" if it did, or was not asked."""
    is_first: bool = False
    """Weights or description are new: nobody has seen yet what the kernel makes of this model."""

    def facts(self) -> dict[str, object]:
        """What a boot says of the model and of the choice."""
        model = self.model
        facts: dict[str, object] = {
            "model": model.checkpoint.model_id,
            "revision": model.checkpoint.revision or "none",
            "sha256": model.checkpoint.sha256,
            "fingerprint": model.fingerprint,
            "proof": model.description.made_with or "none: sentence-transformers is not installed",
            "max_tokens": model.max_tokens,
            "engine": self.engine,
            "precision": self.precision,
        }
        if self.why_not_native:
            facts["why_not_native"] = self.why_not_native
        if self.native:
            facts |= self.native.facts()
        return facts


def plan(
    checkpoint: Checkpoint, *, engine: str = "auto", precision: str = "auto", isa: str = "auto", cache: str = ""
) -> Plan:
    """Have a verified model described, choose its engine, and have its weights packed if it is the native one.

    The arguments are BERT_ENGINE, BERT_PRECISION, BERT_ISA and BERT_CACHE. Raises ConfigurationError if what they ask
    for cannot be done, ModelRefusedError if the reference could not serve the model.
    """
    folder = cache_folder(cache)
    description, is_new = describing.obtain(checkpoint, folder)
    model = limited(checkpoint, description)
    _tell_of_positions(model)
    if engine == TORCH:
        return _torch_plan(model, precision, "")
    try:
        found = _native_plan(model, precision, isa, folder, is_wanted=engine == NATIVE)
        return replace(found, is_first=found.is_first or is_new)
    except library.UnavailableError as error:
        why = str(error)
    except UnsupportedError as error:
        why = f"the kernel cannot run this model: {error}"
    if engine == NATIVE:
        raise ConfigurationError(f"BERT_ENGINE: 'native' cannot be used: {why}")
    return _torch_plan(model, precision, why)


def verify_and_plan(settings: Settings) -> Plan:
    """`verify` and `plan` as the settings ask for. Raises ModelRefusedError or ConfigurationError."""
    return plan_as(settings, verify_as(settings))


def verify_as(settings: Settings) -> Checkpoint:
    """`verify` as the settings ask for."""
    return verify(settings.model, sha256=settings.model_sha256, max_tokens=settings.max_tokens, cache=settings.cache)


def plan_as(settings: Settings, checkpoint: Checkpoint) -> Plan:
    """`plan` as the settings ask for."""
    return plan(
        checkpoint,
        engine=settings.engine,
        precision=settings.precision,
        isa=settings.isa,
        cache=settings.cache,
    )


def import_engine(chosen: Plan) -> None:
    """Import what loading the model needs without computing anything: in the master, so that workers inherit it.

    Raises ModelRefusedError if the engine cannot even read the model's configuration and tokenizer.
    """
    if chosen.engine == TORCH:
        from . import torch_engine

        torch_engine.prepare(chosen.model.checkpoint)


def open_encoder(chosen: Plan) -> Encoder:
    """Load a verified model, warm it up and hold it against the reference's vectors.

    Raises ModelRefusedError if it cannot be loaded whole or gives other vectors than the reference.
    """
    encoder = _open(chosen)
    hold(encoder, chosen)
    return encoder


def hold(encoder: Encoder, chosen: Plan) -> None:
    """Hold a model, in the process that is to serve it, against its files and the reference's vectors.

    Raises ModelRefusedError if they have changed, or it gives other ones.
    """
    for file in chosen.model.checkpoint.weights:
        file.check_unchanged()
    proof.hold(encoder, chosen.model.description, thoroughly=chosen.is_first)
    encoder.rest()


def _open(chosen: Plan) -> Encoder:
    if chosen.native:
        return NativeEncoder(chosen.model, chosen.native)
    from .torch_engine import TorchEncoder

    return TorchEncoder(chosen.model)


def _tell_of_positions(model: Model) -> None:
    described = model.description
    if described.own_limit > described.positions > 0:
        log.warning(
            "the model's own limit is lowered: its positions carry no more",
            own_max_tokens=described.own_limit,
            max_tokens=model.max_tokens,
        )


def _torch_plan(model: Model, precision: str, why_not_native: str) -> Plan:
    if not describing.made_with():
        reason = f"{why_not_native}, and " if why_not_native else ""
        raise ConfigurationError(f"BERT_ENGINE: {reason}sentence-transformers is not installed; {HOW}")
    if precision not in ("auto", "float32"):
        reason = f" ({why_not_native})" if why_not_native else ""
        raise ConfigurationError(
            f"BERT_PRECISION: '{precision}' cannot be used: "
            f"the sentence-transformers engine computes in float32{reason}"
        )
    return Plan(model, TORCH, "float32", why_not_native=why_not_native)


def _native_plan(model: Model, precision: str, isa: str, folder: Path | None, *, is_wanted: bool) -> Plan:
    """`auto` takes the plain path only where it is named: torch is faster than that."""
    if isa == choice.AUTO and set(choice.paths_named(isa)) <= choice.PLAIN and not is_wanted:
        raise library.UnavailableError("this processor has none of the instruction sets that the kernel is fast on")
    if obstacle := library.tiles_obstacle():
        log.warning("the tile unit (AMX) is left out", reason=obstacle)
    native = prepare(model, precision=precision, isa=isa, cache=folder)
    return Plan(model, NATIVE, native.precision, native, is_first=native.packed.made)
