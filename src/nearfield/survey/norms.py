"""Norm spread: how much the lengths of the vectors differ, which is what inner product sees and cosine does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .collection import Collection
from .measure import Measure, undefined

_Z = 1.96
_BINS = 4096


def norm_spread(vectors: Any, *, metric: str | None = None) -> Measure:
    """Spread of the lengths of the vectors: their standard deviation over their mean.

    Tells whether cosine and inner product agree (0: they give the same order), and whether an inner-product index will
    keep returning the longest rows.

    Parameters
    ----------
    vectors : (n, d); all rows are used, which takes one pass.
    metric : the metric search uses, which decides what the spread means; None speaks of all of them.

    Returns
    -------
    Measure
        The interval is analytic (delta method, with the fourth moment). ``parts``: ``mean``, ``minimum``,
        ``median``, ``p99`` and ``maximum`` of the lengths. ``arrays``: ``norms`` (at most 4,096 quantiles of them).

    Examples
    --------
    >>> import numpy as np
    >>> measure = norm_spread(np.float32([[1, 0], [0, 1], [3, 0], [0, 3]]))
    >>> measure.value, measure.parts["maximum"]
    (0.5, 3.0)
    """
    title = "Norm spread"
    space = Collection.of(vectors, metric)
    norms = space.norms
    count = len(norms)
    if count < 2:
        return undefined("norm_spread", title, "Unknown: needs at least 2 rows, and there is 1.")
    mean = float(norms.mean())
    if mean == 0:
        return undefined("norm_spread", title, "Unknown: every row is zero.")
    deviation = float(norms.std())
    value = deviation / mean
    error = 0.0
    if deviation <= 1e-12 * mean:
        value = 0.0
    else:
        gap = norms - mean
        influence = (gap**2 - deviation**2) / (2 * deviation * mean) - deviation * gap / mean**2
        error = float(influence.std(ddof=1)) / math.sqrt(count)
    # On a log scale, which keeps the interval positive and leans it the way a long tail of lengths does.
    widening = math.exp(min(_Z * error / value, 50.0)) if value > 0 else 1.0
    quantiles = np.quantile(norms, [0.0, 0.5, 0.99, 1.0])
    minimum, median, p99, maximum = (float(q) for q in quantiles)
    verdict, meaning = _meaning(value, median, p99, metric)
    zeros = int((norms == 0).sum())
    if zeros:
        meaning += f" {zeros:,} row(s) are zero."
    return Measure(
        "norm_spread",
        value,
        value / widening,
        value * widening,
        meaning,
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"Standard deviation over mean of the lengths of all {count:,} rows. The interval is analytic "
        "(delta method on the logarithm) and speaks of further rows of the same kind.",
        source="coefficient of variation",
        parts={"mean": mean, "minimum": minimum, "median": median, "p99": p99, "maximum": maximum},
        arrays={"norms": norms if count <= _BINS else np.quantile(norms, np.linspace(0, 1, _BINS))},
    )


def _meaning(value: float, median: float, p99: float, metric: str | None) -> tuple[str, str]:
    if value < 0.01:
        return (
            "good",
            f"All vectors have length {median:.3g}: cosine, inner product and Euclidean agree on who is near.",
        )
    ratio = f"{p99 / median:.2g} times" if median > 0 else "far above"
    longest = f"the longest hundredth is over {ratio} the median"
    if metric == "l2":
        return "good", f"Lengths differ ({longest}), which Euclidean search counts as distance; cosine would not."
    if metric == "cosine":
        return "good", f"Lengths differ ({longest}), which cosine search ignores; inner product would rank differently."
    if value < 0.2:
        return "fair", f"Lengths differ a little ({longest}): inner product and cosine give slightly different results."
    return (
        "poor",
        f"Lengths differ much ({longest}): inner product keeps returning the longest rows; choose cosine unless "
        "length carries meaning.",
    )
