"""Where candidates come from: an index over one vector a bag, or one over all the vectors of all bags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ...common.checks import check_choice, check_int
from ...common.growing import GrowingArray
from ...encode.bags import Bags
from ..base import Index
from ..files import part
from .encoding import BagEncoding, encoding_from_dict
from .growing import GrowingIndex, as_fitted


class Candidates(ABC):
    """What :class:`MultiVector` asks for the bags worth an exact look. Bags are numbered as they were added."""

    @abstractmethod
    def build(self, bags: Bags, queries: Bags | None) -> None:
        """Begin with these bags; ``queries`` are a sample of those to come."""

    @abstractmethod
    def rebuilt(self, bags: Bags) -> Candidates:
        """The same over other bags; what was fitted stays."""

    @abstractmethod
    def add(self, bags: Bags) -> None:
        """Bags after those there are, in time proportional to them."""

    @abstractmethod
    def search(self, queries: Bags, count: int, allow: np.ndarray | None, threads: int | None) -> np.ndarray:
        """Numbers of ``count`` bags for each query, best first: int64 (q, count), -1 where there are fewer."""

    @abstractmethod
    def memory(self) -> dict[str, int]:
        """Bytes: ``candidates``, what grows with the bags, and ``encoding``, what does not."""

    @abstractmethod
    def meta(self) -> dict[str, Any]:
        """What a file says of it, as JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds of it."""


class EncodedCandidates(Candidates):
    """An index over one vector a bag."""

    def __init__(self, encoding: BagEncoding, index: Index):
        self.encoding = encoding
        self.rows = GrowingIndex(index)

    def build(self, bags: Bags, queries: Bags | None) -> None:
        self.encoding.fit(bags, queries)
        self.rows.build(self.encoding.documents(bags), None if queries is None else self.encoding.queries(queries))

    def rebuilt(self, bags: Bags) -> EncodedCandidates:
        made = EncodedCandidates(self.encoding, as_fitted(self.rows.index))
        made.rows.build(self.encoding.documents(bags), None)
        return made

    def add(self, bags: Bags) -> None:
        self.rows.add(self.encoding.documents(bags))

    def search(self, queries: Bags, count: int, allow: np.ndarray | None, threads: int | None) -> np.ndarray:
        return self.rows.search(self.encoding.queries(queries), count, allow, threads).rows

    def memory(self) -> dict[str, int]:
        return {"candidates": self.rows.memory(), "encoding": self.encoding.nbytes()}

    def meta(self) -> dict[str, Any]:
        return {"kind": "encoded", "encoding": self.encoding.to_dict(), "index": self.rows.meta()}

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"encoding.{name}": array for name, array in self.encoding.to_arrays().items()} | self.rows.arrays()


class TokenSearch:
    """Candidates by the single vectors: each vector of a query looks for its nearest among those of all bags.

    What systems did before there were encodings of whole bags, and the baseline for them: the index holds every vector,
    and many are looked at for each candidate. Choose it where queries are one or two vectors, or where a document
    matters for one vector among very many.

    Parameters
    ----------
    nearest : how many vectors each query vector looks for; several times the candidates wanted.
    order : "sum" ranks a bag by the sum of its best found products, a query vector that found nothing in it counting
        as much as the last it found at all; "first" takes bags in the order in which any of the query's vectors came
        upon them.

    Notes
    -----
    Source of "sum": XTR (Lee et al., 2023), section 3.2, imputation of what was not found; "first" is the heuristic
    that MUVERA (Dhulipala et al., 2024, section 3.1) compares with.

    Examples
    --------
    >>> from nearfield.index import MultiVector
    >>> bags = Bags.from_list([np.eye(4, dtype=np.float32)[:2], np.eye(4, dtype=np.float32)[2:]])
    >>> MultiVector(TokenSearch(2)).build(bags).search(bags[1:], 1).rows
    array([[1]])
    """

    def __init__(self, nearest: int = 256, order: str = "sum"):
        self.nearest = check_int(nearest, "nearest", 1)
        self.order = check_choice(order, "order", ("sum", "first"))

    def __repr__(self) -> str:
        return f"TokenSearch(nearest={self.nearest}, order={self.order!r})"


class TokenCandidates(Candidates):
    """An index over all vectors of all bags."""

    def __init__(self, search: TokenSearch, index: Index):
        self.how = search
        self.rows = GrowingIndex(index)
        self.owners = GrowingArray(np.zeros(0, np.uint32))

    def build(self, bags: Bags, queries: Bags | None) -> None:
        asked = None if queries is None else queries.vectors.astype(np.float32)
        self.rows.build(bags.vectors, asked)
        self.owners = GrowingArray(bags.owners().astype(np.uint32))
        self._count = len(bags)

    def rebuilt(self, bags: Bags) -> TokenCandidates:
        made = TokenCandidates(self.how, as_fitted(self.rows.index))
        made.build(bags, None)
        return made

    def add(self, bags: Bags) -> None:
        self.rows.add(bags.vectors)
        self.owners.append((bags.owners() + self._count).astype(np.uint32))
        self._count += len(bags)

    def search(self, queries: Bags, count: int, allow: np.ndarray | None, threads: int | None) -> np.ndarray:
        owners = self.owners.rows
        asked = queries.vectors.astype(np.float32)
        found = self.rows.search(asked, self.how.nearest, None if allow is None else allow[owners], threads)
        out = np.full((len(queries), count), -1, np.int64)
        for row, (begin, end) in enumerate(zip(queries.offsets[:-1], queries.offsets[1:], strict=True)):
            best = self._ranked(found.scores[begin:end], found.rows[begin:end], owners)[:count]
            out[row, : len(best)] = best
        return out

    def _ranked(self, scores: np.ndarray, rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
        asked, place = np.nonzero(rows >= 0)
        bags = owners[rows[asked, place]].astype(np.int64)
        known, own = np.unique(bags, return_inverse=True)
        if self.how.order == "first":
            first = np.full(len(known), rows.shape[1])
            np.minimum.at(first, own, place)
            least = np.full(len(known), np.inf)
            np.minimum.at(least, own, scores[asked, place].astype(np.float64))
            return known[np.lexsort((least, first))]
        last = np.where(rows >= 0, scores, -np.inf).max(axis=1, initial=-np.inf)
        best = np.repeat(np.where(np.isfinite(last), last, 0)[:, None], len(known), axis=1)
        np.minimum.at(best, (asked, own), scores[asked, place])
        return known[np.argsort(best.sum(axis=0, dtype=np.float64), kind="stable")]

    def memory(self) -> dict[str, int]:
        return {"candidates": self.rows.memory() + self.owners.rows.nbytes, "encoding": 0}

    def meta(self) -> dict[str, Any]:
        how = {"nearest": self.how.nearest, "order": self.how.order}
        return {"kind": "tokens", "search": how, "count": self._count, "index": self.rows.meta()}

    def arrays(self) -> dict[str, np.ndarray]:
        return self.rows.arrays() | {"owners": self.owners.rows}


def make_candidates(how: BagEncoding | TokenSearch, index: Index) -> Candidates:
    """Candidates of either kind."""
    return TokenCandidates(how, index) if isinstance(how, TokenSearch) else EncodedCandidates(how, index)


def restore_candidates(
    meta: dict[str, Any], arrays: dict[str, np.ndarray], dim: int, lengths: np.ndarray, check: bool
) -> EncodedCandidates | TokenCandidates:
    """From what ``meta()`` and ``arrays()`` gave, for bags of these ``lengths``; ValueError where they do not fit."""
    rows = GrowingIndex.restore(meta["index"], arrays, check)
    made: EncodedCandidates | TokenCandidates
    if meta["kind"] == "tokens":
        made = TokenCandidates.__new__(TokenCandidates)
        made.how, made.rows, made._count = TokenSearch(**meta["search"]), rows, check_int(meta["count"], "count", 1)
        owners = arrays["owners"]
        if owners.dtype != np.uint32 or not np.array_equal(owners, np.repeat(np.arange(len(lengths)), lengths)):
            raise ValueError("owners: expected the bag of every vector")
        made.owners = GrowingArray(owners)
        expected = (len(owners), dim)
    else:
        made = EncodedCandidates.__new__(EncodedCandidates)
        made.encoding, made.rows = encoding_from_dict(meta["encoding"], dim, part(arrays, "encoding.")), rows
        expected = (len(lengths), made.encoding.dimensions_)
    if (len(rows), rows.index.dim) != expected:
        raise ValueError(f"candidates: expected {expected} vectors and dimensions, got {len(rows), rows.index.dim}")
    return made
