"""Dominant directions: the few coordinates or directions that decide most of every similarity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice
from ..common.interval import mean_interval
from ..common.lengths import unit_rows
from .collection import METRICS
from .measure import Measure, format_number, undefined
from .rank import FEWEST, ROWS, Moments, Spectrum, why_no_variance

_LEAST = 0.05
_TIMES = 5.0
_MOST = 0.5
_POOR = 0.9
_BASE, _ASKED, _K = 4000, 500, 10
_SOURCE = (
    "Timkey & van Schijndel (2021), EMNLP (coordinates that carry the cosine); "
    "Mu & Viswanath (2018), ICLR (taking the top directions away)"
)


def dominant_directions(
    vectors: Any, *, metric: str | None = None, sample: int | None = ROWS, random_state: int = 0
) -> Measure:
    """Share of similarity that the dominant directions carry, which they are, and what taking them away would change.

    Choose it over :func:`isotropy`, which says how uneven the space is, to learn where it is uneven and whether that
    matters for results.

    Parameters
    ----------
    vectors : (n, d) with d at least 2.
    metric : the metric search uses. Under "l2" similarity is the product about the mean, which decides distances;
        under "cosine" (rows at length one) and "ip" it is the product itself, common offset included. None takes
        the rows as given, as under "ip".
    sample : rows used at most (never fewer than 8 d when there are as many). None: all.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        The square of the similarity of two rows is, on average, the sum of the squared eigenvalues of the second
        moments; each direction's part of that sum is what it carries, and each coordinate's is the same sum over
        its row of the matrix. One dominates when it carries more than 5% and more than five equal shares among as
        many directions as the effective rank. The value is the share of the dominant principal directions, or of the
        strongest where none dominates; the interval is a delete-a-group jackknife. ``parts``: ``directions`` and
        ``coordinates`` that dominate, ``strongest_coordinate`` (its number) and ``coordinate_share`` (of the
        dominant coordinates, or the strongest), ``kept_neighbours`` with ``_low`` and ``_high`` (share of the ten
        nearest of 500 rows among 4,000 that stay when the dominant directions are removed), ``cosine_before`` and
        ``cosine_after`` (mean cosine of random pairs). ``arrays``: ``shares`` by direction, ``coordinate_shares``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2000, 50)).astype(np.float32)
    >>> x[:, 7] += 10  # a rogue coordinate, nearly the same in every row
    >>> measure = dominant_directions(x, metric="cosine")
    >>> measure.verdict, measure.parts["strongest_coordinate"], round(measure.value, 1)
    ('poor', 7, 1.0)
    """
    if metric is not None:
        check_choice(metric, "metric", METRICS)
    title = "Dominant directions"
    spectrum = Spectrum.of(vectors, sample, random_state, metric)
    about_mean = metric == "l2"
    if spectrum.dim < 2:
        why = "Unknown: with one dimension there is only one direction."
        return undefined("dominant_directions", title, why, source=_SOURCE)

    def matrix(part: Moments) -> np.ndarray:
        return part.covariance if about_mean else part.second

    whole = matrix(Moments.sum(spectrum.groups))
    count = len(spectrum.rows)
    size = float(np.trace(whole))
    if count < FEWEST or size <= 1e-12 * float(spectrum.mean @ spectrum.mean):
        return undefined("dominant_directions", title, why_no_variance(spectrum), source=_SOURCE)
    whole = whole / size
    levels, directions = (part[..., ::-1] for part in np.linalg.eigh(whole))
    levels = np.maximum(levels, 0.0)
    shares = levels**2 / float(np.square(levels).sum())
    limit = _limit(levels)
    dominant = int((shares > limit).sum())
    used = directions[:, : max(dominant, 1)]

    def carried(part: Moments) -> float:
        # Their share for directions that stay: right to first order, which is all a jackknife needs.
        small = matrix(part) / size
        return float(np.square(np.einsum("ir,ij,jr->r", used, small, used)).sum() / np.square(small).sum())

    value = float(shares[: max(dominant, 1)].sum())
    margin = spectrum.jackknife(carried)
    by_coordinate = _by_coordinate(whole, spectrum.basis)
    rogue = np.sort(by_coordinate)[::-1]
    rogues = int((rogue > limit).sum())
    strongest = int(by_coordinate.argmax())
    parts: dict[str, float] = {
        "directions": dominant,
        "coordinates": rogues,
        "strongest_coordinate": strongest,
        "coordinate_share": float(rogue[: max(rogues, 1)].sum()),
    }
    parts |= _removal(spectrum, used, metric or "ip", random_state)
    verdict = "good" if not dominant else "fair" if value < _POOR else "poor"
    return Measure(
        "dominant_directions",
        value,
        max(value - margin, 0.0) if math.isfinite(margin) else 0.0,
        min(value + margin, 1.0) if math.isfinite(margin) else 1.0,
        _meaning(dominant, rogues, strongest, value, parts),
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {spectrum.scope}. A direction dominates above {format_number(limit, 'share')}. The interval is a "
        f"delete-a-group jackknife. What removal changes was measured on at most {_BASE:,} of the rows.",
        source=_SOURCE,
        parts=parts,
        arrays={"shares": shares, "coordinate_shares": by_coordinate},
    )


def _limit(levels: np.ndarray) -> float:
    """The share above which a direction dominates."""
    sigma = np.sqrt(levels[levels > levels[0] * 1e-12])
    p = sigma / sigma.sum()
    rank = math.exp(-float(p @ np.log(p)))
    return min(max(_LEAST, _TIMES / rank), _MOST)


def _by_coordinate(matrix: np.ndarray, basis: np.ndarray | None) -> np.ndarray:
    """Each coordinate's part of the sum of all squared entries; ``basis`` leads there from the span of few rows."""
    squared = matrix @ matrix
    parts = squared.diagonal() if basis is None else np.einsum("di,ij,dj->d", basis, squared, basis, optimize=True)
    return np.maximum(parts, 0.0) / float(squared.trace())


