"""What a few labels change: weights of the score, trust in the store's own trials, and the cut inside a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .logistic import fit_logistic

_FOLDS = 5
_CELLS = 10
# Precision of the prior that the base score alone is right: on the five features of the score, and on each coordinate
# of the query vector scaled to unit mean square length. Chosen on CLINC150's validation queries and held-out intents.
FEATURE_PENALTY = 20.0
VECTOR_PENALTY = 0.3
# The same for the slope of the base score, whose prior is the slope between the store's own trials; labels that
# contradict the score altogether may not press it below a fifth of that.
_SLOPE_PENALTY = 1.0
_LEAST_SLOPE = 0.2


@dataclass(frozen=True)
class Blend:
    """How many labelled queries the store's own trials are worth, for either kind of query."""

    answerable: float
    unanswerable: float


def fit_weights(
    base: np.ndarray,
    features: np.ndarray,
    answered: np.ndarray,
    *,
    slope: float,
    penalty: np.ndarray,
    random_state: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the scaled features relative to the base score, and the labelled queries' held-out scores.

    Logistic regression with a Gaussian prior that the base score alone is right: few labels change little. The scores
    returned come from weights fitted on the other folds, so that the rates drawn from them are not flattered.
    """
    weights = _relative_weights(base, features, answered, slope, penalty)
    held_out = base + features @ weights
    if weights.any():
        order = np.random.default_rng(random_state).permutation(len(base))
        for fold in range(_FOLDS):
            out = order[fold::_FOLDS]
            rest = np.setdiff1d(order, out)
            part = _relative_weights(base[rest], features[rest], answered[rest], slope, penalty)
            held_out[out] = base[out] + features[out] @ part
    return weights, held_out


def _relative_weights(
    base: np.ndarray, features: np.ndarray, answered: np.ndarray, slope: float, penalty: np.ndarray
) -> np.ndarray:
    if answered.all() or not answered.any():
        return np.zeros(features.shape[1])
    size = max(float(base.std()), 1e-9)
    centred = base - base.mean()
    design = np.column_stack([centred / size, features])
    # Both kinds count alike, however many of each were labelled.
    balance = np.where(answered, 0.5 / answered.mean(), 0.5 / (1 - answered.mean()))
    coefficients = fit_logistic(design, ~answered, np.append(_SLOPE_PENALTY, penalty), balance, offset=slope * centred)
    return coefficients[1:-1] / max(slope + coefficients[0] / size, _LEAST_SLOPE * slope)


def blend(trials: np.ndarray, labelled: np.ndarray | None, most: int) -> float:
    """How many labelled queries the trials are worth, at most ``most``.

    Dirichlet-multinomial evidence over tenths of the trial scores, averaged over all worths from one query to ``most``
    (evenly on a log scale): labels that fall as the trials do leave the trials in charge, labels that fall elsewhere
    take over. The average is over the share of the say, which does not jump as the likeliest worth does.
    """
    if labelled is None or len(labelled) == 0:
        return float(most)
    from scipy.special import gammaln

    edges = np.quantile(trials, np.arange(1, _CELLS) / _CELLS)
    counts = np.bincount(np.searchsorted(edges, labelled), minlength=_CELLS)
    worth = np.geomspace(1.0, max(most, 1), 50)
    each = worth[:, None] / _CELLS
    evidence = gammaln(worth) - gammaln(worth + counts.sum()) + (gammaln(each + counts) - gammaln(each)).sum(axis=1)
    chance = np.exp(evidence - evidence.max())
    say = float((worth / (worth + counts.sum()) * chance).sum() / chance.sum())
    return float(counts.sum() * say / (1.0 - say))


def fit_item_shift(score: np.ndarray, items: np.ndarray, relevant: np.ndarray, slope: float, intercept: float) -> float:
    """Shift of the hits' own scores under which the labels of single hits are likeliest."""
    known = np.isfinite(items)
    shifts = np.linspace(-4.0, 4.0, 81)
    losses = []
    for shift in shifts:
        odds = intercept - slope * np.maximum(score[:, None], items + shift)
        losses.append(float((np.logaddexp(0.0, odds) - relevant * odds)[known].sum()))
    best = np.flatnonzero(np.asarray(losses) <= min(losses) + 1e-9)
    return float(shifts[best[np.abs(shifts[best]).argmin()]])
