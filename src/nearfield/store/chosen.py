"""Conditions that name the items themselves: :class:`Ids`, a ``where=`` for what no attribute says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash

from .filters import Filter
from .ids import Id, IdColumn, check_ids


class Ids(Filter):
    """A ``where=`` that lets through items by their ids.

    Take it where what decides is kept outside the store: rights, a shopping basket, the answer of another database.
    Take an attribute and SQL text where the store itself can know. A search costs as it does with any other filter
    that as many items pass; for each new set of ids a look at the ids of all rows comes on top, some milliseconds per
    million rows of int ids and more for text ids.

    Parameters
    ----------
    ids : int or str, as the store's are; an int64 array is the quickest. Ids that are not in the store are passed
        over, and so is one that is given twice.

    Raises
    ------
    TypeError, ValueError : what is given are no ids. TypeError of a search: they are of the other kind than the
        store's.

    Examples
    --------
    >>> import tempfile
    >>> from nearfield.store import Store
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/a.nf", dim=1, metric="l2")
    >>> store.add([1, 2, 3, 4], np.float32([[1], [2], [3], [4]]))
    4
    >>> store.search(np.float32([1]), k=2, where=Ids([4, 2, 77])).ids
    [2, 4]
    >>> store.close(); folder.cleanup()
    """

    def __init__(self, ids: Any):
        kind, values = "int", ids
        if not (isinstance(ids, np.ndarray) and ids.dtype.kind == "i" and ids.ndim == 1):
            values, kind = check_ids(ids, None, unique=False)
        self._numbers: np.ndarray | None = None
        self._texts: frozenset[Id] = frozenset()
        self.tree = None
        if kind == "int":
            self._numbers = np.unique(np.array(values, np.int64))
            self.key = f"ids:int:{xxhash.xxh3_128_hexdigest(self._numbers.data)}"
        else:
            self._texts = frozenset(values)
            self.key = f"ids:str:{xxhash.xxh3_128_hexdigest(json.dumps(sorted(self._texts)).encode())}"

    def __len__(self) -> int:
        return len(self._texts) if self._numbers is None else len(self._numbers)

    def mask(self, table: Any) -> np.ndarray:
        """Not to be asked: a table of attributes has no ids."""
        raise TypeError("where: ids are looked up in the rows of a store, not in a table of attributes")

    def among(self, ids: IdColumn | Sequence[Id], rows: int) -> np.ndarray:
        """Bool for each of the first ``rows`` of a column of ids: whether it is one of these."""
        if not rows or not len(self):
            return np.zeros(rows, bool)
        if self._numbers is not None:
            column = ids.values if isinstance(ids, IdColumn) else ids[:rows]
            if (isinstance(ids, IdColumn) and ids.kind == "str") or isinstance(column[0], str):
                raise TypeError(f"where: this store has str ids, got {int(self._numbers[0])}")
            return np.isin(np.asarray(column[:rows], np.int64), self._numbers)
        names = ids.take(np.arange(rows)) if isinstance(ids, IdColumn) else ids[:rows]
        if not isinstance(names[0], str):
            raise TypeError(f"where: this store has int ids, got {next(iter(self._texts))!r}")
        return np.fromiter((name in self._texts for name in names), bool, rows)
