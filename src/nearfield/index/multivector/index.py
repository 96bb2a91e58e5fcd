"""Late interaction as an index: candidates by one vector a bag, then exact MaxSim over the codes of all vectors."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ... import native
from ...common.checks import check_int
from ...common.growing import GrowingArray
from ...encode.bags import Bags
from ...quantize.codec import Codec
from ...quantize.scalar import ScalarQuantizer
from ..base import MAX_ROWS, Index, Neighbors
from ..flat import Flat
from .candidates import Candidates, TokenSearch, make_candidates
from .encoding import BagEncoding, check_bags
from .growing import fresh
from .mean import MeanEncoding
from .tokens import TokenCodec

CANDIDATES = 100  # what the published figures are given for


class MultiVector:
    """Finds documents by MaxSim: of every vector of the query the best product with any of the document, summed.

    A candidate generator names some documents, of which one vector each is searched by any index over any codec; their
    vectors, kept as codes, are then compared exactly. Choose it over one vector a text where words matter one by one:
    on SciFact with MiniLM's tokens it is worth 6 points of nDCG@10. It costs what the codes of all vectors take.

    Parameters
    ----------
    candidates : a :class:`BagEncoding`, or :class:`TokenSearch`; None is :class:`MeanEncoding`. Let
        :func:`choose_encoding` measure which one finds most for your encoder and bytes.
    index : an index of metric "ip", not built, for the vectors of the candidate generator; None is a
        :class:`Flat` over 8-bit codes. From a hundred thousand documents on take a :class:`Graph`.
    codec : of the bags' own vectors; None is 8 bits a dimension. ``RotatedQuantizer(2)`` keeps 384 dimensions in 112
        bytes and 95% of the ten best; ``CentroidQuantizer(0.45, 2)`` takes 28 bytes and is best with ``means``. Of
        additive codes, each row keeps the factor by which what it stands for has the vector's length.
    means : codec of the mean of each bag's vectors; the vectors' own codes then say only what is left of it. None with
        4 bits a dimension or more. With codes of 32 bytes, ``ScalarQuantizer(8)``: on SciFact 28 bytes and a mean in
        400 a document lose half a point of nDCG@10, 32 bytes alone more than one.

    Notes
    -----
    Sources: ColBERT (Khattab and Zaharia, 2020) for MaxSim; MUVERA (Dhulipala et al., 2024) for its reduction to
    single-vector search. Rows are numbers: the i-th bag given has row i, added ones follow, an update keeps its row.
    ``distances`` are minus the MaxSim.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> documents = Bags.from_list([rng.standard_normal((20, 16), np.float32) for _ in range(300)])
    >>> index = MultiVector().build(documents)
    >>> index.search(documents[7:9], 1).rows
    array([[7],
           [8]])
    >>> index.delete([7])
    >>> index.add(documents[7:8])
    array([300])
    >>> index.search(documents[7:8], 1).rows
    array([[300]])
    """

    kind: ClassVar[str] = "multivector"

    def __init__(
        self,
        candidates: BagEncoding | TokenSearch | None = None,
        *,
        index: Index | None = None,
        codec: Codec | None = None,
        means: Codec | None = None,
    ):
        if not (candidates is None or isinstance(candidates, BagEncoding | TokenSearch)):
            raise TypeError(f"candidates: expected a BagEncoding, a TokenSearch or None, got {candidates!r}")
        if not (index is None or isinstance(index, Index)):
            raise TypeError(f"index: expected an Index or None, got {index!r}")
        if not (codec is None or isinstance(codec, Codec)):
            raise TypeError(f"codec: expected a Codec or None, got {codec!r}")
        if not (means is None or isinstance(means, Codec)):
            raise TypeError(f"means: expected a Codec or None, got {means!r}")
        self.candidates = MeanEncoding() if candidates is None else copy.deepcopy(candidates)
        self.index = Flat("ip", codec=ScalarQuantizer(8)) if index is None else fresh(index)
        self.codec = ScalarQuantizer(8) if codec is None else copy.copy(codec)
        self.means = copy.copy(means)
        self._dim = 0
        self._rows = GrowingArray(np.zeros(0, np.int64))

    # -- building and changing ---------------------------------------------------------------------------------------

    def build(self, bags: Bags, *, queries: Bags | None = None) -> Self:
        """Index the ``bags``, at least one, none of them empty; returns self.

        ``queries`` are a sample of those that will be asked, without answers: an encoding that learns, and a transform
        that can use them, are fitted to them. What is refused leaves the index as it was.
        """
        check_bags(bags)
        if not len(bags):
            raise ValueError("bags: expected at least one bag, got none")
        if queries is not None:
            check_bags(queries, "queries", bags.dim)
        self._check_room(len(bags.vectors), 0)
        made = make_candidates(copy.deepcopy(self.candidates), self.index)
        made.build(bags, queries)
        codec = TokenCodec(self.codec, self.means).fit(bags)
        codes, centers = codec.encode(bags)
        numbers = np.arange(len(bags))
        self._start(made, codec, bags.dim, codes, centers, bags.offsets.copy(), numbers, numbers.copy())
        return self

    def _start(
        self,
        made: Candidates,
        codec: TokenCodec,
        dim: int,
        codes: np.ndarray,
        centers: np.ndarray,
        offsets: np.ndarray,
        slot_rows: np.ndarray,
        row_slots: np.ndarray,
    ) -> None:
        """A bag takes a slot when it comes; ``slot_rows`` are the rows they are under, ``row_slots`` the other way."""
        self._made, self._codec, self._dim = made, codec, dim
        self._codes, self._centers, self._offsets = GrowingArray(codes), GrowingArray(centers), GrowingArray(offsets)
        self._slot_rows, self._rows = GrowingArray(slot_rows), GrowingArray(row_slots)
        live = np.zeros(len(slot_rows), bool)
        live[row_slots[row_slots >= 0]] = True
        self._live = GrowingArray(live)
        self._alive = int(live.sum())

    @staticmethod
    def _check_room(more: int, there: int) -> None:
        if more + there >= MAX_ROWS:
            raise ValueError(f"bags: expected fewer than 2**31 vectors in all, got {more + there}")

    def add(self, bags: Bags) -> np.ndarray:
        """Add ``bags``; returns their rows, int64 (n,). Takes time in proportion to them.

        Nothing is fitted again, and the added vectors of the candidate generator wait as float32, scanned beside the
        index, until :meth:`compact`.
        """
        self._built()
        check_bags(bags, dim=self._dim)
        rows = np.arange(len(self._rows), len(self._rows) + len(bags))
        if len(bags):
            self._append(bags, rows)
            self._rows.append(self._last(len(bags)))
        return rows

    def update(self, rows: Any, bags: Bags) -> None:
        """Put ``bags`` in place of what ``rows`` hold, as quick as :meth:`add`. IndexError for an empty row."""
        known = self._known(rows)
        check_bags(bags, dim=self._dim)
        if len(known) != len(bags):
            raise ValueError(f"bags: expected {len(known)}, one a row, got {len(bags)}")
        if len(known):
            before = self._rows.rows[known].copy()
            self._append(bags, known)
            self._rows.own()
            self._rows.rows[known] = self._last(len(bags))
            self._drop(before)

    def delete(self, rows: Any) -> None:
        """Take ``rows`` out: no search finds them from now on. Their codes go with :meth:`compact`."""
        known = self._known(rows)
        before = self._rows.rows[known].copy()
        self._rows.own()
        self._rows.rows[known] = -1
        self._drop(before)

    def _append(self, bags: Bags, rows: np.ndarray) -> None:
        self._check_room(len(bags.vectors), len(self._codes))
        codes, centers = self._codec.encode(bags)
        self._made.add(bags)
        self._offsets.append(bags.offsets[1:] + len(self._codes))
        self._codes.append(codes)
        self._centers.append(centers)
        self._slot_rows.append(rows)
        self._live.append(np.ones(len(bags), bool))
        self._alive += len(bags)

    def _last(self, count: int) -> np.ndarray:
        return np.arange(len(self._live) - count, len(self._live))

    def _drop(self, slots: np.ndarray) -> None:
        self._live.own()
        self._live.rows[slots] = False
        self._alive -= len(slots)

    def _known(self, rows: Any) -> np.ndarray:
        self._built()
        known = np.atleast_1d(np.asarray(rows))
        if known.size == 0:
            return np.zeros(0, np.int64)
        if known.ndim != 1 or known.dtype.kind not in "iu":
            raise ValueError(f"rows: expected integers of shape (n,), got {known.dtype} {known.shape}")
        known = known.astype(np.int64)
        absent = (known < 0) | (known >= len(self._rows))
        absent[~absent] = self._rows.rows[known[~absent]] < 0
        if absent.any():
            raise IndexError(
                f"rows: row {known[absent][0]} holds nothing; there are {self._alive} of {len(self._rows)}"
            )
        if len(np.unique(known)) < len(known):
            raise ValueError("rows: expected each row once")
        return known

    def compact(self, *, queries: Bags | None = None) -> Self:
        """Leave out what was deleted, and build what was added into the index; rows stay as they are.

        Bags are read back from their codes, so it is as exact as those. With a sample of ``queries`` everything that
        learns is fitted again; without, encoding and transform stay as they were fitted. Due when a tenth of the bags
        have been added or deleted; returns self.
        """
        self._built()
        rows = np.flatnonzero(self._rows.rows >= 0)
        if not len(rows):
            raise ValueError("compact: expected at least one bag, all are deleted")
        slots = self._rows.rows[rows]
        bags = self._decoded(slots)
        if queries is None:
            made = self._made.rebuilt(bags)
        else:
            check_bags(queries, "queries", self._dim)
            made = make_candidates(copy.deepcopy(self.candidates), self.index)
            made.build(bags, queries)
        places = np.concatenate([np.arange(a, b) for a, b in self._spans(slots)])
        row_slots = np.full(len(self._rows), -1)
        row_slots[rows] = np.arange(len(rows))
        codes, centers = self._codes.rows[places], self._centers.rows[slots]
        self._start(made, self._codec, self._dim, codes, centers, bags.offsets, rows, row_slots)
        return self

    def _spans(self, slots: np.ndarray) -> list[tuple[int, int]]:
        offsets = self._offsets.rows
        return [(int(offsets[slot]), int(offsets[slot + 1])) for slot in slots]

    def _decoded(self, slots: np.ndarray) -> Bags:
        codes, centers = self._codes.rows, self._centers.rows
        parts = [
            self._codec.decode(codes[a:b], centers[slot : slot + 1], np.array([b - a]))
            for slot, (a, b) in zip(slots, self._spans(slots), strict=True)
        ]
        return Bags.from_list(parts, dim=self._dim)

    # -- searching ---------------------------------------------------------------------------------------------------

    def search(
        self,
        queries: Bags,
        k: int,
        *,
        candidates: int = CANDIDATES,
        allow: np.ndarray | None = None,
        threads: int | None = None,
    ) -> Neighbors:
        """The ``k`` documents of the largest MaxSim among each query's candidates: ``(q, k)`` distances and rows.

        Parameters
        ----------
        queries : none of them empty.
        k : how many; where there are fewer, -1 and ``+inf`` fill the end.
        candidates : how many documents are compared exactly, at least ``k``; as many as there are, and the answer is
            exact up to the codes. Doubling it halves what is missed, roughly, and doubles the time.
        allow : bool ``(n,)`` or packed ``uint64`` words over all rows so far: those that may be returned.
        threads : None uses the process default; the answer does not depend on it.
        """
        check_int(k, "k", 1, native.MAX_K)
        count = max(k, check_int(candidates, "candidates", 1, native.MAX_K))
        named = self.candidate_slots(queries, count, allow, threads)
        codes, centers, offsets = self._codes.rows, self._centers.rows, self._offsets.rows
        found = self._codec.maxsim(codes, centers, offsets, queries, named, k, threads)
        rows = np.where(found.bags >= 0, self._slot_rows.rows[np.maximum(found.bags, 0)], -1)
        return Neighbors(found.scores, rows)

    def candidate_rows(
        self, queries: Bags, count: int = CANDIDATES, *, allow: np.ndarray | None = None, threads: int | None = None
    ) -> np.ndarray:
        """The rows that the candidate generator names, best first: int64 (q, count), -1 where there are fewer.

        Compare them with an exact search to see what the generator loses, and a search of all candidates with one over
        the vectors to see what the codes do.
        """
        named = self.candidate_slots(queries, check_int(count, "count", 1, native.MAX_K), allow, threads)
        return np.where(named >= 0, self._slot_rows.rows[np.maximum(named, 0)], -1)

    def candidate_slots(self, queries: Bags, count: int, allow: np.ndarray | None, threads: int | None) -> np.ndarray:
        self._built()
        check_bags(queries, "queries", self._dim)
        mask = self._mask(allow)
        left = self._alive if mask is None else int(mask.sum())
        if not len(queries):
            return np.zeros((0, count), np.int64)
        if left <= count:
            every = np.arange(len(self._live)) if mask is None else np.flatnonzero(mask)
            every = np.pad(every, (0, max(0, 1 - len(every))), constant_values=-1)
            return np.broadcast_to(every, (len(queries), len(every))).astype(np.int64)
        return self._made.search(queries, count, mask, threads)

    def _mask(self, allow: np.ndarray | None) -> np.ndarray | None:
        """Which slots may be found; None for all."""
        live = self._live.rows
        if allow is None:
            return None if self._alive == len(live) else live
        allowed = native.unpack_bits(native.bits.allow_words(allow, len(self._rows)), len(self._rows))
        return live & allowed[self._slot_rows.rows]

    # -- what it is --------------------------------------------------------------------------------------------------

    def _built(self) -> None:
        if not self._dim:
            raise ValueError("MultiVector is empty; call build first")

    def __len__(self) -> int:
        return self._alive if self._dim else 0

    @property
    def dim(self) -> int:
        """Dimensions of the vectors in the bags."""
        return self._dim

    def memory(self) -> dict[str, int]:
        """Bytes: ``candidates`` (the generator's index, what waits included), ``encoding`` (what it learnt),
        ``tokens`` (codes of all vectors and means, and what their codecs learnt), ``lists`` (offsets and rows), and
        ``total``."""
        self._built()
        parts = dict(self._made.memory())
        parts["tokens"] = self._codes.rows.nbytes + self._centers.rows.nbytes
        parts["tokens"] += sum(array.nbytes for array in self._codec.arrays().values())
        lists = (self._offsets, self._slot_rows, self._rows, self._live)
        parts["lists"] = sum(array.rows.nbytes for array in lists)
        return parts | {"total": sum(parts.values())}

    def save(self, path: str | Path) -> int:
        """Write everything to one file, atomically and durably; returns the bytes."""
        from .files import save

        self._built()
        return save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, check: bool = True) -> MultiVector:
        """Open a saved index, memory-mapped; ``check=False`` skips the checksums.

        Raises FileNotFoundError, CorruptFileError, FormatVersionError.
        """
        from .files import load

        return load(Path(path), check=check)

    def __repr__(self) -> str:
        return f"MultiVector({self.candidates!r}, index={self.index!r}, codec={self.codec!r}, means={self.means!r})"
