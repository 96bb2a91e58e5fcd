"""Lists of rows around centroids; a search reads the lists nearest to the query."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import native
from ..common.checks import check_int, check_random_state
from ..quantize.codec import Codec
from ..quantize.scalar import ScalarQuantizer
from .base import Index, Neighbors, Progress
from .blocks import fill_rows, gather_rows
from .partition import partition

# How many lists there are when the caller does not say, in square roots of n.
LISTS_PER_ROOT = 4
# How many lists are read when the caller does not say: on sentence vectors 48 find 95 of 100 neighbours, of 30,000 rows
# in 693 lists as of 115,659 rows in 1,364. Of few lists a share will do, but no fewer than hold so many rows.
DEFAULT_PROBES = 48
_SHARE = 1 / 8
_MIN_ROWS = 1000


class IVF(Index):
    """An inverted file: rows in lists around k-means centroids, of which a search reads the nearest few.

    A :class:`Graph` is faster at equal recall: over 8-bit codes of 115,659 sentence vectors some five times at a recall
    of 0.95. Take lists where memory counts more, with codes so short that the graph's links (128 bytes a row; here
    four) outweigh them, or where rows are read from a disk, for which runs in order are kind. They build faster, too,
    and ``probes`` goes all the way to an exact scan of the codes.

    Parameters
    ----------
    metric, transform : see :class:`Index`.
    rescore : see :class:`Index`; not "residual".
    codec : None means 8-bit scalar codes. The codes are of the rows themselves, not of what is left to the centroid.
    lists : how many (nlist in faiss); None means four times the square root of n. Never more than rows. More lists
        make each search read fewer rows and compare more centroids.
    random_state : seed of the k-means.

    Notes
    -----
    Source: the inverted file of Jegou, Douze and Schmid (Product Quantization for Nearest Neighbor Search, TPAMI
    2011), without residuals, so that any codec serves. Under cosine the centroids are of unit length. Lists go by the
    metric's own score of their centroids, under inner product too, where long rows of far lists are missed first.

    Where the lists that were to be read hold fewer than ``k`` rows, more are read: an answer is short only where there
    are no more rows. With ``allow``, lists are read until as many allowed rows were scored as an unfiltered search
    would score in all, so recall does not fall as filters get narrow, nor where allowed rows lie far from the query.

    The build gives the same bytes for any number of threads. Identical rows share a list, which may grow long.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
    >>> index = IVF("l2").build(rows)
    >>> index.search(rows[7], 2).rows[0]
    np.int64(7)
    """

    kind: ClassVar[str] = "ivf"
    _gathers: ClassVar[bool] = True

    def __init__(
        self,
        metric: Any = "cosine",
        *,
        transform: Any = None,
        codec: Codec | None = None,
        rescore: Codec | str | None = None,
        lists: int | None = None,
        random_state: int = 0,
    ):
        super().__init__(
            metric, transform=transform, codec=codec if codec is not None else ScalarQuantizer(8), rescore=rescore
        )
        if rescore == "residual":  # it would have to be read by the caller's row numbers, the codes are kept by list
            raise ValueError("rescore: expected None, a Codec or 'vectors' for an IVF index, got 'residual'")
        self.lists = None if lists is None else check_int(lists, "lists", 1, 1 << 20)
        self.random_state = check_random_state(random_state)
        self._centroids: np.ndarray
        self._centres: native.Space
        self._offsets: np.ndarray
        self._order: np.ndarray

    def _encode(self, raw: np.ndarray, progress: Progress | None) -> np.ndarray:
        mapped = gather_rows(self._mapped(raw), len(raw))
        self.codec.fit(mapped)
        n = len(mapped)
        wanted = round(LISTS_PER_ROOT * n**0.5) if self.lists is None else self.lists
        parts = partition(mapped, min(n, wanted), unit=self.metric.nonzero, seed=self.random_state, progress=progress)
        self._attach_lists(*parts)
        step = max(1, (1 << 17) // mapped.shape[1])
        listed = (mapped[self._order[start : start + step]] for start in range(0, n, step))
        codes = np.empty((n, self.codec.bytes_per_vector // self.codec.dtype.itemsize), self.codec.dtype)
        fill_rows(codes, map(self.codec.encode, listed))
        return codes

    def _graph_phases(self, n: int, dim: int, threads: int, queries: int) -> list[dict[str, int]]:
        # The rows until they are encoded list by list; sums in double precision, and centroids before and after.
        lists = min(n, round(LISTS_PER_ROOT * n**0.5) if self.lists is None else self.lists)
        stays = 4 * (lists * dim + lists + 1 + n)
        return [{"rows": 4 * n * dim, "sums": 20 * lists * dim, "graph": stays}, {"graph": stays}]

    def _attach_lists(self, centroids: np.ndarray, offsets: np.ndarray, order: np.ndarray) -> None:
        self._centroids, self._offsets, self._order = centroids, offsets, order
        self._centres = native.make_space("f32", centroids, centroids.shape[1])

    def _link(self, raw: np.ndarray | None, progress: Progress | None) -> None:
        return

    @property
    def list_count(self) -> int:
        """How many lists there are."""
        self.arrays()
        return len(self._centroids)

    def _probes(self, probes: int | None) -> int:
        count = len(self._centroids)
        if probes is not None:
            return min(check_int(probes, "probes", 1, native.MAX_K), count)
        usual = min(DEFAULT_PROBES, _SHARE * count)
        return min(count, int(np.ceil(max(usual, _MIN_ROWS * count / self._n))))

    def search(
        self,
        queries: Any,
        k: int,
        *,
        probes: int | None = None,
        allow: np.ndarray | None = None,
        candidates: int | None = None,
        threads: int | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query, of those in the lists that are read.

        Parameters
        ----------
        queries, k, allow, candidates, threads : see :meth:`Flat.search`.
        probes : how many lists are read (nprobe in faiss); more find more and take longer. None means 48, or one in 8
            where that is less, and at least as many as hold 1,000 rows. As many as there are lists makes the search
            exact for its codes.
        """
        check_int(k, "k", 1, native.MAX_K)
        asked, prepared, single = self._mapped_queries(queries)
        read, again = self._probes(probes), self._candidates(k, candidates)
        found = native.search_lists(
            self._space,
            self._centres,
            self._offsets,
            self._order,
            self.codec.prepare_queries(asked),
            asked,
            max(k, again),
            metric=self.metric.native,
            probes=read,
            budget=int(np.ceil(read * self._n / len(self._centroids))),
            allow=allow,
            threads=threads,
        )
        if self._second is not None:
            found = native.rescore(self._second, prepared, found.rows, k, metric=self.metric.native, threads=threads)
        return self._answer(found, k, single)

    def _own_arrays(self) -> dict[str, np.ndarray]:
        if not self._n:
            return {}
        return {"centroids": self._centroids, "offsets": self._offsets, "order": self._order}

    def _own_meta(self) -> dict[str, Any]:
        return {"lists": self.lists, "random_state": self.random_state}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        centroids, offsets, order = arrays["centroids"], arrays["offsets"], arrays["order"]
        dim = self._dim if self._map is None else self._map.n_features_out
        if centroids.dtype != np.float32 or centroids.ndim != 2 or centroids.shape[1] != dim or not len(centroids):
            raise ValueError(f"centroids of {centroids.dtype} {centroids.shape}, expected float32 (lists, {dim})")
        if not np.isfinite(centroids).all():
            raise ValueError("a centroid that is not finite")
        if offsets.dtype != np.uint32 or offsets.shape != (len(centroids) + 1,):
            raise ValueError(f"offsets of {offsets.dtype} {offsets.shape}, expected uint32 ({len(centroids) + 1},)")
        if offsets[0] != 0 or offsets[-1] != self._n or (offsets[1:] < offsets[:-1]).any():
            raise ValueError(f"offsets that do not ascend from 0 to {self._n}")
        if order.dtype != np.uint32 or order.shape != (self._n,):
            raise ValueError(f"an order of {order.dtype} {order.shape}, expected uint32 ({self._n},)")
        if order.max() >= self._n or not (np.bincount(order, minlength=self._n) == 1).all():
            raise ValueError("an order that is no permutation of the rows")
        self._attach_lists(centroids, offsets, order)
