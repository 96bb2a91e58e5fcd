"""One-to-one convergent features: does each coordinate of the one space have a partner in the other?"""

from __future__ import annotations

from typing import Any

import numpy as np

from .features import ROWS, SOURCE, PairFeatures, correlations
from .measure import Measure, undefined
from .moments import as_pair, bounds


def matched_features(
    first: Any,
    second: Any = None,
    *,
    signed: bool = False,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Convergent features, one to one: the mean correlation of coordinates matched as well as can be.

    1 when the one space is the other with its coordinates reordered (and rescaled); near 0 when no coordinate means
    what one of the other space means, be the spaces the same otherwise: a rotation destroys it. It tells whether
    things learnt for single coordinates carry over: names of features, ranges of a quantiser, truncation. Choose
    :func:`predicted_features` when a feature may be spread over several, :func:`feature_groups` for groups.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    signed : True matches a feature only with one of the same direction, as fits units that are never negative; False
        takes a feature and its negative for the same.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        Coordinates are matched on one half of the pairs (Hungarian assignment on correlations) and the correlations of
        the matches taken on the other half, so chance gives 0 however many coordinates there are. Over the smaller
        number of coordinates. ``parts``: ``by_chance`` (partners of rows shuffled), ``best`` (each feature's best
        partner when one may serve several: semi-matching), ``alone`` (share of the matches below 0.3),
        ``one_way`` (share of the matches that are not each feature's own best). ``arrays``: ``correlations``,
        falling, ``by_chance``, and ``match_first`` and ``match_second``, the column numbers matched.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 12)).astype(np.float32)
    >>> found = matched_features(x, x[:, ::-1].copy(), metric="l2")
    >>> round(found.value, 6), [int(i) for i in found.arrays["match_second"][:3]]
    (1.0, [11, 10, 9])
    """
    title = "Features matched one to one"
    found = PairFeatures.of(as_pair(first, second, metric, ids, random_state), sample, random_state)
    if found.why:
        return undefined("matched_features", title, found.why, source=SOURCE)
    rows, columns, kept, sizes = _matched(found, signed)
    value = float(kept.mean())
    error = _error(found.judge, rows, columns, sizes)
    chance = _matched(found.shuffled(random_state), signed)[2]
    fitted = correlations(found.fit) if signed else np.abs(correlations(found.fit))
    best = fitted.argmax(axis=1)
    judged = correlations(found.judge)
    signs = np.sign(correlations(found.fit))[np.arange(len(best)), best]
    parts = {
        "by_chance": float(chance.mean()),
        "best": float((judged[np.arange(len(best)), best] * signs).mean()),
        "alone": float((kept < 0.3).mean()),
        "one_way": float((best[rows] != columns).mean()),
    }
    if value >= 0.8:
        verdict, tail = "good", "what was learnt for single coordinates carries over"
    elif value >= 0.4:
        verdict, tail = "fair", "some coordinates have a partner, others have none"
    else:
        verdict, tail = "poor", "single coordinates have no partner, so nothing learnt for them carries over"
    order = np.argsort(rows)
    return Measure(
        "matched_features",
        value,
        *bounds(value, error),
        f"Matched one to one, coordinates of the two correlate by {value:.2f} on average: {tail}.",
        title=title,
        verdict=verdict,
        detail=f"From {found.scope}. Matched by Hungarian assignment. The interval is analytic, over the rows judged.",
        source=SOURCE,
        parts=parts,
        arrays={
            "correlations": np.sort(kept)[::-1],
            "by_chance": np.sort(chance)[::-1],
            "match_first": found.kept[0][rows[order]],
            "match_second": found.kept[1][columns[order]],
        },
    )


def _matched(found: PairFeatures, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Matches of the fitting half, their correlations on the other, and the sign each goes by."""
    from scipy.optimize import linear_sum_assignment

    fitted = correlations(found.fit)
    rows, columns = linear_sum_assignment(fitted if signed else np.abs(fitted), maximize=True)
    signs = np.ones(len(rows)) if signed else np.where(fitted[rows, columns] < 0, -1.0, 1.0)
    return rows, columns, correlations(found.judge)[rows, columns] * signs, signs


def _error(judge: tuple[np.ndarray, np.ndarray], rows: np.ndarray, columns: np.ndarray, signs: np.ndarray) -> float:
    """Of the mean correlation: the influence of each row on every correlation, summed."""
    a, b = (part[:, chosen] for part, chosen in zip(judge, (rows, columns), strict=True))
    a, b = ((part - part.mean(axis=0)) / np.where(part.std(axis=0) > 0, part.std(axis=0), 1.0) for part in (a, b))
    r = (a * b).mean(axis=0)
    influence = ((a * b - r * (a**2 + b**2) / 2) * signs).mean(axis=1)
    return float(influence.std(ddof=1)) / len(influence) ** 0.5
