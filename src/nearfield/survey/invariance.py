"""What should not change the vectors of a table and may: the order of rows and columns, sampling, names, context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from ..common.interval import student_interval
from .measure import Measure
from .tables import LEVELS, Encode, as_tables, cosines, encoded, spread

SOURCE = "Observatory: Cong et al., Characterizing Embeddings of Relational Tables, 2023"


def row_order_invariance(
    encode: Encode, tables: Any, *, level: str = "columns", permutations: int = 8, random_state: int = 0
) -> Measure:
    """Whether vectors stay the same when the rows of the table are shuffled: the mean cosine of two orders, 1 if so.

    The order of rows means nothing in a relational table; an encoder that reads a table as text may see it, and cuts
    off what comes late. For columns there is :func:`column_order_invariance`.

    Parameters
    ----------
    encode : called with a ``pyarrow.Table``, gives the vectors of its ``level``: columns (columns, d), rows (rows, d),
        cells (rows, columns, d), or the table (d,). Any encoder of yours; a wrapper chooses how a column becomes text.
    tables : one or several, each a ``pyarrow.Table`` or a mapping of names to columns. Take twenty or more for a
        narrow interval.
    level : which vectors are compared; each with its own self in the other order.
    permutations : orders compared, beside the one given.
    random_state : the seed of the orders.

    Returns
    -------
    Measure
        ``parts["variation"]`` is the multivariate coefficient of variation over the orders (0: none),
        ``parts["worst"]`` the lowest mean cosine. Arrays: ``cosines``, one a vector.

    Notes
    -----
    Observatory's code compares each order with the one given and takes the mean; here all pairs of orders are, which
    favours none. The coefficient of variation is the same.

    Raises
    ------
    ValueError : vectors of another shape, NaN, empty tables. TypeError : things that are no tables.

    Examples
    --------
    >>> table = {"city": ["Rome", "Oslo", "Bern"], "people": [3, 1, 2]}
    >>> def first_row(table):
    ...     return [[len(str(column[0].as_py())), 1.0] for column in table.columns]
    >>> row_order_invariance(first_row, table, random_state=1).value  # all names have four letters
    1.0
    """
    return _orders("row_order_invariance", "Row order", encode, tables, level, permutations, random_state)


def column_order_invariance(
    encode: Encode, tables: Any, *, level: str = "columns", permutations: int = 8, random_state: int = 0
) -> Measure:
    """Whether vectors stay the same when the columns of the table are shuffled: the mean cosine of two orders.

    As :func:`row_order_invariance`, with the same parameters, returns and errors. Matters where several columns go
    into one text: rows, tables, or columns that are read with their neighbours.

    Examples
    --------
    >>> table = {"city": ["Rome", "Oslo"], "land": ["Italy", "Norway"]}
    >>> def place(table):
    ...     return np.eye(table.num_columns)  # says where a column stands, and nothing else
    >>> column_order_invariance(place, table).value < 0.9
    True
    """
    return _orders("column_order_invariance", "Column order", encode, tables, level, permutations, random_state)


def sample_fidelity(
    encode: Encode, tables: Any, *, share: float = 0.25, draws: int = 4, random_state: int = 0
) -> Measure:
    """How near the vectors of columns from a sample of the rows are to those from all rows: the mean cosine.

    Choose it to see how many rows must be read to embed a large table. ``arrays["shares"]`` and ``arrays["curve"]``
    tell the same for 5%, 10%, 25%, 50% and 75% of the rows.

    Parameters
    ----------
    encode, tables : as for :func:`row_order_invariance`; vectors of columns.
    share : of the rows, drawn without putting back, at least one, kept in their order.
    draws : samples of each table.
    random_state : the seed of the samples.

    Examples
    --------
    >>> def mean_length(table):
    ...     return [[np.mean([len(str(value)) for value in column.to_pylist()]), 1.0] for column in table.columns]
    >>> sample_fidelity(mean_length, {"word": ["a", "bb", "ccc", "dddd"] * 50}).value > 0.99
    True
    """
    share = check_real(share, "share", 0.0, 1.0, open_low=True)
    check_int(draws, "draws", 1)
    seed = check_random_state(random_state)
    shares = np.unique([0.05, 0.1, 0.25, 0.5, 0.75, share])
    found: dict[float, list[np.ndarray]] = {part: [] for part in shares.tolist()}
    for number, table in enumerate(as_tables(tables)):
        whole = encoded(encode, table, "columns")
        rng = np.random.default_rng([seed, 92, number])
        orders = [rng.permutation(table.num_rows) for _ in range(draws)]
        for part, lines in found.items():
            count = max(1, round(part * table.num_rows))
            samples = [encoded(encode, table.take(np.sort(order[:count])), "columns") for order in orders]
            lines.append(np.mean([cosines(sample, whole) for sample in samples], axis=0))
    curve = np.array([np.concatenate(lines).mean() for lines in found.values()])
    return told(
        "sample_fidelity",
        "Sample fidelity",
        found[share],
        f"columns embedded from {share:.0%} of their rows",
        "read more rows before a column is embedded",
        arrays={"shares": shares, "curve": curve},
    )


def schema_robustness(encode: Encode, tables: Any, rename: Mapping[str, str] | Callable[[str], str]) -> Measure:
    """How far the vectors of columns move when the columns get other names for the same thing: the mean cosine.

    Parameters
    ----------
    encode, tables : as for :func:`row_order_invariance`; vectors of columns.
    rename : old name -> new name, a mapping or a function: synonyms and abbreviations that people would use. Only
        columns whose name changes count.

    Raises
    ------
    ValueError : no column has another name afterwards.

    Examples
    --------
    >>> def by_values(table):
    ...     return [[float(len(str(column[0].as_py()))), 1.0] for column in table.columns]
    >>> schema_robustness(by_values, {"population": [5, 6]}, {"population": "inhabitants"}).verdict
    'good'
    """
    new = rename if callable(rename) else lambda name: rename.get(name, name)
    found = []
    for table in as_tables(tables):
        names = [new(name) for name in table.column_names]
        changed = np.array([a != b for a, b in zip(names, table.column_names, strict=True)])
        if changed.any():
            other = encoded(encode, table.rename_columns(names), "columns")
            found.append(cosines(encoded(encode, table, "columns"), other)[changed])
    if not found:
        raise ValueError("rename: expected another name for at least one column, got none")
    return told(
        "schema_robustness",
        "Names of columns",
        found,
        "columns under another name",
        "bring names into one form before they are embedded, or leave them out",
    )


def context_stability(encode: Encode, tables: Any) -> Measure:
    """How near the vector of a column alone is to that of the same column within its table: the mean cosine.

    Not a fault either way: an encoder that reads context tells equal values of different meaning apart, one that does
    not lets columns be embedded one at a time. Tables of one column do not count. Observatory also tries less context,
    the subject column or the neighbours: give such tables.

    Parameters
    ----------
    encode, tables : as for :func:`row_order_invariance`; vectors of columns.

    Raises
    ------
    ValueError : every table has one column only.

    Examples
    --------
    >>> def width(table):
    ...     return [[table.num_columns, 1.0] for _ in table.columns]
    >>> round(context_stability(width, {"a": [1], "b": [2], "c": [3]}).value, 3)
    0.894
    """
    found = []
    for table in as_tables(tables):
        if table.num_columns > 1:
            whole = encoded(encode, table, "columns")
            alone = [encoded(encode, table.select([i]), "columns")[0] for i in range(table.num_columns)]
            found.append(cosines(whole, np.array(alone)))
    if not found:
        raise ValueError("tables: expected a table of two columns or more, got none")
    return told(
        "context_stability",
        "Context",
        found,
        "columns embedded alone",
        "embed a column always with its table or always without",
    )


def told(
    name: str,
    title: str,
    per_table: Sequence[np.ndarray],
    what: str,
    remedy: str,
    *,
    parts: Mapping[str, float] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Measure:
    """The measure of cosines that should be 1: their mean, and an interval over tables (of one table: over vectors)."""
    every = np.concatenate(per_table)
    several = len(per_table) > 1
    _, low, high = student_interval(np.array([line.mean() for line in per_table]) if several else every)
    value = float(every.mean())
    low, high = max(min(low, value), -1.0), min(max(high, value), 1.0)
    if value >= 0.99:
        verdict, meaning = (
            "good",
            f"{what[0].upper()}{what[1:]} have practically the same vectors (cosine {value:.3f}).",
        )
    elif value >= 0.9:
        verdict = "fair"
        meaning = (
            f"{what[0].upper()}{what[1:]} have similar vectors (cosine {value:.3f}): close rivals may change places."
        )
    else:
        verdict = "poor"
        meaning = f"{what[0].upper()}{what[1:]} have other vectors (cosine {value:.3f}), and searches with them other "
        meaning += f"results: {remedy}."
    return Measure(
        name,
        value,
        low,
        high,
        meaning,
        title=title,
        unit="cosine",
        verdict=verdict,
        detail=f"{len(every):,} vectors of {len(per_table):,} table{'s' * several}. Student's t over "
        f"{'tables' if several else 'the vectors of the only table, which is too narrow'}.",
        source=SOURCE,
        parts={"worst": float(every.min()), **(parts or {})},
        arrays={"cosines": every, **(arrays or {})},
    )


def _orders(
    name: str, title: str, encode: Encode, tables: Any, level: str, permutations: int, random_state: int
) -> Measure:
    check_choice(level, "level", LEVELS)
    check_int(permutations, "permutations", 1)
    seed = check_random_state(random_state)
    by_rows = name == "row_order_invariance"
    found, variations = [], []
    for number, table in enumerate(as_tables(tables)):
        rng = np.random.default_rng([seed, 93, number])
        count = table.num_rows if by_rows else table.num_columns
        versions = [encoded(encode, table, level)]
        for _ in range(permutations):
            order = rng.permutation(count)
            moved = table.take(order) if by_rows else table.select(order.tolist())
            made = encoded(encode, moved, level)
            axis = {"rows": 0 if by_rows else None, "columns": None if by_rows else 0, "cells": 0 if by_rows else 1}
            place = axis.get(level)
            versions.append(made if place is None else made.take(np.argsort(order), axis=place))
        stacked = np.array(versions).reshape(len(versions), -1, versions[0].shape[-1])
        pairs, variation = spread(stacked)
        found.append(pairs)
        variations.append(variation)
    return told(
        name,
        title,
        found,
        f"{level if level != 'table' else 'tables'} in another order of {'rows' if by_rows else 'columns'}",
        "sort before the table is embedded, or average over orders",
        parts={"variation": float(np.concatenate(variations).mean())},
    )
