"""Intrinsic dimension: how many directions a row can move in and still look like the collection; global and local."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_real
from ..common.interval import t_quantile
from .collection import METRICS, Collection
from .measure import Measure, undefined
from .neighbors import BASE_LIMIT, GROUPS, Neighborhood, list_length, sample_neighbors
from .reference import Curves, ball_curves, corrected, expected_mle, expected_twonn, gaussian_curves

FEWEST = 10
_SCALES = (2, 3, 5, 8, 13, 20)
_TWONN = "Facco, d'Errico, Rodriguez & Laio (2017), Scientific Reports 7, 12140: the linear fit"
_MLE = "Levina & Bickel (2005), NIPS 17, eq. 8, averaged as MacKay & Ghahramani (2005): the mean of the inverses"
_LID = "Amsaleg et al. (2015), KDD: the maximum-likelihood (Hill) estimator; Levina & Bickel (2005), eq. 8"


def intrinsic_dimension_twonn(
    vectors: Any,
    *,
    metric: str = "cosine",
    discard: float = 0.1,
    correct: bool = True,
    sample: int | None = 2000,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Intrinsic dimension at the finest scale the data has: from the first two neighbours of each row.

    Choose it over :func:`intrinsic_dimension_mle` when density varies from place to place, which it hardly notices;
    choose the other for a steadier number. Where the two disagree, the dimension depends on the scale.

    Parameters
    ----------
    vectors : (n, d).
    metric : "cosine" measures directions, "l2" and "ip" the vectors themselves (Euclidean distance).
    discard : the share of largest ratios left out of the fit, where the theory fits worst; the paper's 0.1.
    correct : correct the bias that a Gaussian cloud of so many rows would show (see ``detail``); False gives the
        paper's number. ``parts["uncorrected"]`` holds it in any case.
    sample : rows whose neighbours are looked up; None for every row.
    random_state : chooses the sample.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True``.

    Returns
    -------
    Measure
        ``parts``: ``uncorrected``, ``at_half`` and ``at_quarter``: the uncorrected estimate when only a half or a
        quarter of the rows is searched (a clear fall means noise at the finest scale, a clear rise near-copies).
        ``arrays``: ``log_ratio``. Rows that repeat another one exactly are left out. The interval is a
        delete-a-group jackknife, widened by the doubt about the correction (see ``detail``).

    Examples
    --------
    >>> import numpy as np
    >>> plane = np.random.default_rng(0).standard_normal((1000, 2)) @ np.eye(2, 10)
    >>> measure = intrinsic_dimension_twonn(plane.astype(np.float32), metric="l2")
    >>> measure.low < 2 < measure.high
    True
    """
    discard = check_real(discard, "discard", 0.0, 1.0, open_high=True)
    title = "Intrinsic dimension (TwoNN)"
    space, found = _found(vectors, metric, 2, 40, sample, random_state, neighbors)

    def fit(log_ratio: np.ndarray) -> float:
        return _fit_twonn(log_ratio, discard)

    def statistic(lists: Neighborhood) -> float:
        return fit(_log_ratio(lists))

    lists = found.nearest(2)
    log_ratio = _log_ratio(lists)
    if len(log_ratio) < FEWEST:
        return undefined("intrinsic_dimension_twonn", title, _too_few(len(log_ratio), 2), source=_TWONN)
    raw = fit(log_ratio)
    if not math.isfinite(raw):
        why = "Unknown: the two nearest neighbours of nearly every row are equally far, as on a grid."
        return undefined("intrinsic_dimension_twonn", title, why, source=_TWONN)
    value, low, high = _finish(
        raw,
        found.jackknife(2, statistic, random_state),
        lambda curves: expected_twonn(curves, len(found.searched) - 1, fit),
        space.ambient if correct else 0,
    )
    parts = {"uncorrected": raw, "discard": discard, "neighbours_searched": len(found.searched)}
    thin = np.random.default_rng([random_state, 30]).random(found.total)
    for name, share in (("at_half", 0.5), ("at_quarter", 0.25)):
        parts[name] = statistic(found.without(thin > share, 2)) if len(log_ratio) * share >= FEWEST else math.nan
    return Measure(
        "intrinsic_dimension_twonn",
        value,
        low,
        high,
        _meaning(value),
        title=title,
        unit="dimensions",
        verdict=_verdict(value),
        detail=f"From the {found.nearest(2).scope}, the largest {discard:.0%} of ratios left out. "
        + _bias_text(raw, correct),
        source=_TWONN,
        parts=parts,
        arrays={"log_ratio": log_ratio},
    )


