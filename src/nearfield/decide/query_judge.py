"""A judge learnt from labelled queries: relevance of single hits, and a cut whose rate of false answers is guaranteed.

Half of the labelled queries teach a :class:`~nearfield.decide.QueryCalibrator` what is relevant; the others, which it
never saw, say where to cut (:func:`~nearfield.decide.conformal_cut`). What a query without an answer looks like is seen
on queries that were labelled as such, or, where these are too few, on the labelled queries themselves with their
answers taken away, in either half.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state, check_real, check_vectors
from ..common.interval import mean_interval
from .conformal import ConformalCut, conformal_cut
from .inputs import rows
from .query_calibration import MIN_QUERIES, WIDEST, QueryCalibrator
from .rate import Rate, refuse_mapped

_FORMAT = 1
_PARAMS = ("form", "nearest", "set_aside", "hidden", "random_state")
# With fewer set aside no rate below 5% can be guaranteed.
_ENOUGH = 19


class QueryJudge:
    """Relevance of hits that depends on the query, learnt from labels, and ``max_false`` with a guarantee.

    Choose it over :class:`~nearfield.decide.Judge` when some dozens of queries are known with the items that answer
    them (or that were clicked): its relevance is that of single hits, so it ends lists that do have answers, and its
    ``max_false`` holds whatever the relevance is worth. The judge needs no labels, tells answerable queries from others
    better where topics differ in density, and its ``max_false`` is an estimate.

    Parameters
    ----------
    form, nearest : see :class:`~nearfield.decide.QueryCalibrator`.
    set_aside : share of the labelled queries that say where to cut and are not learnt from. A rate ``max_false`` needs
        ``1 / max_false - 1`` of them: 19 for 5%, 99 for 1%.
    hidden : share of the store nearest to a labelled query that is taken away together with its answers, in [0, 0.5),
        to make a query without an answer of it. 0 takes the answers alone and is strictest: what nearly answers is
        left. 0.0075 takes their topic as well, as :class:`~nearfield.decide.Judge` does.
    random_state : draws the queries that are set aside, and the folds of the fit.

    Attributes
    ----------
    k : how many neighbour distances it wants to see for every query.
    calibrator_ : the fitted :class:`~nearfield.decide.QueryCalibrator`.
    unanswerable_ : "labelled": the guarantee is about queries like those that were labelled as having no answer;
        "hidden": about queries like all the labelled ones, when what answers them is not in the store, or is in it and
        does not pass a filter.
    n_learnt_, n_set_aside_ : labelled queries that were learnt from, and queries without an answer that set the cut.
    mapped_ : whether the labelled queries were mapped from another model's space. Relevance is an estimate then, and no
        rate is promised: every ``max_false`` between 0 and 1 is refused.

    Notes
    -----
    Source of the relevance: the Cosine Adapter (Rossi et al., CIKM 2024); of the cut: split conformal prediction, as in
    *Conformal Risk Control* (Angelopoulos et al., ICLR 2024). A query whose answers are taken away has two kinds of
    best hit: with the answers gone from its neighbourhood, as if they had never been stored, and with the answers still
    in it, as if a filter kept them out. The larger relevance of the two counts, so the rate holds for both, and under
    any filter, which can only take hits away.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.uniform(0.2, 0.6, (400, 1))                # what is near differs from query to query
    >>> distances = np.sort(level + rng.uniform(0.05, 0.4, (400, 60)), axis=1)
    >>> distances[:, :3] = np.sort(level + rng.uniform(0, 0.02, (400, 3)), axis=1)
    >>> relevant = np.arange(60) < np.full((400, 1), 3)
    >>> judge = QueryJudge().fit(distances[:200], relevant[:200])
    >>> others = distances[200:, 3:]                           # the same, without what answers them
    >>> kept = judge.keep(distances[200:], max_false=0.1)[:, 0].mean()
    >>> bool(kept > 0.9), bool(judge.keep(others, max_false=0.1)[:, 0].mean() < 0.2)
    (True, True)
    """

    calibrator_: QueryCalibrator

    def __init__(
        self,
        *,
        form: str = "linear",
        nearest: int = 10,
        set_aside: float = 0.5,
        hidden: float = 0.0,
        random_state: int = 0,
    ):
        self.form = form
        self.nearest = nearest
        self.set_aside = set_aside
        self.hidden = hidden
        self.random_state = random_state

    @property
    def k(self) -> int:
        """How many neighbour distances it wants to see for every query."""
        self._check_fitted()
        return self.calibrator_.k

    @property
    def uses_queries_(self) -> bool:
        """Whether it needs the vectors of queries."""
        return bool(self.calibrator_.uses_queries_)

    def width(self, n_items: int, most_relevant: int = 0) -> int:
        """How many distances of each labelled query :meth:`fit` wants to see, in a store of so many items.

        ``most_relevant`` is the largest number of items that answer one of them.
        """
        return min(n_items, WIDEST + most_relevant + self._dropped(n_items))

    def fit(
        self,
        distances: Any,
        relevant: Any,
        *,
        queries: Any = None,
        answered: Any = None,
        n_items: int | None = None,
        mapped: bool = False,
    ) -> QueryJudge:
        """Learn from one part of the labelled queries, and set the cut by the other.

        Parameters
        ----------
        distances : (q, j) ascending distances of labelled queries to the whole store, +inf missing; 20 queries or more,
            some hundred are good. ``j`` of :meth:`width`: 50, and as many more as items are taken away.
        relevant : (q, j) bool; or numbers 1, 0 and NaN for hits that nobody judged. What nobody judged counts as no
            answer where the cut is set, which errs on the careful side.
        queries : (q, d) their vectors as the metric sees them, or None.
        answered : (q,) bool, whether the store holds an answer at all. None: where one is among the ``j``.
        n_items : of the store; needed where ``hidden`` is not 0.
        mapped : whether the queries are none of the space itself but mapped into it, so that others are not drawn like
            them (see ``mapped_``).

        Raises
        ------
        ValueError : too few queries, wrong shapes, labels of one kind only, no query from which to set the cut.
        """
        aside = check_real(self.set_aside, "set_aside", 0.0, 1.0, open_low=True, open_high=True)
        check_real(self.hidden, "hidden", 0.0, 0.5, open_high=True)
        check_int(self.nearest, "nearest", 1, 1000)
        check_random_state(self.random_state)
        near, single = rows(distances, "distances")
        if single or len(near) < 2 * MIN_QUERIES:
            raise ValueError(
                f"distances: expected at least {2 * MIN_QUERIES} labelled queries, got {np.shape(distances)}"
            )
        labels = np.asarray(relevant)
        if labels.shape != near.shape:
            raise ValueError(f"relevant: expected shape {near.shape}, got {labels.shape}")
        hits = labels == 1
        known = hits.any(axis=1) if answered is None else np.asarray(answered)
        if known.shape != (len(near),) or known.dtype != np.bool_:
            raise ValueError(f"answered: expected {len(near)} bools, got {known.dtype} of shape {known.shape}")
        if (hits.any(axis=1) & ~known).any():
            raise ValueError("answered: expected True where a hit is relevant, got False")
        if self.hidden and n_items is None:
            raise ValueError("n_items: expected the number of items, as hidden is a share of them, got None")
        vectors = None if queries is None else check_vectors(queries, "queries")[0]
        if vectors is not None and len(vectors) != len(near):
            raise ValueError(f"queries: expected {len(near)} rows, got {len(vectors)}")
        self.mapped_ = bool(mapped)
        cut = _set_aside(known, aside, np.random.default_rng(self.random_state))
        if (~cut).sum() < MIN_QUERIES:
            raise ValueError(
                f"set_aside: expected to leave at least {MIN_QUERIES} queries to learn from, got {(~cut).sum()}"
            )
        enough = (cut & ~known).sum() >= _ENOUGH
        self.unanswerable_ = "labelled" if enough else "hidden"
        width = min(WIDEST, near.shape[1])
        gone, rest, some = self._without(near, labels, known & hits.any(axis=1), n_items, width)
        seen, told, of = near[~cut, :width], labels[~cut, :width], np.flatnonzero(~cut)
        if not enough:  # it learns from what it will be cut on: half of the queries have no answer
            taught = ~cut[some]
            seen, of = np.concatenate([seen, gone[taught]]), np.concatenate([of, some[taught]])
            told = np.concatenate([told, rest[taught]])
        calibrator = QueryCalibrator(form=self.form, nearest=self.nearest, random_state=self.random_state)
        calibrator.fit(seen, told, queries=None if vectors is None else vectors[of])
        self.calibrator_, self.n_learnt_ = calibrator, int((~cut).sum())

        def first(shown: np.ndarray, around: np.ndarray, chosen: np.ndarray) -> np.ndarray:
            if not len(shown):
                return np.empty(0)
            asked = None if vectors is None else vectors[chosen]
            found = calibrator.relevance(shown[:, :1], queries=asked, neighbors=around)
            return np.asarray(found[:, 0], np.float64)

        self.answered_ = np.sort(first(near[cut & known], near[cut & known], cut & known))
        if not len(self.answered_):
            raise ValueError("relevant: expected more queries with an answer, got none to set aside")
        if enough:
            none = first(near[cut & ~known], near[cut & ~known], cut & ~known)
        else:
            left, of = gone[cut[some]], some[cut[some]]
            none = np.maximum(first(left, left, of), first(left, near[of], of))
        if not len(none):
            raise ValueError(
                "distances: expected more hits than are relevant or hidden (judge.width says how many), for queries "
                "from which to set the cut, got none"
            )
        self.false_, self.n_set_aside_ = np.sort(none), len(none)
        return self

    def _dropped(self, n_items: int | None) -> int:
        return int(np.ceil(self.hidden * n_items)) if self.hidden and n_items else 0

    def _without(
        self, near: np.ndarray, labels: np.ndarray, chosen: np.ndarray, n_items: int | None, width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest that are left to the ``chosen`` without their answers, their labels, and which queries these are:
        (m, width), (m, width) and (m,). Those of which not enough was seen are passed over.
        """
        gone = labels == 1
        gone[:, : self._dropped(n_items)] = True
        whole = n_items is not None and near.shape[1] >= n_items
        found, told, which = [], [], []
        for number in np.flatnonzero(chosen).tolist():
            left = near[number][~gone[number]][:width]
            if len(left) == width or whole or not np.isfinite(near[number]).all():
                missing = width - len(left)
                found.append(np.append(left, np.full(missing, np.inf)))
                told.append(np.append(labels[number][~gone[number]][:width], np.full(missing, np.nan)))
                which.append(number)
        near, labels = (np.array(column, np.float64).reshape(-1, width) for column in (found, told))
        return near, labels, np.array(which, np.int64)

    def relevance(
        self,
        distances: Any,
        scales: Any = None,
        *,
        neighbors: Any = None,
        queries: Any = None,
    ) -> np.ndarray:
        """Relevance of every hit in [0, 1]: the probability that it would be labelled relevant; 0 where missing.

        Where ``unanswerable_`` is "hidden", if half of all queries have an answer.

        Parameters
        ----------
        distances : (q, j) or (j,) ascending distances of the hits, +inf where missing.
        scales : ignored; :class:`~nearfield.decide.Judge` wants them.
        neighbors : (q, K >= k) distances to the nearest in the whole store, when ``distances`` is something else (fewer
            hits, or hits under a filter). None: the hits are the neighbours.
        queries : (q, d) or (d,) vectors, where ``uses_queries_``; else ignored.

        Returns
        -------
        float32, same shape as ``distances``, never rising along a row.
        """
        self._check_fitted()
        return self.calibrator_.relevance(distances, queries=queries, neighbors=neighbors)

    def keep(
        self,
        distances: Any,
        max_false: float,
        scales: Any = None,
        *,
        neighbors: Any = None,
        queries: Any = None,
    ) -> np.ndarray:
        """Which hits to return at ``max_false``: bool, a prefix of each row, possibly none.

        ``max_false`` is the largest accepted probability that a query without an answer gets any; see
        :meth:`guarantee`. The other inputs are those of :meth:`relevance`.
        """
        found = self.relevance(distances, neighbors=neighbors, queries=queries)
        # In double precision: a threshold just above the largest float32 below it must not be rounded to that.
        return (found.astype(np.float64) >= self.threshold(max_false)) & np.isfinite(np.asarray(distances, np.float64))

    def guarantee(self, max_false: float, *, confidence: float | None = None) -> ConformalCut:
        """The threshold for a rate and what it guarantees, about queries as ``unanswerable_`` says.

        ``confidence`` in (0, 1): the rate holds with this probability over draws of the labelled queries, at a stricter
        threshold; None: on average over them, as :meth:`keep` has it.
        """
        self._check_fitted()
        if self.mapped_:
            refuse_mapped(max_false)
        return conformal_cut(self.false_, max_false=max_false, confidence=confidence)

    def threshold(self, max_false: float) -> float:
        """The least relevance that is returned at ``max_false``: +inf at 0, -inf at 1.

        Raises
        ------
        ValueError : too few queries were set aside to guarantee this rate, or they were mapped.
        """
        self._check_fitted()
        rate = check_real(max_false, "max_false", 0.0, 1.0)
        if self.mapped_:
            refuse_mapped(rate)
        least = 1 / (self.n_set_aside_ + 1)
        if 0 < rate < least - 1e-9:
            raise ValueError(
                f"max_false: expected at least {least:.3g}, or 0, which is what {self.n_set_aside_} labelled queries "
                f"set aside can guarantee, got {rate:g}; label more queries"
            )
        return self.guarantee(rate).threshold

    def expected_lost(self, max_false: float) -> Rate:
        """Share of the answerable queries set aside that get nothing at ``max_false``, with a 95% interval."""
        return Rate(*mean_interval((self.answered_ < self.threshold(max_false)).astype(float)))

    def max_false_for(self, max_lost: float = 0.05) -> float:
        """The least ``max_false`` at which :meth:`expected_lost` is no more than ``max_lost``."""
        self._check_fitted()
        if self.mapped_:
            refuse_mapped()
        target = check_real(max_lost, "max_lost", 0.0, 1.0)
        allowed = int(np.floor(target * len(self.answered_) + 1e-9))
        if allowed >= len(self.answered_):
            return 0.0
        answered = int((self.false_ >= self.answered_[allowed]).sum())
        return min(1.0, (answered + 1) / (self.n_set_aside_ + 1))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` gives back a judge of exactly the same decisions."""
        self._check_fitted()
        return {
            "kind": "QueryJudge",
            "version": _FORMAT,
            "params": {name: getattr(self, name) for name in _PARAMS},
            "calibrator": self.calibrator_.to_dict(),
            "unanswerable": self.unanswerable_,
            "learnt": self.n_learnt_,
            "mapped": self.mapped_,
            "false": self.false_.tolist(),
            "answered": self.answered_.tolist(),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> QueryJudge:
        """Inverse of :meth:`to_dict`. Raises ValueError for something else, a newer version, or missing parts."""
        if saved.get("kind") != "QueryJudge" or saved.get("version") != _FORMAT:
            raise ValueError(
                f"saved: expected kind 'QueryJudge' of version {_FORMAT}, "
                f"got {saved.get('kind')!r} of version {saved.get('version')!r}"
            )
        try:
            judge = cls(**{name: saved["params"][name] for name in _PARAMS})
            judge.calibrator_ = QueryCalibrator.from_dict(saved["calibrator"])
            judge.unanswerable_, judge.n_learnt_ = str(saved["unanswerable"]), int(saved["learnt"])
            judge.mapped_ = bool(saved.get("mapped", False))
            judge.false_, judge.answered_ = (np.array(saved[name], np.float64) for name in ("false", "answered"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"saved: expected a complete judge: {error!r}") from error
        for name, values in (("false", judge.false_), ("answered", judge.answered_)):
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise ValueError(f"saved: expected the relevance of queries set aside ({name}), got {values!r}")
        judge.n_set_aside_ = len(judge.false_)
        return judge

    def _check_fitted(self) -> None:
        if not hasattr(self, "calibrator_"):
            raise RuntimeError("this judge is not fitted yet; call fit first")


def _set_aside(answered: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which queries set the cut: bool, the same share of either kind, at random."""
    chosen = np.zeros(len(answered), bool)
    for kind in (True, False):
        own = rng.permutation(np.flatnonzero(answered == kind))
        chosen[own[: round(share * len(own))]] = True
    return chosen
