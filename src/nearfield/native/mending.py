"""Links for rows that walks miss, in a graph that stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _core

if TYPE_CHECKING:
    from . import Signs, Space


def mend_graph(
    space: Space, neighbors: np.ndarray, entries: np.ndarray, missed: np.ndarray, *, beam: int
) -> np.ndarray:
    """The lists with some links more to each of the rows ``missed``, and to every row that no walk could come to.

    Two walks of width ``beam`` for each find the near rows that get a link to it; a full list gives up its last one,
    and what that led to is linked elsewhere if need be. All rows can be reached in the result, uint32 ``(n, degree)``.
    """
    lists = np.array(neighbors, np.uint32, order="C")
    _core.graph_mend(space, lists, entries, beam, np.ascontiguousarray(missed, np.uint32))
    return lists


def sign_again(space: Space, neighbors: np.ndarray, signs: Signs, rows: np.ndarray, *, metric: str) -> Signs | None:
    """The signs with those of ``rows``, whose links changed, made anew along the same directions, in the same units.

    None where a new link is too long for those units: then :func:`sign_links` has to make all of them again.
    """
    records = signs.records.copy()
    changed = np.ascontiguousarray(rows, np.uint32)
    made_by = (signs.bits, signs.units, signs.seed, signs.center, signs.projection)
    fits = _core.graph_sign_rows(space, metric, neighbors, records, *made_by, changed)
    return signs._replace(records=records) if fits else None
