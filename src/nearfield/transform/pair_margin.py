"""A linear map learnt from pairs: near ones come within a radius, far ones beyond a multiple of it."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import validate_data

from .. import native
from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state, check_real
from .estimator import FLOATS, LinearEstimator

# When no far pairs are given: so many for each row, of so many rows at most, chosen from so many nearest.
_FAR_PER_ROW = 8
_MINED = 1 << 13
_LOOKED_AT = 24
# What near pairs count for: a near pair lost is lost, a far one kept costs a comparison. With equal weights the descent
# gives up the hardest near pairs: on cities with errors, 3,000 of them learnt from, 20 candidates a record at 95%
# completeness, with this weight 3.5, before the descent 5.2.
_NEAR_WEIGHT = 25.0
# One thing in so many judges the descent, every so many steps, if so many of its pairs are there.
_HELD, _LOOKS, _LEAST = 5, 50, 20
# Pairs of each kind in a step.
_BATCH = 256
# Steps of Adam: its rate falls to nothing along half a cosine.
_RATE = 0.01
_DECAYS = (0.9, 0.999)
# Share of the mean variance added to the differences of near pairs, so that none is divided by nothing.
_RIDGE = 0.05


class PairMargin(ClassNamePrefixFeaturesOutMixin, LinearEstimator):
    """Learn from pairs what is near: a map after which hyperplanes part far pairs and keep near ones together.

    Choose it before a :class:`~nearfield.index.Hash` when likeness is a rule of your own (same product, same place
    within ten kilometres under a similar name) that distances of the vectors do not follow, and some hundred or
    thousand pairs tell it. Any index takes it, under metric "cosine". For the likeness the vectors already have,
    :class:`PCA` or no map at all.

    Parameters
    ----------
    n_components : dimensions after the map, from 1 to d; None keeps d. 64 is a good start: planes beyond what the rule
        needs tell nothing, and fewer than the bits of a table repeat each other.
    radius : near pairs are drawn together to within this distance on the unit sphere, in (0, 2); 0.4 is an angle of 23
        degrees, at which a hyperplane parts 13% of the pairs. Smaller asks more than copies with errors may give.
    ratio : far pairs are driven apart to ``ratio * radius``, above 1, with a product of at most 2; c in the paper. 3
        makes them nearly perpendicular, where a hyperplane parts 41%.
    steps : most of the descent, 256 near and far pairs each; 0 leaves the start, which is most of the gain. It stops
        where pairs of held-out rows, a fifth, are best.
    random_state : seed of the order of the pairs, and of the rows whose nearest are taken for far.

    Attributes
    ----------
    components_ : (n_components_, d), the map; its rows are not orthonormal.
    mean_ : (d,) mean of the rows, subtracted first.
    loss_ : mean of both sides over the pairs it was fitted to, of near ones ``max(0, distance - radius)``, of far ones
        ``max(0, ratio * radius - distance)``; 0 when every pair is where it should be.
    n_steps_ : how many steps were taken; 0 where the start was best, or there were too few pairs to judge.
    n_components_, n_near_, n_far_, n_features_in_ : counts.

    Notes
    -----
    Source: NLSHBlock (Wang et al., Neural Locality Sensitive Hashing for Entity Blocking, 2024), whose loss is
    ``max(R, |h(p) - h(q)|) - min(cR, |h(p) - h(r)|)`` for p like q and unlike r. Departures: the encoder h is a linear
    map of frozen vectors, brought to length one, in place of a language model that is trained on; near and far pairs
    need not share a row; distances are of unit vectors, on which the angle decides what a hyperplane parts. It starts
    from the directions in which far pairs differ most for what near ones differ (a generalised eigenproblem), and
    descends by Adam, in which near pairs count 25 times as much as far ones. Linear algebra runs on one thread: the
    same input gives the same bytes. The start solves two eigenproblems of d by d: a second at 512 dimensions, half a
    minute at 2,048, and beyond that :class:`PCA` should come first.

    Examples
    --------
    Only the first four of twenty dimensions say which rows belong together:

    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat(rng.standard_normal((400, 20)), 2, axis=0)
    >>> X[:, 4:] = rng.standard_normal((800, 16))
    >>> near = np.arange(600).reshape(-1, 2)
    >>> learnt = PairMargin(8).fit(X, near=near)
    >>> def cosines(rows):
    ...     unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ...     return (unit[::2] * unit[1::2]).sum(axis=1)
    >>> print(f"{cosines(X[600:]).mean():.1f} before, {cosines(learnt.transform(X[600:])).mean():.1f} after")
    0.2 before, 1.0 after
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        radius: float = 0.4,
        ratio: float = 3.0,
        steps: int = 300,
        random_state: int = 0,
    ):
        self.n_components = n_components
        self.radius = radius
        self.ratio = ratio
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, near: Any = None, far: Any = None) -> Self:
        """Fit to pairs of rows of ``X`` (n, d), float16, float32 or float64.

        Parameters
        ----------
        y : (n,) labels, instead of ``near``: rows of one label are near, rows of two are far.
        near : int (m, 2), numbers of rows that belong together. Some hundred are enough for few dimensions, some
            thousand are better.
        far : int (m, 2), numbers of rows that do not. None takes, for each row of a near pair, the eight nearest by
            cosine that no chain of near pairs leads to: such pairs, alike and yet not of one thing, teach most, and
            all that belongs together has to be in ``near`` for them to be right.
        """
        X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        self._check_parameters()
        rng = np.random.default_rng(self.random_state)
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        centred = (X - self.mean_).astype(np.float64)
        near, far, things = _pairs(centred, y, near, far, rng)
        d = self.n_features_in_
        self.n_components_ = d if self.n_components is None else int(self.n_components)
        self.n_near_, self.n_far_ = len(near), len(far)
        with one_blas_thread():
            self._learn(centred, near, far, things, rng)
            sides = [_distances(centred, pairs, self.components_) for pairs in (near, far)]
        lost = (np.maximum(sides[0] - self.radius, 0), np.maximum(self.ratio * self.radius - sides[1], 0))
        self.loss_ = float(sum(side.mean() for side in lost if len(side)))
        return self

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.components_, self.mean_

    def _check_parameters(self) -> None:
        kept, d = self.n_components, self.n_features_in_
        whole = isinstance(kept, Integral) and not isinstance(kept, bool)
        if kept is not None and not (whole and 1 <= kept <= d):
            raise ValueError(f"n_components: expected None or an integer from 1 to {d} (dimensions of X), got {kept!r}")
        check_real(self.radius, "radius", 0, 2, open_low=True, open_high=True)
        check_real(self.ratio, "ratio", 1, 2 / self.radius, open_low=True)
        check_int(self.steps, "steps", 0)
        check_random_state(self.random_state)

    def _start(self, centred: np.ndarray, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Directions in which far pairs differ most for what near pairs differ, all scaled alike."""
        within, between = (_scatter(centred, pairs) for pairs in (near, far))
        d = centred.shape[1]
        level = np.trace(within) + np.trace(between)
        within[np.diag_indices(d)] += (_RIDGE * level / d) or 1.0
        values, vectors = np.linalg.eigh(within)
        half = vectors / np.sqrt(np.maximum(values, values[-1] * 1e-12))
        turned = np.linalg.eigh(half.T @ between @ half)[1][:, ::-1]
        found = (half @ turned[:, : self.n_components_]).T
        largest = np.abs(found).argmax(axis=1)
        found *= np.sign(found[np.arange(len(found)), largest])[:, None]
        return np.asarray(found / np.sqrt((found**2).sum(axis=1).max()))

    def _learn(
        self, centred: np.ndarray, near: np.ndarray, far: np.ndarray, things: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Descend on the pairs of most things, and stop where those of the others are best; if at once, start again."""
        self.components_ = self._start(centred, near, far)
        self.n_steps_ = 0
        held = rng.permutation(int(things.max()) + 1) % _HELD == 0
        judges = [held[things[pairs]].all(axis=1) for pairs in (near, far)]
        taught = [pairs[~held[things[pairs]].any(axis=1)] for pairs in (near, far)]
        if judges[0].sum() < _LEAST or not all(map(len, taught)):
            return
        kept = [near[judges[0]], far[judges[1]] if judges[1].sum() >= _LEAST else far]
        matrix = self._start(centred, *taught)
        least = self._judged(centred, matrix, kept)
        for step, now in enumerate(self._descend(centred, matrix, taught, rng), 1):
            if step % _LOOKS == 0 or step == self.steps:
                loss = self._judged(centred, now, kept)
                if loss < least:
                    least, self.components_, self.n_steps_ = loss, now, step

    def _judged(self, centred: np.ndarray, matrix: np.ndarray, kept: list[np.ndarray]) -> float:
        near, far = (_distances(centred, pairs, matrix) for pairs in kept)
        near, far = np.maximum(near - self.radius, 0), np.maximum(self.ratio * self.radius - far, 0)
        return float(_NEAR_WEIGHT * near.mean() + far.mean())

    def _descend(
        self, centred: np.ndarray, matrix: np.ndarray, sides: list[np.ndarray], rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """The matrix after each step of Adam."""
        scale = float(np.sqrt((matrix**2).mean()))
        first, second = np.zeros_like(matrix), np.zeros_like(matrix)
        for step in range(self.steps):
            slope = np.zeros_like(matrix)
            for pairs, weight in zip(sides, (_NEAR_WEIGHT, -1.0), strict=True):
                chosen = pairs[rng.integers(0, len(pairs), _BATCH)]
                slope += weight * self._slope(centred, matrix, chosen, weight > 0)
            first = _DECAYS[0] * first + (1 - _DECAYS[0]) * slope
            second = _DECAYS[1] * second + (1 - _DECAYS[1]) * slope**2
            mean = first / (1 - _DECAYS[0] ** (step + 1))
            square = second / (1 - _DECAYS[1] ** (step + 1))
            rate = _RATE * scale * 0.5 * (1 + np.cos(np.pi * step / self.steps))
            matrix = matrix - rate * mean / (np.sqrt(square) + 1e-12)
            yield matrix

    def _slope(self, centred: np.ndarray, matrix: np.ndarray, pairs: np.ndarray, near: bool) -> np.ndarray:
        """The gradient of the mean distance of those pairs that count: beyond the radius if near, else within ratio."""
        rows = centred[pairs.T.reshape(-1)]
        mapped = rows @ matrix.T
        lengths = np.sqrt((mapped**2).sum(axis=1, keepdims=True))
        lengths[lengths == 0] = 1.0
        unit = mapped / lengths
        difference = unit[: len(pairs)] - unit[len(pairs) :]
        distance = np.sqrt((difference**2).sum(axis=1, keepdims=True))
        counts = distance > self.radius if near else distance < self.ratio * self.radius
        pull = counts * difference / np.maximum(distance, 1e-9) / len(pairs)
        pull = np.concatenate([pull, -pull])
        pull = (pull - (pull * unit).sum(axis=1, keepdims=True) * unit) / lengths
        return np.asarray(pull.T @ rows)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _pairs(
    centred: np.ndarray, y: Any, near: Any, far: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The near and the far pairs, checked, or made of labels and of the nearest rows; and the thing each row is."""
    n = len(centred)
    labels = None
    if near is None:
        if y is None:
            raise ValueError(
                "near: expected pairs of rows that belong together, or labels as y, got None for both; "
                "PairMargin requires y to be passed, but the target y is None, unless it is given pairs"
            )
        given = np.asarray(y)
        if given.shape != (n,):
            raise ValueError(f"y: expected one label a row, shape ({n},), got {given.shape}")
        _, labels = np.unique(given, return_inverse=True)
        near = _chained(labels, rng)
    near = _checked(near, "near", n)
    if labels is None:
        _, labels = connected_components(coo_array((np.ones(len(near)), tuple(near.T)), (n, n)), directed=False)
    if far is None:
        far = _nearest_others(centred, np.unique(near) if len(near) else np.arange(n), labels, rng)
    far = _checked(far, "far", n)
    if not len(near) + len(far):
        raise ValueError("near: expected at least 1 pair, near or far, got 0")
    return near, far, labels


def _nearest_others(
    centred: np.ndarray, chosen: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Each of the ``chosen`` rows with the nearest that have another label, by cosine."""
    if len(chosen) > _MINED:
        chosen = np.sort(rng.permutation(chosen)[:_MINED])
    lengths = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = (centred / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    rows = native.exact_search(unit, unit[chosen], min(_LOOKED_AT, len(unit))).rows
    other = labels[rows] != labels[chosen][:, None]
    other &= np.cumsum(other, axis=1) <= _FAR_PER_ROW
    return np.column_stack([np.repeat(chosen, other.sum(axis=1)), rows[other]])


def _checked(pairs: Any, name: str, n: int) -> np.ndarray:
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers of shape (m, 2), got {array.dtype} {array.shape}")
    if len(array) and (array.min() < 0 or array.max() >= n):
        raise ValueError(f"{name}: expected row numbers from 0 to {n - 1}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _chained(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each row with another one of its label, in an order of chance."""
    drawn = rng.permutation(len(labels))
    ordered = drawn[np.argsort(labels[drawn], kind="stable")]
    pairs = np.column_stack([ordered[:-1], ordered[1:]])
    return pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]


def _scatter(centred: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    total = np.zeros((centred.shape[1], centred.shape[1]))
    for start in range(0, len(pairs), 1 << 14):
        block = pairs[start : start + (1 << 14)]
        difference = centred[block[:, 0]] - centred[block[:, 1]]
        total += difference.T @ difference
    return total / max(len(pairs), 1)


def _distances(rows: np.ndarray, pairs: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Of pairs on the unit sphere after the map."""
    mapped = rows @ matrix.T
    lengths = np.sqrt((mapped**2).sum(axis=1, keepdims=True))
    unit = mapped / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(np.sqrt(((unit[pairs[:, 0]] - unit[pairs[:, 1]]) ** 2).sum(axis=1)))
