"""A store as a stream of Arrow batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..store import Store

if TYPE_CHECKING:
    import pyarrow as pa


def to_arrow(
    store: Store | str | os.PathLike[str], columns: Sequence[str] | None = None, *, batch_size: int = 1024
) -> pa.RecordBatchReader:
    """A store, open or by its path, as a ``pyarrow.RecordBatchReader`` that DuckDB, polars and pyarrow read.

    ``duckdb.sql("select year, count(*) from reader group by year")`` reads it once, a batch at a time. An open store
    can be named in the query itself (``from store``), as often as one likes; its columns are those of
    :meth:`nearfield.store.Store.to_arrow`. A path is opened for reading and closed with the stream.

    Parameters
    ----------
    store : an open store, or the path of one.
    columns : names of the columns wanted; None means all.
    batch_size : items a batch.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Store.create(folder.name + "/a.nf", dim=2) as store:
    ...     store.add([7], np.float32([[1, 0]]))
    1
    >>> to_arrow(folder.name + "/a.nf", ["id"]).read_all().to_pylist()
    [{'id': 7}]
    >>> folder.cleanup()
    """
    if isinstance(store, Store):
        return store.to_arrow(columns, batch_size=batch_size)
    if not isinstance(store, str | os.PathLike):
        raise TypeError(f"store: expected a Store or the path of one, got {type(store).__name__}")
    import pyarrow as pa

    opened = Store.open(store, read_only=True, watch=0.0)
    try:
        reader = opened.to_arrow(columns, batch_size=batch_size)
    except BaseException:
        opened.close()
        raise

    def batches() -> Iterator[Any]:
        with opened:
            yield from reader

    return pa.RecordBatchReader.from_batches(reader.schema, batches())