def intrinsic_dimension_mle(
    vectors: Any,
    *,
    k: int = 20,
    metric: str = "cosine",
    correct: bool = True,
    sample: int | None = 2000,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Intrinsic dimension at the scale of ``k`` neighbours, by maximum likelihood.

    Steadier than :func:`intrinsic_dimension_twonn` because it uses more neighbours, and more biased for the same
    reason; the bias is corrected. For one number per row use :func:`local_intrinsic_dimension`.

    Parameters
    ----------
    vectors : (n, d).
    k : neighbours per row; 10 to 20 is usual. More is steadier and coarser.
    metric : "cosine" measures directions, "l2" and "ip" the vectors themselves (Euclidean distance).
    correct : correct the bias that a Gaussian cloud of so many rows would show (see ``detail``); False gives the
        paper's number. ``parts["uncorrected"]`` holds it in any case.
    sample : rows whose neighbours are looked up; None for every row.
    random_state : chooses the sample.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True`` and lists longer than ``k``.

    Returns
    -------
    Measure
        The interval is made as in :func:`intrinsic_dimension_twonn`. ``arrays``: ``dimension`` before the correction,
        by ``neighbours`` used.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = np.random.default_rng(0).standard_normal((1000, 10)).astype(np.float32)
    >>> measure = intrinsic_dimension_mle(cloud, metric="l2")
    >>> round(measure.parts["uncorrected"]), round(measure.value)
    (9, 10)
    """
    check_int(k, "k", 2)
    title = "Intrinsic dimension (MLE)"
    space, found = _found(vectors, metric, k, list_length(k), sample, random_state, neighbors)
    inverse = _inverse_local(found.nearest(k))
    if len(inverse) < FEWEST:
        return undefined("intrinsic_dimension_mle", title, _too_few(len(inverse), k), source=_MLE)
    mean = float(inverse.mean())
    if mean <= 0:
        why = f"Unknown: all {k} nearest neighbours of nearly every row are equally far."
        return undefined("intrinsic_dimension_mle", title, why, source=_MLE)
    value, low, high = _finish(
        1 / mean,
        found.jackknife(k, lambda lists: _one_over_mean(_inverse_local(lists)), random_state),
        lambda curves: expected_mle(curves, len(found.searched) - 1, k),
        space.ambient if correct else 0,
    )
    return Measure(
        "intrinsic_dimension_mle",
        value,
        low,
        high,
        _meaning(value),
        title=title,
        unit="dimensions",
        verdict=_verdict(value),
        detail=f"From the {k} nearest {found.nearest(k).scope}. " + _bias_text(1 / mean, correct),
        source=_MLE,
        parts={"uncorrected": 1 / mean, "k": k, "neighbours_searched": len(found.searched)},
        arrays=_by_neighbours(found, k),
    )


def local_intrinsic_dimension(
    vectors: Any,
    *,
    k: int = 20,
    metric: str = "cosine",
    correct: bool = True,
    sample: int | None = None,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Intrinsic dimension around each row: which rows an approximate index will find hard.

    One row's number is rough (k = 20 gives it to within a quarter, one time in three worse): use it to order rows, as
    in choosing an insertion order, or to see the spread. For one number use :func:`intrinsic_dimension_mle`.

    Parameters
    ----------
    vectors : (n, d).
    k : neighbours per row; 20 for a picture, 100 for an order of rows.
    metric : "cosine" measures directions, "l2" and "ip" the vectors themselves (Euclidean distance).
    correct : multiply every row's number by the factor that corrects the average (``parts["factor"]``); the order of
        rows does not change.
    sample : rows measured; None, the default, is every row, which takes n exact searches.
    random_state : chooses the sample.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True`` and lists longer than ``k``.

    Returns
    -------
    Measure
        The median over rows. ``arrays``: ``rows`` and ``per_row`` (the same length; rows that repeat another one get
        its number). ``parts``: ``p10`` and ``p90`` over rows, and ``spread``: the standard deviation of the logarithm
        that remains after the estimator's own noise is taken off (0: every region is alike).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> line, ball = rng.random((500, 1)) @ np.eye(1, 8), rng.random((500, 8)) + 5
    >>> x = np.concatenate([line, ball]).astype(np.float32)
    >>> per_row = local_intrinsic_dimension(x, metric="l2").arrays["per_row"]
    >>> bool(per_row[:500].max() < np.median(per_row[500:]))
    True
    """
    check_int(k, "k", 2)
    title = "Local intrinsic dimension"
    space, found = _found(vectors, metric, k, list_length(k), sample, random_state, neighbors)
    lists = found.nearest(k)
    inverse = _inverse_local(lists)
    if len(inverse) < FEWEST or inverse.mean() <= 0:
        return undefined("local_intrinsic_dimension", title, _too_few(len(inverse), k), source=_LID)
    raw = 1 / float(inverse.mean())
    better, lowest, highest = _finish(
        raw, 0.0, lambda curves: expected_mle(curves, len(found.searched) - 1, k), space.ambient if correct else 0
    )
    factor = better / raw
    rows = _positive_rows(lists)
    with np.errstate(divide="ignore"):
        local = factor / inverse
    value = min(float(np.median(local)), float(space.ambient))
    error = factor * found.jackknife(k, lambda part: _one_over_median(_inverse_local(part)), random_state)
    margin = t_quantile(GROUPS - 1) * error if math.isfinite(error) else 0.0
    p10, p90 = (float(p) for p in np.quantile(local, [0.1, 0.9]))
    from scipy import special

    noise = float(special.polygamma(1, k - 1))
    positive = local[np.isfinite(local)]
    spread = math.sqrt(max(float(np.log(positive).var()) - noise, 0.0))
    if sample is None and neighbors is None:
        rows, local = _every_row(space, rows, local)
    if spread < 0.15:
        meaning = "All regions are about equally hard to search, so one search setting fits every query."
    else:
        ratio = math.exp(2 * 1.2816 * spread)
        meaning = (
            f"Regions differ: the hardest tenth of the rows sits where dimension is {ratio:.1f} times that of the "
            "easiest tenth, so queries there need a wider search for the same recall."
        )
    return Measure(
        "local_intrinsic_dimension",
        value,
        max(value * lowest / better - margin, 0.0),
        max(min(value * highest / better + margin, space.ambient), value),
        meaning,
        title=title,
        unit="dimensions",
        verdict="good" if spread < 0.3 else "fair" if spread < 0.6 else "poor",
        detail=f"Median over rows, from the {k} nearest {lists.scope}. One row's number is good to about "
        f"{math.sqrt(noise):.0%}; of the spread shown, that noise is part. " + _bias_text(value / factor, correct),
        source=_LID,
        parts={"p10": p10, "p90": p90, "spread": spread, "factor": factor, "k": k},
        arrays={"rows": rows, "per_row": local.astype(np.float32)},
    )


def _found(
    vectors: Any, metric: str, k: int, length: int, sample: int | None, seed: int, shared: Neighborhood | None
) -> tuple[Collection, Neighborhood]:
    """The collection under a metric with a true distance, and lists long enough for the jackknife."""
    check_choice(metric, "metric", METRICS)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    if shared is None:
        return space, sample_neighbors(
            space, length, metric=space.metric, sample=sample, base=BASE_LIMIT, random_state=seed
        )
    if shared.metric != space.metric or not shared.distinct or shared.total != len(space):
        raise ValueError(
            f"neighbors: expected lists under {space.metric!r} of {len(space)} rows, distinct rows only, "
            f"got {shared.metric!r} of {shared.total}, distinct={shared.distinct}"
        )
    if shared.k < k + 1:
        raise ValueError(f"neighbors: expected lists of at least {k + 1} neighbours for k={k}, got {shared.k}")
    return space, shared


def _log_ratio(lists: Neighborhood) -> np.ndarray:
    """log(r2 / r1) of each row, rows with a neighbour at distance zero left out."""
    first, second = lists.distances[:, 0], lists.distances[:, 1]
    apart = first > 0
    return np.log(second[apart] / first[apart])


def _fit_twonn(log_ratio: np.ndarray, discard: float) -> float:
    """Slope through the origin of -log(1 - F) on log(ratio), F the empirical distribution."""
    count = len(log_ratio)
    kept = min(int(count * (1 - discard)), count - 1)
    if kept < 2:
        return math.nan
    x = np.sort(log_ratio)[:kept]
    y = -np.log1p(-np.arange(1, kept + 1) / count)
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else math.nan


def _positive_rows(lists: Neighborhood) -> np.ndarray:
    return lists.rows[lists.distances[:, 0] > 0]


def _by_neighbours(found: Neighborhood, k: int) -> dict[str, np.ndarray]:
    """The uncorrected dimension from so many neighbours, up to k; scales at which all are equally far are left out."""
    seen = {
        count: _one_over_mean(_inverse_local(found.nearest(count))) for count in sorted({*_SCALES, k}) if count <= k
    }
    known = {count: value for count, value in seen.items() if math.isfinite(value)}
    return {"neighbours": np.array(list(known)), "dimension": np.array(list(known.values()))}


def _inverse_local(lists: Neighborhood) -> np.ndarray:
    """1 / local dimension of each row: the mean of log(r_k / r_j) over j < k."""
    distances = lists.distances[lists.distances[:, 0] > 0]
    return np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)


