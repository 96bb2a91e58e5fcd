"""Which rows a sample of a matrix must not miss: l_p sensitivities, Lewis weights, and sampling by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from .collection import Collection

KINDS = ("sensitivity", "root_leverage", "length")
_ROUNDS = 30
_CLOSE = 0.01
_BLOCK = 8192


@dataclass(frozen=True)
class RowSample:
    """Rows drawn by :func:`sample_rows`, and what each stands for.

    Attributes
    ----------
    rows : (m,) row numbers, rising.
    chances : (m,) with what chance each was to be drawn.
    scale : (m,) ``chances ** (-1 / p)``: rows times this have, for every x, nearly the l_p norms of all rows.
    total : sum of the scores of all rows; with sensitivities, the total sensitivity S.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    >>> drawn = sample_rows(x, 100)
    >>> len(drawn.rows), round(float((drawn.scale**2).sum() / 1000), 1)
    (100, 1.0)
    """

    rows: np.ndarray
    chances: np.ndarray
    scale: np.ndarray
    total: float


def row_sensitivities(vectors: Any, p: float = 2.0, *, kind: str = "sensitivity") -> np.ndarray:
    """How much a single row can matter: bounds on its l_p sensitivity, ``sup over x of |a x|^p / ||A x||_p^p``.

    A row of sensitivity 1 is alone in some direction and must be kept; in a matrix of equals each of n rows has d / n.

    Parameters
    ----------
    vectors : (n, d), used as they are given.
    p : in [1, 4). 2: leverage scores, exact. Otherwise bounds from Lewis weights.
    kind : "sensitivity": for p up to 2 the Lewis weight w, which is at least the sensitivity and sums to d; above 2
        ``min(1, d^(p/2 - 1) w)``. "root_leverage": ``leverage^(p/2)``, one pass instead of some ten, for p below 2.
        "length": the row's share of ``sum |a|^p``: costs nothing, knows strong rows but no rare directions.

    Returns
    -------
    (n,) float64 in [0, 1]
        Rows are read in blocks, twice for leverage scores and for each round of Lewis weights; memory is that of a
        (d, d) matrix and of the scores.

    Raises
    ------
    ValueError
        For values that are not finite, and p outside [1, 4), where the iteration for Lewis weights does not converge.

    Notes
    -----
    Woodruff & Yasuda (2023), Sharper bounds for l_p sensitivity sampling, ICML. Lewis weights by the fixed point of
    Cohen & Peng (2015), STOC, until no weight changes by more than a hundredth.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.vstack([np.tile([1.0, 0.0], (99, 1)), [[0.0, 3.0]]])  # one row is alone in its direction
    >>> row_sensitivities(x).round(3)[[0, -1]].tolist()
    [0.01, 1.0]
    """
    check_real(p, "p", 1, 4, open_high=True)
    check_choice(kind, "kind", KINDS)
    space = Collection.of(vectors, "l2")
    if not space.norms.max() > 0:
        return np.zeros(len(space))
    unit = float(space.norms.max())
    if kind == "length":
        lengths = (space.norms / unit) ** p
        return np.asarray(lengths / lengths.sum())
    if kind == "root_leverage":
        return np.asarray(_leverage(space, unit, np.ones(len(space))) ** (p / 2))
    weights = _lewis(space, unit, p)
    return np.minimum(weights * space.dim ** max(p / 2 - 1, 0.0), 1.0)


def sample_rows(
    vectors: Any, size: int, *, p: float = 2.0, kind: str = "sensitivity", random_state: int = 0
) -> RowSample:
    """Draw rows by how much they matter, so that ``||A x||_p`` of the scaled sample is right for every x.

    Choose it over a uniform sample when a few rows are much longer than the others or alone in their direction, which a
    uniform sample misses. On rows of one length, as under cosine, a uniform sample of the size is as good and costs no
    pass.

    Parameters
    ----------
    vectors : (n, d).
    size : rows to draw, at most n. For an error of a fifth, some ``S^(2/p) log`` rows with p below 2 and ``S^(2 - 2/p)
        log`` above, S being the total sensitivity, at most d for p up to 2.
    p : the norm to keep, in [1, 4): 2 for spectra and least squares, 1 for medians and robust fits.
    kind : as in :func:`row_sensitivities`.
    random_state : chooses the rows.

    Returns
    -------
    RowSample
        A row's chance is a common factor times its score, at most 1; rows at 1 are always there. Drawn systematically
        in random order: the chances are those of independent draws, which the paper takes, and the size is
        fixed.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.vstack([np.random.default_rng(0).standard_normal((999, 2)), [[500.0, 0.0]]]).astype(np.float32)
    >>> drawn = sample_rows(x, 50)
    >>> 999 in drawn.rows, float(drawn.chances[-1])
    (True, 1.0)
    """
    scores = row_sensitivities(vectors, p, kind=kind)
    count = len(scores)
    check_int(size, "size", 1, count)
    total = float(scores.sum())
    chances = inclusion(scores, size)
    rng = np.random.default_rng([check_random_state(random_state), 90])
    order = rng.permutation(count)
    ends = np.cumsum(chances[order])
    marks = rng.random() + np.arange(size)
    rows = np.unique(order[np.minimum(np.searchsorted(ends, marks[marks < ends[-1]], side="right"), count - 1)])
    kept = chances[rows]
    return RowSample(rows, kept, kept ** (-1 / p), total)


def inclusion(scores: np.ndarray, size: int) -> np.ndarray:
    """Chances in proportion to the scores, none above 1, that sum to ``size`` (all 1 when there are as few scores)."""
    if not scores.sum() > 0:
        scores = np.ones(len(scores))
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    rest = np.cumsum(falling[::-1])[::-1]
    # With the i largest at 1 the others share what is left; the first i for which none of them passes 1 is right.
    left = size - np.arange(len(scores))
    fits = np.flatnonzero((falling * left <= rest) & (left > 0))
    chances = np.ones(len(scores))
    if len(fits):
        first = int(fits[0])
        share = left[first] / rest[first] if rest[first] > 0 else 0.0  # rows of no weight need not be drawn
        chances[order[first:]] = np.minimum(falling[first:] * share, 1.0)
    return chances


def _leverage(space: Collection, unit: float, weights: np.ndarray) -> np.ndarray:
    """``a' (A' W A)^+ a`` of every row."""
    gram = np.zeros((space.dim, space.dim))
    for low in range(0, len(space), _BLOCK):
        rows = space.take(slice(low, low + _BLOCK)).astype(np.float64) / unit
        gram += rows.T @ (rows * weights[low : low + _BLOCK, None])
    levels, directions = np.linalg.eigh(gram)
    real = levels > levels[-1] * len(levels) * 1e-13
    root = directions[:, real] / np.sqrt(levels[real])
    scores = np.empty(len(space))
    for low in range(0, len(space), _BLOCK):
        rows = space.take(slice(low, low + _BLOCK)).astype(np.float64) / unit
        scores[low : low + _BLOCK] = np.square(rows @ root).sum(axis=1)
    return scores


def _lewis(space: Collection, unit: float, p: float) -> np.ndarray:
    """The fixed point ``w = (a' (A' W^(1 - 2/p) A)^-1 a)^(p/2)``."""
    weights = np.ones(len(space))
    for _ in range(1 if p == 2 else _ROUNDS):
        with np.errstate(divide="ignore"):
            powers = np.where(weights > 0, weights ** (1 - 2 / p), 0.0)
        after = _leverage(space, unit, powers) ** (p / 2)
        done = np.abs(after - weights) <= _CLOSE * after
        weights = after
        if done.all():
            break
    return np.minimum(weights, 1.0)
