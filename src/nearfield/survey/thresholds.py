"""Threshold inconsistency: whether one distance threshold serves all classes alike."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from .collection import METRICS, Collection
from .jackknife import deal, margin
from .labels import Labels, even_sample, labelled_part
from .measure import Measure, undefined

ROWS = 3_000
_PER_CLASS = 40
_FEWEST_ROWS = 6
_FEWEST_CLASSES = 3
_SPLITS = 4
_GRID = 64
_FINE = 4_096
_MOST_DELETED = 50
_SOURCE = (
    "Zhang, Xu, Tang et al. (2024), Threshold-consistent margin loss for open-world deep metric learning, ICLR "
    "(OPIS, the operating-point inconsistency score, and epsilon-OPIS)"
)


class _Curves(NamedTuple):
    """At each threshold of a grid, for each class, in two halves of the rows: shares accepted. (2, classes, grid)"""

    right: np.ndarray
    wrong: np.ndarray

    @property
    def utility(self) -> np.ndarray:
        """The harmonic mean of sensitivity and specificity."""
        specific = 1 - self.wrong
        total = self.right + specific
        return np.where(total > 0, 2 * self.right * specific / np.where(total > 0, total, 1), 0.0)


def threshold_inconsistency(
    vectors: Any,
    labels: Any,
    *,
    metric: str = "cosine",
    false_accepts: tuple[float, float] = (0.01, 0.1),
    worst: float = 0.1,
    sample: int = ROWS,
    random_state: int = 0,
) -> Measure:
    """Operating-point inconsistency (OPIS): how differently the classes fare under one and the same distance threshold.

    Accept two rows as alike when they are nearer than a threshold: each class then has a share of its own pairs it
    accepts (sensitivity) and a share of pairs with others it refuses (specificity), and the harmonic mean of the two is
    what the threshold is worth to it. The score is the variance of that worth over the classes, averaged over a range
    of thresholds: 0 when all classes fare alike. Choose it before a radius (:meth:`nearfield.store.Store.search_range`)
    or any fixed cut is set for everybody; a space may rank perfectly and still score badly here.

    Parameters
    ----------
    vectors : (n, d).
    labels : n hashable values, one a row; None and NaN mean no label. Three classes of six rows are needed.
    metric : "cosine", "l2" or "ip": the distances are those of search.
    false_accepts : the thresholds are those at which, over all classes, this share of the pairs of different classes is
        accepted, from the first to the second; the default is the source's range.
    worst : for ``parts["worst"]``, the share of the classes, those that fare worst, that is set against the mean
        (epsilon-OPIS).
    sample : about so many rows are compared with each other, at most 40 of a class.
    random_state : chooses the rows and their halves.

    Returns
    -------
    Measure
        ``parts``: ``spread`` (the square root of the value: how far the worth of a class is from the mean, of 1),
        ``worst`` (epsilon-OPIS: squared gap between the mean and the worst classes, averaged over the thresholds),
        ``uncorrected`` (the source's formula, which few rows a class make too large), ``false_accepts_low`` and
        ``false_accepts_high`` (the lower and the upper tenth of the classes' false accepts at the middle threshold),
        ``threshold_low`` and ``threshold_high`` (the range as distances). The interval is a delete-a-class jackknife:
        it speaks of further classes of the same kind. ``arrays``: ``thresholds`` and ``utility`` (classes, thresholds).

    Notes
    -----
    With classes i = 1..T and worth U_i(d): OPIS = mean over d of (1/T) sum of (U_i(d) - mean U(d))^2. Departures: the
    rows of a class are halved, and the product of the two halves' deviations takes the place of the square, which
    removes the variance that is only due to few rows (averaged over four halvings, and over T - 1 instead of T). In
    the same way the worst classes are picked by one half and measured on the other. Equal weights for the two errors.
    Checked against a public restatement of OPIS (the worth, the range of thresholds, the mean of squares); the exact
    form of epsilon-OPIS was not found outside the paper's text, so take ``worst`` as our reading of it.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat(np.arange(40), 40)
    >>> spread = np.where(np.arange(40) < 20, 0.3, 0.9)[kind][:, None]
    >>> centre, noise = 2 * rng.standard_normal((40, 8))[kind], rng.standard_normal((1600, 8))
    >>> alike = threshold_inconsistency((centre + 0.6 * noise).astype(np.float32), kind, metric="l2")
    >>> mixed = threshold_inconsistency((centre + spread * noise).astype(np.float32), kind, metric="l2")
    >>> alike.verdict, mixed.value > 3 * alike.value
    ('good', True)
    """
    title, name = "Threshold inconsistency", "threshold_inconsistency"
    check_choice(metric, "metric", METRICS)
    low, high = _range(false_accepts)
    check_real(worst, "worst", 0.0, 1.0, open_low=True)
    check_int(sample, "sample", 2 * _FEWEST_ROWS * _FEWEST_CLASSES)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, metric)
    known = Labels.of(labels, len(space))
    why = known.too_few(_FEWEST_ROWS, _FEWEST_CLASSES)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    part, codes = labelled_part(space, known, even_sample(known, _FEWEST_ROWS, _PER_CLASS, sample, seed))
    codes = np.unique(codes, return_inverse=True)[1]
    classes = int(codes.max()) + 1
    distances, unit = _distances(part)
    thresholds = _thresholds(distances, codes, low, high)
    if thresholds is None:
        why = "Unknown: distances between different classes are so often equal that no threshold gives the range asked."
        return undefined(name, title, why, source=_SOURCE)
    curves = [_curves(distances, codes, deal(codes, seed + split, 2), thresholds) for split in range(_SPLITS)]
    utility = np.stack([some.utility for some in curves])
    everybody = np.arange(classes)
    value = max(_opis(utility, everybody), 0.0)
    # With very many classes they are left out some at a time, which gives the same interval for less work.
    groups = np.random.default_rng([seed, 76]).permutation(classes) % min(classes, _MOST_DELETED)
    around = margin(_opis(utility, np.flatnonzero(groups != g)) for g in range(min(classes, _MOST_DELETED)))
    spread = math.sqrt(value)
    middle = _GRID // 2
    wrong = np.mean([some.wrong[:, :, middle] for some in curves], axis=(0, 1))
    few, many = (float(np.quantile(wrong, q)) for q in (0.1, 0.9))
    verdict = "good" if spread < 0.05 else "fair" if spread < 0.15 else "poor"
    tail = {
        "good": "one threshold serves all classes alike",
        "fair": "one threshold is kinder to some classes than to others: check the ones that matter",
        "poor": "no single threshold serves them all: calibrate by query, or rank without a cut",
    }[verdict]
    return Measure(
        name,
        value,
        max(value - around, 0.0),
        value + around,
        f"At a threshold that accepts {wrong.mean():.1%} of the wrong pairs overall, the classes accept from {few:.1%} "
        f"to {many:.1%}, and what it is worth to a class (1 is best) varies by {spread:.2f}: {tail}.",
        title=title,
        unit="",
        verdict=verdict,
        detail=f"From all pairs of {len(codes):,} rows of {classes:,} classes, at {_GRID} thresholds that accept "
        f"{low:.3g} to {high:.3g} of the pairs of different classes. The interval is a delete-a-class jackknife."
        f"{known.left_out(_FEWEST_ROWS)}",
        source=_SOURCE,
        parts={
            "classes": classes,
            "spread": spread,
            "worst": max(_worst(utility, worst), 0.0),
            "uncorrected": float(utility.mean(axis=(0, 1)).var(axis=0).mean()),
            "false_accepts_low": few,
            "false_accepts_high": many,
            "threshold_low": float(thresholds[0] * unit),
            "threshold_high": float(thresholds[-1] * unit),
        },
        arrays={"thresholds": thresholds * unit, "utility": utility.mean(axis=(0, 1))},
    )


def _range(false_accepts: Any) -> tuple[float, float]:
    try:
        low, high = false_accepts
    except (TypeError, ValueError):
        raise ValueError(f"false_accepts: expected two shares (low, high), got {false_accepts!r}") from None
    low = check_real(low, "false_accepts[0]", 0.0, 1.0, open_low=True, open_high=True)
    return low, check_real(high, "false_accepts[1]", low, 1.0, open_low=True, open_high=True)


def _distances(part: Collection) -> tuple[np.ndarray, float]:
    """All distances between the rows, float32, and their unit: squares of very long rows would not fit in it.

    Rounded where near copies would need more digits.
    """
    rows = part.take(slice(None))
    extent = float(np.abs(rows).max()) or 1.0
    rows = (rows / np.float64(extent)).astype(np.float32)
    products = rows @ rows.T
    if part.metric == "ip":
        return -products, extent**2
    squares = np.einsum("ij,ij->i", rows, rows)
    if part.metric == "cosine":
        return np.maximum(1 - products * np.float32(extent**2), 0), 1.0
    return np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0)), extent


def _thresholds(distances: np.ndarray, codes: np.ndarray, low: float, high: float) -> np.ndarray | None:
    """Evenly from the distance below which ``low`` of the pairs of different classes lie to that for ``high``.

    Every class counts alike, however many rows it has.
    """
    weights = 1 / np.bincount(codes)[codes]
    quantiles = []
    edges = np.quantile(distances[:: max(1, len(codes) // 500)], np.linspace(0, 1, _FINE))
    counts = np.zeros(len(edges))
    total = 0.0
    for row in range(len(codes)):
        other = np.sort(distances[row, codes != codes[row]])
        counts += weights[row] * np.searchsorted(other, edges, "right") / len(other)
        total += weights[row]
    share = counts / total
    for wanted in (low, high):
        place = int(np.searchsorted(share, wanted))
        if not 0 < place < len(edges):
            return None
        step = share[place] - share[place - 1]
        part = (wanted - share[place - 1]) / step if step > 0 else 0.0
        quantiles.append(edges[place - 1] + part * (edges[place] - edges[place - 1]))
    if not quantiles[1] > quantiles[0]:
        return None
    return np.linspace(quantiles[0], quantiles[1], _GRID)


def _curves(distances: np.ndarray, codes: np.ndarray, half: np.ndarray, thresholds: np.ndarray) -> _Curves:
    classes = int(codes.max()) + 1
    right, wrong = np.zeros((2, classes, _GRID)), np.zeros((2, classes, _GRID))
    for side in (0, 1):
        rows = np.flatnonzero(half == side)
        own = codes[rows]
        for c in range(classes):
            mine = rows[own == c]
            within = distances[np.ix_(mine, mine)][np.triu_indices(len(mine), 1)]
            across = distances[np.ix_(mine, rows[own != c])].ravel()
            for target, found in ((right, within), (wrong, across)):
                target[side, c] = np.searchsorted(np.sort(found), thresholds, "right") / max(len(found), 1)
    return _Curves(right, wrong)


def _opis(utility: np.ndarray, classes: np.ndarray) -> float:
    """From (splits, 2, classes, grid): the covariance of the halves over the classes, averaged over the thresholds."""
    gap = utility[:, :, classes] - utility[:, :, classes].mean(axis=2, keepdims=True)
    return float((gap[:, 0] * gap[:, 1]).sum(axis=1).mean() / max(len(classes) - 1, 1))


def _worst(utility: np.ndarray, share: float) -> float:
    """Squared gap of the worst classes, picked by one half and measured on the other."""
    count = max(1, round(share * utility.shape[2]))
    gaps = []
    for side in (0, 1):
        picked = np.argsort(utility[:, side], axis=1, kind="stable")[:, :count]
        other = utility[:, 1 - side]
        gaps.append(other.mean(axis=1) - np.take_along_axis(other, picked, axis=1).mean(axis=1))
    return float((gaps[0] * gaps[1]).mean())