def _one_over_mean(inverse: np.ndarray) -> float:
    mean = float(inverse.mean()) if len(inverse) else 0.0
    return 1 / mean if mean > 0 else math.nan


def _one_over_median(inverse: np.ndarray) -> float:
    middle = float(np.median(inverse)) if len(inverse) else 0.0
    return 1 / middle if middle > 0 else math.nan


def _finish(raw: float, error: float, expected: Callable[[Curves], float], ambient: int) -> tuple[float, float, float]:
    """Value and interval: the statistical error, and the doubt about the correction; ``ambient`` 0 leaves it out.

    The value is right for a Gaussian cloud. The interval reaches from the uncorrected estimate to what would be right
    for a ball with a hard border, with half of each of the two gaps on top: other clouds are not quite either.
    """
    margin = t_quantile(GROUPS - 1) * error if math.isfinite(error) else 0.0
    if not ambient:
        return raw, max(raw - margin, 0.0), raw + margin
    value = corrected(raw, lambda d: expected(gaussian_curves(d)), ambient)
    border = corrected(raw, lambda d: expected(ball_curves(d)), ambient)
    doubt = 0.5 * abs(border - value)
    low = min(raw, value) - margin - doubt
    high = max(border, value) + margin * value / raw + doubt + 0.5 * max(value - raw, 0.0)
    return value, max(low, 0.0), max(min(high, ambient), value)


