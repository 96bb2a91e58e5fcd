"""Class separability: how far apart classes lie, against how far their own rows scatter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from .collection import METRICS, Collection
from .jackknife import GROUPS, deal, margin
from .labels import Labels, even_sample, labelled_part
from .measure import Measure, undefined
from .pairs import pair_distances
from .variance import Sums

ROWS = 10_000
_PER_CLASS = 200
_PAIRS = 20_000
_PROBED = 4_000
_PROBED_DIM = 1_024
_SOURCE = (
    "Fisher (1936), The use of multiple measurements in taxonomic problems (the ratio, as traces of the two scatter "
    "matrices); Fukunaga (1990), Introduction to Statistical Pattern Recognition, 10.2"
)


def class_separability(
    vectors: Any,
    labels: Any,
    *,
    metric: str = "cosine",
    sample: int = ROWS,
    random_state: int = 0,
) -> Measure:
    """Fisher's ratio: the variance between the centres of classes over the variance of rows around their centre.

    Says whether a class is one compact region. Choose :func:`neighbor_purity` for what search returns, and this to see
    whether one threshold, one prototype a class, or a linear classifier can work.

    Parameters
    ----------
    vectors : (n, d).
    labels : n hashable values, one a row; None and NaN mean no label.
    metric : "cosine" measures the rows at length one, "l2" and "ip" as they are.
    sample : about so many rows are measured, evenly from the classes; each needs two.
    random_state : chooses the rows and pairs.

    Returns
    -------
    Measure
        The ratio of the two unbiased components of variance, summed over coordinates: 0 when labels mean nothing, 1
        when centres lie as far from each other as rows from their centre. The interval is a delete-a-group jackknife
        over rows; it speaks of these classes. ``parts``: ``same_nearer`` (how often two rows of one class are nearer
        than two of different classes: the area under the ROC curve of the distance), which decides the verdict;
        ``after_map`` (the ratio on held-out rows after linear discriminant analysis: what a linear map trained on the
        labels would make of it; NaN beyond 1,024 dimensions or with few rows). ``arrays``: ``same`` and ``different``,
        distances of pairs.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat(np.arange(50), 100)
    >>> x = (rng.standard_normal((50, 20))[kind] + 2 * rng.standard_normal((5000, 20))).astype(np.float32)
    >>> round(class_separability(x, kind, metric="l2").value, 1)  # 1 / 2**2, but for the centres drawn
    0.2
    """
    title, name = "Class separability", "class_separability"
    check_choice(metric, "metric", METRICS)
    check_int(sample, "sample", 10)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    known = Labels.of(labels, len(space))
    why = known.too_few(2)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    chosen = even_sample(known, 2, _PER_CLASS, sample, seed)
    part, codes = labelled_part(space, known, chosen)
    rows = part.take(slice(None)).astype(np.float64)
    rows -= rows.mean(axis=0)
    scale = math.sqrt(float(np.einsum("ij,ij->", rows, rows)) / len(rows))
    if scale > 1e-6 * max(float(part.norms.max()) if space.metric != "cosine" else 1.0, 1e-300):
        rows /= scale
    codes = np.unique(codes, return_inverse=True)[1]
    classes = int(codes.max()) + 1
    whole = Sums.of(rows, codes, classes)
    value = whole.spread().ratio
    if not math.isfinite(value):
        why = "all rows coincide" if math.isnan(value) else "the rows of each class coincide, so the ratio is infinite"
        return undefined(name, title, f"Unknown: {why}.", source=_SOURCE)
    group = deal(codes, seed)
    around = margin(
        whole.without(Sums.of(rows[group == g], codes[group == g], classes)).spread().ratio for g in range(GROUPS)
    )
    same, different = _pair_distances(part, codes, seed)
    nearer = _nearer(same, different)
    mapped = _after_map(rows, codes, seed)
    verdict = "good" if nearer >= 0.95 else "fair" if nearer >= 0.8 else "poor"
    tail = {
        "good": "one threshold on the distance tells most pairs apart",
        "fair": "classes overlap: rank with the distance, do not decide by it alone",
        "poor": "the distance hardly knows the classes",
    }[verdict]
    meaning = f"Two rows of one class are nearer than two of different classes in {nearer:.0%} of cases: {tail}"
    if mapped > 2 * max(value, 0.05) and verdict != "good":
        meaning += f"; a linear map trained on the labels would raise the ratio from {value:.2g} to {mapped:.2g}"
    return Measure(
        name,
        value,
        max(value - around, 0.0),
        value + around,
        meaning + ".",
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Variance between classes over variance within, from {len(rows):,} rows of {classes:,} classes, and "
        f"{len(same):,} pairs of either kind. The interval is a delete-a-group jackknife over rows; it speaks of these "
        f"classes.{known.left_out(2)}",
        source=_SOURCE,
        parts={"classes": classes, "same_nearer": nearer, "after_map": mapped},
        arrays={"same": same, "different": different},
    )


def _pair_distances(part: Collection, codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances, as search gives them, of random pairs within and across classes; no row is paired with itself."""
    rng = np.random.default_rng([seed, 72])
    count = min(_PAIRS, 20 * len(codes))
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 2))
    left = rng.integers(len(codes), size=count)
    size = np.diff(starts)[codes[left]]
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    mate = order[starts[codes[left]] + (place[left] + 1 + rng.integers(size - 1)) % size]
    # Of the rows in the order of the classes, those outside the row's own are one stretch that wraps round.
    beyond = starts[codes[left] + 1] + rng.integers(len(codes) - size)
    other = order[beyond % len(codes)]
    same, different = pair_distances(part, left, mate), pair_distances(part, left, other)
    return (same**2 / 2, different**2 / 2) if part.metric == "cosine" else (same, different)


