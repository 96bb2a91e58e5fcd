"""Tables of buckets by random hyperplanes; a search reads the buckets on the query's side of most of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .. import native
from ..common.checks import check_int, check_random_state, check_vectors
from ..metric.inner_product import InnerProduct
from ..quantize.codec import Codec
from ..quantize.scalar import ScalarQuantizer
from ..transform.linear import LinearMap
from .base import Index, Neighbors, Progress
from .probing import MAX_BITS, Tables, hash_rows, hyperplanes

DEFAULT_TABLES = 8
# How many rows a bucket holds on average when the caller does not say how many bits make one.
ROWS_PER_BUCKET = 16
DEFAULT_PROBES = 32
# Buckets are probed four times as many again where they hold too little; beyond so large a share of all, rows are
# scanned.
_WIDER = 4
_SHARE = 1 / 4
DEFAULT_LIMIT = 30_000_000


class Hash(Index):
    """Locality-sensitive hashing: tables of buckets, each a pattern of signs by hyperplanes, probed nearest first.

    Take it for its pairs: rows that share a bucket are the candidates of entity matching, found without comparing
    rows (:meth:`pairs`), and with a transform learnt from examples (:class:`~nearfield.transform.PairMargin`) by a
    likeness of your own. For nearest rows a :class:`Graph` or an :class:`IVF` answers faster at equal recall, from
    less memory: on 30,000 sentence vectors an IVF some ten times at a recall of 0.95.

    Parameters
    ----------
    metric, transform, rescore : see :class:`Index`.
    codec : what candidates are scored by; None means 8-bit scalar codes.
    tables : how many (L in the literature); each keeps 8 bytes a row. More find more, and cost memory: 8 is a good
        start for search, 4 to 32 for pairs.
    bits : hyperplanes of a table, from 1 to 32; None means so many that an average bucket holds some sixteen rows.
        Each more halves the rows read, and loses neighbours that more tables or probes must bring back.
    random_state : seed of the hyperplanes.

    Notes
    -----
    Source: Charikar, Similarity estimation techniques from rounding algorithms (STOC 2002): two vectors at an angle a
    lie on the same side of a random hyperplane with probability 1 - a / pi. Probing: Lv et al., Multi-probe LSH (VLDB
    2007), for signs: a bucket's score is the sum of the squared distances of the query to the planes that part them,
    and each table's buckets are read by ascending score. Departures: the planes go through the mean of the rows, not
    the origin, which makes buckets even where all vectors point one way; they are perpendicular to each other, as far
    as there are dimensions (super-bit hashing, Ji et al., NIPS 2012). Under inner product rows are hashed with one more
    coordinate, which makes them equally long (Neyshabur and Srebro, ICML 2015).

    Where the buckets hold fewer than ``k`` rows, more are read, in the end all. With ``allow``, so many that as many
    allowed rows are scored as an unfiltered search would score in all. Identical rows share all their buckets.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
    >>> index = Hash("l2").build(rows)
    >>> index.search(rows[7], 2).rows[0]
    np.int64(7)

    Rows of two sets that share a bucket:

    >>> typos = rows[:3] + np.float32(0.05)
    >>> found = Hash("l2", tables=4, bits=14).build(rows).pairs(typos)
    >>> set(map(tuple, found.tolist())) >= {(0, 0), (1, 1), (2, 2)}, len(found) < 60
    (True, True)
    """

    kind: ClassVar[str] = "hash"

    def __init__(
        self,
        metric: Any = "cosine",
        *,
        transform: Any = None,
        codec: Codec | None = None,
        rescore: Codec | str | None = None,
        tables: int = DEFAULT_TABLES,
        bits: int | None = None,
        random_state: int = 0,
    ):
        super().__init__(
            metric, transform=transform, codec=codec if codec is not None else ScalarQuantizer(8), rescore=rescore
        )
        self.tables = check_int(tables, "tables", 1, 1 << 10)
        self.bits = None if bits is None else check_int(bits, "bits", 1, MAX_BITS)
        self.random_state = check_random_state(random_state)
        self._planes: LinearMap
        self._tables: Tables

    # -- building ----------------------------------------------------------------------------------------------------

    def _bits(self, n: int) -> int:
        return max(1, round(np.log2(max(n, 1) / ROWS_PER_BUCKET))) if self.bits is None else self.bits

    def _encode(self, raw: np.ndarray, progress: Progress | None) -> np.ndarray:
        codes = super()._encode(raw, progress)
        longest = self._longest(raw)
        total, n = 0.0, len(raw)
        for block in self._hashed_rows(raw, longest):
            total = total + block.sum(axis=0, dtype=np.float64)
        mean = np.asarray(total / n, np.float32)
        bits = self._bits(n)
        self._planes = LinearMap(hyperplanes(self.tables * bits, len(mean), self.random_state), mean)
        keys = np.empty((self.tables, n), np.uint32)
        start = 0
        for block in self._hashed_rows(raw, longest):
            keys[:, start : start + len(block)] = hash_rows(self._planes.transform(block), self.tables)
            start += len(block)
        self._tables = Tables.of(keys, bits)
        return codes

    def _longest(self, raw: np.ndarray) -> float:
        """The length of the longest row, where rows are hashed as if all had that."""
        if not isinstance(self.metric, InnerProduct):
            return 0.0
        squares = (np.einsum("ij,ij->i", block, block, dtype=np.float64).max() for block in self._mapped(raw))
        return float(np.sqrt(max(squares)))

    def _hashed_rows(self, raw: np.ndarray, longest: float) -> Iterator[np.ndarray]:
        """Mapped rows as the planes know them: under inner product of length one, by one more coordinate."""
        for block in self._mapped(raw):
            if isinstance(self.metric, InnerProduct):
                scaled = block / (longest or 1.0)
                squares = np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64)
                block = np.column_stack([scaled, np.sqrt(np.maximum(1 - squares, 0))]).astype(np.float32)
            yield block

    def _signed(self, asked: np.ndarray) -> np.ndarray:
        """The signed distances (q, tables, bits) of mapped queries to the hyperplanes."""
        if isinstance(self.metric, InnerProduct):
            lengths = np.sqrt(np.einsum("ij,ij->i", asked, asked, dtype=np.float64))
            unit = asked / np.where(lengths > 0, lengths, 1.0)[:, None]
            asked = np.column_stack([unit, np.zeros(len(asked))]).astype(np.float32)
        return self._planes.transform(asked).reshape(len(asked), self.tables, self._tables.bits)

    def _graph_phases(self, n: int, dim: int, threads: int, queries: int) -> list[dict[str, int]]:
        width = dim + isinstance(self.metric, InnerProduct)
        stays = self.tables * (8 * n + 4 * self._bits(n) * width) + 4 * width
        return [{"graph": stays, "keys": 4 * self.tables * n + 16 * n}, {"graph": stays}]

    def _link(self, raw: np.ndarray | None, progress: Progress | None) -> None:
        return

    # -- searching ---------------------------------------------------------------------------------------------------

    def _probes(self, probes: int | None) -> int:
        wanted = DEFAULT_PROBES if probes is None else check_int(probes, "probes", 1, native.MAX_K)
        return min(wanted, self._tables.buckets)

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
        """The ``k`` nearest rows of each query, of those in the buckets that are read.

        Parameters
        ----------
        queries, k, allow, candidates, threads : see :meth:`Flat.search`.
        probes : how many buckets of each table are read; more find more and take longer. None means 32. As many as
            there can be, two to the power of ``bits``, makes the search a scan of the codes.
        """
        check_int(k, "k", 1, native.MAX_K)
        asked, prepared, single = self._mapped_queries(queries)
        read, again = self._probes(probes), self._candidates(k, candidates)
        words = None if allow is None else native.allow_words(allow, self._n)
        coded = self.codec.prepare_queries(asked)
        found = self._score_buckets(asked, coded, max(k, again), read, words, threads)
        if self._second is not None:
            found = native.rescore(self._second, prepared, found.rows, k, metric=self.metric.native, threads=threads)
        return self._answer(found, k, single)

    def _score_buckets(
        self,
        asked: np.ndarray,
        coded: np.ndarray,
        k: int,
        probes: int,
        words: np.ndarray | None,
        threads: int | None,
    ) -> native.Scores:
        """The ``k`` best by their codes: of the buckets read, of more where these hold too few, in the end of all."""
        metric, buckets = self.metric.native, self._tables.buckets
        scores = np.full((len(asked), k), np.inf, np.float32)
        rows = np.full((len(asked), k), -1, np.int64)
        signed = self._signed(asked)
        todo = np.arange(len(asked))
        # How many rows are to be scored: all that are there if there are not so many.
        wanted = np.full(len(asked), min(k, self._n))
        if words is not None:
            if native.count_bits(words) <= self.tables * probes * self._n / buckets:
                probes = buckets  # no more than an unfiltered search would read: they are scanned
            mask = np.unpackbits(words.view(np.uint8), bitorder="little")[: self._n].view(bool)
        first = True
        # Looking into more buckets than there are rows would take longer than scoring all of these.
        most = min(_SHARE * buckets, self._n / self.tables)
        while len(todo) and probes < buckets and (first or probes <= most):
            short = []
            for at, left, right in self._tables.mates(signed[todo], probes):
                counts = np.bincount(left, minlength=len(at))
                if words is not None:
                    if first:
                        wanted[todo[at]] = np.maximum(wanted[todo[at]], counts)
                    kept = mask[right]
                    left, right = left[kept], right[kept]
                    counts = np.bincount(left, minlength=len(at))
                enough = counts >= wanted[todo[at]]
                short.append(todo[at[~enough]])
                # Queries with as many rows, to a factor of two, together: one with very many does not widen all lines.
                sizes = np.frexp(counts)[1]
                for size in np.unique(sizes[enough]):
                    alike = enough & (sizes == size)
                    done = todo[at[alike]]
                    best = _padded(left, right, counts, alike)
                    found = native.rescore(self._space, coded[done], best, k, metric=metric, threads=threads)
                    scores[done], rows[done] = found.scores, found.rows
            todo = np.concatenate(short)
            probes, first = probes * _WIDER, False
        if len(todo):
            rest = np.ascontiguousarray(coded[todo])
            found = native.scan(self._space, rest, k, metric=metric, allow=words, threads=threads)
            scores[todo], rows[todo] = found.scores, found.rows
        return native.Scores(scores, rows)

    # -- pairs -------------------------------------------------------------------------------------------------------

    def pairs(self, vectors: Any = None, *, probes: int | None = None, limit: int = DEFAULT_LIMIT) -> np.ndarray:
        """The pairs of rows that share a bucket in some table: candidates for matching, without any distance.

        Parameters
        ----------
        vectors : None pairs the rows of the index with each other: ``(i, j)`` with i < j. Float32 ``(m, d)`` pairs
            these, numbered by their place, with the rows of the index: ``(place, row)``.
        probes : how many buckets of each table are looked into for each of ``vectors``; None means 1, the bucket it
            falls in. More find more pairs without more tables. Between the rows themselves, which are not kept, 1.
        limit : most pairs there may be; 16 bytes each.

        Returns
        -------
        int64 ``(pairs, 2)``, ascending by the first and then the second, each pair once.

        Raises
        ------
        ValueError : more than ``limit`` pairs, before there are many more in memory. What a search refuses.
        """
        check_int(limit, "limit", 0)
        count = 1 if probes is None else check_int(probes, "probes", 1, native.MAX_K)
        if vectors is None:
            self.arrays()  # refuses an empty index
            if count > 1:
                raise ValueError(f"probes: expected None or 1 between rows of the index, got {count}; pass vectors")
            _check_limit(self._tables.most_pairs(), limit)
            blocks = self._tables.own_mates()
        else:
            dim = self._dim if self._n else None
            checked, _ = check_vectors(vectors, "vectors", dim=dim, nonzero=self.metric.nonzero)
            asked, _, _ = self._mapped_queries(checked)
            blocks = self._tables.mates(self._signed(asked), min(count, self._tables.buckets))
        found, total = [], 0
        for at, left, right in blocks:
            if vectors is None:
                above = right > at[left]
                left, right = left[above], right[above]
            total += len(left)
            _check_limit(total, limit)
            found.append(np.column_stack([at[left], right]))
        return np.concatenate(found) if found else np.empty((0, 2), np.int64)

    # -- files -------------------------------------------------------------------------------------------------------

    def _own_arrays(self) -> dict[str, np.ndarray]:
        if not self._n:
            return {}
        planes = {f"planes.{name}": array for name, array in self._planes.to_arrays().items()}
        return planes | {"keys": self._tables.keys, "order": self._tables.order}

    def _own_meta(self) -> dict[str, Any]:
        return {"tables": self.tables, "bits": self.bits, "random_state": self.random_state}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        dim = self._dim if self._map is None else self._map.n_features_out
        dim += isinstance(self.metric, InnerProduct)
        planes = LinearMap.from_arrays({name: arrays[f"planes.{name}"] for name in ("matrix", "offset")})
        expected = (self.tables * self._bits(self._n), dim)
        if planes.matrix.shape != expected:
            raise ValueError(f"hyperplanes of shape {planes.matrix.shape}, expected {expected}")
        self._planes = planes
        self._tables = Tables.checked(arrays["keys"], arrays["order"], self.tables, self._n, self._bits(self._n))


def _check_limit(count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(
            f"limit: expected at most {limit:,} pairs, got {count:,} or more; use more bits, fewer tables, or raise it"
        )


def _padded(left: np.ndarray, right: np.ndarray, counts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The rows of each query that is kept as one line of a matrix, ended by -1; ``left`` ascends."""
    line = np.cumsum(kept) - 1
    starts = np.cumsum(counts) - counts
    take = kept[left]
    place = (np.arange(len(left)) - starts[left])[take]
    out = np.full((int(kept.sum()), max(int(counts[kept].max()), 1)), -1, np.int64)
    out[line[left[take]], place] = right[take]
    return out
