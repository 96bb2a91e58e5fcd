"""Drift: whether a new batch still comes from the stored distribution, and what it costs to ask it or to store it.

A store hands in its own searches: :mod:`nearfield.survey.costs` takes what was measured query by query.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from .asked import nearest_stored, recall_of_codec, recall_of_index
from .collection import METRICS, Collection
from .costs import RECALL_TITLE, RELEVANCE_TITLE, recall_loss, relevance_change
from .measure import Measure, Measures, undefined
from .shift import ROWS, distribution_shift, pair_of
from .summary import table

# Multiplications that the exact searches may cost, and the queries of either kind that are asked.
_WORK = 1e11
_FEWEST, _ASKED = 100, 500
_LEAST_CODED = 50


@dataclass(frozen=True)
class Drift(Measures):
    """What :func:`drift` found; ``print`` it, or index it by name.

    Attributes
    ----------
    measures : name -> :class:`Measure`: ``distribution_shift``, ``recall_loss``, ``relevance_change``.
    old_rows, new_rows, dim, metric : what was compared.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    >>> found = drift(x[:400], x[400:])
    >>> found.shifted, list(found)
    (False, ['distribution_shift', 'recall_loss', 'relevance_change'])
    """

    measures: Mapping[str, Measure]
    old_rows: int
    new_rows: int
    dim: int
    metric: str

    @property
    def shifted(self) -> bool:
        """Whether the test rejects, at its level, that one distribution gave both."""
        return bool(self.measures["distribution_shift"].parts.get("shifted", 0))

    def advice(self) -> str:
        """One sentence: what to do."""
        lost, answered = self.measures["recall_loss"], self.measures["relevance_change"]
        if "poor" in (lost.verdict, answered.verdict) or "fair" in (lost.verdict, answered.verdict):
            what = []
            if lost.verdict in ("fair", "poor"):
                what.append("plan and fit again with the new rows among those that are measured")
            if answered.verdict in ("fair", "poor"):
                what.append("expect more questions without an answer, and fit the relevance judge again")
            return "To do: " + "; ".join(what) + "."
        if self.shifted:
            return "Nothing to do yet: the batch differs, and what was measured of its cost is small."
        return "Nothing to do: the batch looks like what is stored."

    def to_dict(self, *, arrays: bool = False) -> dict[str, Any]:
        """Plain numbers and texts, ready for JSON."""
        return {
            "old_rows": self.old_rows,
            "new_rows": self.new_rows,
            "dim": self.dim,
            "metric": self.metric,
            "shifted": self.shifted,
            "advice": self.advice(),
            "measures": {name: measure.to_dict(arrays=arrays) for name, measure in self.measures.items()},
        }

    @property
    def facts(self) -> str:
        """What was compared, in one line."""
        rows = f"{self.new_rows:,} new rows against {self.old_rows:,} stored ones"
        return f"{rows} with {self.dim} dimensions, metric {self.metric}"

    def _repr_html_(self) -> str:
        from .display import measures_html

        return measures_html(f"Drift of {self.facts}", self.measures, [self.advice()])

    def __str__(self) -> str:
        advice = textwrap.wrap(self.advice(), 100)
        return "\n".join([f"Drift of {self.facts}", "", *table(self.measures), "", *advice])


def drift(
    old: Any,
    new: Any,
    *,
    metric: str = "cosine",
    index: Any = None,
    codec: Any = None,
    judge: Any = None,
    k: int = 10,
    level: float = 0.05,
    sample: int = ROWS,
    random_state: int = 0,
) -> Drift:
    """Does a new batch still come from the stored distribution, and what does it cost?

    Choose it for arrays; a store answers with its own index, plan and judge by
    :meth:`nearfield.store.Store.drift`. For queries that are really asked, day by day, a store watches itself
    (``stats()["recall"]``).

    Parameters
    ----------
    old : (n, d) the stored rows, in the order in which ``index`` was built on them.
    new : (m, d) the batch: rows to be stored, or queries.
    metric : "cosine", "l2" or "ip".
    index : an index built on ``old``: new rows are asked of it as queries, and old ones likewise (their own row does
        not count); the loss is the difference in recall.
    codec : instead, a codec fitted on ``old`` (of unit-length rows under cosine), for rows that are to be stored: as
        many new rows as old ones are coded, and some of either asked among their own kind.
    judge : a fitted :class:`nearfield.decide.Judge`; relevance is then its own. None: a row is taken as answered when
        its nearest stored row is as near as 95% of the stored rows have theirs.
    k : neighbours that count for recall.
    level, sample, random_state : see :func:`distribution_shift`.

    Returns
    -------
    Drift
        Without ``index`` and ``codec`` the recall loss is unknown.

    Raises
    ------
    ValueError : both ``index`` and ``codec``; an index of another number of rows; what :func:`distribution_shift`
        refuses.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> old = rng.standard_normal((1000, 4)) * [3, 1, 1, 1]
    >>> found = drift(old.astype(np.float32), (old[:300] @ np.eye(4)[::-1]).astype(np.float32), metric="l2")
    >>> found.shifted, found["relevance_change"].value < -0.1
    (True, True)
    """
    check_choice(metric, "metric", METRICS)
    check_int(k, "k", 1)
    seed = check_random_state(random_state)
    if index is not None and codec is not None:
        raise ValueError("index, codec: expected at most one of them, got both")
    stored, batch = pair_of(old, new, metric)
    shift = distribution_shift(stored, batch, metric=metric, level=level, sample=sample, random_state=seed)
    count = asked_for(len(stored), stored.dim)
    rng = np.random.default_rng([seed, 83])
    own = np.sort(rng.permutation(len(stored))[:count])
    others = np.sort(rng.permutation(len(batch))[:count])
    width = max(k, judge.k if judge is not None else 1)
    if len(stored) <= width + 1:
        few = f"Unknown: needs at least {width + 2} stored rows, and there {_are(len(stored))}."
        lost, answered = (
            undefined("recall_loss", RECALL_TITLE, few),
            undefined("relevance_change", RELEVANCE_TITLE, few),
        )
        return Drift(_named(shift, lost, answered), len(stored), len(batch), stored.dim, metric)
    then = nearest_stored(stored, stored, own, width, drop=True)
    now = nearest_stored(stored, batch, others, width)
    if index is not None:
        lost = recall_loss(recall_of_index(index, then, k), recall_of_index(index, now, k), what="the index", k=k)
    elif codec is not None:
        lost = _codec_loss(codec, stored, batch, k, sample, seed)
    else:
        why = "Unknown: give the index or the codec that was fitted on the old rows."
        lost = undefined("recall_loss", RECALL_TITLE, why)
    relevance = [None if judge is None else judge.relevance(found.distances)[:, 0] for found in (then, now)]
    answered = relevance_change(
        then.distances[:, 0], now.distances[:, 0], then_relevance=relevance[0], now_relevance=relevance[1]
    )
    return Drift(_named(shift, lost, answered), len(stored), len(batch), stored.dim, metric)


def asked_for(rows: int, dim: int) -> int:
    """How many queries of either kind are asked of so many stored rows, each by an exact search."""
    return int(min(max(_WORK / (rows * dim), _FEWEST), _ASKED))


def _codec_loss(codec: Any, stored: Collection, batch: Collection, k: int, sample: int, seed: int) -> Measure:
    """Among as many rows of either kind, since more rows are harder to tell apart."""
    count = min(len(stored), len(batch), 2 * sample)
    if count < max(_LEAST_CODED, 2 * k):
        why = f"Unknown: needs at least {max(_LEAST_CODED, 2 * k)} rows of either kind, and there {_are(count)}."
        return undefined("recall_loss", RECALL_TITLE, why)
    recalls = []
    for side, space in enumerate((stored, batch)):
        rng = np.random.default_rng([seed, 85, side])
        chosen = np.sort(rng.permutation(len(space))[:count])
        recalls.append(recall_of_codec(codec, Collection.of(space.take(chosen), space.metric), k, _ASKED, seed))
    return recall_loss(*recalls, what="the codec", k=k)


def _named(*measures: Measure) -> dict[str, Measure]:
    return {measure.name: measure for measure in measures}


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {count}"
