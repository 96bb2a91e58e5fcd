"""Hits as a table: one row for every hit, for Arrow, pandas, polars and DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .dumping import json_text

if TYPE_CHECKING:
    from .hits import Hit, Hits


def hit_columns(hits: Hits) -> tuple[dict[str, list[Any]], str | None]:
    """The columns in their order, and which of them is the payload; see :meth:`Hits.to_arrow`."""
    each = [hits] if hits.single else list(hits)
    found: list[Hit] = [hit for one in each for hit in one]
    columns: dict[str, list[Any]] = {}
    if not hits.single:
        columns["query"] = [number for number, one in enumerate(each) for _ in range(len(one))]
    columns["rank"] = [rank for one in each for rank in range(len(one))]
    columns["id"] = [hit.id for hit in found]
    columns["distance"] = [hit.distance for hit in found]
    if hits.relevance is not None:
        columns["relevance"] = [hit.relevance for hit in found]
    for leg in _names(hit.legs for hit in found):
        columns[f"{leg}_leg"] = [(hit.legs or {}).get(leg) for hit in found]
    if hits.groups is not None:
        columns["group"] = [hit.group for hit in found]
    if hits.text is not None:
        columns["text"] = [hit.text for hit in found]
    payload = None
    if hits.payload is not None:
        payload = "payload"
        columns[payload] = [hit.payload for hit in found]
    attributes = _names(hit.attributes for hit in found)
    for name in attributes:  # ours are pushed aside, as in a dump
        if name in columns:
            free = name
            while free in columns or free in attributes:
                free = "_" + free
            columns = {free if own == name else own: values for own, values in columns.items()}
            payload = free if payload == name else payload
    for name in attributes:
        columns[name] = [(hit.attributes or {}).get(name) for hit in found]
    return columns, payload


def _names(dicts: Any) -> list[str]:
    return list(dict.fromkeys(name for one in dicts for name in one or ()))


def to_arrow(hits: Hits) -> Any:
    """See :meth:`Hits.to_arrow`."""
    import pyarrow as pa

    columns, payload = hit_columns(hits)
    types = {"query": pa.int64(), "rank": pa.int64(), "distance": pa.float64(), "relevance": pa.float64()}
    arrays = {}
    for name, values in columns.items():
        if name == payload:
            arrays[name] = pa.array([json_text(value) for value in values], pa.large_string())
        else:
            arrays[name] = pa.array(values, types.get(name.lstrip("_")) if values == [] else None)
    return pa.table(arrays)


def to_pandas(hits: Hits) -> Any:
    """See :meth:`Hits.to_pandas`."""
    from ..common.checks import require

    pandas = require("pandas", "frames")
    columns, payload = hit_columns(hits)
    frame = to_arrow(hits).to_pandas()
    if payload is not None:
        frame[payload] = pandas.Series(columns[payload], index=frame.index, dtype=object)
    return frame


def to_polars(hits: Hits) -> Any:
    """See :meth:`Hits.to_polars`."""
    from ..common.checks import require

    return require("polars", "frames").from_arrow(to_arrow(hits))
