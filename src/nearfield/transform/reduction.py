"""What the maps to fewer dimensions share as estimators of scikit-learn."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from .estimator import LinearEstimator
from .ranking import RankingLoss, ranking_loss


class Reduction(ClassNamePrefixFeaturesOutMixin, LinearEstimator):
    """The base of :class:`PCA`, :class:`LeanVec`, :class:`RandomProjection` and :class:`Truncation`.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> isinstance(PCA(2), Reduction)
    True
    """

    n_components: int | float | None
    random_state: int
    n_components_: int
    n_features_in_: int

    def ranking_loss(self, X: Any, queries: Any = None, *, k: int = 10, metric: str = "cosine") -> RankingLoss:
        """The share of the exact ``k`` nearest rows that is still found in the reduced space, without rescoring.

        Give the ``queries`` you expect, and that the fit has not seen; without them up to 500 rows of ``X`` are held
        out and asked for. See :func:`nearfield.transform.ranking_loss`.
        """
        check_is_fitted(self)
        return ranking_loss(self.export(), X, queries, k=k, metric=metric, random_state=self.random_state)

    def _count_kept(self) -> int:
        """``n_components`` where it is None, which keeps all, or a number of dimensions; ValueError otherwise."""
        kept, d = self.n_components, self.n_features_in_
        if kept is None:
            return d
        if not isinstance(kept, Integral) or isinstance(kept, bool) or not 1 <= kept <= d:
            raise ValueError(f"n_components: expected None or an integer from 1 to {d} (dimensions of X), got {kept!r}")
        return int(kept)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
