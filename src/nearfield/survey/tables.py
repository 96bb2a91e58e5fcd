"""Tables and what an encoder makes of them: checked, and the cosines of vectors that should be the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS = ("columns", "rows", "cells", "table")
Encode = Callable[["pa.Table"], Any]


def as_tables(tables: Any) -> list[pa.Table]:
    """One table or several, each of pyarrow or a mapping of names to columns; with rows and columns."""
    import pyarrow as pa

    if isinstance(tables, (pa.Table, Mapping)):
        tables = [tables]
    if isinstance(tables, (str, bytes)) or not isinstance(tables, Iterable):
        raise TypeError(f"tables: expected tables of pyarrow or mappings of columns, got {type(tables).__name__}")
    made = []
    for number, table in enumerate(tables):
        if not isinstance(table, pa.Table):
            if not isinstance(table, Mapping):
                what = type(table).__name__
                raise TypeError(f"tables: expected a pyarrow.Table or a mapping of columns, got {what} at {number}")
            table = pa.table(dict(table))
        if table.num_rows == 0 or table.num_columns == 0:
            shape = f"{table.num_rows} x {table.num_columns}"
            raise ValueError(f"tables: expected at least one row and one column, got {shape} at {number}")
        made.append(table)
    if not made:
        raise ValueError("tables: expected at least one table, got none")
    return made


def encoded(encode: Encode, table: pa.Table, level: str) -> np.ndarray:
    """What ``encode`` gives for the table: float64, (columns, d), (rows, d), (rows, columns, d) or (1, d) by level."""
    made = np.asarray(encode(table), np.float64)
    if level == "table" and made.ndim == 1:
        made = made[None]
    wanted = {
        "columns": (table.num_columns,),
        "rows": (table.num_rows,),
        "cells": (table.num_rows, table.num_columns),
        "table": (1,),
    }[level]
    if made.shape[:-1] != wanted or made.ndim == 0 or made.shape[-1] == 0:
        expected = ", ".join(map(str, (*wanted, "d")))
        raise ValueError(f"encode: expected {level} as an array of shape ({expected}), got {made.shape}")
    if not np.isfinite(made).all():
        raise ValueError("encode: expected finite values, got NaN or infinity")
    return made


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each pair of rows; of two zero vectors 1, of one 0."""
    norms = np.linalg.norm(left, axis=-1), np.linalg.norm(right, axis=-1)
    dots = (left * right).sum(axis=-1)
    both = norms[0] * norms[1]
    found = np.divide(dots, both, out=np.zeros_like(dots), where=both > 0)
    return np.where((norms[0] == 0) & (norms[1] == 0), 1.0, found).clip(-1, 1)


def spread(population: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of (m, n, d), m versions of n vectors: for each, the mean cosine of two versions and the variation.

    The latter is the coefficient of variation of many variables of Albert and Zhang (2010):
    sqrt(mean' covariance mean) / |mean|^2.
    """
    versions = len(population)
    norms = np.linalg.norm(population, axis=2, keepdims=True)
    unit = np.divide(population, norms, out=np.zeros_like(population), where=norms > 0)
    length = (unit.sum(axis=0) ** 2).sum(axis=-1)
    filled = (norms[..., 0] > 0).sum(axis=0)
    pairs = (length - filled) / (versions * (versions - 1))
    pairs = np.where(filled == 0, 1.0, pairs)
    mean = population.mean(axis=0)
    along = ((population - mean) * mean).sum(axis=-1)
    squares = (mean**2).sum(axis=-1)
    deviation = np.sqrt((along**2).sum(axis=0) / (versions - 1))
    variation = np.divide(deviation, squares, out=np.zeros_like(squares), where=squares > 0)
    return pairs.clip(-1, 1), variation