def _every_row(space: Collection, rows: np.ndarray, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for every row: repeats take that of the row they repeat, rows without one get NaN."""
    full = np.full(len(space), np.nan)
    full[rows] = local
    return np.arange(len(space)), full[space.representative]


def _bias_text(raw: float, correct: bool) -> str:
    text = "The interval is a delete-a-group jackknife over rows"
    if not correct:
        return text + "; it does not cover the estimator's bias, which above 5 dimensions is downward."
    return (
        f"{text}, widened by the doubt about the bias: uncorrected the estimate is {raw:.1f}, which is too low above 5 "
        "dimensions; the value undoes the bias of a Gaussian cloud of so many rows, and the interval also allows for "
        "data with hard borders. Data wound round closed loops (a torus) is overestimated."
    )


def _too_few(rows: int, k: int) -> str:
    return (
        f"Unknown: needs at least {FEWEST} different rows that have {k} different neighbours each, "
        f"and there {'is' if rows == 1 else 'are'} {rows}."
    )


def _verdict(value: float) -> str:
    return "good" if value < 12 else "fair" if value < 30 else "poor"


def _meaning(value: float) -> str:
    shown = f"about {value:.0f} directions" if value >= 1.5 else "about 1 direction"
    if value < 12:
        return (
            f"Around a typical row the data varies in {shown}: "
            "easy for an approximate index, which needs little search."
        )
    if value < 30:
        return (
            f"Around a typical row the data varies in {shown}, as text and image embeddings usually do: "
            "an approximate index reaches high recall with a moderate search."
        )
    return (
        f"Around a typical row the data varies in {shown}: hard for an approximate index; expect a wide search, "
        "or exact search, for high recall."
    )
