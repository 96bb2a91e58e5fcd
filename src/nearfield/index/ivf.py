"""Lists of rows around centroids; a search reads the lists nearest to the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from .. import native
from ..common.checks import check_int, check_random_state
from ..native import cells
from ..quantize.codec import Codec
from ..quantize.scalar import ScalarQuantizer
from .base import Index, Neighbors, Progress
from .blocks import fill_rows, gather_rows
from .partition import partition, partition_within

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

    Many queries at once with filters of their own: :meth:`search_batch`.

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
        self._labels: np.ndarray | None = None

    def build(
        self,
        vectors: Any,
        *,
        labels: Any = None,
        queries: Any = None,
        memory: int | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Index ``vectors``; see :meth:`Index.build`.

        ``labels``, an int from 0 up for each row, keeps rows of different labels in different lists: the lists are
        handed out by how many rows a label has, at least one each, and k-means runs within each label. A filter that
        follows the labels then finds its rows together, and fewer centroids to compare.
        """
        self._labels = None if labels is None else _check_labels(labels, len(np.asarray(vectors)))
        try:
            return super().build(vectors, queries=queries, memory=memory, progress=progress)
        finally:
            self._labels = None

    def _encode(self, raw: np.ndarray, progress: Progress | None) -> np.ndarray:
        mapped = gather_rows(self._mapped(raw), len(raw))
        self.codec.fit(mapped)
        n = len(mapped)
        wanted = round(LISTS_PER_ROOT * n**0.5) if self.lists is None else self.lists
        options: dict[str, Any] = {"unit": self.metric.nonzero, "seed": self.random_state, "progress": progress}
        if self._labels is None:
            parts = partition(mapped, min(n, wanted), **options)
        else:
            parts = partition_within(mapped, self._labels, min(n, wanted), **options)
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

    def search_batch(
        self,
        queries: Any,
        k: int,
        filters: Sequence[np.ndarray | None],
        which: Any,
        *,
        budget: int | Sequence[int] | None = None,
        candidates: int | None = None,
        threads: int | None = None,
        scored: np.ndarray | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each of many queries, each under one of a few filters.

        How many rows of each list pass a filter is counted once, before any distance; each query then reads the
        nearest of the lists in which rows pass, until it was compared with a budget of them. So it never comes back
        for more, and there are ``k`` answers wherever ``k`` rows pass. Queries that share a filter are scored against
        a list's rows together. On 29,015 sentence vectors under ten
        random filters that is 1.1 times as fast as :meth:`search` with ``allow``, one filter after another; with
        ``labels`` that follow the filters it is more than twice as fast at a recall of 0.985 (38,820 vectors).
        With ``rescore``, 8-bit codes choose candidates by queries of 8 bits.

        Parameters
        ----------
        queries : float32 (q, d).
        k, candidates, threads : see :meth:`search`.
        filters : bool (n,) arrays or packed words of the rows that may be returned; None allows all.
        which : (q,) ints: the filter of each query.
        budget : how many passing rows a query is compared with at least, for all filters or one each; those of the
            lists that are read are compared in full. None means as many as a search without a filter would score.
        scored : uint32 (q,), receives how many rows each query was compared with, centroids not counted.

        Notes
        -----
        Source: HQI (Mohoney et al., SIGMOD 2023) for grouping a batch by list and filter; SQUASH (Oakley and
        Ferhatosmanoglu, 2025), section on partition selection, for lists chosen so that enough passing rows remain.
        Departures: a list's rows and the queries are multiplied in blocks that stay in the cache, without a copy of
        the rows that pass.

        Examples
        --------
        >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
        >>> index = IVF("l2").build(rows)
        >>> even = np.arange(2000) % 2 == 0
        >>> index.search_batch(rows[:3], 1, [even, None], [0, 1, 0]).rows.ravel().tolist()[:2]
        [0, 1]
        """
        check_int(k, "k", 1, native.MAX_K)
        asked, prepared, _ = self._mapped_queries(queries)
        numbers = np.asarray(which)
        if numbers.shape != (len(asked),) or numbers.dtype.kind not in "iu":
            raise ValueError(f"which: expected {len(asked)} ints, one a query, got {numbers.dtype} {numbers.shape}")
        if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < len(filters):
            raise ValueError(f"which: expected numbers of {len(filters)} filters, got {int(numbers.max())}")
        usual = int(np.ceil(self._probes(None) * self._n / len(self._centroids)))
        least = [usual if budget is None else budget] * len(filters) if np.ndim(budget or 0) == 0 else list(budget)  # type: ignore[arg-type]
        if len(least) != len(filters):
            raise ValueError(f"budget: expected one of each of {len(filters)} filters, got {len(least)}")
        again = max(k, self._candidates(k, candidates))
        groups = [
            self._passing(filters[number], np.flatnonzero(numbers == number), max(check_int(own, "budget", 0), again))
            for number, own in enumerate(least)
        ]
        found = cells.search_cells(
            self._space,
            [group for group in groups if len(group.queries)],
            self.codec.prepare_queries(asked),
            again,
            metric=self.metric.native,
            centroids=self._centres,
            order=self._order,
            asked=asked,
            rounded=self._second is not None,
            threads=threads,
        )
        if scored is not None:
            scored[:] = found.scored
        best = native.Scores(found.scores, found.rows)
        if self._second is not None:
            best = native.rescore(self._second, prepared, best.rows, k, metric=self.metric.native, threads=threads)
        return self._answer(best, k, False)

    def _passing(self, allow: np.ndarray | None, queries: np.ndarray, budget: int) -> cells.Group:
        """The rows that pass a filter, list by list."""
        if allow is None:
            positions = np.arange(self._n, dtype=np.uint32)
        else:
            bits = np.unpackbits(native.allow_words(allow, self._n).view(np.uint8), count=self._n, bitorder="little")
            positions = np.flatnonzero(bits.take(self._order).view(bool)).astype(np.uint32)
        sizes = np.diff(np.searchsorted(positions, self._offsets))
        lists = np.flatnonzero(sizes)
        return cells.Group(queries, positions, lists.astype(np.uint32), sizes[lists], budget)

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


def _check_labels(labels: Any, n: int) -> np.ndarray:
    found = np.asarray(labels)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ValueError(f"labels: expected {n} ints, one a row, got {found.dtype} {found.shape}")
    if n and int(found.min()) < 0:
        raise ValueError(f"labels: expected 0 or more, got {int(found.min())}")
    return found
