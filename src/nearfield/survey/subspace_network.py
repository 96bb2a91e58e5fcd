"""A small network of which only a point in a random subspace of its parameters is learnt."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from ..common.checks import check_int, check_random_state, check_real, check_vectors

_BATCH = 128
_STEPS = 500
_MOMENTS = (0.9, 0.999)


class SubspaceNetwork:
    """A perceptron with ``theta = theta_0 + P z``: the seed gives ``theta_0`` and ``P``, only ``z`` is learnt and kept.

    Choose it where very many small heads must be stored (one a tenant, one a user): a head is its seed and ``dim``
    numbers. How many dimensions it takes says :func:`task_dimension`. Where a few hundred kilobytes do not matter,
    scikit-learn's ``MLPClassifier`` and ``LogisticRegression`` reach more.

    Parameters
    ----------
    dim : dimensions of the subspace; None learns all parameters directly.
    hidden : units of each hidden layer, rectified; () is a linear head.
    epochs : passes over the rows, and as many more as 500 steps of 128 rows take.
    rate : the first step of Adam, for each parameter of the network, whatever ``dim``; it falls to zero in a line, so
        that 0.01 to 0.1 give the same.
    random_state : seed of ``theta_0``, of ``P`` and of the order of the rows.

    Attributes
    ----------
    coordinates_ : (dim,) float32, the learnt point.
    classes_, n_parameters_ : the labels, ascending; the number of parameters of the whole network.
    center_, scale_ : rows are centred and divided by one number before they are used.

    Notes
    -----
    After Li, Farkhoor, Liu & Yosinski (2018), ICLR. ``P`` is sparse with columns of unit length, the square root of
    ``n_parameters_`` signs in each; the step is multiplied by ``sqrt(n_parameters_ / dim)``, so that parameters move
    as fast in a small subspace as in a large one.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 20)).astype(np.float32)
    >>> y = x[:, 0] > 0
    >>> head = SubspaceNetwork(16, hidden=(), random_state=0).fit(x, y)
    >>> head.coordinates_.shape, head.n_parameters_
    ((16,), 42)
    >>> bool(head.score(x, y) > 0.7)
    True
    """

    def __init__(
        self,
        dim: int | None = None,
        *,
        hidden: tuple[int, ...] = (100,),
        epochs: int = 40,
        rate: float = 0.03,
        random_state: int = 0,
    ) -> None:
        self.dim = dim
        self.hidden = hidden
        self.epochs = epochs
        self.rate = rate
        self.random_state = random_state

    def fit(self, vectors: Any, labels: Any) -> Self:
        """Learn from rows (n, d) and one label for each; ValueError for one class, NaN, or unlike lengths."""
        rows, _ = check_vectors(vectors, "vectors")
        names, codes = np.unique(np.asarray(labels), return_inverse=True)
        if codes.shape != (len(rows),):
            raise ValueError(f"labels: expected {len(rows)} labels, one for each row, got shape {np.shape(labels)}")
        if len(names) < 2:
            raise ValueError("labels: expected two classes or more, got one")
        for number, units in enumerate(self.hidden):
            check_int(units, f"hidden[{number}]", 1)
        check_int(self.epochs, "epochs", 1)
        check_real(self.rate, "rate", 0, 1)
        rng = np.random.default_rng([check_random_state(self.random_state), 97])
        self.classes_ = names
        self._sizes = (rows.shape[1], *self.hidden, len(names))
        self.center_ = rows.mean(axis=0)
        spread = float(np.sqrt(((rows - self.center_) ** 2).mean()))
        self.scale_ = spread if spread > 0 else 1.0
        start = self._start(rng)
        self.n_parameters_ = len(start)
        if self.dim is not None:
            check_int(self.dim, "dim", 1, self.n_parameters_)
        self._directions = None if self.dim is None else _directions(self.n_parameters_, self.dim, rng)
        self.coordinates_ = self._learn(self._prepared(rows), codes, start, rng)
        self._theta = self._at(start, self.coordinates_)
        return self

    def predict(self, vectors: Any) -> np.ndarray:
        """The likeliest label of each row (n, d)."""
        if not hasattr(self, "coordinates_"):
            raise ValueError("SubspaceNetwork: call fit first")
        rows, _ = check_vectors(vectors, "vectors")
        if rows.shape[1] != self._sizes[0]:
            raise ValueError(f"vectors: expected {self._sizes[0]} dimensions, as in fit, got {rows.shape[1]}")
        return self.classes_[self._forward(self._prepared(rows), self._layers(self._theta))[-1].argmax(axis=1)]

    def score(self, vectors: Any, labels: Any) -> float:
        """The share of rows whose predicted label is right."""
        return float((self.predict(vectors) == np.asarray(labels)).mean())

    def _prepared(self, rows: np.ndarray) -> np.ndarray:
        return (rows - self.center_) / np.float32(self.scale_)

    def _start(self, rng: np.random.Generator) -> np.ndarray:
        parts = []
        for given, made in zip(self._sizes[:-1], self._sizes[1:], strict=True):
            weights = rng.standard_normal(given * made, np.float32) * np.float32(math.sqrt(2 / given))
            parts += [weights, np.zeros(made, np.float32)]
        return np.concatenate(parts)

    def _at(self, start: np.ndarray, point: np.ndarray) -> np.ndarray:
        return start + (point if self._directions is None else self._directions.T @ point)

    def _layers(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        layers, used = [], 0
        for given, made in zip(self._sizes[:-1], self._sizes[1:], strict=True):
            weights = theta[used : used + given * made].reshape(given, made)
            used += given * made
            layers.append((weights, theta[used : used + made]))
            used += made
        return layers

    @staticmethod
    def _forward(rows: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """What goes into each layer, and last what comes out."""
        found = [rows]
        for number, (weights, bias) in enumerate(layers):
            rows = rows @ weights + bias
            if number < len(layers) - 1:
                rows = np.maximum(rows, 0)
            found.append(rows)
        return found

    def _slope(self, rows: np.ndarray, codes: np.ndarray, theta: np.ndarray) -> np.ndarray:
        layers = self._layers(theta)
        values = self._forward(rows, layers)
        error = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(codes)), codes] -= 1
        error /= np.float32(len(codes))
        parts: list[np.ndarray] = []
        for number in range(len(layers) - 1, -1, -1):
            parts += [error.sum(axis=0), (values[number].T @ error).ravel()]
            if number:
                error = (error @ layers[number][0].T) * (values[number] > 0)
        return np.concatenate(parts[::-1])

    def _learn(self, rows: np.ndarray, codes: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        dim = self.n_parameters_ if self.dim is None else self.dim
        point, first, second = np.zeros((3, dim), np.float32)
        batches = -(-len(rows) // _BATCH)
        steps = max(self.epochs * batches, _STEPS)
        rate = self.rate * math.sqrt(self.n_parameters_ / dim)
        order = rng.permutation(len(rows))
        for step in range(steps):
            place = step % batches
            if place == 0:
                order = rng.permutation(len(rows))
            some = order[place * _BATCH : (place + 1) * _BATCH]
            slope = self._slope(rows[some], codes[some], self._at(start, point))
            if self._directions is not None:
                slope = self._directions @ slope
            first += (1 - _MOMENTS[0]) * (slope - first)
            second += (1 - _MOMENTS[1]) * (slope * slope - second)
            size = (
                rate * (1 - step / steps) * math.sqrt(1 - _MOMENTS[1] ** (step + 1)) / (1 - _MOMENTS[0] ** (step + 1))
            )
            point -= np.float32(size) * first / (np.sqrt(second) + np.float32(1e-8))
        return point


def _directions(parameters: int, dim: int, rng: np.random.Generator) -> Any:
    """(dim, parameters) in CSR form: rows of unit length with about sqrt(parameters) random signs."""
    from scipy import sparse

    each = math.isqrt(parameters - 1) + 1
    columns = rng.integers(parameters, size=(dim, each), dtype=np.int64)
    signs = rng.choice(np.array([-1, 1], np.float32) / np.float32(math.sqrt(each)), (dim, each))
    made = sparse.csr_array((signs.ravel(), columns.ravel(), np.arange(0, dim * each + 1, each)), (dim, parameters))
    made.sum_duplicates()
    norms = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
    made.data /= np.repeat(np.where(norms > 0, norms, 1).astype(np.float32), np.diff(made.indptr))
    return made
