"""A shard's rows as the bytes of a Parquet file: the same rows give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow
import pyarrow.parquet

from ..reader import Rejected
from .plan import Recipe

# Vectors are noise to whatever compresses.
COMPRESSION = {"id": "zstd", "text": "zstd", "vector.list.element": "none"}


def parquet(ids: Sequence[str], vectors: np.ndarray, texts: Sequence[str] | None, recipe: Recipe) -> bytes:
    """Columns id (string), vector (a list of so many float32 or float16), text if there are any.

    `vectors`: float32, shape (texts, dimension). The metadata tell the model, under names that begin with serve_bert.
    """
    numbers = np.ascontiguousarray(vectors, np.dtype(recipe.vectors)).reshape(-1)
    columns = {
        "id": pyarrow.array(ids, pyarrow.string()),
        "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(numbers), recipe.dimension),
    }
    if texts is not None:
        columns["text"] = pyarrow.array(texts, pyarrow.string())
    names = ("model", "fingerprint", "engine", "precision", "sums", "max_tokens", "version")
    metadata = {f"serve_bert.{name}": str(getattr(recipe, name)) for name in names}
    table = pyarrow.table(columns).replace_schema_metadata(metadata)
    content = io.BytesIO()
    pyarrow.parquet.write_table(
        table,
        content,
        compression={name: kind for name, kind in COMPRESSION.items() if name.partition(".")[0] in columns},
        use_dictionary=False,
        write_statistics=["id"],
        store_schema=True,
    )
    return content.getvalue()


def rejected_lines(rejected: Sequence[Rejected], name: str) -> bytes:
    """A JSON object a line: file, line, reason, start."""
    rows = ({"file": name, "line": one.line, "reason": one.reason, "start": one.start} for one in rejected)
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
