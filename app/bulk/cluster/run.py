"""The driver: plans, gives the missing shards to actors, and says when the folder is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow
import ray
import ray.data

from ...encoder import ModelInfo
from ...errors import BulkError
from ...settings import Settings
from ...version import VERSION
from . import actor, connection, cut, inputs, plan
from .plan import Done, Plan, Recipe, Shard
from .storage import PARTIAL, Location, shown

MANIFEST = "_manifest.jsonl"
READERS = 32
# Each takes the driver a millisecond before anything begins (11 s for these, on a Xeon). Of more shards a task has
# several.
MOST_TASKS = 10_000
SHARDS = 256
LEAST_SHARD_BYTES, MOST_SHARD_BYTES = 64 << 10, 2 << 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command says."""

    names: Sequence[str]
    folder: str
    address: str
    """Of a cluster; "local": this machine."""
    format: str | None
    text_field: str
    id_field: str
    vectors: str
    with_text: bool
    shard_bytes: int | None
    """None: by the size of all inputs."""
    actors: int | None
    """None: one a core of the cluster."""
    environ: Mapping[str, str]
    """What each actor sets before it loads the model."""


class Run:
    """One run of the command. `ray` is connected to until `close`."""

    def __init__(self, asked: Asked, settings: Settings) -> None:
        """Plan, or go on with the plan that is there. Raises BulkError."""
        self._asked = asked
        self.folder = Location(asked.folder)
        self.name = shown(asked.folder)
        self.sources = inputs.found(asked.names, asked.format, but=self.folder)
        self._begun = plan.read(self.folder)
        connection.connect(asked.address)
        settings = msgspec.structs.replace(settings, api_key="", api_key_file="")  # nobody there needs them
        if self._begun:
            settings = as_begun(settings, self._begun.recipe)
        serving = connection.asked_one(actor.serving, settings)
        if serving.version != VERSION:
            raise BulkError(f"{serving.host} has serve-bert {serving.version}, this machine {VERSION}")
        self.info: ModelInfo = serving.info
        self._settings = pinned(settings, self.info)
        self.plan = self._planned()
        self.folder.below(plan.BEGUN).remove()
        self.done: dict[int, Done] = dict(self._found_done())
        """By the shards' numbers."""

    @property
    def actors(self) -> int:
        """How many are to encode."""
        cores = int(ray.cluster_resources().get("CPU", 1))
        return max(1, min(self._asked.actors or cores, len(self.plan.shards) - len(self.done)))

    def shards(self) -> Iterator[Done | str]:
        """Have the missing ones done: each as it is whole, or a sentence why it is not. Raises BulkError."""
        missing = [{"shard": one.number} for one in self.plan.shards if one.number not in self.done]
        if not missing:
            return
        rows = ray.data.from_items(missing, override_num_blocks=min(len(missing), MOST_TASKS)).map(
            actor.Actor,
            fn_constructor_args=(
                *(self._settings, self.sources, self.folder.uri, self.plan.sha256),
                dict(self._asked.environ),
            ),
            compute=ray.data.ActorPoolStrategy(size=self.actors),
            num_cpus=1,
        )
        for row in connection.told(rows.iter_rows):
            if row["is_all_lost"]:
                raise BulkError(row["fault"])
            if row["fault"]:
                yield row["fault"]
                continue
            found = msgspec.json.decode(row["done"], type=Done)
            self.done[row["shard"]] = found
            yield found

    def finish(self) -> None:
        """Write the manifest, if nothing is missing. Raises BulkError if a part is not where it was written."""
        there = dict(self._found_done())
        for shard in self.plan.shards:
            if shard.number not in there:
                raise BulkError(f"{self.plan.part_name(shard)} is not in {self.name} as it was written")
        lines = (msgspec.json.encode(there[shard.number]) + b"\n" for shard in self.plan.shards)
        self.folder.below(MANIFEST).write(b"".join(lines))
        self.folder.below(plan.BEGUN).remove()
        if self.folder.is_local:
            for left in Path(self.folder.path).rglob(f".*{PARTIAL}"):
                left.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the cluster; one that was started for this run ends."""
        ray.shutdown()

    def _planned(self) -> Plan:
        begun, own = self._begun, [one.input for one in self.sources]
        by_default = begun.recipe.shard_bytes if begun else default_shard_bytes(sum(one.size_bytes for one in own))
        recipe = recipe_of(self._asked, self._asked.shard_bytes or by_default, self._settings, self.info)
        if begun:
            plan.check_same(begun, recipe, own, self.name)
            return begun
        if self.folder.listed():
            raise BulkError(f"{self.name} has files, but no plan of ours: take another folder")
        counted = _counted(cut.ranges(self.sources, recipe.shard_bytes), recipe)
        found = Plan(recipe, own, cut.shards(counted))
        self.folder.below(plan.NAME).write(msgspec.json.encode(found))
        return found

    def _found_done(self) -> Iterator[tuple[int, Done]]:
        """Those whose part is there with its size."""
        sizes = {Path(one.path).name: one.size for one in self.folder.listed()}
        begun = [one for one in self.plan.shards if Path(self.plan.done_name(one)).name in sizes]
        with ThreadPoolExecutor(READERS) as pool:
            for shard, content in zip(begun, pool.map(self._read_done, begun), strict=True):
                found = msgspec.json.decode(content, type=Done)
                if sizes.get(found.part) == found.bytes:
                    yield shard.number, found

    def _read_done(self, shard: Shard) -> bytes:
        return self.folder.below(self.plan.done_name(shard)).read() or b""


def default_shard_bytes(total_bytes: int) -> int:
    """Some hundreds of shards, each seconds to minutes of work, so that cores end together and little is done again."""
    return min(max(total_bytes // SHARDS, LEAST_SHARD_BYTES), MOST_SHARD_BYTES)


def recipe_of(asked: Asked, shard_bytes: int, settings: Settings, info: ModelInfo) -> Recipe:
    """All that the bytes depend on."""
    return Recipe(
        text_field=asked.text_field,
        id_field=asked.id_field,
        max_chars=settings.max_chars,
        max_line_bytes=settings.max_body_bytes,
        truncate=settings.truncate,
        vectors=asked.vectors,
        with_text=asked.with_text,
        shard_bytes=shard_bytes,
        model=info.model_id,
        fingerprint=info.fingerprint,
        engine=info.engine,
        precision=info.precision,
        sums=info.sums,
        dimension=info.dimension,
        max_tokens=info.max_tokens,
        version=VERSION,
        pyarrow=pyarrow.__version__,
    )


def as_begun(settings: Settings, recipe: Recipe) -> Settings:
    """What is `auto` has been chosen already."""
    chosen = {name: getattr(recipe, name) for name in ("engine", "precision") if getattr(settings, name) == "auto"}
    return msgspec.structs.replace(settings, **chosen)


def pinned(settings: Settings, info: ModelInfo) -> Settings:
    """`auto` is chosen once: a machine that would choose otherwise makes the same vectors, or says that it cannot."""
    isa = info.isa if info.engine == "native" else settings.isa
    return msgspec.structs.replace(settings, engine=info.engine, precision=info.precision, isa=isa)


def _counted(ranges: Sequence[cut.Range], recipe: Recipe) -> list[cut.Counted]:
    task = ray.remote(num_cpus=connection.TASK_CORES)(cut.count)
    return list(connection.told(lambda: iter(ray.get([task.remote(one, recipe) for one in ranges]))))
