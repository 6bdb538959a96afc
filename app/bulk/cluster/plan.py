"""What is to be made of what, cut beforehand into numbered shards; whoever goes on must have the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from ...errors import BulkError
from .storage import Location

NAME, BEGUN = "_plan.json", "_begun"
DIGITS = 5


class Input(msgspec.Struct, frozen=True):
    """A file as it was when the plan was made."""

    name: str
    """As ids have it: without what a URI may carry beside."""
    format: str
    size_bytes: int
    modified_ns: int


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that the bytes of a part depend on, beside its shard."""

    text_field: str
    id_field: str
    max_chars: int
    max_line_bytes: int
    truncate: bool
    vectors: str
    """float32 or float16."""
    with_text: bool
    shard_bytes: int
    model: str
    fingerprint: str
    """Of the embedding space."""
    engine: str
    precision: str
    sums: str
    dimension: int
    max_tokens: int
    version: str
    """Of serve-bert, which may change how a part is laid out."""
    pyarrow: str


class Shard(msgspec.Struct, frozen=True, array_like=True):
    """A range of one input that becomes one part."""

    number: int
    input: int
    """Its place among the inputs."""
    start: int
    """Bytes before it; of a Parquet file, rows of the row group."""
    end: int
    line: int
    """Lines, or rows of the file, before it."""
    group: int = 0
    """Of a Parquet file: the row group."""


class Plan(msgspec.Struct, frozen=True):
    """See the module."""

    recipe: Recipe
    inputs: list[Input]
    shards: list[Shard]

    @property
    def sha256(self) -> str:
        """By which actors see that it is the same."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    def label(self, shard: Shard) -> str:
        """Its number as names have it: they sort as the numbers do."""
        return f"{shard.number:0{max(DIGITS, len(str(len(self.shards))))}d}"

    def part_name(self, shard: Shard) -> str:
        """Its rows."""
        return f"part-{self.label(shard)}.parquet"

    def done_name(self, shard: Shard) -> str:
        """Says that all of it is there."""
        return f"_done/{self.label(shard)}.json"

    def begun_name(self, shard: Shard, attempt: int) -> str:
        """Says that somebody has begun with it, in this run."""
        return f"{BEGUN}/{self.label(shard)}.{attempt}"

    def rejected_name(self, shard: Shard) -> str:
        """Its lines without a vector, if there are any."""
        return f"_rejected/part-{self.label(shard)}.jsonl"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is whole: a line of the manifest."""

    part: str
    sha256: str
    bytes: int
    vectors: int
    rejected: int
    tokens: int
    cut_texts: int
    lines: int
    """Of the input, empty ones included."""


def read(folder: Location) -> Plan | None:
    """The plan of a folder that was begun. Raises BulkError if it is none of ours."""
    place = folder.below(NAME)
    content = place.read()
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=Plan)
    except msgspec.DecodeError as error:
        raise BulkError(f"{place.path} is damaged, or another version's ({error}): take another folder") from None


def check_same(begun: Plan, recipe: Recipe, inputs: Sequence[Input], folder: str) -> None:
    """Raise BulkError with the first difference, unless it is none."""
    differs = ""
    if begun.inputs != list(inputs):
        differs = _inputs_differ(begun.inputs, list(inputs))
    for name in Recipe.__struct_fields__:
        old, new = getattr(begun.recipe, name), getattr(recipe, name)
        if old != new and not differs:
            differs = f"{name} was {old!r} and is {new!r}"
    if differs:
        raise BulkError(f"{folder} was begun otherwise: {differs}; take another folder, or remove this one")


def _inputs_differ(old: list[Input], new: list[Input]) -> str:
    before, now = ({one.name: one for one in each} for each in (old, new))
    for name in [*before, *now]:
        if name not in now:
            return f"{name} was among its inputs"
        if name not in before:
            return f"{name} was not among its inputs"
        if before[name] != now[name]:
            return f"{name} was another file ({before[name].size_bytes} bytes; now {now[name].size_bytes}, or newer)"
    return "its inputs came in another order"
