"""Label sharpness: how short the way is to a row of another label."""

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

_PAIRS = 100_000
_ROWS = 20_000
_SOURCE = (
    "Konz & Mazurowski (2024), The effect of intrinsic dataset properties on generalization, ICLR, definition of the "
    "label sharpness K_F: the greatest change of label over distance among 1,000 random pairs"
)


def label_sharpness(
    vectors: Any,
    labels: Any,
    *,
    metric: str = "cosine",
    pairs: int = 1000,
    random_state: int = 0,
) -> Measure:
    """Label sharpness: how much nearer than usual the nearest of ``pairs`` random pairs with different labels is.

    Where labels change over a short way, a small error of the encoder or of a code changes the label: few bits, and few
    examples a class, will not do. Choose :func:`neighbor_purity` for how often neighbours disagree; this says how near
    a disagreement can be.

    Parameters
    ----------
    vectors : (n, d).
    labels : n hashable values, one a row; None and NaN mean no label. They are names: two labels are the same or not.
    metric : "cosine" measures the rows at length one, "l2" and "ip" as they are.
    pairs : how many random pairs the nearest is taken of; the source takes 1,000. More make the value larger, so
        compare spaces with the same number.
    random_state : draws the pairs.

    Returns
    -------
    Measure
        The expected greatest value of [labels differ] / distance among ``pairs`` random pairs, times the usual distance
        of two rows (root mean square), so that the scale of the space plays no part: 1 means that rows of other labels
        are as far as any. The source takes one draw of 1,000 pairs; here the expectation is estimated from 100,000.
        The interval is a delete-a-group jackknife over rows. ``parts``: ``relative`` (the value over what it would be
        if all labels differed: 1 when the nearest pairs are as likely to differ as any, which decides the verdict),
        ``mean`` (of the same over all pairs), ``unscaled`` (without the usual distance: the source's number),
        ``conflicting_copies`` (rows that repeat another exactly but have another label; such pairs are left out).
        ``arrays``: ``different``, distances over the usual one of pairs with different labels.

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.float32([[0, 0], [3, 0], [0, 4]]).repeat(20, axis=0)
    >>> measure = label_sharpness(corners, np.repeat(["a", "b", "c"], 20), metric="l2")
    >>> round(measure.parts["unscaled"], 3)  # the nearest corners with different labels are 3 apart
    0.333
    """
    title, name = "Label sharpness", "label_sharpness"
    check_choice(metric, "metric", METRICS)
    check_int(pairs, "pairs", 1, _PAIRS // 10)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    known = Labels.of(labels, len(space))
    why = known.too_few(1)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    rng = np.random.default_rng([seed, 74])
    labelled = np.flatnonzero(known.labelled)
    chosen = labelled if len(labelled) <= _ROWS else np.sort(rng.choice(labelled, _ROWS, replace=False))
    part, codes = labelled_part(space, known, chosen)
    left = rng.integers(len(codes), size=_PAIRS)
    right = (left + 1 + rng.integers(len(codes) - 1, size=_PAIRS)) % len(codes)
    distances = pair_distances(part, left, right)
    differ = codes[left] != codes[right]
    scale = math.sqrt(float((distances**2).mean()))
    copies = differ & (distances <= 1e-6 * scale)
    clashes = len(np.unique(part.representative[left[copies]])) if copies.any() else 0
    if scale == 0 or not (differ & ~copies).any():
        why = "all rows with different labels coincide" if differ.any() else "too few rows have another label"
        return undefined(name, title, f"Unknown: {why}.", source=_SOURCE)
    slope = np.where(differ & ~copies, scale / np.where(differ & ~copies, distances, 1.0), 0.0)
    used = ~copies
    weights = _weights(int(used.sum()), pairs)
    value = _expected_greatest(slope[used], weights)
    group = deal(codes, seed)

    def without(g: int) -> float:
        some = used & (group[left] != g) & (group[right] != g)
        return _expected_greatest(slope[some], _weights(int(some.sum()), pairs)) if some.any() else math.nan

    around = margin(map(without, range(GROUPS)))
    near = 1 / value
    anyhow = np.zeros(len(distances))
    anyhow[distances > 1e-6 * scale] = scale / distances[distances > 1e-6 * scale]
    nearest = _expected_greatest(anyhow[used], weights)
    relative = value / nearest
    if relative <= 0.6:
        verdict, tail = "good", "rows that are near share their label"
    elif relative <= 0.85:
        verdict, tail = "fair", "labels change between rows that are rather near"
    else:
        verdict, tail = "poor", "labels change over ways as short as there are: look at some such pairs"
    meaning = (
        f"Of {pairs:,} random pairs, the nearest with different labels lies at {near:.2g} of the usual distance, "
        f"the nearest of any at {1 / nearest:.2g}: {tail}"
    )
    if clashes:
        meaning += f"; at least {clashes:,} rows repeat another one exactly and have another label"
    return Measure(
        name,
        value,
        max(value - around, 0.0),
        value + around,
        meaning + ".",
        title=title,
        unit="",
        verdict=verdict,
        detail=f"From {int(used.sum()):,} random pairs of {len(codes):,} rows. The interval is a delete-a-group "
        f"jackknife over rows.{known.left_out(1)}",
        source=_SOURCE,
        parts={
            "pairs": pairs,
            "relative": relative,
            "mean": float(slope[used].mean()),
            "unscaled": value / scale,
            "conflicting_copies": clashes,
        },
        arrays={"different": distances[differ & ~copies] / scale},
    )


def _weights(count: int, pairs: int) -> np.ndarray:
    """The chance that the i-th greatest of ``count`` values is the greatest of ``pairs`` drawn with replacement.

    As far as it is more than nothing: those far down are never the greatest.
    """
    most = min(count, math.ceil(40 * count / pairs))
    powers = (1 - np.arange(most + 1) / count) ** pairs
    return powers[:-1] - powers[1:]


def _expected_greatest(values: np.ndarray, weights: np.ndarray) -> float:
    most = len(weights)
    greatest = values if most == len(values) else np.partition(values, len(values) - most)[len(values) - most :]
    return float(weights @ np.sort(greatest)[::-1])
