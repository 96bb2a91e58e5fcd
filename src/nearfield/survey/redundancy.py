"""Feature redundancy: how many coordinates are left when the most alike are merged step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_real
from .measure import Measure, undefined
from .rank import FEWEST, ROWS, Moments, Spectrum, why_no_variance

_LEVELS = (0.95, 0.9, 0.8, 0.7, 0.5)
_SOURCE = "Chen, Zhou & Yan (2024), Going beyond neural network feature similarity, ICLR: iterative feature merging"


@dataclass(frozen=True)
class Merging:
    """The outcome of :func:`merge_features`.

    Attributes
    ----------
    left, right : (f - 1,) at each step, the feature that goes on, and the one that is merged into it.
    likeness : (f - 1,) how alike the two were.

    Examples
    --------
    >>> import numpy as np
    >>> merging = merge_features(np.float32([[1, 0], [2, 0], [0, 1]]))
    >>> int(merging.left[0]), int(merging.right[0]), merging.survivors(0.9), merging.groups(2).tolist()
    (0, 1, 2, [0, 0, 1])
    """

    left: np.ndarray
    right: np.ndarray
    likeness: np.ndarray

    def survivors(self, threshold: float) -> int:
        """How many features are left when merging stops at the first step below ``threshold``."""
        below = np.flatnonzero(self.likeness < threshold)
        steps = int(below[0]) if below.size else len(self.likeness)
        return len(self.likeness) + 1 - steps

    def groups(self, count: int) -> np.ndarray:
        """The group of each feature, numbered by first member, when ``count`` are left."""
        total = len(self.likeness) + 1
        if not 1 <= count <= total:
            raise ValueError(f"count: expected 1 to {total}, got {count!r}")
        group = np.arange(total)
        for left, right in zip(self.left[: total - count], self.right[: total - count], strict=True):
            group[group == right] = left
        return np.unique(group, return_inverse=True)[1]


def merge_features(features: Any, *, signed: bool = True) -> Merging:
    """Merge the two features that are most alike, replace both by their mean, and go on until one is left.

    For the hidden units of a network give their incoming weights (with the bias): units of one group then take the mean
    of the normalised weights, and their outgoing weights, each times the length it was normalised by, are summed. No
    data is needed. For the coordinates of an embedding use :func:`feature_redundancy`.

    Parameters
    ----------
    features : (f, w), one feature a row; alike means a high cosine, so scale does not matter. Zero rows are alike only
        to each other.
    signed : False counts opposite features as alike too. Right for linear features, wrong behind a ReLU.

    Returns
    -------
    Merging
        The steps; of two equal likenesses the one with lower numbers comes first. O(f^2) numbers, about O(f^2) work.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.random.default_rng(0).standard_normal((20, 50))
    >>> merge_features(np.concatenate([weights, 3 * weights])).survivors(0.999)
    20
    """
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"features: expected shape (f, w) with at least one of each, got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("features: expected finite values, got NaN or infinity")
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-300)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(lengths > 0, lengths, 1.0)
    return merge_products(rows @ rows.T, signed)


def merge_units(incoming: Any, outgoing: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a layer of rectified units of which ``count`` are left after merging, without data or training.

    Each group of units takes the mean of its incoming weights at length one; the outgoing weights, each times the
    length its unit was normalised by (which a rectifier passes through), are summed. Units that are the same but for
    scale merge without any change to what the layer computes.

    Parameters
    ----------
    incoming : (h, w) weights into each unit, its bias among them.
    outgoing : (h, o) weights out of it.
    count : units to leave, 1 to h; ``merge_features(incoming).survivors(0.9)`` is a number to begin with.

    Returns
    -------
    tuple of ndarray
        Incoming (count, w) and outgoing (count, o), float64, groups in the order of their first unit.

    Examples
    --------
    >>> import numpy as np
    >>> incoming, outgoing = merge_units([[1, 0], [2, 0], [0, 1]], [[1], [1], [1]], 2)
    >>> incoming.tolist(), outgoing.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[3.0], [1.0]])
    """
    out = np.asarray(outgoing, np.float64)
    group = merge_features(incoming).groups(count)
    if out.ndim != 2 or len(out) != len(group):
        raise ValueError(f"outgoing: expected shape ({len(group)}, o), a row for each unit, got {out.shape}")
    rows = np.asarray(incoming, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    members = np.zeros((count, len(group)))
    members[group, np.arange(len(group))] = 1.0
    means = members @ (rows / np.where(lengths > 0, lengths, 1.0)) / members.sum(axis=1, keepdims=True)
    return means, members @ (out * lengths)


def merge_products(products: np.ndarray, signed: bool = True) -> Merging:
    """:func:`merge_features` of features at length one, from their inner products (f, f)."""
    products = np.array(products, np.float64)
    count = len(products)
    zero = products.diagonal() < 0.5  # at length one or nothing: features without any variance are alike
    products[np.ix_(zero, zero)] = 1.0
    alike = products if signed else np.abs(products)
    alike = np.where(np.eye(count, dtype=bool), -np.inf, np.clip(alike, -1.0, 1.0))
    size, alive = np.ones(count), np.ones(count, bool)
    best = alike.argmax(axis=1) if count > 1 else np.zeros(count, int)
    top = alike[np.arange(count), best]
    steps = max(count - 1, 0)
    left, right, likeness = np.zeros(steps, int), np.zeros(steps, int), np.zeros(steps)
    for step in range(steps):
        a = int(top.argmax())
        b = int(best[a])
        a, b = min(a, b), max(a, b)
        left[step], right[step], likeness[step] = a, b, alike[a, b]
        # The mean of all members, by their number; its products with the others follow from those of the two.
        sign = -1.0 if not signed and products[a, b] < 0 else 1.0
        u, v = size[a] / (size[a] + size[b]), sign * size[b] / (size[a] + size[b])
        square = u * u * products[a, a] + v * v * products[b, b] + 2 * u * v * products[a, b]
        merged = u * products[a] + v * products[b]
        products[a], products[:, a], products[a, a] = merged, merged, square
        size[a] += size[b]
        alive[b] = False
        # At length one again for comparing, which is done on the cosine.
        scale = np.sqrt(np.maximum(products.diagonal() * square, 1e-300))
        row = np.clip(products[a] / scale, -1.0, 1.0)
        row = row if signed else np.abs(row)
        row[~alive] = -np.inf
        row[a] = -np.inf
        alike[b], alike[:, b] = -np.inf, -np.inf
        alike[a], alike[:, a] = row, row
        top[b] = -np.inf
        stale = alive & ((best == a) | (best == b))
        stale[a] = True
        where = np.flatnonzero(stale)
        best[where] = alike[where].argmax(axis=1)
        top[where] = alike[where, best[where]]
        risen = alive & (row > top)
        best[risen], top[risen] = a, row[risen]
    return Merging(left, right, likeness)


def feature_redundancy(
    vectors: Any, *, threshold: float = 0.9, sample: int | None = ROWS, random_state: int = 0
) -> Measure:
    """Feature redundancy: how many coordinates are left when those correlated above a threshold are merged.

    Choose it over :func:`effective_rank` to learn whether single coordinates repeat each other (concatenated or padded
    vectors, dead units, copies of a feature); the rank also falls where no two coordinates are alike.

    Parameters
    ----------
    vectors : (n, d), used as they are given.
    threshold : the correlation, of either sign, from which two coordinates count as one. 0.9 leaves what differs in a
        fifth of its variance.
    sample : rows used at most (never fewer than 8 d when there are as many). None: all.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        The two coordinates that correlate most are replaced by their mean (by variance one, sign turned if need be)
        until the highest correlation is below the threshold. Coordinates that never vary count as one. The interval is
        the range over resamples without a tenth of the rows. ``parts``: ``left_95``, ``left_90``, ..., ``left_50``.
        ``arrays``: ``likeness`` of the two merged at each step.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 10)).astype(np.float32)
    >>> feature_redundancy(np.concatenate([x, -2 * x, x + 1], axis=1)).value
    10.0
    """
    threshold = check_real(threshold, "threshold", 0.0, 1.0)
    title = "Feature redundancy"
    spectrum = Spectrum.of(vectors, sample, random_state)
    dim, count = spectrum.dim, len(spectrum.rows)
    if count < FEWEST or spectrum.variances[0] <= 1e-12 * float(spectrum.mean @ spectrum.mean):
        return undefined("feature_redundancy", title, why_no_variance(spectrum), source=_SOURCE)

    def merging(part: Moments) -> Merging:
        return merge_products(_correlation(part.covariance, spectrum.basis), signed=False)

    found = merging(Moments.sum(spectrum.groups))
    left = found.survivors(threshold)
    again = [merging(part).survivors(threshold) for part in spectrum.without_a_group() if part.count >= FEWEST]
    share = left / dim
    if share > 0.95:
        verdict, meaning = "good", f"Hardly any coordinate repeats another: {left} of {dim} are left after merging."
    else:
        verdict = "fair" if share > 0.7 else "poor"
        meaning = (
            f"Coordinates repeat each other: merging those that correlate above {threshold:g} leaves {left} of {dim}, "
            f"so a PCA to about {left} dimensions should divide memory by {dim / left:.2g} at little loss."
        )
    likeness = found.likeness
    return Measure(
        "feature_redundancy",
        float(left),
        float(min([left, *again])),
        float(max([left, *again])),
        meaning,
        title=title,
        unit="coordinates",
        verdict=verdict,
        detail=f"From {spectrum.scope}; merged while the highest correlation is at least {threshold:g}. The interval "
        "is the range over resamples without a group of the rows.",
        source=_SOURCE,
        parts={f"left_{round(100 * level)}": found.survivors(level) for level in _LEVELS} | {"dimensions": dim},
        arrays={"likeness": likeness},
    )


def _correlation(covariance: np.ndarray, basis: np.ndarray | None) -> np.ndarray:
    """Correlations of the coordinates; zero, and zero with itself, for one that does not vary."""
    if basis is not None:
        covariance = basis @ covariance @ basis.T
    variance = covariance.diagonal()
    varies = variance > variance.max() * 1e-12
    scale = np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    return np.asarray(covariance * scale * scale[:, None])
