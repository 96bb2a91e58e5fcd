"""Multi-view canonical correlation: several descriptions of the same items in one space, as far as they agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg


def shared_space(views: Sequence[np.ndarray], n_components: int, shrinkage: float) -> list[np.ndarray]:
    """A matrix (d_v, n_components) for each view (n, d_v), whose rows belong together and have mean zero.

    The projections that agree best over all pairs of views at unit variance, from the generalised eigenproblem of all
    covariances against those within views, each of which is shrunk by ``shrinkage`` towards its mean variance. Every
    coordinate counts with its mean correlation. Source: Fu et al., Transductive multi-view zero-shot learning, 2015,
    section 3.3, where the correlations are raised to the power 4 and nothing is shrunk; one coordinate of many
    thousands would be all that is left. For two views it is :class:`nearfield.transform.CanonicalCorrelation`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> common = rng.standard_normal((500, 1))
    >>> views = [np.hstack([common, rng.standard_normal((500, 3))]) for _ in range(3)]
    >>> first, second, third = [v @ m for v, m in zip(views, shared_space(views, 1, 0.01), strict=True)]
    >>> bool(min(np.corrcoef(first.T, second.T)[0, 1], np.corrcoef(second.T, third.T)[0, 1]) > 0.98)
    True
    """
    widths = [view.shape[1] for view in views]
    ends = np.cumsum(widths)
    together = np.concatenate(views, axis=1)
    every = together.T @ together / len(together)
    within = np.zeros_like(every)
    for end, width in zip(ends, widths, strict=True):
        own = slice(end - width, end)
        level = np.trace(every[own, own]) / width or 1.0
        every[own, own] = (1 - shrinkage) * every[own, own] + shrinkage * level * np.eye(width)
        within[own, own] = every[own, own]
    last = len(every) - 1
    values, vectors = linalg.eigh(every, within, subset_by_index=(last - n_components + 1, last))
    values, vectors = values[::-1], vectors[:, ::-1]
    agreement = np.maximum(values - 1, 0.0) / max(len(views) - 1, 1)
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(n_components)]
    vectors = vectors * np.where(largest < 0, -1.0, 1.0) * agreement
    return [vectors[end - width : end] for end, width in zip(ends, widths, strict=True)]
