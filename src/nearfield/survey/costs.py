"""What drift costs, from what was measured query by query: recall, and the share of queries that are answered."""

from __future__ import annotations

import numpy as np

from ..common.interval import difference_interval, mean_interval
from .measure import Measure

RECALL_TITLE, RELEVANCE_TITLE = "Expected recall loss", "Expected change of relevance"
# A row counts as answered when its nearest is as near as this share of the stored rows have theirs.
ANSWERED = 0.95
_SOURCE = "Newcombe (1998), Statistics in Medicine 17 (the interval of a difference)"


def recall_loss(then: np.ndarray, now: np.ndarray, *, what: str, k: int) -> Measure:
    """The mean recall of stored rows less that of new rows, from the recall of each query; ``what`` was searched."""
    before, after = mean_interval(then), mean_interval(now)
    value, low, high = difference_interval(before, after)
    if value < 0.01 or high <= 0.02:
        verdict = "good"
    else:
        verdict = "fair" if value < 0.05 or low <= 0 else "poor"
    if low <= 0 <= high:
        tail = "no loss that these queries can show"
    elif value < 0:
        tail = "the new rows are even easier"
    else:
        tail = f"about {100 * value:.1f} of 100 true neighbours more are missed"
    return Measure(
        "recall_loss",
        value,
        low,
        high,
        f"Asked for new rows, {what} finds {after[0]:.1%} of the true {k} nearest, for stored rows "
        f"{before[0]:.1%}: {tail}.",
        title=RECALL_TITLE,
        unit="share",
        verdict=verdict,
        detail=f"Recall at {k} of {len(then):,} stored and {len(now):,} new rows, each against an exact search; a row "
        "as far as the last true one counts. An index holds the stored rows it is asked for, which helps it a little. "
        "The interval is that of a difference of means, over queries.",
        source=_SOURCE,
        parts={"old": before[0], "new": after[0], "k": k},
    )


def relevance_change(
    then_nearest: np.ndarray,
    now_nearest: np.ndarray,
    *,
    then_relevance: np.ndarray | None = None,
    now_relevance: np.ndarray | None = None,
) -> Measure:
    """The share of new rows that are answered less that of stored ones.

    From the relevance of each one's best hit where a judge gives it, else from the distance to its nearest: half of the
    stored rows set the distance within which :data:`ANSWERED` of them have their nearest, the others are held to it.
    """
    judged = then_relevance is not None and now_relevance is not None
    if then_relevance is not None and now_relevance is not None:
        old, new = np.asarray(then_relevance, float), np.asarray(now_relevance, float)
        how = "by the judge, the chance that the best hit is relevant"
    else:
        radius = float(np.quantile(then_nearest[::2], ANSWERED, method="higher"))
        old, new = (then_nearest[1::2] <= radius).astype(float), (now_nearest <= radius).astype(float)
        how = f"a row counts whose nearest lies within {radius:.3g}, as that of {ANSWERED:.0%} of the stored rows does"
    before, after = mean_interval(old), mean_interval(new)
    value, low, high = difference_interval(after, before)
    if high >= -0.01 and value > -0.05:
        verdict = "good"
    else:
        verdict = "fair" if value > -0.15 or high >= 0 else "poor"
    tail = "no change that these rows can show" if low <= 0 <= high else f"a change of {100 * value:+.0f} points"
    return Measure(
        "relevance_change",
        value,
        low,
        high,
        f"Of new rows asked as queries {after[0]:.0%} have an answer among what is stored, of stored ones "
        f"{before[0]:.0%}: {tail}.",
        title=RELEVANCE_TITLE,
        unit="share",
        verdict=verdict,
        detail=f"From {len(old):,} stored and {len(new):,} new rows; {how}. The interval is that of a difference of "
        "means, over queries.",
        source=_SOURCE,
        parts={"old": before[0], "new": after[0], "judged": int(judged)},
    )
