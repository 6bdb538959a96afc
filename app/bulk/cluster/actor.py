"""What runs on each core of a cluster: a shard after the other, from a range of a file to a part in the folder."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from ... import encoder
from ...encoder import Encoder, ModelInfo
from ...errors import BulkError, ConfigurationError, ModelRefusedError
from ...request_errors import RequestError
from ...settings import Settings
from ...version import VERSION
from ..encoders import encoded
from ..reader import CHUNK_LINES, Chunk, Rejected
from . import part, plan, shard_texts
from .inputs import Source
from .plan import Done, Plan, Recipe, Shard
from .storage import Location

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Serving:
    """What a node made of the settings: all nodes must make the same of them."""

    info: ModelInfo
    version: str
    host: str


def serving(settings: Settings) -> Serving:
    """In a task: load the model on this node, once for all that come after it. Raises what `open_encoder` does."""
    return Serving(opened(settings).info, VERSION, socket.gethostname())


def opened(settings: Settings) -> Encoder:
    """Raises ConfigurationError, ModelRefusedError."""
    chosen = encoder.verify_and_plan(settings)
    encoder.import_engine(chosen)
    return encoder.open_encoder(chosen)


class Actor:
    """Holds a model; a failure is told in the answer, for Ray would only begin again."""

    def __init__(
        self, settings: Settings, sources: list[Source], folder: str, plan_sha256: str, environ: dict[str, str]
    ) -> None:
        """`environ`: what keeps libraries to one thread; whoever started this node may not have said so."""
        os.environ.update(environ)
        self._sources = sources
        self._folder = Location(folder)
        self._fault = ""
        try:
            self._plan = self._found(plan_sha256)
            self._encoder = opened(settings)
            self._check_model()
        except (BulkError, ConfigurationError, ModelRefusedError) as error:
            self._fault = f"{socket.gethostname()}: {error}"

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """`row`: {"shard": the shard's place in the plan}; {"done": a Done as JSON} or {"fault": a sentence}."""
        answer = {"shard": row["shard"], "done": b"", "fault": self._fault, "is_all_lost": bool(self._fault)}
        if not self._fault:
            try:
                answer["done"] = msgspec.json.encode(self._do(self._plan.shards[int(row["shard"])]))
            except (BulkError, RequestError, OSError) as error:
                answer["fault"] = f"{socket.gethostname()}: {error}"
        return answer

    def _found(self, plan_sha256: str) -> Plan:
        found = plan.read(self._folder)
        if found is None or found.sha256 != plan_sha256:
            raise BulkError(f"{self._folder.path} is another folder here: it has to be where all machines see it")
        return found

    def _check_model(self) -> None:
        info, recipe = self._encoder.info, self._plan.recipe
        for name in ("fingerprint", "engine", "precision", "sums"):
            here, wanted = getattr(info, name), getattr(recipe, name)
            if here != wanted:
                raise BulkError(f"{name} is {here} here, but {wanted} in the plan: its vectors would be others")

    def _do(self, shard: Shard) -> Done:
        self._count_attempt(shard)
        source, recipe = self._sources[shard.input], self._plan.recipe
        chunk = shard_texts.read(source, shard, recipe)
        made = encoded_by_length(self._encoder, chunk, recipe)
        places = np.flatnonzero(made.is_there)
        names = chunk.ids if recipe.id_field else [f"{source.input.name}:{line}" for line in chunk.lines]
        content = part.parquet(
            [str(names[place]) for place in places],
            made.vectors[places],
            [chunk.texts[place] for place in places] if recipe.with_text else None,
            recipe,
        )
        self._write(self._plan.part_name(shard), content)
        if rejected := chunk.rejected + made.rejected:
            rejected.sort(key=lambda one: one.line)
            self._write(self._plan.rejected_name(shard), part.rejected_lines(rejected, source.input.name))
        done = Done(
            part=self._plan.part_name(shard),
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            vectors=len(places),
            rejected=len(rejected),
            tokens=made.tokens,
            cut_texts=made.cut_texts,
            lines=chunk.end.line - shard.line,
        )
        self._write(self._plan.done_name(shard), msgspec.json.encode(done))
        return done

    def _count_attempt(self, shard: Shard) -> None:
        """Ray begins a shard again when its actor has died, however often; not so over one that kills whoever tries."""
        names = (self._plan.begun_name(shard, attempt) for attempt in range(ATTEMPTS))
        free = next((name for name in names if not self._folder.below(name).is_there()), None)
        if not free:
            name = self._sources[shard.input].input.name
            raise BulkError(
                f"{name}, after line {shard.line}: whoever tries it is killed, most likely for want of memory"
            )
        self._write(free, b"")

    def _write(self, name: str, content: bytes) -> None:
        self._folder.below(name).write(content)


@dataclass(slots=True)
class Made:
    """A shard's vectors, by the places of its texts."""

    vectors: np.ndarray
    """float32, shape (texts, dimension)."""
    is_there: np.ndarray
    """bool, shape (texts,): whether there is a vector."""
    rejected: list[Rejected] = field(default_factory=list)
    tokens: int = 0
    cut_texts: int = 0


def encoded_by_length(serving: Encoder, chunk: Chunk, recipe: Recipe) -> Made:
    """Texts of a length are encoded together: where an engine pads, it has nothing to pad. Raises RequestError."""
    count = len(chunk.texts)
    made = Made(np.empty((count, recipe.dimension), np.float32), np.zeros(count, bool))
    order = sorted(range(count), key=lambda place: len(chunk.texts[place]))
    for begin in range(0, count, CHUNK_LINES):
        places = order[begin : begin + CHUNK_LINES]
        texts, lines = [chunk.texts[place] for place in places], [chunk.lines[place] for place in places]
        found = encoded(serving, Chunk(chunk.end, texts, list(places), lines), truncate=recipe.truncate)
        kept = np.array(found.chunk.ids, np.intp)
        made.vectors[kept] = found.vectors
        made.is_there[kept] = True
        made.rejected += found.chunk.rejected
        made.tokens += found.tokens
        made.cut_texts += found.cut_texts
    return made
