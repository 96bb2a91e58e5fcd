"""Monotone functions of a distance whose parameters depend on the query, fitted to labels.

The log-odds that a hit at distance ``d`` is relevant to a query with features ``z`` are ``b(z) + a(z) x(d)``. ``x``
falls with the distance and ``a`` is positive, so the order of a query's hits never changes. ``b`` is linear in ``z``,
``a`` the exponential of a linear function; in the form "power", ``x`` is a similarity in (0, 1] to the power ``c(z)``.
"""

from __future__ import annotations

import numpy as np

from .logistic import sigmoid

FORMS = ("shift", "linear", "power")
_LARGEST = 6.0  # of a logarithm of slope or power: beyond it one label decides everything
_LEAST = 1e-3  # of a similarity that is raised to a power


def count_of(form: str) -> int:
    """How many functions of the features a form has."""
    return 3 if form == "power" else 2


def log_odds(form: str, weights: np.ndarray, features: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``(q, j)`` from ``weights`` (functions, p + 1), ``features`` (q, p) and the similarities ``x`` (q, j)."""
    return _parts(form, weights, features, x)[0]


def _parts(form: str, weights: np.ndarray, features: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    values = features @ weights[:, :-1].T + weights[:, -1]
    slope = np.exp(np.clip(values[:, 1], -_LARGEST, _LARGEST))
    if form != "power":
        return values[:, 0, None] + slope[:, None] * x, slope, x
    power = np.exp(np.clip(values[:, 2], -_LARGEST, _LARGEST))
    raised = np.clip(x, _LEAST, None) ** power[:, None]
    return values[:, 0, None] + slope[:, None] * raised, slope, raised, power


def fit_monotone(
    form: str,
    features: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    known: np.ndarray,
    penalty: np.ndarray,
) -> np.ndarray:
    """Weights ``(functions, p + 1)``, the constant last, of least log-loss plus ``sum(penalty * w ** 2) / 2``.

    ``target`` and ``known`` are bool (q, j). By L-BFGS from the function that is the same for all queries.
    """
    from scipy.optimize import minimize

    count, width = count_of(form), features.shape[1] + 1
    start = np.zeros((count, width))
    share = np.clip(target[known].mean(), 1e-4, 1 - 1e-4)
    start[0, -1] = np.log(share / (1 - share))
    start[1, -1] = 1.0
    ridge = np.append(penalty, 1e-4)
    weight = known.astype(np.float64)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(count, width)
        odds, slope, raised, *power = _parts(form, weights, features, x)
        value = float((weight * (np.logaddexp(0.0, odds) - target * odds)).sum() + (ridge * weights**2).sum() / 2)
        rest = weight * (sigmoid(odds) - target)
        turned = [rest.sum(axis=1), (rest * raised).sum(axis=1) * slope]
        if power:
            logs = np.log(np.clip(x, _LEAST, None))
            turned.append((rest * raised * logs).sum(axis=1) * slope * power[0])
        gradient = np.stack([np.append(features.T @ one, one.sum()) for one in turned]) + ridge * weights
        if form == "shift":
            gradient[1, :-1] = 0.0
        return value, gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-9})
    return np.asarray(found.x).reshape(count, width)
