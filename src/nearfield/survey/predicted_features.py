"""One-to-many convergent features: from how many coordinates of the one space is one of the other rebuilt?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..common.checks import check_int
from .features import ROWS, SOURCE, PairFeatures, explained, ridge_fit
from .measure import Measure, undefined
from .moments import as_pair, bounds, ratio

_TARGETS = 48


def predicted_features(
    first: Any,
    second: Any = None,
    *,
    terms: int = 16,
    targets: int = _TARGETS,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Convergent features, one to many: how well a few coordinates of the first rebuild one of the second (LASSO).

    1 when every coordinate of the second is a sum of at most ``terms`` of the first; how fast the curve of
    ``arrays["explained"]`` rises says how spread out features are. A reordered copy needs one term, a rotated copy all
    of them, an unrelated space has no use for any.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    terms : how many coordinates may be used for each; 16 of some hundred is sparse.
    targets : coordinates of the second that are predicted, a random choice of them.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        Share of the variance of the second's coordinates that is explained on rows left out of the fit. The terms are
        those that enter the LASSO path first; their weights are then fitted without the penalty, which the paper
        keeps. ``parts``: ``by_chance`` (partners shuffled), ``one`` (a single term), ``all`` (every coordinate, least
        squares with a small ridge). ``arrays``: ``terms`` and ``explained``, a curve. The interval is
        analytic, over the rows judged.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((600, 12)).astype(np.float32)
    >>> sums = (x[:, :6] + x[:, 6:]).astype(np.float32)
    >>> found = predicted_features(x, sums, terms=2, metric="l2")
    >>> round(found.value, 3), round(found.parts["one"], 1)
    (1.0, 0.5)
    """
    title = "Features rebuilt from a few"
    check_int(terms, "terms", 1)
    check_int(targets, "targets", 1)
    found = PairFeatures.of(as_pair(first, second, metric, ids, random_state), sample, random_state)
    if found.why:
        return undefined("predicted_features", title, found.why, source=SOURCE)
    dim = len(found.kept[0])
    chosen = np.random.default_rng([random_state, 79]).permutation(len(found.kept[1]))[:targets]
    terms = min(terms, dim)
    steps = [2**i for i in range(terms.bit_length()) if 2**i < terms] + [terms]
    curve = _curve(found, chosen, steps)
    value, error = ratio(*curve[terms])
    value = 1 - value
    everything = 1 - ratio(*_all(found, chosen))[0]
    parts = {
        "by_chance": 1 - ratio(*_curve(found.shuffled(random_state), chosen, [terms])[terms])[0],
        "one": 1 - ratio(*curve[1])[0],
        "all": everything,
        "terms": terms,
    }
    if value >= 0.8:
        verdict, meaning = "good", "the two cut the world into much the same features"
    elif everything >= 0.8:
        verdict, meaning = "fair", "the features are there, but spread over many coordinates"
    elif everything >= 0.3:
        verdict, meaning = "fair", "a part of the features is there, the rest is not in the first at all"
    else:
        verdict, meaning = "poor", "even all coordinates do not rebuild them, so the two say different things"
    return Measure(
        "predicted_features",
        value,
        *bounds(value, error),
        f"{terms} coordinates of the first rebuild {max(value, 0):.0%} of a coordinate of the second, all {dim} "
        f"{max(everything, 0):.0%}: {meaning}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {found.scope}; {len(chosen)} coordinates of the second. The interval is analytic, over the rows "
        "judged.",
        source=SOURCE,
        parts=parts,
        arrays={
            "terms": np.array([*steps, dim]),
            "explained": np.array([*(1 - ratio(*curve[step])[0] for step in steps), everything]),
        },
    )


def _curve(found: PairFeatures, chosen: np.ndarray, steps: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For every number of terms the squared residual and size of each judged row, over the chosen targets."""
    from sklearn.linear_model import lars_path_gram

    x, y = found.fit[0], found.fit[1][:, chosen]
    gram, moment = x.T @ x, x.T @ y
    weights = {step: np.zeros((x.shape[1], len(chosen))) for step in steps}
    for column in range(len(chosen)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the path ends early where coordinates repeat each other
            _, _, path = lars_path_gram(
                moment[:, column], gram, n_samples=len(x), max_iter=4 * steps[-1], method="lasso"
            )
        sizes = (path != 0).sum(axis=0)
        for step in steps:
            active = np.flatnonzero(path[:, np.flatnonzero(sizes <= step)[-1]])
            if len(active):
                inner = gram[np.ix_(active, active)]
                weights[step][active, column] = ridge_fit(inner, moment[active, column], len(x))
    aim = found.judge[1][:, chosen]
    return {step: explained(aim - found.judge[0] @ weight, aim) for step, weight in weights.items()}


def _all(found: PairFeatures, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = found.fit[0], found.fit[1][:, chosen]
    weight = ridge_fit(x.T @ x, x.T @ y, len(x))
    aim = found.judge[1][:, chosen]
    return explained(aim - found.judge[0] @ weight, aim)