def _removal(spectrum: Spectrum, used: np.ndarray, metric: str, random_state: int) -> dict[str, float]:
    """What removing the directions does to the nearest rows and to the mean cosine, on a sample."""
    rng = np.random.default_rng([random_state, 70])
    count = min(len(spectrum.rows), _BASE)
    rows = spectrum.rows[np.sort(rng.permutation(len(spectrum.rows))[:count])].astype(np.float64)
    rows /= max(float(np.abs(rows).max()), 1e-300)
    center = rows.mean(axis=0) if metric == "l2" else 0.0
    without = rows - (rows - center) @ used @ used.T
    asked = rng.permutation(count)[:_ASKED]
    made = {"cosine_before": _mean_cosine(rows), "cosine_after": _mean_cosine(without)}
    k = min(_K, count - 2)
    before, after = (_nearest(part, asked, k, metric) for part in (rows, without))
    kept = mean_interval([np.isin(a, b).mean() for a, b in zip(after, before, strict=True)])
    return made | dict(zip(("kept_neighbours", "kept_neighbours_low", "kept_neighbours_high"), kept, strict=True))


def _nearest(rows: np.ndarray, asked: np.ndarray, k: int, metric: str) -> np.ndarray:
    if metric == "cosine":
        rows = unit_rows(rows)
    similar = rows[asked] @ rows.T
    if metric == "l2":
        similar -= np.einsum("ij,ij->i", rows, rows) / 2
    similar[np.arange(len(asked)), asked] = -np.inf
    return np.argpartition(-similar, k - 1, axis=1)[:, :k]


def _mean_cosine(rows: np.ndarray) -> float:
    count = len(rows)
    total = unit_rows(rows).sum(axis=0)
    return float(np.clip((total @ total - count) / (count * (count - 1)), -1.0, 1.0))


def _meaning(dominant: int, rogues: int, strongest: int, value: float, parts: dict[str, float]) -> str:
    held = format_number(value, "share")
    if not dominant:
        return f"No direction dominates: the strongest carries {held} of the similarity between unrelated rows."
    which = "One direction carries" if dominant == 1 else f"{dominant} directions carry"
    if rogues:
        which += f" (most of all coordinate {strongest})"
    kept = parts["kept_neighbours"]
    text = f"{which} {held} of the similarity between unrelated rows. Without {'it' if dominant == 1 else 'them'}, "
    text += f"{kept:.0%} of the nearest rows stay the same"
    if abs(parts["cosine_before"] - parts["cosine_after"]) >= 0.05:
        text += f" and two unrelated rows have a cosine of {parts['cosine_after']:.2f} instead of "
        text += f"{parts['cosine_before']:.2f}"
    if kept >= 0.9:
        return text + ": removing changes little but makes similarities easier to read and to compress."
    return text + ": compare results with and without before the vectors are indexed."
