"""MaxSim between bags of vectors, over rows of any kind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..common.checks import check_int
from . import _core
from ._core import Space
from .pool import thread_count


class BagScores(NamedTuple):
    """``scores`` float32 ``(q, k)`` ascending, minus the MaxSim; ``bags`` int64 ``(q, k)``. Missing: +inf, -1."""

    scores: np.ndarray
    bags: np.ndarray


def maxsim(
    space: Space,
    offsets: np.ndarray,
    queries: np.ndarray,
    query_offsets: np.ndarray,
    candidates: np.ndarray,
    k: int,
    *,
    centers: Space | None = None,
    centred: np.ndarray | None = None,
    scaled: bool = False,
    threads: int | None = None,
) -> BagScores:
    """The ``k`` best of each query's candidate bags by MaxSim: the sum over its vectors of the best product in the bag.

    Parameters
    ----------
    space : rows of any kind; those of one bag one after another.
    offsets, query_offsets : int64 (bags + 1,), from 0: where each bag begins. No bag is empty.
    queries : float32 (t, d), the vectors of all queries, as ``space`` is asked.
    candidates : int64 (q, c), numbers of bags; -1 is skipped.
    centers : rows of any kind, one a bag, that are added to the rows of the bag; None for none.
    centred : the queries as ``centers`` is asked; None where they are the same.
    scaled : additive codes whose header, first number of a row, is a factor of the row (and of its center).
    k : how many. Ties go to the smaller number. The answer does not depend on the threads.

    Notes
    -----
    Source: ColBERT (Khattab and Zaharia, SIGIR 2020), section 3.3. Sums are in double precision, in the order of the
    query's vectors.

    Examples
    --------
    >>> from nearfield.native import make_space
    >>> rows = np.eye(3, dtype=np.float32)
    >>> maxsim(make_space("f32", rows, 3), np.array([0, 1, 3]), rows[1:], np.array([0, 2]), np.array([[0, 1]]), 1).bags
    array([[1]])
    """
    kept = min(check_int(k, "k", 1), max(candidates.shape[1], 1))
    scores = np.empty((len(candidates), kept), np.float32)
    bags = np.empty((len(candidates), kept), np.int64)
    _core.maxsim(
        space,
        np.ascontiguousarray(offsets, np.int64),
        queries,
        np.ascontiguousarray(query_offsets, np.int64),
        np.ascontiguousarray(candidates, np.int64),
        centers,
        queries if centred is None else centred,
        scaled,
        thread_count(threads),
        scores,
        bags,
    )
    if k > kept:
        scores = np.pad(scores, ((0, 0), (0, k - kept)), constant_values=np.inf)
        bags = np.pad(bags, ((0, 0), (0, k - kept)), constant_values=-1)
    return BagScores(scores, bags)
