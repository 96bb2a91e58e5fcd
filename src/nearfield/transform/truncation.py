"""Matryoshka truncation: the first coordinates of every vector, on spaces that were made for it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.checks import check_choice, check_random_state, check_real
from .estimator import FLOATS
from .linear import LinearMap
from .ranking import RankingLoss, ranking_loss
from .reduction import Reduction

_K = 10


class Truncation(Reduction):
    """Keep the first coordinates of every vector; refuse to where that loses more neighbours than allowed.

    Choose it for embeddings of a model trained so that prefixes are usable (Matryoshka models, which order their
    coordinates by importance): nothing needs to be fitted or stored. Other models spread what they know over all
    coordinates, and :class:`PCA` or :class:`LeanVec` keep far more there; ``fit`` measures which kind of space this is.

    Parameters
    ----------
    n_components : how many coordinates to keep, an integer from 1 to d; None keeps all.
    max_loss : largest share of the true ten nearest rows that may be lost, in [0, 1], before any rescoring. 0.1 is
        strict enough to answer without rescoring; with the best 100 candidates rescored, 0.3 is a good start.
    metric : "cosine", "ip" or "l2", of the neighbours that are counted.
    random_state : seed of the rows held out for the measurement when no queries are given.

    Attributes
    ----------
    ranking_loss_ : the :class:`RankingLoss` measured by ``fit``; of all coordinates it is 0 and not measured.
    components_ : (n_components_, d) the first rows of the identity.
    n_components_, n_features_in_ : counts.

    Notes
    -----
    Source: Kusupati et al., Matryoshka Representation Learning (NeurIPS 2022), for vectors of which prefixes serve and
    for retrieval as a funnel: a shortlist by a prefix, put in order by the whole. The check is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ordered = np.float32(rng.standard_normal((2000, 32)) / np.arange(1, 33) ** 2)
    >>> Truncation(16).fit(ordered).transform(ordered).shape
    (2000, 16)
    >>> Truncation(16).fit(ordered[:, ::-1])
    Traceback (most recent call last):
    ...
    ValueError: n_components: the first 16 of 32 coordinates lose 0.995 [0.990, 0.998] of the true 10 nearest rows, ...

    The funnel is an index over the prefix that rescores its candidates with all coordinates:

    >>> from nearfield.index import Flat
    >>> funnel = Flat(transform=Truncation(4, max_loss=0.5), rescore="vectors").build(ordered)
    >>> whole = Flat().build(ordered)
    >>> found = funnel.search(ordered[:9], 10, candidates=100).rows == whole.search(ordered[:9], 10).rows
    >>> bool(found.mean() > 0.95)
    True
    """

    fits_queries: ClassVar[bool] = True
    """An index that is built with sample queries passes them to ``fit(X, queries=...)`` of such a transform."""

    def __init__(
        self,
        n_components: int | None = None,
        *,
        max_loss: float = 0.1,
        metric: str = "cosine",
        random_state: int = 0,
    ):
        self.n_components = n_components
        self.max_loss = max_loss
        self.metric = metric
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, queries: Any = None) -> Self:
        """Measure what truncating the rows of ``X`` (n, d) loses, for ``queries`` (m, d) or for rows held out.

        Raises ValueError where it is more than ``max_loss``.
        """
        X = validate_data(self, X, dtype=FLOATS)
        d, self.n_components_ = self.n_features_in_, self._count_kept()
        allowed = check_real(self.max_loss, "max_loss", 0.0, 1.0)
        check_choice(self.metric, "metric", ("cosine", "ip", "l2"))
        check_random_state(self.random_state)
        self.ranking_loss_ = self._measured(X, queries)
        if self.ranking_loss_.loss > allowed:
            low, high = 1 - self.ranking_loss_.high, 1 - self.ranking_loss_.low
            loss, k = self.ranking_loss_.loss, self.ranking_loss_.k
            raise ValueError(
                f"n_components: the first {self.n_components_} of {d} coordinates lose {loss:.3f} [{low:.3f}, "
                f"{high:.3f}] of the true {k} nearest rows, max_loss allows {allowed:g}; this space was not made to be "
                "truncated there: keep more, or use PCA or LeanVec"
            )
        self.components_ = np.eye(self.n_components_, d)
        return self

    def _measured(self, X: np.ndarray, queries: Any) -> RankingLoss:
        if self.n_components_ == self.n_features_in_:
            return RankingLoss(1.0, 1.0, 1.0, _K, 0)
        if len(X) < 2:
            raise ValueError(f"X: expected at least 2 rows to measure what truncation loses, got n_samples = {len(X)}")
        held = 0 if queries is not None else max(1, len(X) // 5)
        cut = LinearMap(np.eye(self.n_components_, self.n_features_in_))
        single = np.asarray(X, np.float32)
        k = min(_K, len(X) - held)
        return ranking_loss(cut, single, queries, k=k, metric=self.metric, random_state=self.random_state)

    def transform(self, X: Any) -> np.ndarray:
        """The first coordinates of the rows: (n, n_components_), of the type of ``X``."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.array(X[:, : self.n_components_])

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.components_, None
