"""Feature complexity: through how many layers of an encoder a feature must pass before it can be read off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state, check_vectors
from .measure import Measure, undefined

_FOLDS = 5
_FEWEST = 50
_PENALTIES = tuple(10.0**power for power in range(-3, 6))
_Z = 1.96
# Information below this is what rounding leaves of none.
_NOTHING = 1e-9
_SOURCE = (
    "Fel, Bethune, Lampinen, Serre & Hermann (2024), Understanding visual feature reliance through the lens of "
    "complexity, NeurIPS; usable information after Xu et al. (2020), ICLR"
)


def feature_complexity(
    layers: Sequence[Any],
    features: Any,
    *,
    sample: int = 5_000,
    random_state: int = 0,
) -> Measure | list[Measure]:
    """Feature complexity: one less the usable information about a feature, averaged over the layers of an encoder.

    Near 0 the feature can be read off the input by a linear map already; near 1 only the last layer has it. Choose it
    to find what an encoder had to work for: such features come late in training and are weakly represented. For one
    space and one property, without layers, take :func:`factor_share`.

    Parameters
    ----------
    layers : arrays (n, d_1) to (n, d_L): what each layer makes of the same n items, from the first to the last. Give
        the input itself as the first to count it.
    features : (n,) or (n, m): the value of each feature for every item, such as directions of the last layer, or
        properties of the items. Numbers; a property of two values is 0 and 1.
    sample : so many random items are used; a few times the widest layer is right.
    random_state : chooses the items and the folds.

    Returns
    -------
    Measure, or a list of m of them
        Value in [0, 1]. Usable information of a layer is the share of the feature's variance that a ridge regression
        on the layer predicts on held-out items (five folds; penalty by leave-one-out in each), at least 0: information
        under a linear Gaussian predictor of fixed variance, in units of the feature's own. ``arrays``:
        ``information``, one number a layer. ``parts``: ``last`` (information of the last layer) and ``first_layer``
        (number, from 1, of the first that has half of the greatest). The interval is analytic, over items, folds taken
        as given. The verdict is unknown: no complexity is good or bad.

    Raises
    ------
    ValueError
        For NaN or infinity, no layer, and lengths that do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.choice([-1.0, 1.0], (2000, 6)).astype(np.float32)
    >>> both = np.column_stack([x, x[:, 0] * x[:, 1]])  # a layer that has worked out a product
    >>> simple, product = feature_complexity([x, both], np.stack([x[:, 0], x[:, 0] * x[:, 1]], axis=1))
    >>> round(simple.value, 2), round(product.value, 2)
    (0.0, 0.5)
    """
    if isinstance(layers, np.ndarray) or not isinstance(layers, Sequence) or len(layers) == 0:
        raise ValueError("layers: expected a list of one array (n, d) or more, one for each layer")
    check_int(sample, "sample", _FEWEST)
    seed = check_random_state(random_state)
    made = [check_vectors(_float32(layer), f"layers[{i}]")[0] for i, layer in enumerate(layers)]
    values = np.asarray(features, np.float64)
    single = values.ndim == 1
    values = values[:, None] if single else values
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"features: expected shape (n,) or (n, m), got {np.shape(features)}")
    if not np.isfinite(values).all():
        raise ValueError("features: expected finite values, got NaN or infinity")
    for i, layer in enumerate(made):
        if len(layer) != len(values):
            raise ValueError(f"layers[{i}]: expected {len(values)} rows, as many as features, got {len(layer)}")
    rng = np.random.default_rng([seed, 79])
    order = rng.permutation(len(values))[:sample]
    found = _measures([layer[order].astype(np.float64) for layer in made], values[order])
    return found[0] if single else found


def _measures(layers: list[np.ndarray], values: np.ndarray) -> list[Measure]:
    name, title = "feature_complexity", "Feature complexity"
    n = len(values)
    if n < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} items, and there {'is' if n == 1 else 'are'} {n}."
        return [undefined(name, title, why, source=_SOURCE) for _ in values.T]
    spread = values.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    scaled = (values - values.mean(axis=0)) / np.where(varies, spread, 1.0)
    # (layers, n, m): the squared error of each held-out prediction; 1 on average when nothing is predicted.
    errors = np.stack([(scaled - _predicted(layer, scaled)) ** 2 for layer in layers])
    information = 1 - errors.mean(axis=1)
    made = []
    for m in range(values.shape[1]):
        if not varies[m]:
            made.append(undefined(name, title, "Unknown: the feature is the same for all items.", source=_SOURCE))
            continue
        usable = np.where(information[:, m] > _NOTHING, np.minimum(information[:, m], 1.0), 0.0)
        value = float(1 - usable.mean())
        # Of each item: what it adds to the error, less what it adds to the variance the error is held against.
        counted = (usable > 0)[:, None]
        influence = np.where(counted, errors[:, :, m] - (1 - usable[:, None]) * scaled[:, m] ** 2, 0.0).mean(axis=0)
        around = _Z * float(influence.std(ddof=1)) / np.sqrt(n)
        half = usable >= 0.5 * usable.max()
        first = int(np.argmax(half)) + 1 if usable.max() > 0 else 0
        if first == 0:
            meaning = "No layer has it: nothing about it can be read off by a linear map."
        else:
            meaning = f"A linear map reads off {usable[first - 1]:.0%} of it at layer {first} of {len(layers)}, "
            meaning += f"{usable[-1]:.0%} at the last: " + _tail(value)
        made.append(
            Measure(
                name,
                value,
                max(value - around, 0.0),
                min(value + around, 1.0),
                meaning,
                title=title,
                unit="",
                detail=f"One less the mean over {len(layers)} layers of the held-out share of variance that ridge "
                f"regression predicts, from {n:,} items in {_FOLDS} folds. The interval is analytic, over items.",
                source=_SOURCE,
                parts={"last": float(usable[-1]), "first_layer": first},
                arrays={"information": usable},
            )
        )
    return made


def _tail(value: float) -> str:
    if value < 0.3:
        return "a simple feature, which any encoder will have."
    if value < 0.7:
        return "it takes part of the encoder to work it out."
    return "a complex feature, which a smaller encoder may lack."


def _predicted(layer: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    """What ridge regression on the other folds predicts for each item."""
    from sklearn.linear_model import RidgeCV

    centred = layer - layer.mean(axis=0)
    spread = centred.std(axis=0)
    there = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-300)
    predicted = np.zeros_like(scaled)
    if not there.any():
        return predicted
    design = centred[:, there] / spread[there]
    fold = np.arange(len(design)) % _FOLDS
    for out in range(_FOLDS):
        model = RidgeCV(_PENALTIES, alpha_per_target=True).fit(design[fold != out], scaled[fold != out])
        predicted[fold == out] = model.predict(design[fold == out]).reshape(-1, scaled.shape[1])
    return predicted


def _float32(layer: Any) -> Any:
    """Activations often come as float64; what float32 cannot hold of them is of no interest here."""
    array = np.asarray(layer)
    return array.astype(np.float32) if array.dtype == np.float64 else array
