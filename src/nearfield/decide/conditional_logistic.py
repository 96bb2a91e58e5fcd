"""Which of several candidates is meant: logistic regression within groups, with weights that are never negative."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def fit_conditional_logistic(
    features: np.ndarray, starts: np.ndarray, chosen: np.ndarray, penalty: float = 1.0
) -> np.ndarray:
    """Weights ``(p,)``, none below zero, under which the chosen rows of each group are the likeliest.

    Groups lie one after another in ``features`` (N, p), each from its place in ``starts`` (g,) to the next; none is
    empty. ``chosen`` (N,) marks at least one row a group. Minimises ``-sum log P(a chosen row | group) + penalty * sum(
    weights ** 2) / 2`` where P is the softmax of ``features @ weights`` within the group: McFadden, Conditional logit
    analysis of qualitative choice behavior, 1974. Features that are similarities can only speak for a candidate; the
    bound keeps few examples from turning one around.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.standard_normal((300, 2))
    >>> chosen = np.zeros(300, bool)
    >>> chosen[np.arange(0, 300, 3) + features[:, 0].reshape(100, 3).argmax(axis=1)] = True
    >>> weights = fit_conditional_logistic(features, np.arange(0, 300, 3), chosen)
    >>> bool(weights[0] > 3 > 0.5 > weights[1])
    True
    """
    x = np.asarray(features, np.float64)
    if not x.shape[1]:
        return np.zeros(0)
    sizes = np.diff(starts, append=len(x))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = x @ weights
        top = np.maximum.reduceat(scores, starts)
        shares = np.exp(scores - np.repeat(top, sizes))
        every = np.add.reduceat(shares, starts)
        top_right = np.maximum.reduceat(np.where(chosen, scores, -np.inf), starts)
        right = np.where(chosen, np.exp(np.minimum(scores - np.repeat(top_right, sizes), 0.0)), 0.0)
        among = np.add.reduceat(right, starts)
        value = (np.log(every) + top - np.log(among) - top_right).sum() + penalty * (weights @ weights) / 2
        slope = x.T @ (shares / np.repeat(every, sizes) - right / np.repeat(among, sizes)) + penalty * weights
        return float(value), slope

    begin = np.full(x.shape[1], 1.0 / max(1, x.shape[1]))
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * x.shape[1])
    return np.asarray(found.x)
