"""A map of a collection: a sample of its items laid out, and how its points are coloured by an attribute."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .work import Report

if TYPE_CHECKING:
    import pyarrow as pa

    from ...store import Batch, Store

MOST_ITEMS = 100_000
NEIGHBORS = 15
# Below this a scan finds the neighbours in about the time that an index would be built in.
_SCANNED = 8000
_BEAM = 64
# In larger maps t-SNE leaves little room between groups.
_CROWDED = 20_000
# Of the codes of a column of groups: as many as there are colours, the rest together, and those without a value.
COLORS = 10
OTHER = 10
MISSING = 11


@dataclass(frozen=True)
class Atlas:
    """A drawn map. ``revision`` is that of the collection, ``positions`` (n, 2), ``trust`` (n,) the share of each
    item's nearest that are nearest on the map, ``telling`` the attributes that tell its items apart."""

    revision: str
    ids: list[Any]
    positions: np.ndarray
    trust: np.ndarray
    attributes: pa.Table | None
    telling: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; arrays as base64 of little-endian numbers, ``trust`` in 255ths."""
        return {
            "ids": self.ids,
            "x": encoded(self.positions[:, 0], "<f4"),
            "y": encoded(self.positions[:, 1], "<f4"),
            "trust": encoded(np.round(255 * self.trust), "u1"),
            "kept": float(self.trust.mean()) if len(self.trust) else 0.0,
            "telling": self.telling,
        }


def read(store: Store, count: int) -> tuple[str, Batch, str]:
    """What a map is drawn of: the revision, at most ``count`` items, the metric."""
    revision = store.revision
    return revision, store.sample(min(count, MOST_ITEMS), payload=False), store.metric


def draw(revision: str, batch: Batch, metric: str, report: Report) -> Atlas:
    """Draw the map of some items; ValueError where there are fewer than three."""
    from ...view import layout, neighbors_kept

    if len(batch) < 3:
        raise ValueError(f"a map needs at least 3 items, the collection has {len(batch)}")
    vectors = np.ascontiguousarray(batch.vectors, np.float32)
    # Under inner product the row with the largest product is seldom near in any sense that can be drawn.
    metric = "l2" if metric == "ip" else metric
    report("Finding neighbours", 0.0)
    neighbors = _neighbors(vectors, metric)
    rounds, exaggeration = (600, 1.0) if len(batch) <= _CROWDED else (500, 1.5)
    positions = layout(
        vectors,
        metric=metric,
        neighbors=neighbors,
        rounds=rounds,
        exaggeration=exaggeration,
        report=lambda done, total: report("Laying out", done / total),
    )
    report("Measuring the map", 0.0)
    trust, table = neighbors_kept(positions, neighbors), batch.attributes
    telling = [] if table is None else [name for name in table.column_names if tells(table[name])]
    return Atlas(revision, batch.ids, positions, trust, table, telling)


def _neighbors(vectors: np.ndarray, metric: str) -> np.ndarray:
    from ...index import Flat, Graph

    k = min(NEIGHBORS, len(vectors) - 1)
    if len(vectors) <= _SCANNED:
        found = Flat(metric).build(vectors).search(vectors, k + 1).rows
    else:
        found = Graph(metric).build(vectors).search(vectors, k + 1, beam=_BEAM).rows
    own = found == np.arange(len(vectors))[:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(np.asarray(found, np.int64), order, axis=1)


def colored(column: pa.ChunkedArray, kind: str) -> dict[str, Any]:
    """What colours points by an attribute: numbers and times as they are, anything else by its most frequent values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind in ("int", "float", "timestamp"):
        if kind == "timestamp":
            column = pc.divide(pc.cast(pc.cast(column, pa.timestamp("us", "UTC")), pa.int64()), 1_000_000)
        values = pc.cast(column, pa.float64(), safe=False).to_numpy().astype(np.float64)
        known = values[np.isfinite(values)]
        if kind != "int" or len(np.unique(known)) > COLORS:
            # The ends are those of 98% of the values: one outlier would take all the colours.
            low, high = (float(q) for q in np.quantile(known, (0.01, 0.99))) if len(known) else (0.0, 0.0)
            shifted = encoded(values, "<f4")
            return {"kind": "number", "time": kind == "timestamp", "low": low, "high": high, "data": shifted}
    if kind == "strings":
        column = pc.list_element(pc.if_else(pc.greater(pc.list_value_length(column), 0), column, None), 0)
    tally = values_of(column)
    known_values = [value for value, _ in tally[:COLORS]]
    codes = pc.index_in(column, pa.array(known_values, column.type)).to_numpy().astype(np.float64)
    missing = np.asarray(pc.is_null(column))
    codes = np.where(missing, MISSING, np.where(np.isnan(codes), OTHER, codes)).astype(np.uint8)
    return {
        "kind": "category",
        "values": known_values,
        "counts": [many for _, many in tally[:COLORS]],
        "distinct": len(tally),
        "other": int((codes == OTHER).sum()),
        "missing": int(missing.sum()),
        "data": encoded(codes, "u1"),
    }


def tells(column: pa.ChunkedArray) -> bool:
    """Whether colours by this attribute tell items apart: not where all have one value, or none, or each its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        return False
    if pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    different = pc.count_distinct(column).as_py()
    text = pa.types.is_large_string(column.type)
    return bool(different > 1 and not (text and different == len(column) - column.null_count))


def values_of(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """The distinct values with how often each comes, most frequent first, without the missing ones."""
    import pyarrow.compute as pc

    found = pc.value_counts(column.drop_null())
    values = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    return sorted(values, key=lambda one: (-one[1], str(one[0])))


def encoded(array: np.ndarray, kind: str) -> str:
    """Numbers as base64."""
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()
