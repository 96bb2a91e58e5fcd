"""MaxSim against every bag, from the vectors themselves: what everything else is measured by."""

from __future__ import annotations

import numpy as np

from ... import native
from ...common.checks import check_int
from ...encode.bags import Bags
from ...native.maxsim import maxsim
from ..base import Neighbors
from .encoding import check_bags

_PAIRS = 1 << 22  # of queries and bags at once


def exact_maxsim(
    bags: Bags, queries: Bags, k: int, *, allow: np.ndarray | None = None, threads: int | None = None
) -> Neighbors:
    """The ``k`` bags of the largest MaxSim for each query, compared one by one: minus the MaxSim, and rows.

    The truth to measure an index by. Takes ``t * T * d`` products for t vectors of a query and T of all bags: SciFact's
    300 claims against 1.24 million token vectors take some two minutes on one core.

    Parameters
    ----------
    bags, queries : none of them empty, of the same dimensions; float16 vectors are read as they are.
    k : how many; where there are fewer, -1 and ``+inf`` fill the end.
    allow : bool ``(n,)`` or packed ``uint64`` words: bags that may be returned.
    threads : None uses the process default; the answer does not depend on it.

    Examples
    --------
    >>> bags = Bags.from_list([np.eye(3, dtype=np.float32)[:1], np.eye(3, dtype=np.float32)[1:]])
    >>> exact_maxsim(bags, bags[1:], 2)
    Neighbors(distances=array([[-2.,  0.]], dtype=float32), rows=array([[1, 0]]))
    """
    check_int(k, "k", 1, native.MAX_K)
    check_bags(bags)
    check_bags(queries, "queries", bags.dim)
    every = np.arange(len(bags))
    if allow is not None:
        every = every[native.unpack_bits(native.bits.allow_words(allow, len(bags)), len(bags))]
    distances = np.full((len(queries), k), np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    if not len(every):
        return Neighbors(distances, rows)
    space = native.make_space("f32" if bags.vectors.dtype == np.float32 else "f16", bags.vectors, bags.dim)
    step = max(1, _PAIRS // len(every))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        named = np.broadcast_to(every, (len(part), len(every)))
        asked = np.ascontiguousarray(part.vectors, np.float32)
        found = maxsim(space, bags.offsets, asked, part.offsets, named, k, threads=threads)
        distances[start : start + step], rows[start : start + step] = found
    return Neighbors(distances, rows)
