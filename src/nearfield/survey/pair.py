"""Two spaces looked at together: which row of the one belongs to which row of the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .collection import METRICS, Collection
from .neighbors import BASE_LIMIT

FEWEST = 10


@dataclass(frozen=True)
class Pair:
    """Two collections whose rows belong together, row by row; made by :meth:`of`.

    Choose it when several measures of the same two spaces are called singly, so that checks and pairing are done once:
    every measure of two spaces takes a Pair in the place of its two arrays.

    Attributes
    ----------
    first, second : the paired rows of each, in the same order, as ``Collection``.
    ids : (n,) what each pair is called: the caller's ids, or row numbers.
    rows : (n, 2) the caller's row numbers of each pair.
    given : how many rows the first and the second have, paired or not.
    total : pairs there are; more than there are here when only a random million was kept.

    Examples
    --------
    >>> import numpy as np
    >>> old, new = np.eye(4, dtype=np.float32), np.eye(3, dtype=np.float32)
    >>> pair = Pair.of(old, new, ids=(["a", "b", "c", "d"], ["c", "x", "a"]))
    >>> pair.ids.tolist(), pair.rows.tolist(), pair.unpaired
    (['a', 'c'], [[0, 2], [2, 0]], (2, 1))
    """

    first: Collection
    second: Collection
    ids: np.ndarray
    rows: np.ndarray
    given: tuple[int, int]
    total: int

    @classmethod
    def of(
        cls,
        first: Any,
        second: Any = None,
        *,
        metric: str | tuple[str, str] = "cosine",
        ids: tuple[Any, Any] | None = None,
        random_state: int = 0,
    ) -> Pair:
        """Check both spaces and pair their rows (or pass a Pair through).

        Parameters
        ----------
        first, second : (n1, d1) and (n2, d2). Without ``ids`` row i of the one belongs to row i of the other.
        metric : "cosine", "ip" or "l2", or one for each space.
        ids : ids of the rows of each, unique, integers or texts; rows whose id the other lacks are left out and
            counted.
        random_state : more than a million pairs are replaced by a random million of them.
        """
        if isinstance(first, Pair):
            return first
        metrics = metrics_of(metric)
        left = collection_of(first, "first", metrics[0])
        right = collection_of(second, "second", metrics[1])
        rows, names = _matched(len(left), len(right), ids)
        given, total = (len(left), len(right)), len(rows)
        if total > BASE_LIMIT:
            kept = np.sort(np.random.default_rng([random_state, 70]).choice(total, BASE_LIMIT, replace=False))
            rows, names = rows[kept], names[kept]
        return cls(_part(left, rows[:, 0]), _part(right, rows[:, 1]), names, rows, given, total)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unpaired(self) -> tuple[int, int]:
        """How many rows of the first and of the second have no partner."""
        return self.given[0] - self.total, self.given[1] - self.total

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of the first and of the second."""
        return self.first.dim, self.second.dim

    @property
    def metrics(self) -> tuple[str, str]:
        """The metric of the first and of the second."""
        return self.first.metric, self.second.metric

    def draw(self, sample: int | None, random_state: int, stream: int) -> np.ndarray:
        """Some pairs at random, as places in this object, rising; ``stream`` keeps measures independent."""
        if sample is None or sample >= len(self):
            return np.arange(len(self))
        rng = np.random.default_rng([random_state, stream])
        return np.sort(rng.choice(len(self), sample, replace=False))

    def scope(self, count: int) -> str:
        """A phrase that says how many pairs were used."""
        if count == self.total:
            return f"{count:,} pairs"
        return f"{count:,} sampled pairs of {self.total:,}"

    @property
    def few(self) -> str:
        """Why there is no value, when there are too few pairs; empty when there are enough."""
        if len(self) >= FEWEST:
            return ""
        return (
            f"Unknown: needs at least {FEWEST} paired rows, and there {'is' if len(self) == 1 else 'are'} {len(self)}."
        )


def pair_labels(pair: Pair, labels: Any) -> np.ndarray:
    """The class of each pair as small integers, from labels of all rows of the first space."""
    given = np.asarray(labels)
    if given.ndim != 1 or len(given) != pair.given[0]:
        raise ValueError(
            f"labels: expected {pair.given[0]:,}, one for each row of the first space, got shape {given.shape}"
        )
    if given.dtype.kind not in "iubUS":
        raise TypeError(f"labels: expected integers or texts, got dtype {given.dtype}")
    return np.asarray(np.unique(given[pair.rows[:, 0]], return_inverse=True)[1])


def metrics_of(metric: Any) -> tuple[str, str]:
    both = (metric, metric) if isinstance(metric, str) else tuple(metric) if isinstance(metric, list | tuple) else ()
    if len(both) != 2 or any(one not in METRICS for one in both):
        allowed = ", ".join(map(repr, METRICS))
        raise ValueError(f"metric: expected one of {allowed}, or a pair of them, got {metric!r}")
    return both[0], both[1]


def collection_of(vectors: Any, name: str, metric: str) -> Collection:
    if vectors is None:
        raise TypeError(f"{name}: expected an array of shape (n, d), got None")
    try:
        return Collection.of(vectors, metric)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("vectors:", f"{name}:", 1)) from None


def _matched(first: int, second: int, ids: Any) -> tuple[np.ndarray, np.ndarray]:
    if ids is None:
        if first != second:
            raise ValueError(
                f"second: expected {first:,} rows, one for each of the first, got {second:,}; "
                "give ids=(first_ids, second_ids) when rows are paired by id"
            )
        rows = np.arange(first)
        return np.stack([rows, rows], axis=1), rows
    if not isinstance(ids, list | tuple) or len(ids) != 2:
        raise ValueError("ids: expected a pair (first_ids, second_ids)")
    names = [_names(ids[0], first, "first"), _names(ids[1], second, "second")]
    if names[0].dtype.kind != names[1].dtype.kind:
        raise TypeError("ids: expected ids of one kind in both spaces, got integers in one and texts in the other")
    common, left, right = np.intersect1d(names[0], names[1], assume_unique=True, return_indices=True)
    if not len(common):
        raise ValueError(f"ids: expected ids in common, got none among {first:,} and {second:,}")
    order = np.argsort(left, kind="stable")  # the order of the first space
    return np.stack([left[order], right[order]], axis=1), common[order]


def _names(ids: Iterable[Any], count: int, which: str) -> np.ndarray:
    names = np.asarray(ids if isinstance(ids, np.ndarray) else list(ids))
    if names.ndim != 1 or len(names) != count:
        raise ValueError(f"ids: expected {count:,} ids of the {which} space, got shape {names.shape}")
    if names.dtype.kind not in "iuUS":
        raise TypeError(f"ids: expected integers or texts for the {which} space, got dtype {names.dtype}")
    if names.dtype.kind == "u":
        names = names.astype(np.int64)
    values, counts = np.unique(names, return_counts=True)
    if len(values) < len(names):
        raise ValueError(f"ids: expected unique ids in the {which} space, got {values[counts > 1][0]!s} more than once")
    return names


def _part(space: Collection, rows: np.ndarray) -> Collection:
    if len(rows) == len(space) and (rows == np.arange(len(rows))).all():
        return space
    return Collection(np.ascontiguousarray(space.vectors[rows]), space.norms[rows], space.metric)
