"""A walk over a proximity graph of compressed vectors."""

from __future__ import annotations

import copy
from functools import partial
from math import inf
from typing import Any, ClassVar, Self

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_random_state, check_real
from ..metric import InnerProduct
from ..native import mending
from ..quantize.codec import Codec
from ..quantize.scalar import ScalarQuantizer
from . import filtered, sample_links
from .base import Index, Neighbors, Progress
from .blocks import encode_blocks
from .directions import link_directions
from .estimate import graph_phases
from .filtered import FilterPlan

DEFAULT_BEAM = 64


class Graph(Index):
    """A single-layer proximity graph over codes: the index for anything above some ten thousand rows.

    Rows are linked to diverse near rows; a query walks from a few fixed entries towards its neighbours, keeping the
    best ``beam`` rows seen. Wider beams find more and take longer: recall is chosen at search time.

    The build is parallel and gives the same bytes for any number of threads, and every row can be reached from the
    entries. The order of the rows does not matter: they are linked in an order drawn from their codes and the seed, so
    that rows sorted by class or by anything else give the same links (rows equally far from another are told apart by
    their numbers). Rows that are all the same, or in far clusters, are linked too.

    Parameters
    ----------
    metric, transform, rescore : see :class:`Index`.
    codec : None means 8-bit scalar codes (half of hnswlib's memory or less at equal recall).
    degree : most links of a row (R in Vamana; twice the M of HNSW's lowest layer). 32 suits text vectors; 48 or 64
        pay above recall 0.99 or where intrinsic dimension is high. faiss and hnswlib default to M = 32 and 16.
    build_beam : width of the search that finds a new row's links (efConstruction). 100 is a good start.
    alpha : how much nearer a kept link must be to make another needless (on squared distances). 1.2 as in
        Vamana; 1.0 where :meth:`build` gets sample queries unlike the rows (0.87 of the time at recall 0.95); 1.1 is a
        little better above recall 0.98 and in the fast layout, and worse under inner product. With fewer links a
        wider beam is needed for the same recall, and each step costs less.
    layout : "lean" keeps one code a row. "fast" keeps beside every row a short code for each of its links, which are
        scored together: four times the memory at 384 dimensions and degree 32, and 1.7 times the rate at recall 0.95,
        1.2 times at 0.99. Degrees in steps of 32 use its memory best. Under l2 its estimates blur where clusters
        lie much farther apart than their rows: 40 times the spread costs a point of recall, 200 times takes it from
        0.98 to 0.86.
    link_bits : bits of a link's code for each direction, in the fast layout, 1 to 4. One bit makes it smaller.
    link_dims : how many directions those codes are made along: the ones in which linked rows differ most. None takes as
        many as hold 0.78 of the mean square difference, in sixteens (176 of 384 for sentence vectors, 208 of 784 for
        images); all dimensions under inner product, where there are more than 2,048, or few rows.
    random_state : seed of the order of insertion, and of the rotation of the fast layout.

    Notes
    -----
    Sources: Vamana (Subramanya et al., DiskANN, NeurIPS 2019, Algorithms 2 and 3) with its pruning rule; rounds of
    insertions against a frozen graph from ParlayANN (Manohar et al., PPoPP 2024). Departures: one pass, links may
    exceed the degree by half until the end, and unreachable rows are linked afterwards. Links between rows that sample
    queries have in common are after RoarGraph (Chen et al., VLDB 2024). The fast layout is that of
    SymphonyQG (Gou et al., SIGMOD 2025) with RaBitQ's estimate (Gao and Long, SIGMOD 2024); the departures: links and
    codes are those of the lean graph, and rows are scored by their codes, not the vectors. Several walks of one thread
    take turns, so that one is scored while the rows of the others come from memory.

    Inner product with lengths that differ is the hard case: queries lie far from all rows, and recall is lower at
    equal beam (0.91 against 1.00 under l2 on 10,000 clustered rows whose lengths vary by a third). A wider
    ``build_beam`` (300) and ``beam`` bring it back; under "cosine" there is no such cost. Where rows lie in one cluster
    far from the origin, 4-bit codes cannot hold the coordinate that the reduction adds (recall 0.2): take 8 bits.

    With ``allow``, the engine plans: it scans the allowed rows when that is cheaper than walking; otherwise it walks
    over all rows with a wider beam or over the allowed ones alone, and scans after all for queries whose walk found too
    few. See :meth:`plan_filter`.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
    >>> index = Graph("l2").build(rows)
    >>> index.search(rows[7], 2).rows[0]
    np.int64(7)
    """

    kind: ClassVar[str] = "graph"

    def __init__(
        self,
        metric: Any = "cosine",
        *,
        transform: Any = None,
        codec: Codec | None = None,
        rescore: Codec | str | None = None,
        degree: int = 32,
        build_beam: int = 100,
        alpha: float = 1.2,
        layout: str = "lean",
        link_bits: int = 2,
        link_dims: int | None = None,
        random_state: int = 0,
    ):
        super().__init__(
            metric, transform=transform, codec=codec if codec is not None else ScalarQuantizer(8), rescore=rescore
        )
        self.degree = check_int(degree, "degree", 2, native.MAX_DEGREE)
        self.build_beam = check_int(build_beam, "build_beam", 2, 1 << 20)
        self.alpha = check_real(alpha, "alpha", 1.0, 10.0)
        self.layout = check_choice(layout, "layout", ("lean", "fast"))
        self.link_bits = check_int(link_bits, "link_bits", 1, 4)
        self.link_dims = None if link_dims is None else check_int(link_dims, "link_dims", 1, native.MAX_DIM)
        self.random_state = check_random_state(random_state)
        self._reduces = True
        self._neighbors: np.ndarray
        self._entries: np.ndarray
        self._signs: native.Signs | None = None
        self._walk_costs: dict[bool, tuple[float, float]] = {}

    def build(
        self,
        vectors: Any,
        *,
        queries: Any = None,
        memory: int | str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Index ``vectors``, float32 or float16 ``(n, d)`` with n >= 1; returns self.

        Parameters
        ----------
        queries : float32 (q, d), a few thousand queries of the kind that will be asked, without answers. They matter
            when queries come from another source than the rows (questions and passages, captions and images): their
            nearest rows are linked to each other, with up to half as many links more a row (in the fast layout, as
            many as there is room for), and walks also begin at rows that many of them have. Best with ``alpha=1``.
            On WordNet glosses, with 5,000 descriptions of packages, others at recall 0.95 score 0.35 of the rows that
            they do without (1,350 instead of 3,810); queries like the rows score as many. The build takes 0.3 longer.
            A transform that can use them, such as :class:`~nearfield.transform.LeanVec`, is fitted to them as well.
        memory, progress : see :meth:`Index.build`.

        Notes
        -----
        Interrupting leaves the index unbuilt. Beside codes and links a build takes half as much again as the links, and
        the fast layout 4 n d bytes while it is packed.
        """
        return super().build(vectors, queries=queries, memory=memory, progress=progress)

    def _graph_phases(self, n: int, dim: int, threads: int, queries: int) -> list[dict[str, int]]:
        heads = dim if self.link_dims is None else min(dim, self.link_dims)
        return graph_phases(
            n,
            dim,
            degree=self.degree,
            record=native.sign_record_bytes(self.degree, heads, self.link_bits) if self.layout == "fast" else 0,
            heads=heads,
            coarse=self.codec.coarse,
            sample=sample_links.NEIGHBORS,
            queries=queries,
            threads=threads,
        )

    def _link(self, raw: np.ndarray | None, progress: Progress | None) -> None:
        space = self._space
        if raw is not None:
            finer = ScalarQuantizer(8)
            space = finer.space(encode_blocks(finer, partial(self._mapped, raw), len(raw)))
        self._neighbors, self._entries = native.build_graph(
            space,
            degree=self.degree,
            beam=self.build_beam,
            alpha=self.alpha,
            seed=self.random_state,
            progress=progress,
        )
        if self._sample is not None:
            asked = self._map_queries(self._sample)
            if raw is None:
                asked = self.codec.prepare_queries(asked)
            stitched, self._entries = sample_links.link_sample(
                space, self._neighbors, self._entries, asked, metric=self.metric.native, extra=self.degree // 2
            )
            # A record of the fast layout has no room for more links than there are: it takes what fits.
            self._neighbors = stitched if self.layout == "lean" else np.ascontiguousarray(stitched[:, : self.degree])
        self._sign()

    def _sign(self) -> None:
        self._signs = None
        self._walk_costs = {}
        if self.layout == "fast":
            dims = self.link_dims
            if dims is None and isinstance(self.metric, InnerProduct):
                dims = self._space.dim  # queries lie far from all rows: what few directions leave out misleads
            directions = link_directions(self._space, self._neighbors, dims, self.random_state)
            self._signs = native.sign_links(
                self._space,
                self._neighbors,
                metric=self.metric.native,
                seed=self.random_state,
                bits=self.link_bits,
                directions=directions,
            )

    def search(
        self,
        queries: Any,
        k: int,
        *,
        beam: int | None = None,
        slack: float | None = None,
        slack_from: int | None = None,
        allow: np.ndarray | None = None,
        candidates: int | None = None,
        threads: int | None = None,
        strategy: str | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query, as far as the walk sees.

        Parameters
        ----------
        queries, k, allow, candidates, threads : see :meth:`Flat.search`.
        beam : width of the walk (ef in HNSW), at least ``k`` is used; None means 64. Twice as wide takes less than
            twice as long and loses about half as many neighbours.
        slack : with a number, the walk also ends where the nearest row left to follow is farther than ``1 + slack``
            times the squared distance of the ``k``-th answer so far: easy queries end early, hard ones use the whole
            beam. At equal recall a wide beam with slack is faster than a narrow one without (WordNet, 8-bit codes: 1.1
            times at recall 0.95, 1.3 times at 0.99; 0.1 to 0.2 is a good start). None: the beam alone decides. Not
            used with ``allow``.
        slack_from : the answer from whose distance slack is measured, where ``k`` is less: as many are looked for, and
            all but ``k`` dropped. The nearest answer alone is a poor measure of how far to go (WordNet, slack 0.03:
            recall 0.56 of one neighbour, 0.94 measured from the tenth). None: the ``k``-th.
        strategy : how the rows of ``allow`` are searched: "scan" compares them all, "cross" walks over all rows with a
            wider beam, "follow" scores allowed rows alone once it is near; see :mod:`nearfield.index.filtered`. None,
            the best choice, plans it by what each costs; name one to compare.
        """
        check_int(k, "k", 1, native.MAX_K)
        width = DEFAULT_BEAM if beam is None else check_int(beam, "beam", 1, native.MAX_K)
        limit = _check_slack(slack)
        wanted = k if slack_from is None else max(k, check_int(slack_from, "slack_from", 1, native.MAX_K))
        if wanted > k and slack is not None and allow is None:
            more = self.search(queries, wanted, beam=beam, slack=slack, candidates=candidates, threads=threads)
            return Neighbors(more.distances[..., :k].copy(), more.rows[..., :k].copy())
        mapped, prepared, single = self._queries(queries)
        again = self._candidates(k, candidates)
        if allow is None:
            found = self._walk(mapped, prepared, k, width, again, None, threads, None, slack=limit)
            if self._signs is not None:
                self._complete(found, mapped, prepared, k, again, threads)
        else:
            found = filtered.search(self, mapped, prepared, k, width, again, allow, threads, strategy)
        return self._answer(found, k, single)

    def _complete(
        self,
        found: native.Scores,
        mapped: np.ndarray,
        prepared: np.ndarray,
        k: int,
        candidates: int,
        threads: int | None,
    ) -> None:
        """Scan for queries with fewer answers than there are rows: several estimates of a row may crowd out others."""
        last = found.rows[:, min(k, self._n) - 1]
        if last.size and last.min() < 0:
            short = np.flatnonzero(last < 0)
            scanned = self._scan(mapped[short], prepared[short], k, candidates, None, threads)
            found.scores[short], found.rows[short] = scanned

    def _walk(
        self,
        mapped: np.ndarray,
        prepared: np.ndarray,
        k: int,
        beam: int,
        candidates: int,
        allow: np.ndarray | None,
        threads: int | None,
        covered: np.ndarray | None,
        distances: np.ndarray | None = None,
        slack: float = inf,
        *,
        signs: bool = True,
        again: bool = True,
        followed: tuple[int, int, float, int, int] | None = None,
    ) -> native.Scores:
        return native.search_graph(
            self._space,
            self._neighbors,
            self._entries,
            mapped,
            k,
            metric=self.metric.native,
            beam=beam,
            slack=slack,
            signs=self._signs if signs else None,
            allow=allow,
            second=self._second if again else None,
            second_queries=prepared if again and self._second is not None else None,
            candidates=candidates,
            followed=followed,
            threads=threads,
            distances=distances,
            covered=covered,
        )

    def plan_filter(self, k: int, allow: np.ndarray, *, beam: int | None = None) -> FilterPlan:
        """How :meth:`search` would go about this filter, and what each way would cost.

        Examples
        --------
        >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
        >>> Graph("l2").build(rows).plan_filter(10, np.arange(2000) < 50).strategy
        'scan'
        """
        check_int(k, "k", 1, native.MAX_K)
        width = DEFAULT_BEAM if beam is None else check_int(beam, "beam", 1, native.MAX_K)
        self.arrays()
        allowed = native.count_bits(native.allow_words(allow, self._n))
        return filtered.plan(self, allowed, min(max(k, self._candidates(k, None), width), self._n))

    def count_distances(
        self, queries: Any, k: int, *, beam: int | None = None, slack: float | None = None
    ) -> np.ndarray:
        """How many rows a search scores, for each query: uint32 ``(q,)``. What a walk costs, free of the machine.

        In the fast layout, how many rows' links it follows; their estimates are not counted.
        """
        width = DEFAULT_BEAM if beam is None else check_int(beam, "beam", 1, native.MAX_K)
        mapped, prepared, _ = self._queries(queries)
        counts = np.empty(len(mapped), np.uint32)
        self._walk(mapped, prepared, k, width, self._candidates(k, None), None, None, None, counts, _check_slack(slack))
        return counts

    def reachable(self) -> np.ndarray:
        """Which rows a walk can come to: bool ``(n,)``, all True in a sound index."""
        self.arrays()
        return native.reachable(self._neighbors, self._entries)

    @property
    def link_dims_(self) -> int | None:
        """How many directions the codes of links are made along, as the build found it; None in the lean layout."""
        if self._signs is None:
            return None
        return self._space.dim if self._signs.projection is None else len(self._signs.projection)

    def mended(self, missed: np.ndarray | None = None) -> Graph:
        """The same graph with links to every row that no walk could come to, and to the rows ``missed``.

        For a graph whose links were damaged: :meth:`nearfield.Store.verify` finds what is missed and calls this. A row
        costs two walks as wide as those of the build, the whole two passes over the links; codes are shared with this
        graph, which stays as it is. Of 30,000 glosses 1,000 are linked again in 0.04 of the time of the build (0.06 in
        the fast layout).

        Parameters
        ----------
        missed : row numbers that searches come by too seldom; None links only what cannot be reached.
        """
        self.arrays()
        rows = np.unique(np.asarray([] if missed is None else missed, np.int64))
        if len(rows) and not 0 <= rows[0] <= rows[-1] < self._n:
            raise ValueError(f"missed: expected row numbers from 0 to {self._n - 1}, got {rows[0]} to {rows[-1]}")
        other = copy.copy(self)
        other._neighbors = mending.mend_graph(self._space, self._neighbors, self._entries, rows, beam=self.build_beam)
        if self._signs is not None:
            changed = np.flatnonzero((other._neighbors != self._neighbors).any(axis=1))
            signs = mending.sign_again(self._space, other._neighbors, self._signs, changed, metric=self.metric.native)
            if signs is None:
                other._sign()
            else:
                other._signs = signs
        return other

    def with_codes(
        self,
        vectors: Any,
        *,
        queries: Any = None,
        transform: Any = None,
        codec: Codec | None = None,
        rescore: Codec | str | None = None,
    ) -> Graph:
        """The same links over other codes of the same ``vectors``: to compare recipes without building again.

        ``queries`` are sample queries for a transform that is fitted to them, as in :meth:`build`.
        """
        other = Graph(
            self.metric,
            transform=transform,
            codec=codec,
            rescore=rescore,
            degree=self.degree,
            build_beam=self.build_beam,
            alpha=self.alpha,
            layout=self.layout,
            link_bits=self.link_bits,
            link_dims=self.link_dims,
            random_state=self.random_state,
        )
        other._neighbors, other._entries = self._neighbors, self._entries
        raw = other._check_rows(other._check_shape(vectors))
        if raw.shape != (self._n, self._dim):
            raise ValueError(
                f"vectors: expected the shape this index was built from, {(self._n, self._dim)}, got {raw.shape}"
            )
        other._sample = other._check_sample(raw, queries)
        other._fit_transform(raw)
        other._sample = None
        other._dim = self._dim
        other._attach(encode_blocks(other.codec, partial(other._mapped, raw), len(raw)))
        other._attach_second(raw)
        other._sign()
        other._n = self._n
        return other

    def _own_arrays(self) -> dict[str, np.ndarray]:
        if not self._n:
            return {}
        arrays = {"neighbors": self._neighbors, "entries": self._entries}
        if self._signs is not None:
            signs = self._signs
            arrays |= {"signs": signs.records, "signs.center": signs.center}
            arrays["signs.units"] = np.array(signs.units, np.float32)
            if signs.projection is not None:
                arrays["signs.projection"] = signs.projection
        return arrays

    def _own_meta(self) -> dict[str, Any]:
        return {
            "degree": self.degree,
            "build_beam": self.build_beam,
            "alpha": self.alpha,
            "layout": self.layout,
            "link_bits": self.link_bits,
            "link_dims": self.link_dims,
            "random_state": self.random_state,
        }

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        neighbors, entries = arrays["neighbors"], arrays["entries"]
        if not (neighbors.dtype == entries.dtype == np.uint32) or neighbors.ndim != 2 or entries.ndim != 1:
            raise ValueError(
                f"links of {neighbors.dtype} {neighbors.shape}, entries of {entries.dtype} {entries.shape}"
            )
        if len(neighbors) != self._n:
            raise ValueError(f"{self._n} rows, but links of {len(neighbors)}")
        if not len(entries) or entries.max() >= len(neighbors) or not native.links_valid(neighbors):
            raise ValueError("a link leads out of the graph")
        self._neighbors, self._entries = neighbors, entries
        if self.layout == "fast":
            records, units, center = arrays["signs"], arrays["signs.units"], arrays["signs.center"]
            projection = arrays.get("signs.projection")
            dim = self._space.dim
            if projection is not None and not (
                projection.dtype == np.uint8
                and projection.ndim == 2
                and projection.shape[1] == native.code_row_bytes("sq8", dim)
                and 1 <= len(projection) <= dim
                and np.isfinite(native.decode("sq8", projection, np.zeros(dim, np.float32))).all()
            ):
                raise ValueError(f"a projection of {projection.dtype} {projection.shape}")
            heads = dim if projection is None else len(projection)
            expected = (len(neighbors), native.sign_record_bytes(neighbors.shape[1], heads, self.link_bits))
            if records.dtype != np.uint8 or records.shape != expected or not _are_units(units):
                raise ValueError(f"signs of {records.dtype} {records.shape}, expected uint8 {expected}")
            if center.dtype != np.float32 or center.shape != (dim,) or not np.isfinite(center).all():
                raise ValueError(f"a center of {center.dtype} {center.shape}")
            self._signs = native.Signs(
                records, (float(units[0]), float(units[1])), self.random_state, center, self.link_bits, projection
            )


def _are_units(units: np.ndarray) -> bool:
    return units.dtype == np.float32 and units.shape == (2,) and bool((np.isfinite(units) & (units > 0)).all())


def _check_slack(slack: float | None) -> float:
    return inf if slack is None else check_real(slack, "slack", 0.0, 1e9)
