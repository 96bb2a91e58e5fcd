"""Aspects: one vector an item, and several named spaces in it, searched alone or weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import linalg
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_real
from ..common.lengths import unit_rows
from .estimator import FLOATS, Transformer
from .linear import LinearMap

_FEWEST = 2


class Aspects(Transformer):
    """Named spaces in which items are near that share a label of one kind: a topic, a method, a language.

    Choose it when "similar" means several things: for each kind of label it finds the directions that tell the labels
    apart from what varies within them, and how far each can be trusted. Items with labels are needed to fit, not to
    search. Where one kind of label matters, and you have pairs rather than labels, take :class:`PairMargin`; to take
    one kind of likeness away and keep the rest, :class:`Subspace`.

    The rows that :meth:`transform` makes hold one block an aspect, each of length one, so the inner product with a
    query of :meth:`queries` is the weighted sum of the cosines in each: one index under "ip" serves all aspects and
    all ways to weigh them.

    Parameters
    ----------
    n_components : most directions of an aspect; one less than its labels if that is fewer.
    shrinkage : from 0 to 1, how much of the variance within labels is taken to be alike in all directions: 0.02 with
        tens of thousands of items, 0.1 to 0.3 with hundreds.

    Attributes
    ----------
    names_ : the aspects, in the order of their blocks; of labels given as columns, their numbers as text.
    maps_ : name -> the :class:`LinearMap` to that aspect's space, whose cosines count.
    labels_ : name -> the labels of that aspect that at least two items have.
    prototypes_ : name -> (labels, directions) unit vectors, the middle of each label in that space.
    n_features_in_ : dimensions of the items.

    Notes
    -----
    Linear discriminant analysis with the within-label covariance shrunk towards a sphere, each direction weighted by
    ``sqrt(v / (1 + v))``, v its variance between labels over that within (as probabilistic LDA does; Ioffe 2006). The
    idea of one space for each aspect of a document, searched alone: Ostendorff et al., Specialized document embeddings
    for aspect-based similarity of research papers (2022), who train an encoder for each; here the encoder stays as it
    is, and an aspect costs one matrix.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> topic, language = rng.integers(4, size=800), rng.integers(3, size=800)
    >>> x = rng.standard_normal((4, 16))[topic] + rng.standard_normal((3, 16))[language]
    >>> x += 0.3 * rng.standard_normal((800, 16))
    >>> aspects = Aspects().fit(x, {"topic": topic, "language": language})
    >>> rows = aspects.transform(x)
    >>> scores = rows @ aspects.queries(x[:1], {"topic": 1.0, "language": -1.0})[0]
    >>> best = np.argsort(-scores)[:20]
    >>> bool((topic[best] == topic[0]).all()), bool((language[best] != language[0]).all())
    (True, True)
    """

    def __init__(self, n_components: int = 64, *, shrinkage: float = 0.1):
        self.n_components = n_components
        self.shrinkage = shrinkage

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from items ``X`` (n, d) and their labels.

        ``y`` maps the name of each aspect to n labels, None where an item has none; or it is (n,) or (n, aspects).
        ValueError for an aspect without two labels that two items have.
        """
        most = check_int(self.n_components, "n_components", 1)
        shrinkage = check_real(self.shrinkage, "shrinkage", 0.0, 1.0)
        if isinstance(y, Mapping):
            X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
            named = dict(y)
        else:
            X, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, ensure_min_samples=2)
            columns = y.T if y.ndim == 2 else y[None]
            named = {str(number): column for number, column in enumerate(columns)}
        if not named:
            raise ValueError("y: expected at least one aspect, got none")
        self.maps_: dict[str, LinearMap] = {}
        self.labels_: dict[str, list[Any]] = {}
        self.prototypes_: dict[str, np.ndarray] = {}
        for name, labels in named.items():
            if not isinstance(name, str):
                raise TypeError(f"y: expected names of aspects as text, got {name!r}")
            self._fit_one(name, X, labels, most, shrinkage)
        self.names_ = list(named)
        return self

    def _fit_one(self, name: str, X: np.ndarray, labels: Any, most: int, shrinkage: float) -> None:
        values = list(labels)
        if len(values) != len(X):
            raise ValueError(f"y: expected {len(X)} labels for aspect {name!r}, one for each item, got {len(values)}")
        numbers: dict[Any, int] = {}
        there = [value is not None and value == value for value in values]
        codes = np.array(
            [numbers.setdefault(v, len(numbers)) if t else -1 for v, t in zip(values, there, strict=True)], np.int64
        )
        kept = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=1) >= _FEWEST)
        if len(kept) < 2:
            raise ValueError(f"y: expected two labels that two items have for aspect {name!r}, got {len(kept)}")
        rows = np.flatnonzero(np.isin(codes, kept))
        group = np.searchsorted(kept, codes[rows])
        with one_blas_thread():
            wide = X[rows].astype(np.float64)
            sizes = np.bincount(group)
            middle = np.zeros((len(kept), wide.shape[1]))
            np.add.at(middle, group, wide)
            middle /= sizes[:, None]
            mean = wide.mean(axis=0)
            inside = wide - middle[group]
            within = inside.T @ inside / max(len(wide) - len(kept), 1)
            apart = (middle - mean) * np.sqrt(sizes / len(wide))[:, None]
            d = wide.shape[1]
            even = (np.trace(within) + 1e-6 * float((apart**2).sum())) / d
            within = (1 - shrinkage) * within + max(shrinkage, 1e-9) * max(even, np.finfo(np.float64).tiny) * np.eye(d)
            variance, directions = linalg.eigh(apart.T @ apart, within)
        count = min(most, len(kept) - 1, d)
        variance, directions = np.maximum(variance[::-1][:count], 0), directions[:, ::-1][:, :count]
        directions = directions * np.where(directions[np.abs(directions).argmax(axis=0), range(count)] < 0, -1, 1)
        matrix = (directions * np.sqrt(variance / (1 + variance))).T
        self.maps_[name] = LinearMap(matrix, mean)
        names = list(numbers)
        self.labels_[name] = [names[number] for number in kept]
        self.prototypes_[name] = unit_rows((middle - mean) @ matrix.T).astype(np.float32)

    def transform(self, X: Any) -> np.ndarray:
        """One block an aspect, each at length one: (n, all directions), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        return np.concatenate(self._blocks(X), axis=1)

    def queries(
        self, X: Any, weights: Any = None, *, unlike: Any = None, avoid: float = 0.5, to: Any = None
    ) -> np.ndarray:
        """What to ask rows of :meth:`transform` with, under inner product: (q, all directions).

        Parameters
        ----------
        X : (q, d) items or queries to be like, mapped as items are.
        weights : the name of one aspect; or name -> weight, a negative one for what must differ; None for all alike.
        unlike : (d,) or (m, d) items to be unlike, in the same aspects; ``avoid`` is their weight against those of X.
        to : name -> a label seen in :meth:`fit`: that aspect is asked for by the label, not by X.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=FLOATS, input_name="X")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X: expected {self.n_features_in_} dimensions, got {X.shape[1]}")
        blocks = self._blocks(X)
        weight = self._weights(weights)
        if unlike is not None:
            check_real(avoid, "avoid", 0.0, np.inf)
            others = check_array(np.atleast_2d(np.asarray(unlike)), dtype=FLOATS, input_name="unlike")
            if others.shape[1] != self.n_features_in_:
                raise ValueError(f"unlike: expected {self.n_features_in_} dimensions, got {others.shape[1]}")
            away = [block.mean(axis=0) for block in self._blocks(others)]
            blocks = [block - X.dtype.type(avoid) * gone for block, gone in zip(blocks, away, strict=True)]
        for name, label in dict(to or {}).items():
            self._check_name(name, "to")
            if label not in self.labels_[name]:
                raise ValueError(f"to: expected a label of aspect {name!r} seen in fit, got {label!r}")
            there = self.prototypes_[name][self.labels_[name].index(label)]
            blocks[self.names_.index(name)] = np.repeat(there[None].astype(blocks[0].dtype), len(X), axis=0)
        return np.concatenate([w * block for w, block in zip(weight, blocks, strict=True)], axis=1)

    def slices(self) -> dict[str, slice]:
        """The columns of each aspect."""
        check_is_fitted(self)
        ends = np.cumsum([0] + [self.maps_[name].n_features_out for name in self.names_])
        return {name: slice(int(a), int(b)) for name, a, b in zip(self.names_, ends[:-1], ends[1:], strict=True)}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All but the labels as named arrays, for a store or an array container."""
        check_is_fitted(self)
        made = {f"{name}.{key}": array for name in self.names_ for key, array in self.maps_[name].to_arrays().items()}
        return made | {f"{name}.prototypes": self.prototypes_[name] for name in self.names_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], labels: Mapping[str, list[Any]]) -> Aspects:
        """The aspects that :meth:`to_arrays` and ``labels_`` described, in the order of ``labels``."""
        made = cls()
        made.labels_ = {name: list(values) for name, values in labels.items()}
        made.names_ = list(made.labels_)
        try:
            parts = {name: {key: arrays[f"{name}.{key}"] for key in ("matrix", "offset")} for name in made.names_}
            made.prototypes_ = {name: arrays[f"{name}.prototypes"] for name in made.names_}
        except KeyError as error:
            raise ValueError(f"arrays: expected {error.args[0]!r}, got {sorted(arrays)}") from None
        made.maps_ = {name: LinearMap.from_arrays(part) for name, part in parts.items()}
        if len({one.n_features_in for one in made.maps_.values()}) != 1:
            raise ValueError(f"arrays: expected maps of one dimension by name, got {sorted(arrays)}")
        for name, one in made.maps_.items():
            if made.prototypes_[name].shape != (len(made.labels_[name]), one.n_features_out):
                got = made.prototypes_[name].shape
                raise ValueError(f"arrays: expected one prototype a label of {name!r}, got {got}")
        made.n_features_in_ = made.maps_[made.names_[0]].n_features_in
        return made

    def _blocks(self, X: np.ndarray) -> list[np.ndarray]:
        blocks = []
        for name in self.names_:
            one = self.maps_[name]
            mapped = one.transform(X) if X.dtype != np.float64 else (X - one.offset) @ one.matrix.T.astype(np.float64)
            blocks.append(unit_rows(mapped))
        return blocks

    def _weights(self, weights: Any) -> list[float]:
        if weights is None:
            return [1.0 / len(self.names_)] * len(self.names_)
        if isinstance(weights, str):
            weights = {weights: 1.0}
        if not isinstance(weights, Mapping) or not weights:
            raise TypeError(f"weights: expected the name of an aspect, or name -> weight, got {weights!r}")
        for name, weight in weights.items():
            self._check_name(name, "weights")
            check_real(weight, f"weights[{name!r}]", -1e6, 1e6)
        return [float(weights.get(name, 0.0)) for name in self.names_]

    def _check_name(self, name: Any, where: str) -> None:
        if name not in self.names_:
            raise ValueError(f"{where}: expected one of the aspects {', '.join(map(repr, self.names_))}, got {name!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
