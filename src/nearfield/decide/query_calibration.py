"""From a distance to the relevance of a hit, by a function that depends on the query and is learnt from labels.

Source: the Cosine Adapter of *Relevance Filtering for Embedding-based Retrieval* (Rossi et al., CIKM 2024): a
small network maps the query's vector to the parameters of a monotone function of the cosine, trained with a relevance
loss; one global threshold on its value cuts. Departures: the map is linear with a ridge chosen by cross-validation, for
labels are few; and the query is described by its nearest distances as well as by its vector. Where its neighbours lie
says more about where to cut than what the query is about (measured in docs/concepts-relevance.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from .inputs import rows
from .logistic import sigmoid
from .monotone import FORMS, count_of, fit_monotone, log_odds

_FORMAT = 1
_PARAMS = ("form", "nearest", "context", "penalty", "random_state")
_FOLDS = 5
# Ridges on the coordinates of the query's vector that are tried; None leaves the vector out.
_PENALTIES = (None, 100.0, 10.0, 1.0)
_CONTEXT_PENALTY = 0.1
MIN_QUERIES = 10
# Where the neighbourhood is described from: the nearest, the mean of `nearest`, the mean of all, a gap and a spread.
_CONTEXT = 5
WIDEST = 50
_KEPT = 4096


class QueryCalibrator:
    """Relevance of single hits from their distances and their query, learnt from labelled hits.

    Choose it over :class:`~nearfield.decide.Judge` when some dozens of queries have labelled hits (or clicks) and
    single hits are to be cut: the judge needs no labels and says whether a query has an answer at all. Both see
    distances only, so they work with every metric, codec and index. The order of a query's hits never changes.

    Parameters
    ----------
    form : "shift": the query moves the function along the distances; "linear": it sets slope and place (logistic in the
        distance); "power": the exponent as well. "linear" is the one to start with; "power" gains a little where there
        are hundreds of labelled queries.
    nearest : how many nearest distances describe the neighbourhood; 10 suits text.
    context : describe the query by its neighbourhood (default). False leaves its vector alone, as in the source: with a
        few hundred labelled queries that is hardly better than one distance for all.
    penalty : ridge on the coordinates of the query's vector: 1 trusts it much, 100 little. None: chosen by
        cross-validation over queries, among these and not using the vector at all.
    random_state : draws the folds.

    Attributes
    ----------
    k : how many neighbour distances it wants to see for every query.
    penalty_ : the ridge in use; None where the vector is not used.
    uses_queries_ : whether it needs the vectors of queries.
    losses_ : mean log-loss of held-out hits for every ridge that was tried.
    n_queries_, n_relevant_ : labelled queries, and relevant hits among theirs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.uniform(0.2, 0.6, (200, 1))                # what is near differs from query to query
    >>> distances = np.sort(level + rng.uniform(0, 0.3, (200, 30)), axis=1)
    >>> relevant = distances < level + 0.05
    >>> calibrator = QueryCalibrator().fit(distances[:150], relevant[:150])
    >>> kept = calibrator.keep(distances[150:], max_lost=0.05)
    >>> lost = (relevant[150:] & ~kept).sum() / relevant[150:].sum()
    >>> one = distances[:150][relevant[:150]].max()            # a fixed distance that loses nothing keeps far more
    >>> bool(lost < 0.12), bool(kept.sum() < 0.6 * (distances[150:] <= one).sum())
    (True, True)
    """

    def __init__(
        self,
        *,
        form: str = "linear",
        nearest: int = 10,
        context: bool = True,
        penalty: float | None = None,
        random_state: int = 0,
    ):
        self.form = form
        self.nearest = nearest
        self.context = context
        self.penalty = penalty
        self.random_state = random_state

    @property
    def k(self) -> int:
        """How many neighbour distances it wants to see for every query."""
        self._check_fitted()
        return int(self.k_)

    def fit(self, distances: Any, relevant: Any, *, queries: Any = None) -> QueryCalibrator:
        """Learn from labelled hits.

        Parameters
        ----------
        distances : (q, j) ascending distances of labelled queries to their hits in the whole store, +inf missing; at
            least 10 queries, j of 20 to 50 is good.
        relevant : (q, j) bool; or numbers 1, 0 and NaN for hits that nobody judged (see :func:`labels_from_clicks`).
        queries : (q, d) their vectors as the metric sees them, or None.

        Raises
        ------
        ValueError : too few queries, wrong shapes, labels of one kind only.
        """
        check_choice(self.form, "form", FORMS)
        check_int(self.nearest, "nearest", 1, 1000)
        if self.penalty is not None:
            check_real(self.penalty, "penalty", 0.0, 1e12)
        check_random_state(self.random_state)
        near, single = rows(distances, "distances")
        if single or len(near) < MIN_QUERIES:
            raise ValueError(f"distances: expected at least {MIN_QUERIES} labelled queries, got {np.shape(distances)}")
        target, known = _labels(relevant, near)
        vectors = None
        if queries is not None:
            vectors = check_vectors(queries, "queries")[0].astype(np.float64)
            if len(vectors) != len(near):
                raise ValueError(f"queries: expected {len(near)} rows, got {len(vectors)}")
        self.n_queries_, self.n_relevant_ = len(near), int(target.sum())
        self.k_ = min(near.shape[1], WIDEST)
        seen = near[np.isfinite(near)]
        self.low_, self.high_ = float(seen.min()), float(seen.max())
        if not self.high_ > self.low_:
            raise ValueError(f"distances: expected distances that differ, got all equal to {self.low_:g}")
        raw = self._similarity(near)[np.isfinite(near)]
        self.shift_, self.scale_ = (0.0, 1.0) if self.form == "power" else (float(raw.mean()), float(raw.std()))
        context = self._context(near[:, : self.k_])
        self.center_, self.spread_ = context.mean(axis=0), np.maximum(context.std(axis=0), 1e-9)
        self.middle_, self.length_ = np.zeros(0), 1.0
        if vectors is not None:
            self.middle_ = vectors.mean(axis=0)
            spread = float(np.sqrt(np.square(vectors - self.middle_).sum(axis=1).mean()))
            self.length_ = max(spread, 1e-12)
        x = self._x(near)
        tried: tuple[float | None, ...] = (None,)
        if vectors is not None:
            tried = _PENALTIES if self.penalty is None else (self.penalty,)
        folds = np.random.default_rng(self.random_state).permutation(len(near)) % _FOLDS
        self.losses_: dict[str, float] = {}
        best = None
        for penalty in tried:
            odds = self._held_out(context, vectors, x, target, known, penalty, folds)
            loss = float((np.logaddexp(0.0, odds) - target * odds)[known].mean())
            self.losses_[str(penalty)] = loss
            if best is None or loss < best[0]:
                best = loss, penalty, odds
        assert best is not None
        self.penalty_ = best[1]
        self.uses_queries_ = self.penalty_ is not None
        features, ridge = self._features(context, vectors if self.uses_queries_ else None, self.penalty_)
        self.weights_ = fit_monotone(self.form, features, x, target, known, ridge)
        # Held out, so that a threshold drawn from them is not flattered.
        self.held_out_ = _thinned(sigmoid(best[2][target & known]))
        return self

    def _held_out(
        self,
        context: np.ndarray,
        vectors: np.ndarray | None,
        x: np.ndarray,
        target: np.ndarray,
        known: np.ndarray,
        penalty: float | None,
        folds: np.ndarray,
    ) -> np.ndarray:
        """Log-odds of every hit by weights fitted to the queries of other folds."""
        features, ridge = self._features(context, None if penalty is None else vectors, penalty)
        odds = np.zeros_like(x)
        for fold in range(_FOLDS):
            out, rest = folds == fold, folds != fold
            weights = fit_monotone(self.form, features[rest], x[rest], target[rest], known[rest], ridge)
            odds[out] = log_odds(self.form, weights, features[out], x[out])
        return odds

    def relevance(self, distances: Any, *, queries: Any = None, neighbors: Any = None) -> np.ndarray:
        """Relevance of every hit in [0, 1]: the probability that it would be labelled relevant; 0 where missing.

        Parameters
        ----------
        distances : (q, j) or (j,) ascending distances of the hits, +inf where missing.
        queries : (q, d) or (d,) vectors, where ``uses_queries_``; else ignored.
        neighbors : (q, K >= k) distances to the nearest in the whole store, when ``distances`` is something else (fewer
            hits, or hits under a filter). None: the hits are the neighbours.

        Returns
        -------
        float32, same shape as ``distances``, never rising along a row.
        """
        self._check_fitted()
        hits, single = rows(distances, "distances")
        near = hits if neighbors is None else rows(neighbors, "neighbors")[0]
        if near.shape[0] != len(hits) or near.shape[1] < self.k_:
            raise ValueError(f"neighbors: expected shape ({len(hits)}, >= {self.k_}) (calibrator.k), got {near.shape}")
        vectors = None
        if self.uses_queries_:
            if queries is None:
                raise ValueError("queries: this calibrator was fitted with query vectors and needs them, got None")
            vectors = check_vectors(queries, "queries", dim=len(self.middle_))[0].astype(np.float64)
            if len(vectors) != len(hits):
                raise ValueError(f"queries: expected {len(hits)} rows, got {len(vectors)}")
        features, _ = self._features(self._context(near[:, : self.k_]), vectors, self.penalty_)
        out = sigmoid(log_odds(self.form, self.weights_, features, self._x(hits)))
        out = np.where(np.isfinite(hits), out, 0.0).astype(np.float32)
        return out[0] if single else out

    def threshold(self, max_lost: float) -> float:
        """The relevance below which a share ``max_lost`` of the relevant hits lies, by held-out labels."""
        self._check_fitted()
        share = check_real(max_lost, "max_lost", 0.0, 1.0)
        return float(np.quantile(self.held_out_, share, method="lower"))

    def keep(
        self,
        distances: Any,
        max_lost: float | None = None,
        *,
        threshold: float | None = None,
        queries: Any = None,
        neighbors: Any = None,
    ) -> np.ndarray:
        """Which hits to return: bool, a prefix of each row, possibly none.

        Give ``max_lost``, the share of relevant hits that may be lost, or a ``threshold`` on the relevance (that of a
        :func:`conformal_cut`, for one). The other inputs are those of :meth:`relevance`.
        """
        if (max_lost is None) == (threshold is None):
            raise ValueError("max_lost, threshold: expected one of them, got both or neither")
        if threshold is None:
            assert max_lost is not None
            threshold = self.threshold(max_lost)
        found = self.relevance(distances, queries=queries, neighbors=neighbors)
        return (found >= np.float32(threshold)) & np.isfinite(np.asarray(distances, np.float64))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` gives back a calibrator of exactly the same decisions."""
        self._check_fitted()
        state = {name: getattr(self, name) for name in _NUMBERS}
        state |= {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {
            "kind": "QueryCalibrator",
            "version": _FORMAT,
            "params": {name: getattr(self, name) for name in _PARAMS},
            "state": state,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> QueryCalibrator:
        """Inverse of :meth:`to_dict`. Raises ValueError for something else, a newer version, or missing parts."""
        if saved.get("kind") != "QueryCalibrator" or saved.get("version") != _FORMAT:
            raise ValueError(
                f"saved: expected kind 'QueryCalibrator' of version {_FORMAT}, "
                f"got {saved.get('kind')!r} of version {saved.get('version')!r}"
            )
        state = saved.get("state", {})
        missing = [name for name in (*_NUMBERS, *_ARRAYS) if name not in state]
        if missing:
            raise ValueError(f"saved: expected a complete calibrator, missing {', '.join(missing)}")
        calibrator = cls(**{name: saved["params"][name] for name in _PARAMS})
        for name in _NUMBERS:
            setattr(calibrator, name, state[name])
        for name in _ARRAYS:
            setattr(calibrator, name, np.array(state[name], np.float64))
        expected = (
            count_of(calibrator.form),
            _CONTEXT * calibrator.context + calibrator.uses_queries_ * len(calibrator.middle_) + 1,
        )
        if calibrator.weights_.shape != expected:
            raise ValueError(f"saved: expected weights of shape {expected}, got {calibrator.weights_.shape}")
        return calibrator

    def _check_fitted(self) -> None:
        if not hasattr(self, "weights_"):
            raise RuntimeError("this calibrator is not fitted yet; call fit first")

    def _x(self, distances: np.ndarray) -> np.ndarray:
        """What the function is of: similarities, for all forms but the power in standard deviations."""
        return (self._similarity(distances) - self.shift_) / self.scale_

    def _similarity(self, distances: np.ndarray) -> np.ndarray:
        """1 at the least distance seen in the fit, 0 at the largest."""
        finite = np.isfinite(distances)
        return np.where(finite, (self.high_ - np.where(finite, distances, self.high_)) / (self.high_ - self.low_), 0.0)

    def _context(self, near: np.ndarray) -> np.ndarray:
        """(q, 5) description of the neighbourhood; missing neighbours count as the farthest seen."""
        x = self._similarity(near)
        ten = x[:, : self.nearest]
        gap = x[:, 0] - x[:, 1] if x.shape[1] > 1 else np.zeros(len(x))
        return np.column_stack([x[:, 0], ten.mean(axis=1), x.mean(axis=1), gap, ten.std(axis=1)])

    def _features(
        self, context: np.ndarray, vectors: np.ndarray | None, penalty: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Features and the ridge on each."""
        features, ridge = (context - self.center_) / self.spread_, np.full(_CONTEXT, _CONTEXT_PENALTY)
        if not self.context:
            features, ridge = features[:, :0], ridge[:0]
        if vectors is None or penalty is None:
            return features, ridge
        scaled = (vectors - self.middle_) / self.length_
        return np.hstack([features, scaled]), np.append(ridge, np.full(scaled.shape[1], penalty))


_NUMBERS = (
    "k_",
    "n_queries_",
    "n_relevant_",
    "low_",
    "high_",
    "shift_",
    "scale_",
    "length_",
    "penalty_",
    "uses_queries_",
    "losses_",
)
_ARRAYS = ("center_", "spread_", "middle_", "weights_", "held_out_")


def labels_from_clicks(rows: Any, clicked: Any) -> np.ndarray:
    """Labels from what was clicked: 1 for clicked hits, 0 for hits passed over above the last click, NaN for the rest.

    Whoever clicks the fourth hit has looked at the first three and did not take them; of what follows nothing is known
    (Joachims 2002, "skip above"). A query without a click tells nothing: all NaN.

    Parameters
    ----------
    rows : int (q, j), the hits that were shown, best first; -1 missing.
    clicked : for each query the rows that were clicked, any number of them.

    Examples
    --------
    >>> labels_from_clicks(np.array([[4, 7, 2, 9]]), [[7]])
    array([[ 0.,  1., nan, nan]])
    """
    shown = np.asarray(rows)
    if shown.ndim != 2 or shown.dtype.kind not in "iu":
        raise ValueError(f"rows: expected ints of shape (q, j), got {shown.dtype} {shown.shape}")
    if len(clicked) != len(shown):
        raise ValueError(f"clicked: expected one list for each of {len(shown)} queries, got {len(clicked)}")
    labels = np.full(shown.shape, np.nan)
    for place, (row, taken) in enumerate(zip(shown, clicked, strict=True)):
        hit = np.isin(row, np.asarray(taken, np.int64).reshape(-1)) & (row >= 0)
        if hit.any():
            last = int(np.flatnonzero(hit)[-1])
            labels[place, : last + 1] = hit[: last + 1]
    return labels


def _labels(relevant: Any, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(relevant, known)``, both bool (q, j)."""
    labels = np.asarray(relevant)
    if labels.shape != near.shape or labels.dtype.kind not in "bfiu":
        raise ValueError(
            f"relevant: expected bools, or 1, 0 and NaN, of shape {near.shape}, got {labels.dtype} {labels.shape}"
        )
    values = labels.astype(np.float64)
    known = np.isfinite(near) & ~np.isnan(values)
    if not np.isin(values[known], (0.0, 1.0)).all():
        raise ValueError("relevant: expected bools, or 1, 0 and NaN, got other numbers")
    target = known & (values == 1.0)
    if not target.any() or target[known].all():
        kind = "no relevant" if not target.any() else "only relevant"
        raise ValueError(f"relevant: expected relevant hits and others, got {kind} ones among {int(known.sum())}")
    return target, known


def _thinned(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values)
    if len(ordered) <= _KEPT:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, _KEPT).round().astype(int)]
