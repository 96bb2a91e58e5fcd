"""What relational tables mean and vectors may show: joins, functional dependencies, and the same entities elsewhere."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.interval import student_interval
from .collection import Collection
from .invariance import SOURCE
from .jackknife import margin
from .measure import Measure, undefined
from .neighbors import rows_nearest, without_own
from .tables import Encode, as_tables, cosines, encoded

OVERLAPS = ("containment", "jaccard", "multiset_jaccard")
_FEWEST, _WORK = 10, 2e8


def join_correlation(
    encode: Encode, tables: Any, *, overlap: str = "containment", sample: int = 20_000, random_state: int = 0
) -> Measure:
    """Whether columns that can be joined have similar vectors: Spearman's correlation of cosine and shared values.

    Choose it before searching a data lake for tables to join by the vectors of their columns.

    Parameters
    ----------
    encode, tables : as for :func:`row_order_invariance`, two tables or more; vectors of columns. Pairs of columns of
        different tables are compared.
    overlap : "containment" (the share of the first column's different values that the second has), "jaccard" (of the
        values of both), or "multiset_jaccard" (each value as often as it comes).
    sample : pairs at most; drawn when there are more.
    random_state : the seed of the draw.

    Returns
    -------
    Measure
        NaN when every pair overlaps alike, or there are fewer than 10. ``parts``: the correlation by each overlap.

    Notes
    -----
    Observatory's code divides the multiset overlap by the sum of both sizes (at most 1/2), here by the union: the
    ranks, and so the correlation, are the same.

    Examples
    --------
    >>> def letters(table):
    ...     return [[str(column.to_pylist()).count(letter) + 0.1 for letter in "abcdef"] for column in table.columns]
    >>> tables = [{f"{i}": list(word)} for i, word in enumerate(["abc", "abd", "def", "ef", "ab", "fed"])]
    >>> join_correlation(letters, tables).verdict
    'good'
    """
    from scipy.stats import rankdata

    check_choice(overlap, "overlap", OVERLAPS)
    check_int(sample, "sample", _FEWEST)
    name, title = "join_correlation", "Joins"
    vectors, counts, owners = [], [], []
    for number, table in enumerate(as_tables(tables)):
        vectors.append(encoded(encode, table, "columns"))
        counts += [Counter(v for v in column.to_pylist() if v is not None) for column in table.columns]
        owners += [number] * table.num_columns
    owner = np.array(owners)
    left, right = np.nonzero(owner[:, None] != owner[None])
    chosen = np.random.default_rng([check_random_state(random_state), 94]).permutation(len(left))[:sample]
    left, right = left[chosen], right[chosen]
    if len(left) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} pairs of columns of different tables, and there are {len(left)}."
        return undefined(name, title, why, source=SOURCE)
    stacked = np.concatenate(vectors)
    alike = cosines(stacked[left], stacked[right])
    shared = np.array([_overlaps(counts[a], counts[b]) for a, b in zip(left.tolist(), right.tolist(), strict=True)]).T
    if min(np.ptp(alike), np.ptp(shared[OVERLAPS.index(overlap)])) == 0:
        return undefined(name, title, "Unknown: all pairs of columns are alike, or overlap alike.", source=SOURCE)
    ranks = rankdata(alike)

    def correlation(values: np.ndarray, some: np.ndarray | slice = slice(None)) -> float:
        own, other = (rankdata(line[some]) for line in (ranks, values))
        return float(np.corrcoef(own, other)[0, 1]) if min(np.ptp(own), np.ptp(other)) > 0 else math.nan

    by_kind = {kind: correlation(line) for kind, line in zip(OVERLAPS, shared, strict=True)}
    value = by_kind[overlap]
    groups = np.arange(len(owner)) % 10
    without = [
        correlation(shared[OVERLAPS.index(overlap)], (groups[left] != group) & (groups[right] != group))
        for group in range(10)
    ]
    half = margin(without)
    if value >= 0.5:
        verdict, meaning = "good", f"Columns that share values have similar vectors (rank correlation {value:.2f})."
    elif value >= 0.2:
        verdict = "fair"
        meaning = (
            f"Shared values show in the vectors, among other things (rank correlation {value:.2f}): check overlaps."
        )
    else:
        verdict = "poor"
        meaning = f"The vectors do not say which columns can be joined (rank correlation {value:.2f}): compare values."
    return Measure(
        name,
        value,
        max(value - half, -1.0),
        min(value + half, 1.0),
        meaning,
        title=title,
        verdict=verdict,
        detail=f"{len(left):,} pairs of {len(owner):,} columns; overlap: {overlap.replace('_', ' ')}. "
        "The interval is a jackknife over tenths of the columns.",
        source=SOURCE,
        parts=by_kind,
        arrays={"cosines": alike, "overlap": shared[OVERLAPS.index(overlap)]},
    )


def dependency_consistency(encode: Encode, table: Any, determinant: str, dependent: str) -> Measure:
    """Whether a functional dependency shows as one step per value: 1 when equal determinants have equal differences.

    In each row the vector of the dependent cell minus that of the determining cell is the step. The value is the share
    of the steps' variance that lies between different determinants, corrected for chance: 1 when rows with the same
    determinant have the same step, 0 when they differ as rows drawn at random do.

    Parameters
    ----------
    encode : called with a ``pyarrow.Table``, gives the vectors of its cells (rows, columns, d).
    table : one table.
    determinant, dependent : names of columns, such as "country" and "continent".

    Returns
    -------
    Measure
        NaN when fewer than two determinants come twice, or all steps are equal. ``parts["within"]``: the paper's
        number, the variance of the steps' lengths within a determinant, averaged; it has no scale of its own.

    Notes
    -----
    The paper compares ``within`` between dependencies that hold and others, of the same model. Lengths can agree where
    steps do not, so the value here uses the steps themselves and their spread over the whole table as the scale. Its
    code encodes each row with two rows above and below it; here the whole table is encoded at once.

    Examples
    --------
    >>> codes = {"Rome": [1.0, 0.0], "Milan": [0.0, 1.0], "Oslo": [2.0, 2.0], "Italy": [5.0, 1.0], "Norway": [1.0, 7.0]}
    >>> def lookup(table):
    ...     return [[codes[value] for value in row.values()] for row in table.to_pylist()]
    >>> table = {"city": ["Rome", "Oslo", "Rome", "Oslo"], "land": ["Italy", "Norway", "Italy", "Norway"]}
    >>> dependency_consistency(lookup, table, "city", "land").value
    1.0
    """
    made = as_tables(table)[0]
    for parameter, column in (("determinant", determinant), ("dependent", dependent)):
        if made.column_names.count(column) != 1:
            raise ValueError(f"{parameter}: expected one of {', '.join(made.column_names)}, got {column!r}")
    name, title = "dependency_consistency", "Functional dependency"
    cells = encoded(encode, made, "cells")
    places = [made.column_names.index(column) for column in (determinant, dependent)]
    steps = cells[:, places[1]] - cells[:, places[0]]
    keys: dict[Any, int] = {}
    codes = np.array([keys.setdefault(value, len(keys)) for value in made.column(determinant).to_pylist()])
    repeated = np.bincount(codes)[codes] > 1
    codes, steps = np.unique(codes[repeated], return_inverse=True)[1], steps[repeated]
    count = int(codes.max()) + 1 if len(codes) else 0
    if count < 2:
        return undefined(name, title, f"Unknown: needs two determinants that come twice, found {count}.", source=SOURCE)
    value, inside, around = _share_between(steps, codes)
    if not math.isfinite(value):
        return undefined(name, title, "Unknown: the step is the same in every row.", source=SOURCE)
    folds = min(20, count)
    half = margin(
        _share_between(steps[codes % folds != fold], codes[codes % folds != fold])[0] for fold in range(folds)
    )
    lengths = np.linalg.norm(steps, axis=1)
    within = float(np.mean([lengths[codes == code].var() for code in range(count)]))
    if value >= 0.95:
        verdict, meaning = (
            "good",
            f"The same {determinant} leads by the same step to its {dependent} ({value:.2f} of 1).",
        )
    elif value >= 0.5:
        verdict = "fair"
        meaning = (
            f"The step from {determinant} to {dependent} varies among equal rows ({value:.2f} of 1): it is a hint."
        )
    else:
        verdict = "poor"
        meaning = f"The vectors do not show that {determinant} decides {dependent} ({value:.2f} of 1), or it does not."
    return Measure(
        name,
        value,
        min(value, value - half),
        max(value, min(value + half, 1.0)),
        meaning,
        title=title,
        verdict=verdict,
        detail=f"{len(codes):,} rows, {count:,} different values of {determinant} that come more than once. "
        "The interval is a jackknife over those values.",
        source=SOURCE,
        parts={"within": within, "groups": count},
        arrays={"inside": inside, "around": around},
    )


def entity_stability(first: Any, second: Any, *, k: int = 10, sample: int = 1000, random_state: int = 0) -> Measure:
    """Whether the same things have the same neighbours in two spaces: the share of ``k`` in common.

    Choose it to see whether entities (cities, products) embedded from other tables, or by another encoder, still find
    the same things; dimensions may differ. Compared by cosine.

    Parameters
    ----------
    first, second : (n, d) and (n, e); row i of both is the same thing. It is not counted among its own neighbours, as
        it is in Observatory's code, where nothing shared is still ``1 / k``.
    k : neighbours compared.
    sample : things asked, fewer for over 200,000; their neighbours are sought among all.
    random_state : the seed of the sample.

    Returns
    -------
    Measure
        NaN for fewer than 10 things or not more than k. ``parts["chance"]``: what unrelated spaces share.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    >>> entity_stability(x, x @ np.linalg.qr(x[:8])[0]).value
    1.0
    """
    check_int(k, "k", 1)
    check_int(sample, "sample", _FEWEST)
    seed = check_random_state(random_state)
    spaces = [Collection.of(vectors, "cosine") for vectors in (first, second)]
    n = len(spaces[0])
    if len(spaces[1]) != n:
        raise ValueError(f"second: expected {n} rows, one for each of first, got {len(spaces[1])}")
    name, title = "entity_stability", "Entities in two spaces"
    if n < max(_FEWEST, k + 2):
        why = f"Unknown: needs at least {max(_FEWEST, k + 2)} things for {k} neighbours, and there are {n}."
        return undefined(name, title, why, source=SOURCE)
    count = int(min(sample, max(_WORK / n, 200)))
    asked = np.sort(np.random.default_rng([seed, 95]).permutation(n)[:count])
    lists = [without_own(rows_nearest(space, space.take(asked), k + 1), asked, k) for space in spaces]
    shares = np.array([len(np.intersect1d(a, b)) / k for a, b in zip(*lists, strict=True)])
    value, low, high = student_interval(shares)
    if value >= 0.7:
        verdict, meaning = "good", f"{value:.0%} of the {k} nearest are the same in both spaces."
    elif value >= 0.4:
        verdict, meaning = "fair", f"{value:.0%} of the {k} nearest are the same in both spaces: results will differ."
    else:
        verdict = "poor"
        meaning = f"Only {value:.0%} of the {k} nearest are the same in both spaces: what one finds the other does not."
    return Measure(
        name,
        value,
        max(low, 0.0),
        min(high, 1.0),
        meaning,
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"{len(asked):,} things asked among {n:,}. Student's t over things asked.",
        source=SOURCE,
        parts={"k": k, "chance": k / (n - 1)},
        arrays={"shares": shares},
    )


def _overlaps(one: Counter[Any], other: Counter[Any]) -> tuple[float, float, float]:
    common = one.keys() & other.keys()
    both = sum(min(one[value], other[value]) for value in common)
    every = one.total() + other.total()
    union = len(one) + len(other) - len(common)
    return len(common) / max(len(one), 1), len(common) / max(union, 1), both / max(every - both, 1)


def _share_between(steps: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The corrected share of variance between groups; distances from the group's mean and from the mean of all."""
    codes = np.unique(codes, return_inverse=True)[1]
    sizes = np.bincount(codes)
    means = np.zeros((len(sizes), steps.shape[1]))
    np.add.at(means, codes, steps)
    means /= sizes[:, None]
    inside = np.linalg.norm(steps - means[codes], axis=1)
    around = np.linalg.norm(steps - steps.mean(axis=0), axis=1)
    free = len(steps) - len(sizes)
    total = float((around**2).sum()) / max(len(steps) - 1, 1)
    if free < 1 or total <= 1e-18 * max(float((steps**2).max(initial=0.0)), 1e-300):
        return math.nan, inside, around
    return 1 - float((inside**2).sum()) / free / total, inside, around
