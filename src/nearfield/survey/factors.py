"""Factor share: how much of what makes rows differ is one known property of the things they stand for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from .collection import METRICS, Collection
from .jackknife import GROUPS, deal, margin
from .labels import Labels, labelled_part
from .measure import Measure, undefined
from .pairs import pair_distances
from .variance import Sums

ROWS = 10_000
_PAIRS = 50_000
# A coordinate is selective for a factor that explains at least this share of its variance.
_SELECTIVE = 0.1
_SOURCE = (
    "Lampinen, Chan & Hermann (2024), Learned feature representations are biased by complexity, learning order, "
    "position, and more, TMLR"
)


def factor_share(
    vectors: Any,
    factor: Any,
    *,
    metric: str = "l2",
    sample: int = ROWS,
    random_state: int = 0,
) -> Measure:
    """Factor share: the share of the variance of a space that a known property of its items explains.

    Encoders give some properties much room and others little, whatever each is worth: what is simple or was learnt
    first gets most. Measure each property that matters (language, length, topic, price band) before trusting distances
    to weigh them. Choose :func:`class_separability` when the labels are what search should find; take this to compare
    several properties of the same items.

    Parameters
    ----------
    vectors : (n, d).
    factor : n hashable values, one a row: two values or a few; cut a continuous property into bands first. None and NaN
        mean unknown, and such rows are left out.
    metric : "l2" (the vectors as they are), "ip" the same, "cosine" the rows at length one.
    sample : so many random rows are measured.
    random_state : chooses them.

    Returns
    -------
    Measure
        The share, summed over coordinates, without what as many random classes would explain (epsilon squared). The
        interval is a delete-a-group jackknife over rows. The verdict is unknown: whether a property should count is
        yours to say. ``parts``: ``density`` (share of the coordinates of which it explains at least a tenth), ``rsa``
        (correlation, over random pairs, of being of different value with the distance: representational similarity to
        the factor), ``values`` (how many there are). ``arrays``: ``per_coordinate`` shares.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> large, small = rng.integers(0, 2, (2, 10_000))
    >>> x = np.stack([3.0 * large, 1.0 * small], axis=1).astype(np.float32)  # variances 9/4 and 1/4
    >>> round(factor_share(x, large).value, 2), round(factor_share(x, small).value, 2)
    (0.9, 0.1)
    """
    title, name = "Factor share", "factor_share"
    check_choice(metric, "metric", METRICS)
    check_int(sample, "sample", 10)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    known = Labels.of(factor, len(space))
    why = known.too_few(2)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    chosen = np.flatnonzero(known.labelled)
    if len(chosen) > sample:
        chosen = np.sort(np.random.default_rng([seed, 77]).choice(chosen, sample, replace=False))
    part, codes = labelled_part(space, known, chosen)
    codes = np.unique(codes, return_inverse=True)[1]
    values = int(codes.max()) + 1
    rows = part.take(slice(None)).astype(np.float64)
    largest = float(np.abs(rows).max())
    rows -= rows.mean(axis=0)
    extent = float(np.abs(rows).max())
    if extent <= 1e-6 * largest or values < 2 or len(rows) <= values:
        what = "all rows coincide" if extent <= 1e-6 * largest else "the rows drawn have too few values in common"
        return undefined(name, title, f"Unknown: {what}.", source=_SOURCE)
    rows /= extent
    whole = Sums.of(rows, codes, values)
    share = min(max(whole.spread().share, 0.0), 1.0)
    group = deal(codes, seed)
    around = margin(
        whole.without(Sums.of(rows[group == g], codes[group == g], values)).spread().share for g in range(GROUPS)
    )
    per_coordinate = _per_coordinate(rows, whole)
    density = float((per_coordinate >= _SELECTIVE).mean())
    return Measure(
        name,
        share,
        max(share - around, 0.0),
        min(share + around, 1.0),
        f"{share:.1%} of what makes rows differ is this property, and {density:.0%} of the coordinates tell of it: "
        + _weight(share),
        title=title,
        unit="share",
        detail=f"Explained variance of {len(rows):,} rows, {values:,} values. The interval is a delete-a-group "
        f"jackknife over rows.{known.left_out(2)}",
        source=_SOURCE,
        parts={"values": values, "density": density, "rsa": _similarity(part, codes, seed)},
        arrays={"per_coordinate": per_coordinate},
    )


def _weight(share: float) -> str:
    if share >= 0.3:
        return "near rows will nearly always agree on it, whatever else they are."
    if share >= 0.03:
        return "near rows will often agree on it."
    return "distances hardly notice it; filter or train for it if it matters."


def _per_coordinate(rows: np.ndarray, whole: Sums) -> np.ndarray:
    """The share of each coordinate's variance that the factor explains, chance taken off; 0 where nothing varies."""
    counts = whole.counts[:, None].astype(float)
    n, values = len(rows), len(whole.counts)
    explained = np.maximum((whole.totals**2 / counts).sum(axis=0) - whole.totals.sum(axis=0) ** 2 / n, 0)
    total = np.einsum("ij,ij->j", rows, rows)
    left = np.maximum(total - explained, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (explained - (values - 1) * left / (n - values)) / total
    return np.where(total > 1e-12 * max(float(total.max()), 1e-300), np.clip(share, 0, 1), 0.0)


def _similarity(part: Collection, codes: np.ndarray, seed: int) -> float:
    rng = np.random.default_rng([seed, 78])
    left = rng.integers(len(codes), size=_PAIRS)
    right = (left + 1 + rng.integers(len(codes) - 1, size=_PAIRS)) % len(codes)
    distances, differ = pair_distances(part, left, right), (codes[left] != codes[right]).astype(float)
    if distances.std() <= 1e-9 * max(float(distances.max()), 1e-300) or differ.std() == 0:
        return math.nan
    return float(np.corrcoef(distances, differ)[0, 1])
