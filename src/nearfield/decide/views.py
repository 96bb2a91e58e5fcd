"""What is known of things that are to be matched: a vector each, vectors of their parts, and a second view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_array

from .classifier import FLOATS


class Views:
    """Mentions or entities, each with one vector and, where there are any, token vectors and a second view.

    Parameters
    ----------
    vectors : (n, d), the global vector of each.
    tokens : n arrays (t_i, d) in the same space as ``vectors``, such as the states of its tokens, or the lines of a
        document: a list, or a ragged collection that gives them one after another. None or an empty array where one
        has none.
    second : (n, e), a vector of another kind: of a graph, of a picture. A list with None where one has none.

    Raises
    ------
    ValueError : a wrong shape, NaN or infinity, counts that differ; tokens of another dimension than ``vectors``.

    Examples
    --------
    >>> views = Views(np.eye(2), tokens=[np.ones((3, 2)), None], second=[None, np.ones(5)])
    >>> views
    Views(2 of 2 dimensions, tokens of 1, second view of 1 in 5 dimensions)
    >>> views[[1]]
    Views(1 of 2 dimensions, no tokens, second view of 1 in 5 dimensions)
    """

    def __init__(self, vectors: Any, tokens: Iterable[Any] | None = None, second: Any = None):
        self.vectors = check_array(vectors, dtype=FLOATS, input_name="vectors")
        self.tokens = None if tokens is None else self._check_tokens(list(tokens))
        self.second, self.has_second = None, np.zeros(len(self), bool)
        if second is not None:
            self.second, self.has_second = self._check_second(second)

    @property
    def has_tokens(self) -> np.ndarray:
        """(n,) which ones have tokens."""
        if self.tokens is None:
            return np.zeros(len(self), bool)
        return np.array([own is not None for own in self.tokens], bool)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: Any) -> Self:
        """Some of them: a slice, row numbers or a mask."""
        numbers = np.arange(len(self))[rows]
        part = type(self).__new__(type(self))
        part.vectors = self.vectors[numbers]
        part.tokens = None if self.tokens is None else [self.tokens[row] for row in numbers]
        part.has_second = self.has_second[numbers]
        part.second = None if self.second is None or not part.has_second.any() else self.second[numbers]
        return part

    def __repr__(self) -> str:
        count = int(self.has_tokens.sum())
        text = f"Views({len(self)} of {self.vectors.shape[1]} dimensions, " + (f"tokens of {count}" if count else "no ")
        text += "" if count else "tokens"
        if self.second is None:
            return text + ", no second view)"
        return text + f", second view of {self.has_second.sum()} in {self.second.shape[1]} dimensions)"

    def _check_tokens(self, tokens: list[Any]) -> list[np.ndarray | None]:
        if len(tokens) != len(self):
            raise ValueError(f"tokens: expected {len(self)} arrays, one a vector, got {len(tokens)}")
        return [None if own is None or not len(own) else self._check_bag(own, row) for row, own in enumerate(tokens)]

    def _check_bag(self, own: Any, row: int) -> np.ndarray:
        array = np.asarray(own)
        if array.ndim != 2 or array.shape[1] != self.vectors.shape[1] or array.dtype.kind not in "fiu":
            raise ValueError(
                f"tokens: expected numbers of shape (t, {self.vectors.shape[1]}), as the vectors, got {array.dtype} "
                f"{array.shape} at {row}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"tokens: expected finite values, got NaN or infinity at {row}")
        return array

    def _check_second(self, second: Any) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(second, Sequence):
            rows = check_array(second, dtype=FLOATS, input_name="second")
            if len(rows) != len(self):
                raise ValueError(f"second: expected {len(self)} rows, one a vector, got {len(rows)}")
            return rows, np.ones(len(rows), bool)
        if len(second) != len(self):
            raise ValueError(f"second: expected {len(self)} rows, one a vector, got {len(second)}")
        there = np.array([row is not None for row in second], bool)
        if not there.any():
            raise ValueError("second: expected at least one vector, got None for all; leave it out")
        shapes = sorted({np.shape(row) for row in second if row is not None})
        if len(shapes) > 1 or len(shapes[0]) != 1:
            raise ValueError(f"second: expected vectors of one dimension, got shapes {shapes}")
        given = check_array(np.array([row for row in second if row is not None]), dtype=FLOATS, input_name="second")
        rows = np.zeros((len(self), given.shape[1]), given.dtype)
        rows[there] = given
        return rows, there
