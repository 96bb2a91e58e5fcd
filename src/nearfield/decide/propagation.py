"""Classes that are only described, found for many unlabelled items at once: labels spread along the items."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_choice, check_int, check_random_state, check_real
from .classifier import FLOATS, FOLDS, EmbeddingClassifier, check_labels, held_out_folds
from .shared_space import shared_space
from .texts import nearest, unit_rows

_EXACT = 1e-9  # what is left of a walk when the propagation ends
_DIRECT = 1e-12  # weight of the cosine to the class itself: decides where no walk arrives


class PrototypePropagation(EmbeddingClassifier):
    """Spread labels from what is said of the classes to all unlabelled items, through the neighbours of each.

    A class that is known by a name and a gloss has one point in each of these *views*, and its items lie about it in a
    shape that no point tells. Given all items at once, their own neighbourhoods tell. Choose it over
    :class:`ZeroShotClassifier` where there are some ten unlabelled items a class or more, mostly of these classes; over
    :class:`LabelVectors` where classes are described in several ways or a few items are labelled. With some ten labels
    a class, :class:`LinearProbe` needs no neighbours.

    Parameters
    ----------
    n_neighbors : rows that a hyperedge holds: about half of the items that a class may have; 15 suits tens.
    alpha : share of a label that comes from neighbours at each step, in [0, 1). 0.5 to 0.8 suits descriptions that
        already tell most; nearer to 1, the largest clusters take all.
    links : "hyperedges", each row and its neighbours in one set, or "pairs", the plain neighbour graph.
    shared_dim : None leaves each view in the space it came in. A number takes views of different spaces into one of
        so many dimensions, by multi-view canonical correlation over the items, and links rows across views as well:
        for when items cannot be compared to the classes of each view directly. Where they could, it was no better.
    shrinkage : of the covariances behind it, in (0, 1].
    center : take the mean of the items and the mean of the classes away, in each view: texts of classes lie aside from
        the items. False where most items are of few of the classes.
    random_state : seed of the folds in which labels are held out.

    Attributes
    ----------
    classes_ : the labels.
    transduction_ : (n,) the class of each item of ``fit``: that item's own label where it was given one.
    label_distributions_ : (n, C) how much of each class reaches each item, as shares of all that does.
    n_views_ : how many views there are.

    Notes
    -----
    Source: Fu, Hospedales, Xiang and Gong, Transductive multi-view zero-shot learning, 2015: hyperedges of the nearest
    rows of each view to each row of each (section 4.1), weights ``exp(cos^2 / median cos^2)``, and one random walk
    through all of them, each of the same volume (section 4.2, after Zhou and Burges, 2007). Departures: ``f = alpha P f
    + (1 - alpha) Y`` is iterated, not solved by an inverse, with walks through hyperedges as in Zhou et al., 2006, so
    that nothing of size n by n is kept; views need not share a space; and each class gives out the same amount of
    label, however many of its items have one. The paper learns how items look in a view from other, labelled classes:
    ``transform.RidgeMap`` does that, and its result is a view like any other; of texts it was a poor one.

    What is scanned grows with the square of the items: minutes for 100,000. :meth:`predict` gives items that were not
    in ``fit`` what their neighbours have. A row of zeros has no neighbours: the way to leave out a view of a class.
    An item that no walk reaches has the class of the largest mean cosine. Without labelled items nothing is held out:
    :meth:`reject` needs :meth:`calibrate` with some, and until then probabilities are shares of what reaches an item.

    Examples
    --------
    Four kinds of items, and names that lie beside them:

    >>> rng = np.random.default_rng(0)
    >>> names = 3 * np.eye(4, 10)
    >>> truth = np.repeat(np.arange(4), 50)
    >>> items = names[truth] + 0.8 * rng.standard_normal((200, 10))
    >>> said = names + 1.5 * rng.standard_normal((4, 10))
    >>> model = PrototypePropagation().fit(items, views=said, classes=["n", "e", "s", "w"])
    >>> alone = (items @ said.T).argmax(axis=1)
    >>> float(np.mean(alone == truth)) < float(np.mean(model.transduction_ == np.array(["n", "e", "s", "w"])[truth]))
    True
    """

    transduction_: np.ndarray
    label_distributions_: np.ndarray

    def __init__(
        self,
        n_neighbors: int = 15,
        alpha: float = 0.8,
        *,
        links: str = "hyperedges",
        shared_dim: int | None = None,
        shrinkage: float = 0.5,
        center: bool = True,
        random_state: int = 0,
    ):
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.links = links
        self.shared_dim = shared_dim
        self.shrinkage = shrinkage
        self.center = center
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, views: Any = None, classes: Any = None) -> Self:
        """Find the classes of the items ``X``.

        Parameters
        ----------
        X : (n, d), for views in one space; or a list of such, the items in the space of each view.
        y : (n,) labels, None for items that have none; None for no labels at all.
        views : (C, d) vectors of what is said of each class, or a list of such, one a view. With a list for ``X``,
            None in its place is a view in which the classes have no vectors.
        classes : (C,) the labels of their rows; None numbers them.

        Raises
        ------
        ValueError : neither labels nor views; views of different classes or of other dimensions than their items.
        """
        self._check_parameters()
        parts, labelled = _items(X), None if y is None else np.asarray(y, object if isinstance(y, list) else None)
        if labelled is not None and labelled.dtype == object and labelled.ndim == 1:
            known = np.array([label is not None for label in labelled], bool)
        else:
            known = np.full(0 if labelled is None else len(labelled), True)
        if labelled is None or not known.all():
            stacked = validate_data(self, _beside(parts), dtype=FLOATS)
            if labelled is not None and len(known) != len(stacked):
                raise ValueError(f"y: expected {len(stacked)} labels, one an item, got {len(known)}")
            labels = np.array(labelled[known].tolist()) if labelled is not None else np.zeros(0)
            known = known if labelled is not None else np.zeros(len(stacked), bool)
        else:
            stacked, labels = validate_data(self, _beside(parts), y, dtype=FLOATS)
        self._widths = [part.shape[1] for part in parts] if len(parts) > 1 else [stacked.shape[1]]
        said = self._said(views, len(parts))
        if known.any():
            check_labels(labels)
        self.classes_ = self._named(labels, said, classes)
        numbers = np.full(len(stacked), -1)
        if known.any():
            numbers[known] = self._numbers(labels)
        with one_blas_thread():
            wide = np.asarray(stacked, np.float64)
            self._link(wide, said, numbers)
            self._reached = self._spread(numbers)
            near = self._nearness(wide)
            self._hold_out(numbers, near)
        reached = np.exp(_logs(self._reached[: len(numbers)], near))
        self.label_distributions_ = reached / reached.sum(axis=1, keepdims=True)
        self.transduction_ = self.classes_[np.where(known, numbers, reached.argmax(axis=1))]
        return self

    def explain(self, X: Any) -> list[str]:
        """One sentence for each item: the likeliest class, the next one, and whether the item is of any."""
        return super().explain(self._checked(X))

    def _check_parameters(self) -> None:
        check_int(self.n_neighbors, "n_neighbors", 1)
        if not 0 <= check_real(self.alpha, "alpha", 0.0, 1.0) <= 0.999:
            raise ValueError(f"alpha: expected a number from 0 to 0.999, got {self.alpha!r}")
        check_choice(self.links, "links", ("hyperedges", "pairs"))
        if self.shared_dim is not None:
            check_int(self.shared_dim, "shared_dim", 1)
        if not check_real(self.shrinkage, "shrinkage", 0.0, 1.0) > 0:
            raise ValueError(f"shrinkage: expected a number above 0, up to 1, got {self.shrinkage!r}")
        if not isinstance(self.center, bool | np.bool_):
            raise TypeError(f"center: expected True or False, got {self.center!r}")
        check_random_state(self.random_state)

    def _said(self, views: Any, n_items: int) -> list[np.ndarray | None]:
        """What is said of the classes, a matrix a view, checked against the items."""
        found = [None] * n_items if views is None else list(views) if isinstance(views, list | tuple) else [views]
        if n_items > 1 and len(found) != n_items:
            raise ValueError(f"views: expected {n_items}, one for each array of items, got {len(found)}")
        widths = self._widths if n_items > 1 else self._widths * len(found)
        checked: list[np.ndarray | None] = []
        for number, (view, width) in enumerate(zip(found, widths, strict=True)):
            if view is not None:
                view = check_array(view, dtype=FLOATS, input_name=f"views[{number}]").astype(np.float64)
                if view.shape[1] != width:
                    raise ValueError(f"views[{number}]: expected {width} dimensions, got {view.shape[1]}")
            checked.append(view)
        sizes = {len(view) for view in checked if view is not None}
        if len(sizes) > 1:
            raise ValueError(f"views: expected the same classes in each, got {sorted(sizes)} rows")
        most = min(widths)
        if self.shared_dim is not None and (n_items < 2 or self.shared_dim > most):
            raise ValueError(
                f"shared_dim: expected None, or with a list of arrays for X an integer from 1 to {most}, got "
                f"{self.shared_dim!r}"
            )
        return checked

    def _named(self, labels: np.ndarray, said: list[np.ndarray | None], classes: Any) -> np.ndarray:
        """The classes, sorted, and the rows of ``said`` in their order."""
        count = next((len(view) for view in said if view is not None), None)
        if count is None:
            if classes is not None:
                raise ValueError("classes: expected None where there are no views, got labels")
            if not len(labels):
                raise ValueError(
                    "PrototypePropagation requires y to be passed, but the target y is None or has no labels; give "
                    "those of some items, or views of the classes"
                )
            return np.unique(labels)
        named = np.arange(count) if classes is None else np.asarray(classes)
        if named.shape != (count,):
            raise ValueError(f"classes: expected {count} labels, one a row of the views, got shape {named.shape}")
        found, order = np.unique(named, return_index=True)
        if len(found) != count:
            raise ValueError("classes: expected each label once, got one twice")
        said[:] = [None if view is None else view[order] for view in said]
        return found

    def _link(self, X: np.ndarray, said: list[np.ndarray | None], numbers: np.ndarray) -> None:
        """Place all rows in their views and join neighbours."""
        items = self._parts(X)
        if len(items) == 1:
            items, self._shared = items * len(said), [0] * len(said)
        else:
            self._shared = list(range(len(items)))
        self.n_views_ = len(said)
        center = self.center and len(X) > 1
        self._offsets = [_middle(rows) * center for rows in items]
        many = self.center and len(self.classes_) > 1
        points = [None if view is None else _moved(view, _middle(view) * many) for view in said]
        self._matrices: list[np.ndarray] | None = None
        if self.shared_dim is not None:
            centred = [_moved(rows, _middle(rows)) for rows in items]
            self._matrices = shared_space(centred, self.shared_dim, self.shrinkage)
            points = [None if p is None else p @ m for p, m in zip(points, self._matrices, strict=True)]
        # What an item is compared to where no walk arrives: the classes, or means of their labelled items.
        self._direct = [
            unit_rows(_means(rows, numbers, len(self.classes_)) if view is None else view)
            for rows, view in zip(items, said, strict=True)
        ]
        self._rows, self._nodes, node = [], [], len(X)
        for rows, at in zip(self._placed(X), points, strict=True):
            self._rows.append(rows if at is None else np.concatenate([rows, at]))
            self._nodes.append(np.r_[np.arange(len(X)), node : node + (0 if at is None else len(at))])
            node += 0 if at is None else len(at)
        self._count = node
        views = range(self.n_views_)
        self._across = [(a, b) for a in views for b in views] if self._matrices else [(a, a) for a in views]
        self._joined, self._scales = [], []
        for found, asked in self._across:
            cosines, near = nearest(self._rows[asked], self._rows[found], self.n_neighbors)
            self._scales.append(max(float(np.median(np.square(np.maximum(cosines, 0.0)))), 0.05))
            weights = self._weights(cosines, near, self._rows[asked], found, self._scales[-1])
            own = np.repeat(self._nodes[asked], near.shape[1])
            edges = sparse.csr_matrix(
                (weights.ravel(), (self._nodes[found][near.ravel()], own)), shape=(self._count, self._count)
            )
            if self.links == "pairs":
                edges = ((edges + edges.T) / 2).tocsr()
            self._joined.append(edges / max(edges.sum(), 1e-300))

    def _parts(self, X: np.ndarray) -> list[np.ndarray]:
        return np.split(X, np.cumsum(self._widths)[:-1], axis=1)

    def _placed(self, X: np.ndarray) -> list[np.ndarray]:
        """Items in every view, centred and in the shared space where there is one."""
        parts = self._parts(X)
        rows = [_moved(parts[part], offset) for part, offset in zip(self._shared, self._offsets, strict=True)]
        if self._matrices is None:
            return rows
        return [part @ matrix for part, matrix in zip(rows, self._matrices, strict=True)]

    def _weights(self, cosines: np.ndarray, near: np.ndarray, asked: np.ndarray, view: int, scale: float) -> np.ndarray:
        """How strongly each row that asked is tied to its neighbours; rows of zeros are tied to nothing."""
        there = np.any(asked, axis=1)[:, None] & np.any(self._rows[view], axis=1)[near]
        return np.asarray(np.exp((np.square(np.maximum(cosines, 0.0)) - 1) / scale) * there)

    def _spread(self, numbers: np.ndarray) -> np.ndarray:
        """(nodes, C): what reaches each row from the classes and from the items with class numbers."""
        seeds = np.zeros((self._count, len(self.classes_)))
        known = np.flatnonzero(numbers >= 0)
        seeds[known, numbers[known]] = 1.0
        for nodes in self._nodes:
            points = nodes[len(numbers) :]
            seeds[points, np.arange(len(points))] = 1.0
        seeds /= np.maximum(seeds.sum(axis=0), 1.0)
        walks = []
        for edges in self._joined:
            sizes = np.asarray(edges.sum(axis=0)).ravel()
            share = sparse.diags(np.where(sizes > 0, 1 / np.where(sizes > 0, sizes, 1.0), 0.0))
            walks.append((edges.T.tocsr(), (edges @ share).tocsr()))
        degree = np.sum([np.asarray(edges.sum(axis=1)).ravel() for edges in self._joined], axis=0)
        back = self.alpha / np.where(degree > 0, degree, 1.0)[:, None]
        start = (1 - self.alpha) * seeds
        reached, largest = start, start.max()
        # Every step leaves at most the share alpha of what was wrong.
        for _ in range(int(np.ceil(np.log(_EXACT) / np.log(self.alpha))) if self.alpha else 0):
            if self.links == "pairs":
                heard = np.sum([edges @ reached for edges in self._joined], axis=0)
            else:
                heard = np.sum([given @ (taken @ reached) for taken, given in walks], axis=0)
            before, reached = reached, back * heard + start
            if np.abs(reached - before).max() <= _EXACT * largest:
                break
        return reached

    def _hold_out(self, numbers: np.ndarray, near: np.ndarray) -> None:
        """Temperature and rejection from labels, each left out once; the links stay."""
        known = np.flatnonzero(numbers >= 0)
        scores, truth = [np.zeros((0, len(self.classes_)))], [numbers[:0]]
        if len(known):
            fold_of = held_out_folds(numbers[known], np.random.default_rng(self.random_state))
            for fold in range(min(FOLDS, int(fold_of.max()) + 1)):
                out = known[fold_of == fold]
                rest = numbers.copy()
                rest[out] = -1
                scores.append(_logs(self._spread(rest)[out], near[out]))
                truth.append(numbers[out])
        found = np.concatenate(scores)
        self._calibrate(found, np.concatenate(truth), found.max(axis=1))

    def _nearness(self, X: np.ndarray) -> np.ndarray:
        """(n, C) mean cosine to what is said of each class, from 0 to 1."""
        parts = self._parts(X)
        views = [unit_rows(parts[part]) @ at.T for part, at in zip(self._shared, self._direct, strict=True)]
        return np.asarray((1 + np.mean(views, axis=0)) / 2)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        """All of ``fit``: it has no twins."""

    def _score(self, X: np.ndarray) -> np.ndarray:
        placed = self._placed(X)
        heard, degree = np.zeros((len(X), len(self.classes_))), np.zeros((len(X), 1))
        for (view, asked), scale in zip(self._across, self._scales, strict=True):
            cosines, near = nearest(placed[asked], self._rows[view], self.n_neighbors)
            weights = self._weights(cosines, near, placed[asked], view, scale)
            starts = np.arange(0, near.size + 1, near.shape[1])
            edges = sparse.csr_matrix(
                (weights.ravel(), self._nodes[view][near.ravel()], starts), shape=(len(X), self._count)
            )
            heard += edges @ self._reached
            degree += weights.sum(axis=1, keepdims=True)
        return _logs(heard / np.where(degree > 0, degree, 1.0), self._nearness(X))

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        parts = _items(X)
        if len(parts) > 1 and [part.shape[1] for part in parts] != self._widths:
            raise ValueError(
                f"X: expected arrays of {self._widths} dimensions, as in fit, got {[part.shape[1] for part in parts]}"
            )
        return np.asarray(validate_data(self, _beside(parts), dtype=FLOATS, reset=False), np.float64)


def _items(X: Any) -> list[Any]:
    """The arrays of a list of arrays; anything else alone."""
    if isinstance(X, list | tuple) and len(X) and all(getattr(part, "ndim", 0) == 2 for part in X):
        sizes = {len(part) for part in X}
        if len(sizes) > 1:
            raise ValueError(f"X: expected the same items in each array, got {[len(part) for part in X]} rows")
        return [check_array(part, dtype=FLOATS, input_name=f"X[{number}]") for number, part in enumerate(X)]
    return [X]


def _beside(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.hstack(parts)


def _middle(rows: np.ndarray) -> np.ndarray:
    """The mean of the rows that are not zero."""
    there = rows.any(axis=1)
    return np.asarray(rows.sum(axis=0) / max(int(there.sum()), 1))


def _moved(rows: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Rows without the offset; rows of zeros stay, and what differs from the offset by rounding alone becomes zero."""
    moved = rows - offset
    left = np.abs(moved).max(axis=1, keepdims=True) > 1e-9 * np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(moved * (left & rows.any(axis=1, keepdims=True)))


def _means(rows: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """(count, d) means of the rows of each class number; zeros for classes without any."""
    sums, known = np.zeros((count, rows.shape[1])), numbers >= 0
    np.add.at(sums, numbers[known], unit_rows(rows[known]))
    return sums / np.maximum(np.bincount(numbers[known], minlength=count), 1)[:, None]


def _logs(reached: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Scores: the logarithm of what reaches each row, and of next to nothing by its nearness where nothing does."""
    return np.asarray(np.log(reached + _DIRECT * (near + 1e-3)))