def _nearer(same: np.ndarray, different: np.ndarray) -> float:
    """The share of pairs of a same and a different distance where the first is smaller; ties count half."""
    ordered = np.sort(different)
    below = np.searchsorted(ordered, same, "left") + np.searchsorted(ordered, same, "right")
    return float(1 - below.mean() / (2 * len(ordered)))


def _after_map(rows: np.ndarray, codes: np.ndarray, seed: int) -> float:
    """Fisher's ratio of held-out rows after discriminant analysis of the others.

    The covariance within classes, pooled, is shrunk as Ledoit and Wolf (2004) do.
    """
    kept = np.random.default_rng([seed, 73]).permutation(len(rows))[:_PROBED]
    rows, codes = rows[kept], codes[kept]
    half = deal(codes, seed, 2).astype(bool)
    counts = np.bincount(codes[half]), np.bincount(codes[~half])
    if rows.shape[1] > _PROBED_DIM or len(counts[0]) != len(counts[1]) or min(map(np.min, counts)) < 2:
        return math.nan
    from sklearn.covariance import ledoit_wolf

    classes = int(codes.max()) + 1
    fitted, held = rows[half], rows[~half]
    sums = Sums.of(fitted, codes[half], classes)
    means = sums.totals / sums.counts[:, None]
    residual = fitted - means[codes[half]]
    deviation = residual.std(axis=0)
    deviation[deviation <= 1e-9 * deviation.max()] = 1.0
    lengths, axes = np.linalg.eigh(ledoit_wolf(residual / deviation, assume_centered=True)[0])
    if not lengths[-1] > 0:
        return math.nan
    white = axes / np.sqrt(np.maximum(lengths, 1e-9 * lengths[-1])) / deviation[:, None]
    strongest = np.linalg.svd((means - fitted.mean(axis=0)) @ white, full_matrices=False)[2][: classes - 1]
    held = (held - fitted.mean(axis=0)) @ white @ strongest.T
    spread = Sums.of(held - held.mean(axis=0), codes[~half], classes).spread()
    return float(spread.ratio) if math.isfinite(spread.ratio) else math.nan
