"""Many-to-many convergent features: do groups of coordinates of the two spaces span the same?"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_int
from .features import ROWS, SOURCE, PairFeatures, correlations, explained, ridge_fit
from .measure import Measure, undefined
from .moments import as_pair, bounds, ratio

_GROUPS = 16
_SPLITS = 4


def feature_groups(
    first: Any,
    second: Any = None,
    *,
    groups: int | None = None,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Convergent features, many to many: groups of coordinates, found by spectral clustering, that span the same.

    1 when the coordinates of both fall into groups such that a group of the one tells all that its partner group in the
    other holds, even where no single coordinates match. Choose it to see whether features converge as *subspaces*. In
    a freely rotated copy there are no groups: there it is near what random groups tell, while
    :func:`canonical_correlation` is 1.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    groups : how many; None: 16, fewer when there are fewer than 32 coordinates. More groups are a stricter question.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        Share of the variance of the second's coordinates explained, on rows left out of the fit, by the coordinates of
        the partner group alone. Groups come from spectral co-clustering (Dhillon, 2001) of the squared correlations
        between the two, which is the paper's bipartite graph without the links inside a net. ``parts``: ``by_chance``
        (partners of rows shuffled), ``random_groups`` (groups of the same sizes dealt at random), ``all``
        (every coordinate), ``largest`` (share of the second's coordinates in the largest group).
        ``arrays``: ``explained`` for each group, ``sizes_first``, ``sizes_second``, and ``group_first`` and
        ``group_second`` of each coordinate (-1 for constant ones), of the first of four splits in halves. The interval
        adds the spread between the splits to that over the rows judged.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((2000, 12)).astype(np.float32)
    >>> turn = [np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(3)]  # each four within themselves
    >>> y = np.concatenate([x[:, 4 * i : 4 * i + 4] @ turn[i] for i in range(3)], axis=1).astype(np.float32)
    >>> round(feature_groups(x, y, groups=3, metric="l2").value, 2)
    1.0
    """
    title = "Features in groups"
    if groups is not None:
        check_int(groups, "groups", 2)
    pair = as_pair(first, second, metric, ids, random_state)
    splits = [PairFeatures.of(pair, sample, random_state, split) for split in range(_SPLITS)]
    found = splits[0]
    why = found.why
    if not why and min(map(len, found.kept)) < 4:
        why = "Unknown: needs at least 4 coordinates that vary in each space."
    if why:
        return undefined("feature_groups", title, why, source=SOURCE)
    count = min(groups or _GROUPS, min(map(len, found.kept)) // 2)
    told = [_told(part, count, random_state) for part in splits]
    value = 1 - sum(part.left for part in told) / _SPLITS
    # Other rows would give other groups: the splits, which share rows two by two, show how much that matters.
    error = math.hypot(told[0].error / math.sqrt(2), float(np.std([part.left for part in told], ddof=1)) / math.sqrt(2))
    left, right, residual, whole = told[0].labels + told[0].sums
    mixed = _told(found.shuffled(random_state), count, random_state)
    rng = np.random.default_rng([random_state, 80])
    dealt = _by_group(found, rng.permutation(left), rng.permutation(right), count)
    together = _by_group(found, np.zeros_like(left), np.zeros_like(right), 1)
    sizes = [np.bincount(part, minlength=count) for part in (left, right)]
    parts = {
        "by_chance": 1 - mixed.left,
        "random_groups": 1 - ratio(*(part.sum(axis=1) for part in dealt))[0],
        "all": 1 - ratio(*(part.sum(axis=1) for part in together))[0],
        "groups": count,
        "largest": float(sizes[1].max() / len(right)),
    }
    gained = value - parts["random_groups"]
    if value >= 0.8:
        verdict, meaning = "good", "the two converge on the same groups"
    elif gained >= 0.1:
        verdict, meaning = "fair", f"more than random groups tell ({max(parts['random_groups'], 0):.0%})"
    else:
        verdict, meaning = "poor", f"no more than random groups tell ({max(parts['random_groups'], 0):.0%})"
    return Measure(
        "feature_groups",
        value,
        *bounds(value, error),
        f"In {count} groups, coordinates of the first tell {max(value, 0):.0%} of what their partner group in the "
        f"second holds: {meaning}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {found.scope}, four such splits; {count} groups by spectral co-clustering, the largest with "
        f"{parts['largest']:.0%} of the second's coordinates. The interval adds the spread between splits to that over "
        "the rows judged.",
        source=SOURCE,
        parts=parts,
        arrays={
            "explained": 1 - residual.sum(axis=0) / np.where(whole.sum(axis=0) > 0, whole.sum(axis=0), 1.0),
            "sizes_first": sizes[0],
            "sizes_second": sizes[1],
            "group_first": _spread(left, found.kept[0], found.pair.dims[0]),
            "group_second": _spread(right, found.kept[1], found.pair.dims[1]),
        },
    )


@dataclass(frozen=True)
class _Told:
    """What partner groups leave unexplained on the judging half, the error of that, and the groups."""

    left: float
    error: float
    labels: tuple[np.ndarray, np.ndarray]
    sums: tuple[np.ndarray, np.ndarray]


def _told(found: PairFeatures, count: int, random_state: int) -> _Told:
    labels = _clusters(found, count, random_state)
    residual, whole = _by_group(found, *labels, count)
    return _Told(*ratio(residual.sum(axis=1), whole.sum(axis=1)), labels, (residual, whole))


def _clusters(found: PairFeatures, count: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import SpectralCoclustering

    links = np.square(correlations(found.fit)) + 1e-9  # squares: what chance alone links stays faint
    model = SpectralCoclustering(count, svd_method="arpack", random_state=random_state % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct clusters than asked for
        model.fit(links)
    return model.row_labels_, model.column_labels_


def _by_group(found: PairFeatures, left: np.ndarray, right: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(judged rows, groups): squared residual and squared size of the second's coordinates of each group."""
    residual, whole = (np.zeros((len(found.judge[0]), count)) for _ in range(2))
    for group in range(count):
        own, other = left == group, right == group
        if not other.any():
            continue
        aim, told = found.judge[1][:, other], 0.0
        if own.any():
            x, y = found.fit[0][:, own], found.fit[1][:, other]
            told = found.judge[0][:, own] @ ridge_fit(x.T @ x, x.T @ y, len(x))
        residual[:, group], whole[:, group] = explained(aim - told, aim)
    return residual, whole


def _spread(labels: np.ndarray, kept: np.ndarray, dim: int) -> np.ndarray:
    made = np.full(dim, -1)
    made[kept] = labels
    return made
