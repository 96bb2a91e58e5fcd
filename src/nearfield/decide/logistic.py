"""Logistic regression with a Gaussian prior, by Newton's method: small, exact, and without a heavy import."""

from __future__ import annotations

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))`` without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def fit_logistic(
    features: np.ndarray,
    target: np.ndarray,
    penalty: np.ndarray,
    weights: np.ndarray | None = None,
    offset: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Coefficients ``(p + 1,)``, intercept last, of ``P(target) = sigmoid(offset + features @ c + intercept)``.

    Minimises the weighted log-loss plus ``sum(penalty * c ** 2) / 2``; the intercept is free but for a trace that keeps
    the answer finite when the classes are separable.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> slope, intercept = fit_logistic(x, x[:, 0] + np.sin(40 * x[:, 0]) > 0, np.array([0.1]))
    >>> bool(slope > 1), bool(abs(intercept) < 0.5)
    (True, True)
    """
    design = np.column_stack([features, np.ones(len(features))]).astype(np.float64)
    y = np.asarray(target, np.float64)
    w = np.ones_like(y) if weights is None else np.asarray(weights, np.float64)
    ridge = np.append(np.asarray(penalty, np.float64), 1e-6)
    coefficients = np.zeros(design.shape[1])

    def loss(c: np.ndarray) -> float:
        z = offset + design @ c
        return float((w * (np.logaddexp(0.0, z) - y * z)).sum() + (ridge * c * c).sum() / 2)

    current = loss(coefficients)
    for _ in range(100):
        p = sigmoid(offset + design @ coefficients)
        gradient = design.T @ (w * (p - y)) + ridge * coefficients
        curvature = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while loss(coefficients - size * step) > current and size > 1e-6:
            size /= 2
        coefficients = coefficients - size * step
        previous, current = current, loss(coefficients)
        if previous - current < 1e-9 * (1 + abs(current)):
            break
    return coefficients
