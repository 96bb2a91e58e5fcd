"""The relevance judge: is anything in this store an answer to this query?

Set up from the store alone. Its items answer each other, so every stored item, asked against all the others, is an
answerable query (leave-one-out); and the same item, with the part of the store nearest to it hidden, is an unanswerable
one (:mod:`nearfield.decide.null`). The judge scores a query by its nearest distances and where they lie, and places
the score between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state, check_real, check_vectors
from .inputs import matrix, rows
from .labels import FEATURE_PENALTY, VECTOR_PENALTY, Blend, blend, fit_item_shift, fit_weights
from .logistic import fit_logistic, sigmoid
from .null import ChanceScale, hidden_topic
from .rate import Rate
from .score import FEATURES, features_of, score_of
from .tail import ScoreDistribution

MIN_ITEMS = 50
_FORMAT = 1
_PARAMS = ("hidden", "nearest", "locality", "prior", "random_state")
# Fitted attribute -> how it goes into JSON and comes back.
_STATE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    **dict.fromkeys(("k_", "nearest_", "n_items_", "n_trials_", "labels_"), (int, int)),
    **dict.fromkeys(("hidden_", "scale_fill_", "item_shift_", "slope_", "intercept_", "paired_size_"), (float, float)),
    **dict.fromkeys(("uses_scales_", "uses_queries_"), (bool, bool)),
    "query_offset_": (float, float),
    **dict.fromkeys(("weights_", "center_", "spread_", "query_weights_"), (np.ndarray.tolist, np.array)),
    **dict.fromkeys(("paired_", "alone_", "unanswerable_"), (ScoreDistribution.to_dict, ScoreDistribution.from_dict)),
    "chance_": (ChanceScale.to_dict, ChanceScale.from_dict),
    "trust_": (asdict, lambda state: Blend(**state)),
}


class Judge:
    """Calibrated relevance and a cut-off for search results, fitted without labels from the store itself.

    Choose it over a fixed distance threshold, which means something else in every space, and whenever *nothing* must be
    a possible answer. With a few labelled queries, :meth:`refine` sharpens it. It sees distances only, so it works with
    every metric, codec and index.

    Parameters
    ----------
    hidden : share of the store hidden around an item to make an unanswerable query of it, in (0, 0.5). Smaller is
        stricter: it makes nearer misses. The default kept the promise best over the spaces tried. Larger (0.03) loses
        less where topics are few and broad, and lets more near misses through. Never fewer than ``nearest`` items.
    nearest : how many nearest distances the score averages. 10 suits text; 5 did better in stores of a thousand items,
        where ten neighbours reach across topics.
    locality : how much the local scale of the neighbours counts, in [0, 1]: 0 judges by one global distance, 1 wholly
        by density ratio (as LOF). Values from 0.25 to 0.5 did best on all but one of the spaces tried.
    prior : the share of queries that have an answer, as far as you know beforehand; moves ``relevance`` only.
    random_state : seed of the folds in :meth:`refine`.

    Attributes
    ----------
    k : how many neighbour distances (and their scales) it wants to see for every query.
    n_items_, n_trials_ : size of the store, and of the sample of it, that it was fitted on.
    uses_scales_ : whether it was fitted with local scales.
    labels_ : how many labelled queries refined it.

    Notes
    -----
    Score of a query with neighbours at distances ``d_1 <= d_2 <= ...``, whose own local scales (distance to their fifth
    nearest other) are ``r_1, r_2, ...``: ``mean g(d_1..d_10) - locality * mean g(r_1..r_20)``, where ``g`` is the
    log-odds of chance (:class:`~nearfield.decide.null.ChanceScale`). The idea of a calibration that differs by query,
    with one global threshold after it, is that of *Relevance Filtering for Embedding-based Retrieval* (2024); there a
    network learns it from judged pairs, here the store's own density gives it without any.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> store = np.repeat(rng.normal(size=(60, 16)), 20, axis=0) + 0.3 * rng.normal(size=(1200, 16))
    >>> near = np.sqrt(((store[:, None, :] - store[None, :, :]) ** 2).sum(-1))
    >>> np.fill_diagonal(near, np.inf)
    >>> judge = Judge(hidden=0.02).fit(np.sort(near, 1)[:, :21], near[:, rng.choice(1200, 256)], n_items=1200)
    >>> query = store[7] + 0.3 * rng.normal(size=16)
    >>> distances = np.sort(np.sqrt(((store - query) ** 2).sum(1)))[:20]
    >>> bool(judge.relevance(distances)[0] > 0.9), bool(judge.keep(distances, max_false=0.05)[0])
    (True, True)
    >>> bool(judge.keep(np.sort(np.sqrt(((store - 3 * query) ** 2).sum(1)))[:20], max_false=0.05).any())
    False
    """

    uses_queries_: bool
    slope_: float
    intercept_: float

    def __init__(
        self,
        *,
        hidden: float = 0.0075,
        nearest: int = 10,
        locality: float = 0.4,
        prior: float = 0.5,
        random_state: int = 0,
    ):
        self.hidden = hidden
        self.nearest = nearest
        self.locality = locality
        self.prior = prior
        self.random_state = random_state

    @property
    def k(self) -> int:
        """How many neighbour distances it wants to see for every query (one more for :meth:`fit`)."""
        return self.k_ if hasattr(self, "k_") else 2 * check_int(self.nearest, "nearest", 1, 1000)

    def fit(
        self,
        neighbors: np.ndarray,
        background: np.ndarray,
        *,
        n_items: int,
        neighbor_scales: np.ndarray | None = None,
        background_scales: np.ndarray | None = None,
        vectors: np.ndarray | None = None,
    ) -> Judge:
        """Set up from the store alone.

        Parameters
        ----------
        neighbors : (m, K) ascending distances from m stored items, drawn at random, to their K nearest *other* items,
            with K at least 2 and best ``k + 1``; m of 2,000 to 4,000 is plenty, all items when there are fewer.
        background : (m, B) distances from the same items to random items of the store (the item itself: NaN or inf).
            B of 1,024 is good, any B of at least 20 works; few make ``max_false`` stricter than it says.
        n_items : how many items the store holds; at least 50.
        neighbor_scales : (m, K) local scale of each of those neighbours: the distance of an item to its fifth nearest
            other; NaN where unknown. One number an item to keep, and worth it: on CLINC150, at 5% lost, it turns 17% of
            unanswerable queries that get an answer into 11%.
        background_scales : (m, B) or, when all rows share the random items, (B,) likewise for ``background``.
        vectors : (m, d) the sampled items as the metric sees them (unit length under cosine); only for a later
            :meth:`refine` with ``queries``.

        Raises
        ------
        ValueError : fewer than 50 items, wrong shapes, NaN among the neighbours, rows that do not ascend, or distances
            that are all equal.
        """
        hidden = check_real(self.hidden, "hidden", 0.0, 0.5, open_low=True, open_high=True)
        nearest = check_int(self.nearest, "nearest", 1, 1000)
        check_real(self.locality, "locality", 0.0, 1.0)
        check_real(self.prior, "prior", 0.0, 1.0, open_low=True, open_high=True)
        check_random_state(self.random_state)
        self.n_items_ = check_int(n_items, "n_items", 0)
        if self.n_items_ < MIN_ITEMS:
            raise ValueError(
                f"n_items: a judge needs at least {MIN_ITEMS} stored items to learn from, got {self.n_items_}"
            )
        near = matrix(neighbors, "neighbors")
        far = matrix(background, "background", missing=True)
        if near.shape[1] < 2 or near.shape[0] < 20:
            raise ValueError(f"neighbors: expected shape (m >= 20, K >= 2), got {near.shape}")
        if far.shape[0] != near.shape[0] or np.isfinite(far).sum(axis=1).min() < 20:
            raise ValueError(
                f"background: expected shape ({near.shape[0]}, B) with 20 finite distances a row, got {far.shape}"
            )
        if near.shape[1] >= self.n_items_:
            raise ValueError(f"neighbors: expected fewer columns than items ({self.n_items_}), got {near.shape[1]}")
        if (neighbor_scales is None) != (background_scales is None):
            raise ValueError("neighbor_scales, background_scales: expected both or neither, got one")
        self.uses_scales_ = neighbor_scales is not None
        self.k_ = min(2 * nearest, near.shape[1] - 1)
        self.nearest_ = min(nearest, self.k_)
        self.n_trials_ = len(near)

        self.chance_ = ChanceScale.fit(near, np.where(np.isfinite(far), far, np.nan), self.n_items_)
        g_near, g_far = self.chance_(near), np.where(np.isfinite(far), self.chance_(far), np.nan)
        g_scale = g_far_scale = None
        self.scale_fill_ = 0.0
        if neighbor_scales is not None and background_scales is not None:
            shared = np.broadcast_to(np.asarray(background_scales), far.shape)
            raw = matrix(neighbor_scales, "neighbor_scales", missing=True)
            if raw.shape != near.shape:
                raise ValueError(f"neighbor_scales: expected shape {near.shape}, got {raw.shape}")
            if not np.isfinite(raw).any():
                raise ValueError("neighbor_scales: expected at least one finite scale, got none")
            self.scale_fill_ = float(np.median(self.chance_(raw[np.isfinite(raw)])))
            g_scale = self._log_scales(raw)
            g_far_scale = self._log_scales(matrix(shared, "background_scales", missing=True))
        self.hidden_ = min(0.5, max(hidden, nearest / self.n_items_))
        g_null, g_null_scale = hidden_topic(g_far, g_far_scale, self.n_items_, self.hidden_, self.k_)
        if g_null_scale is not None:
            g_null_scale = np.repeat(g_null_scale[:, None], self.k_, axis=1)

        self._trial_vectors = None if vectors is None else check_vectors(vectors, "vectors")[0]
        if self._trial_vectors is not None and len(self._trial_vectors) != len(near):
            raise ValueError(f"vectors: expected {len(near)} rows, got {len(self._trial_vectors)}")
        width, cut = self.k_, self.nearest_
        self._trials = {
            "paired": features_of(g_near[:, :width], None if g_scale is None else g_scale[:, :width], cut),
            "alone": features_of(g_near[:, 1 : width + 1], None if g_scale is None else g_scale[:, 1 : width + 1], cut),
            "null": features_of(g_null, g_null_scale, cut),
        }
        self.center_ = self._trials["paired"].mean(axis=0)
        self.spread_ = np.maximum(self._trials["paired"].std(axis=0), 1e-9)
        self._forget_labels()
        self._calibrate(None, None)
        return self

    def refine(
        self,
        neighbors: np.ndarray,
        relevant: np.ndarray,
        *,
        scales: np.ndarray | None = None,
        queries: np.ndarray | None = None,
    ) -> Judge:
        """Sharpen with labelled queries; replaces an earlier refinement.

        A few dozen queries already move the rates where your queries differ from the stored items; with about 100 of
        each kind ``queries`` sharpen the score itself. Queries of one kind only are fine: they move the rates of that
        kind.

        Parameters
        ----------
        neighbors : (q, K) ascending distances of the labelled queries to the store, K at least ``k``.
        relevant : (q,) bool, whether the store held anything relevant; or (q, j <= K) bool for the first j hits.
        scales : (q, K) local scales of those neighbours, when the judge was fitted with them.
        queries : (q, d) vectors of the labelled queries as the metric sees them, when :meth:`fit` was given
            ``vectors``: the cut then also depends on what a query is about, and every later call needs ``queries``.

        Raises
        ------
        ValueError : wrong shapes. RuntimeError : not fitted, or loaded from its dictionary (fit anew, then refine).
        """
        self._check_fitted()
        if not hasattr(self, "_trials"):
            raise RuntimeError("this judge was loaded: it keeps no trials to refine with; fit it anew, then refine")
        distances = matrix(neighbors, "neighbors", missing=True)
        labels = np.asarray(relevant)
        if labels.dtype != np.bool_ or labels.ndim not in (1, 2) or len(labels) != len(distances):
            raise ValueError(
                f"relevant: expected bool of shape ({len(distances)},) or ({len(distances)}, j), "
                f"got {labels.dtype} {labels.shape}"
            )
        if labels.ndim == 2 and not 1 <= labels.shape[1] <= distances.shape[1]:
            raise ValueError(f"relevant: expected 1 to {distances.shape[1]} columns, got {labels.shape[1]}")
        answered: np.ndarray = labels if labels.ndim == 1 else labels.max(axis=1)
        directions = None
        if queries is not None:
            if self._trial_vectors is None:
                raise ValueError("queries: this judge was fitted without vectors; pass vectors to fit as well")
            directions = check_vectors(queries, "queries", dim=self._trial_vectors.shape[1])[0].astype(np.float64)
            if len(directions) != len(distances):
                raise ValueError(f"queries: expected {len(distances)} rows, got {len(directions)}")
        features = self._features(distances, scales)
        self._forget_labels()
        self._calibrate(None, None)
        usable = np.isfinite(features).all(axis=1)
        answered = answered[usable]
        self.labels_ = len(answered)
        held_out = np.zeros(0)
        if self.labels_:
            held_out = self._learn(features[usable], None if directions is None else directions[usable], answered)
        self._calibrate(held_out[answered], held_out[~answered])
        if labels.ndim == 2 and self.labels_:
            score, items = self._scores(distances, scales, None, queries if self.uses_queries_ else None)
            self.item_shift_ = fit_item_shift(
                score[usable], items[usable, : labels.shape[1]], labels[usable], self.slope_, self.intercept_
            )
        return self

    def _learn(self, features: np.ndarray, directions: np.ndarray | None, answered: np.ndarray) -> np.ndarray:
        """Fit the weights to labelled queries; returns their held-out scores."""
        base = self._base_score(features)
        design, penalty = (features - self.center_) / self.spread_, np.full(FEATURES, FEATURE_PENALTY)
        middle, length = np.zeros(0), 1.0
        if directions is not None:
            middle = directions.mean(axis=0)
            length = max(float(np.sqrt(((directions - middle) ** 2).sum(axis=1).mean())), 1e-12)
            design = np.hstack([design, (directions - middle) / length])
            penalty = np.append(penalty, np.full(directions.shape[1], VECTOR_PENALTY))
        weights, held_out = fit_weights(
            base, design, answered, slope=self.slope_, penalty=penalty, random_state=self.random_state
        )
        self.weights_ = weights[:FEATURES]
        if directions is not None and weights.any():
            self.uses_queries_ = True
            self.query_weights_ = weights[FEATURES:] / length
            self.query_offset_ = -float(middle @ self.query_weights_)
        return held_out

    def _forget_labels(self) -> None:
        self.labels_, self.item_shift_, self.weights_ = 0, 0.0, np.zeros(FEATURES)
        self.uses_queries_, self.query_weights_, self.query_offset_ = False, np.zeros(0), 0.0

    def relevance(
        self,
        distances: np.ndarray,
        scales: np.ndarray | None = None,
        *,
        neighbors: np.ndarray | None = None,
        queries: np.ndarray | None = None,
    ) -> np.ndarray:
        """Relevance of every hit in [0, 1]: larger is better, comparable across queries, never rising along a row.

        Parameters
        ----------
        distances : (q, j) or (j,) ascending distances of the hits; +inf where missing (relevance 0).
        scales : local scales of the neighbours, same shape as they; NaN where not known yet.
        neighbors : (q, K >= k) distances of the query's nearest in the whole store, when ``distances`` is something
            else (fewer hits, or hits under a filter). None: the hits are the neighbours, j at least ``k``.
        queries : (q, d) or (d,) vectors, when the judge was refined with them (``uses_queries_``); else ignored.

        Returns
        -------
        float32, same shape as ``distances``: the probability that the query has an answer in the store and that this
        hit is near enough to be one, if a share ``prior`` of all queries has an answer.
        """
        self._check_fitted()
        hits, single = rows(distances, "distances")
        score, items = self._scores(hits, scales, neighbors, queries)
        odds = np.log(self.prior / (1 - self.prior)) + self.intercept_ - self.slope_ * np.maximum(score[:, None], items)
        out = np.where(np.isfinite(hits), sigmoid(odds), 0.0).astype(np.float32)
        return out[0] if single else out

    def keep(
        self,
        distances: np.ndarray,
        max_false: float,
        scales: np.ndarray | None = None,
        *,
        neighbors: np.ndarray | None = None,
        queries: np.ndarray | None = None,
    ) -> np.ndarray:
        """Which hits to return at ``max_false``: bool, a prefix of each row, possibly none.

        ``max_false`` is the largest accepted probability that a query to which the store holds no answer gets any. The
        other inputs are those of :meth:`relevance`.
        """
        self._check_fitted()
        hits, single = rows(distances, "distances")
        score, items = self._scores(hits, scales, neighbors, queries)
        out = (np.maximum(score[:, None], items) <= self.threshold(max_false)) & np.isfinite(hits)
        return out[0] if single else out

    def threshold(self, max_false: float) -> float:
        """The largest score that is still answered at ``max_false``; -inf at 0, +inf at 1."""
        self._check_fitted()
        return self.unanswerable_.at(check_real(max_false, "max_false", 0.0, 1.0))

    def expected_lost(self, max_false: float) -> Rate:
        """Share of answerable queries that get nothing at ``max_false``, with a 95% interval.

        The low end takes queries to be to the store as its items are to each other (leave-one-out); the high end hides
        each item's nearest companion as well, for stored items often have a twin (same author, same template, next
        paragraph) that a fresh query lacks. The value lies midway; both ends include the sampling error.
        """
        from scipy.special import betaincinv

        at = self.threshold(max_false)
        paired, alone = (float(d.above(at)) for d in (self.paired_, self.alone_))
        size = self.paired_size_
        few, many = min(paired, alone) * size, max(paired, alone) * size
        low = float(betaincinv(few, size - few + 1, 0.025)) if few > 0 else 0.0
        high = float(betaincinv(many + 1, size - many, 0.975)) if many < size else 1.0
        return Rate((paired + alone) / 2, low, high)

    def max_false_for(self, max_lost: float = 0.05) -> float:
        """The ``max_false`` at which :meth:`expected_lost` is ``max_lost``: to set the cut by what may be lost."""
        self._check_fitted()
        target = check_real(max_lost, "max_lost", 0.0, 1.0)
        if target <= 0.0 or target >= 1.0:
            return 1.0 if target <= 0.0 else 0.0
        ends = sorted((self.paired_.at(1 - target), self.alone_.at(1 - target)))
        low, high = ends[0] - 1e-9, ends[1] + 1e-9
        for _ in range(100):
            middle = (low + high) / 2
            lost = (self.paired_.above(middle) + self.alone_.above(middle)) / 2
            low, high = (middle, high) if lost > target else (low, middle)
        return float(self.unanswerable_.below(high))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` gives back a judge of exactly the same decisions."""
        self._check_fitted()
        return {
            "kind": "Judge",
            "version": _FORMAT,
            "params": {name: getattr(self, name) for name in _PARAMS},
            "state": {name: pack(getattr(self, name)) for name, (pack, _) in _STATE.items()},
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Judge:
        """Inverse of :meth:`to_dict`. Raises ValueError for something else, a newer version, or missing parts."""
        if saved.get("kind") != "Judge" or saved.get("version") != _FORMAT:
            raise ValueError(
                f"saved: expected kind 'Judge' of version {_FORMAT}, "
                f"got {saved.get('kind')!r} of version {saved.get('version')!r}"
            )
        missing = [name for name in _STATE if name not in saved.get("state", {})]
        if missing:
            raise ValueError(f"saved: expected a complete judge, missing {', '.join(missing)}")
        judge = cls(**{name: saved["params"][name] for name in _PARAMS})
        for name, (_, unpack) in _STATE.items():
            setattr(judge, name, unpack(saved["state"][name]))
        return judge

    def _check_fitted(self) -> None:
        if not hasattr(self, "unanswerable_"):
            raise RuntimeError("this judge is not fitted yet; call fit first")

    def _locality(self) -> float:
        return self.locality if self.uses_scales_ else 0.0

    def _log_scales(self, scales: np.ndarray) -> np.ndarray:
        known = np.isfinite(scales)
        return np.where(known, self.chance_(np.where(known, scales, 0.0)), self.scale_fill_)

    def _base_score(self, features: np.ndarray) -> np.ndarray:
        return score_of(features, self._locality(), self.weights_, self.center_, self.spread_)

    def _features(self, near: np.ndarray, scales: np.ndarray | None) -> np.ndarray:
        if near.shape[1] < self.k_:
            raise ValueError(f"neighbors: expected at least {self.k_} distances a query (judge.k), got {near.shape[1]}")
        near = near[:, : self.k_]
        known = np.isfinite(near)
        g = np.where(known, self.chance_(np.where(known, near, 0.0)), np.nan)
        g_scale = None
        if self.uses_scales_:
            if scales is None:
                raise ValueError("scales: this judge was fitted with local scales and needs them, got None")
            raw = matrix(np.atleast_2d(scales), "scales", missing=True)
            if raw.shape[0] != near.shape[0] or raw.shape[1] < self.k_:
                raise ValueError(f"scales: expected shape ({near.shape[0]}, >= {self.k_}), got {raw.shape}")
            g_scale = np.where(known, self._log_scales(raw[:, : self.k_]), np.nan)
        return features_of(g, g_scale, self.nearest_)

    def _scores(
        self,
        hits: np.ndarray,
        scales: np.ndarray | None,
        neighbors: np.ndarray | None,
        queries: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score of each query (q,) and of each hit (q, j) on the same scale; +inf where there is nothing."""
        near = hits if neighbors is None else rows(neighbors, "neighbors")[0]
        if len(near) != len(hits):
            raise ValueError(f"neighbors: expected {len(hits)} rows, got {len(near)}")
        features = self._features(near, scales)
        offset = np.zeros(len(hits))
        if self.uses_queries_:
            if queries is None:
                raise ValueError("queries: this judge was refined with query vectors and needs them, got None")
            vectors = check_vectors(queries, "queries", dim=len(self.query_weights_))[0]
            if len(vectors) != len(hits):
                raise ValueError(f"queries: expected {len(hits)} rows, got {len(vectors)}")
            offset = vectors @ self.query_weights_ + self.query_offset_
        score = self._base_score(features) + offset
        score = np.where(np.isfinite(score), score, np.inf)
        finite = np.isfinite(hits)
        g = np.where(finite, self.chance_(np.where(finite, hits, 0.0)), np.inf)
        items = g + (score - np.nan_to_num(features[:, 0]) + self.item_shift_)[:, None]
        return score, items

    def _calibrate(self, answered: np.ndarray | None, empty: np.ndarray | None) -> None:
        """Score the trials with the present weights, blend in the labelled scores, fit the curves."""
        scores = {name: self._base_score(features) for name, features in self._trials.items()}
        if self.uses_queries_ and self._trial_vectors is not None:
            offset = self._trial_vectors @ self.query_weights_ + self.query_offset_
            scores = {name: score + offset for name, score in scores.items()}
        both = np.concatenate([scores["paired"], scores["alone"]])
        trust_yes, trust_no = blend(both, answered, self.n_trials_), blend(scores["null"], empty, self.n_trials_)
        self.trust_ = Blend(answerable=trust_yes, unanswerable=trust_no)
        self.paired_ = _mixed(scores["paired"], answered, trust_yes)
        self.alone_ = _mixed(scores["alone"], answered, trust_yes)
        self.unanswerable_ = _mixed(scores["null"], empty, trust_no)
        self.paired_size_ = float(trust_yes + (0 if answered is None else len(answered)))
        levels = (np.arange(512) + 0.5) / 512
        yes = np.array([(self.paired_.at(p) + self.alone_.at(p)) / 2 for p in levels])
        no = np.array([self.unanswerable_.at(p) for p in levels])
        target = np.repeat([1.0, 0.0], 512)
        slope, intercept = fit_logistic(np.concatenate([yes, no])[:, None], target, np.array([1e-3]))
        self.slope_, self.intercept_ = float(max(-slope, 1e-6)), float(intercept)


def _mixed(trials: np.ndarray, labelled: np.ndarray | None, trust: float) -> ScoreDistribution:
    if labelled is None or len(labelled) == 0:
        return ScoreDistribution.fit(trials)
    weights = np.concatenate([np.full(len(trials), trust / len(trials)), np.ones(len(labelled))])
    return ScoreDistribution.fit(np.concatenate([trials, labelled]), weights)
