"""Every row is compared: exact for the codes it keeps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import native
from ..common.checks import check_int
from .base import Index, Neighbors, Progress


class Flat(Index):
    """Scans all rows: exact over float32, and the right choice up to some ten thousand rows or for few queries.

    Over 8-bit codes it reads a quarter of the bytes. A filter makes it faster, not slower: only allowed rows are read.
    For larger sets :class:`Graph` answers in a small fraction of the time at a recall you choose.

    Parameters
    ----------
    metric, transform, codec, rescore : see :class:`Index`.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((1000, 16), np.float32)
    >>> index = Flat("cosine").build(rows)
    >>> index.search(rows[7], 2).rows[0]
    np.int64(7)
    """

    kind: ClassVar[str] = "flat"

    def _link(self, raw: np.ndarray | None, progress: Progress | None) -> None:
        return

    def search(
        self,
        queries: Any,
        k: int,
        *,
        allow: np.ndarray | None = None,
        candidates: int | None = None,
        threads: int | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query.

        Parameters
        ----------
        queries : float32 ``(q, d)`` or ``(d,)``.
        k : how many, at least 1; more than there are rows gives -1 and ``+inf`` at the end.
        allow : bool ``(n,)`` or packed ``uint64`` words: rows that may be returned. None allows all.
        candidates : with ``rescore``, how many rows are scored again; None means the larger of 4 k and 32.
        threads : None uses the process default; the answer does not depend on it.
        """
        check_int(k, "k", 1, native.MAX_K)
        mapped, prepared, single = self._queries(queries)
        found = self._scan(mapped, prepared, k, self._candidates(k, candidates), allow, threads)
        return self._answer(found, k, single)
