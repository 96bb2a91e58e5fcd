"""Fusion without judgements: reciprocal ranks and normalised sums, the field's usual ways and our baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int
from .fusion import checked


def reciprocal_rank_fusion(scores: Any, queries: Any = None, *, k: int = 60) -> np.ndarray:
    """The sum over the legs of ``1 / (k + rank)``, (m,): larger is better; ranks count from 1 within each query.

    Choose it when nothing is known of the scores but their order. It forgets how sure a leg was, so a weak leg pulls a
    strong one down: see :class:`Fusion`.

    Parameters
    ----------
    scores : (m, legs), larger is better; NaN where a leg did not name the candidate. Equal scores share the best rank.
    queries : (m,) ints, the query of each candidate; None: all are of one.
    k : 60 as in the source; 5 to 20 let the first few weigh more, and did better on the sets tried.

    Notes
    -----
    Source: Cormack, Clarke and Büttcher, SIGIR 2009.

    Examples
    --------
    >>> reciprocal_rank_fusion([[9.0, 0.2], [7.0, 0.8], [1.0, np.nan]], k=1).round(2).tolist()
    [0.83, 0.83, 0.25]
    """
    check_int(k, "k", 0)
    values, groups = checked(scores, queries)
    total = np.zeros(len(values))
    for column in values.T:
        known = np.flatnonzero(~np.isnan(column))
        order = known[np.lexsort((-column[known], groups[known]))]
        new = np.append(True, groups[order][1:] != groups[order][:-1])[: len(order)]
        place = np.arange(len(order))
        begins = np.maximum.accumulate(np.where(new, place, 0))
        fresh = new | np.append(True, column[order][1:] != column[order][:-1])[: len(order)]
        rank = np.maximum.accumulate(np.where(fresh, place, 0)) - begins + 1
        total[order] += 1.0 / (k + rank)
    return total


def normalized_sum(scores: Any, queries: Any = None, *, how: str = "minmax", weights: Any = None) -> np.ndarray:
    """The weighted sum of each leg's scores, brought to one scale within each query, (m,).

    Choose it over ranks when the scores say how sure a leg is.

    Parameters
    ----------
    scores : (m, legs), larger is better; NaN where a leg did not name the candidate, which then gets its least score.
    queries : (m,) ints, the query of each candidate; None: all are of one.
    how : "minmax" (0 for a query's worst candidate, 1 for its best) or "zscore" (mean 0, standard deviation 1).
    weights : one a leg, 0 or more; None: all alike.

    Examples
    --------
    >>> normalized_sum([[9.0, 0.2], [5.0, 0.8], [1.0, np.nan]]).tolist()
    [0.5, 0.75, 0.0]
    """
    check_choice(how, "how", ("minmax", "zscore"))
    values, groups = checked(scores, queries)
    weight = np.full(values.shape[1], 1 / values.shape[1]) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != (values.shape[1],) or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(f"weights: expected {values.shape[1]} numbers of 0 or more, got {weights!r}")
    count = int(groups.max()) + 1 if len(groups) else 0
    total = np.zeros(len(values))
    for column, part in zip(values.T, weight, strict=True):
        known = ~np.isnan(column)
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, groups[known], column[known])
        np.maximum.at(high, groups[known], column[known])
        filled = np.where(known, column, np.where(np.isfinite(low), low, 0.0)[groups])
        if how == "minmax":
            shift, unit = low, high - low
        else:
            size = np.maximum(np.bincount(groups, minlength=count), 1)
            shift = np.bincount(groups, filled, count) / size
            unit = np.sqrt(np.bincount(groups, (filled - shift[groups]) ** 2, count) / size)
        unit = np.where(np.isfinite(unit) & (unit > 0), unit, 1.0)
        total += part * (filled - np.where(np.isfinite(shift), shift, 0.0)[groups]) / unit[groups]
    return total
