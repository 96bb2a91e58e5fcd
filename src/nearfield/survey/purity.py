"""Neighbour purity: how many of a row's nearest rows carry its label."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int
from ..common.interval import t_quantile
from .collection import METRICS, Collection
from .labels import Labels, labelled_part
from .measure import Measure, undefined
from .neighbors import GROUPS, Neighborhood, list_length, sample_neighbors

_FEWEST = 10
_SOURCE = (
    "Manning, Raghavan & Schuetze (2008), Introduction to Information Retrieval, 8.4 (precision at k, R-precision)"
)


def neighbor_purity(
    vectors: Any,
    labels: Any,
    *,
    k: int = 10,
    metric: str = "cosine",
    sample: int | None = 2000,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Neighbour purity: the share of a row's ``k`` nearest other rows that carry its label.

    The labelled measure nearest to search itself: it is precision at ``k`` when what has the label of the query counts
    as relevant. Choose :func:`class_separability` for classes as a whole, which far-apart parts of one class hurt and
    purity does not mind.

    Parameters
    ----------
    vectors : (n, d).
    labels : n hashable values, one a row; None and NaN mean no label, and such rows are left out.
    k : neighbours of a row; use the k that search will use. A row whose class has fewer than k others is asked for as
        many as there are, so that 1 can always be reached.
    metric : "cosine", "l2" or "ip" (measured as "l2").
    sample : rows that are asked; 2,000 gives the value to about 0.015. None: every row.
    random_state : chooses the sample.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True``; only when every row is
        labelled.

    Returns
    -------
    Measure
        The interval is a delete-a-group jackknife over rows. ``parts``: ``nearest`` (share of rows whose very nearest
        has their label: recall at 1), ``chance`` (the value if labels were dealt out at random), ``worst_class`` (that
        of the class at the lower tenth). ``arrays``: ``per_class``, for the classes with three asked rows or more.
        Rows that repeat another one exactly are left out; a row alone in its class is a neighbour but is not asked.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat(["bird", "fish", "tree"], 100)
    >>> x = np.eye(3).repeat(100, axis=0) + 0.05 * rng.standard_normal((300, 3))
    >>> neighbor_purity(x.astype(np.float32), kind).value
    1.0
    >>> round(neighbor_purity(x.astype(np.float32), rng.permutation(kind)).value, 1)
    0.3
    """
    title, name = "Neighbour purity", "neighbor_purity"
    check_choice(metric, "metric", METRICS)
    check_int(k, "k", 1)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    known = Labels.of(labels, len(space))
    part, codes = labelled_part(space, known)
    why = known.too_few(2)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    found = neighbors if part is space else None
    if found is None:
        found = sample_neighbors(part, list_length(k), metric=part.metric, sample=sample, random_state=random_state)
    k = min(k, max(len(found.searched) - 1, 1))
    lists = found.nearest(k)
    shares, asked = _shares(lists, codes, k)
    if len(shares) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} different rows with another of their class, found {len(shares)}."
        return undefined(name, title, why, source=_SOURCE)
    value = float(shares.mean())
    error = found.jackknife(k, lambda some: _mean(_shares(some, codes, k)[0]), random_state)
    margin = t_quantile(GROUPS - 1) * error if math.isfinite(error) else 0.0
    counts = np.bincount(codes[found.searched])
    chance = float((counts * (counts - 1.0)).sum() / (len(found.searched) * (len(found.searched) - 1.0)))
    per_class = _class_means(shares, asked)
    worst = float(np.quantile(per_class, 0.1)) if len(per_class) else math.nan
    nearest = float((codes[lists.ids[:, 0]] == codes[lists.rows])[counts[codes[lists.rows]] > 1].mean())
    lift = (value - chance) / max(1 - chance, 1e-9)
    tail = f"dealt out at random, labels would give {chance:.0%}"
    if lift >= 0.7:
        verdict, meaning = "good", f"{value:.0%} of the {k} nearest rows carry the label of the row asked for; {tail}."
    elif lift >= 0.35:
        verdict = "fair"
        meaning = (
            f"{value:.0%} of the {k} nearest rows carry the label of the row asked for: expect results of other "
            f"classes among the first {k}; {tail}."
        )
    else:
        verdict = "poor"
        meaning = (
            f"Only {value:.0%} of the {k} nearest rows carry the label of the row asked for ({tail}): search will not "
            "keep these classes apart; another encoder or a map trained on the labels would have to."
        )
    return Measure(
        name,
        value,
        max(value - margin, 0.0),
        min(value + margin, 1.0),
        meaning,
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From the {k} nearest {lists.scope}; the mean over rows, each out of as many as its class has to give. "
        f"The interval is a delete-a-group jackknife over rows.{known.left_out(2)}",
        source=_SOURCE,
        parts={"k": k, "classes": int((counts > 1).sum()), "nearest": nearest, "chance": chance, "worst_class": worst},
        arrays={"per_class": per_class},
    )


def _shares(lists: Neighborhood, codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """For each asked row with another of its class: the share found of those it could find, and its class."""
    own = codes[lists.rows]
    others = np.bincount(codes[lists.searched], minlength=codes.max() + 1)[own] - 1
    asked = others > 0
    same = (codes[lists.ids] == own[:, None]).sum(axis=1)
    return same[asked] / np.minimum(others[asked], k), own[asked]


def _class_means(values: np.ndarray, codes: np.ndarray, least: int = 3) -> np.ndarray:
    counts = np.bincount(codes)
    sums = np.bincount(codes, values)
    return sums[counts >= least] / counts[counts >= least]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
