"""The vectors of points that are held in memory: dense, many for a point, and sparse; each scored exactly.

A *similarity* is larger where vectors are nearer: the cosine, the inner product, minus the squared Euclidean or minus
the Manhattan distance. :meth:`Space.shown` makes of it the score that Qdrant shows. Rows are only ever appended.

Sources: MaxSim of late interaction (Khattab and Zaharia, ColBERT, SIGIR 2020); IDF as in BM25.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from .columns import Growing
from .refusal import bad, unsupported

DISTANCES = ("Cosine", "Dot", "Euclid", "Manhattan")
# A vector shorter than this has no direction: it stays as it is under cosine.
_SHORTEST = np.finfo(np.float32).eps
# Numbers that are compared at a time: two megabytes, which stay in a processor's cache.
_BLOCK = 1 << 19


def similarities(rows: np.ndarray, query: np.ndarray, distance: str) -> np.ndarray:
    """Of some rows (n, d) with one query (d,): float32 (n,); under cosine both are of length 1."""
    if distance in ("Cosine", "Dot"):
        return rows @ query
    step = max(1, _BLOCK // max(1, len(query)))
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), step):
        apart = rows[start : start + step] - query
        found[start : start + step] = -(
            np.einsum("ij,ij->i", apart, apart) if distance == "Euclid" else np.abs(apart).sum(axis=1)
        )
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows at length 1, those too short for a direction as they are."""
    lengths = np.sqrt(np.einsum("...j,...j->...", vectors, vectors, dtype=np.float64))[..., None]
    return np.where(lengths > _SHORTEST, vectors / np.where(lengths > 0, lengths, 1.0), vectors).astype(np.float32)


def _numbers(value: Any, what: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            array = np.array(value, np.float32)
    except (ValueError, TypeError, OverflowError):
        raise bad(f"{what}: expected numbers, in rows of one length where there are rows") from None
    if not np.isfinite(array).all():
        raise bad(f"{what}: expected finite numbers that fit a float32")
    return array


class Space(ABC):
    """One kind of vector of a collection: how it is read, kept and compared.

    Parameters
    ----------
    name : its name, "" for the only one.
    """

    def __init__(self, name: str):
        self.name = name

    @abstractmethod
    def parse(self, value: Any, *, query: bool = False) -> Any:
        """A vector of a request, checked, as it is kept."""

    def ready(self, vector: Any) -> Any:
        """A vector of a query as it is compared: examples are averaged as they came, then brought to length 1."""
        return vector

    @abstractmethod
    def to_json(self, vector: Any) -> Any:
        """A vector as an answer shows it."""

    @abstractmethod
    def pack(self, vector: Any) -> str:
        """A vector as text, every bit of it."""

    @abstractmethod
    def unpack(self, text: str) -> Any:
        """The vector of a text."""

    @abstractmethod
    def mean(self, positive: Sequence[Any], negative: Sequence[Any]) -> Any:
        """The query that asks for what is like the positive examples and unlike the negative ones."""

    @property
    def distance(self) -> str:
        """What is compared."""
        return "Dot"

    @property
    def smaller_is_better(self) -> bool:
        """Whether the scores shown are distances."""
        return self.distance in ("Euclid", "Manhattan")

    def shown(self, similarity: np.ndarray) -> np.ndarray:
        """The scores of a search for what is nearest."""
        if self.distance == "Euclid":
            return np.sqrt(np.abs(similarity))
        return np.abs(similarity) if self.distance == "Manhattan" else similarity

    @abstractmethod
    def held(self) -> Held:
        """An empty place for vectors of this kind."""

    def _title(self) -> str:
        return f"vector '{self.name}'" if self.name else "vector"


class Held(ABC):
    """Vectors in memory, by the row of their point."""

    @abstractmethod
    def add(self, row: int, vector: Any) -> None:
        """The vector of a row; rows ascend."""

    @abstractmethod
    def get(self, row: int) -> Any:
        """The vector of a row that has one."""

    @abstractmethod
    def score(self, query: Any, rows: np.ndarray) -> np.ndarray:
        """Similarities of a query with rows that have a vector: float32."""


class Dense(Space):
    """One vector of ``size`` numbers a point."""

    def __init__(self, name: str, size: int, distance: str):
        super().__init__(name)
        self.size = size
        self._distance = distance

    @property
    def distance(self) -> str:
        """What is compared."""
        return self._distance

    def parse(self, value: Any, *, query: bool = False) -> np.ndarray:
        """float32 (size,), of length 1 under cosine but in a query."""
        if not isinstance(value, list):
            if isinstance(value, dict) and "indices" not in value:
                raise unsupported("inference: a vector as a text or an image")
            raise bad(f"Wrong input: Conversion between sparse and regular vectors failed for {self._title()}")
        array = _numbers(value, f"Wrong input: {self._title()}")
        if array.ndim != 1:
            raise bad(f"Wrong input: Dense vector must be one-dimensional for {self._title()}")
        if len(array) != self.size:
            raise bad(
                f"Wrong input: Vector dimension error: expected dim: {self.size}, got {len(array)} for {self._title()}"
            )
        return array if query else self.ready(array)

    def ready(self, vector: np.ndarray) -> np.ndarray:
        """At length 1 under cosine."""
        return unit(vector) if self.distance == "Cosine" else vector

    def to_json(self, vector: np.ndarray) -> list[float]:
        """A list of numbers."""
        return vector.tolist()

    def pack(self, vector: np.ndarray) -> str:
        """Base64 of little-endian float32."""
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()

    def unpack(self, text: str) -> np.ndarray:
        """float32 (size,)."""
        return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)

    def mean(self, positive: Sequence[np.ndarray], negative: Sequence[np.ndarray]) -> np.ndarray:
        """Twice the mean of the positive less the mean of the negative, or the first alone."""
        middle = np.mean(positive, axis=0)
        if len(negative):
            middle = middle + middle - np.mean(negative, axis=0)
        return middle.astype(np.float32)

    def held(self) -> Held:
        """An empty place for such vectors."""
        return _HeldDense(self)


class _HeldDense(Held):
    def __init__(self, space: Dense):
        self._space = space
        self._vectors = Growing(np.float32, space.size)
        self._owners = Growing(np.int64)

    def add(self, row: int, vector: np.ndarray) -> None:
        self._owners.extend([row])
        self._vectors.extend(vector[None])

    def _places(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._owners.view(), rows)

    def get(self, row: int) -> np.ndarray:
        return self._vectors.view()[int(self._places(np.array([row]))[0])]

    def score(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        places, vectors = self._places(rows), self._vectors.view()
        if len(places) == len(vectors):  # rows ascend, so these are all
            return similarities(vectors, query, self._space.distance)
        if 2 * len(places) > len(vectors):
            return similarities(vectors, query, self._space.distance)[places]
        step = max(1, _BLOCK // self._space.size)
        found = [
            similarities(vectors[places[start : start + step]], query, self._space.distance)
            for start in range(0, len(places), step)
        ]
        return np.concatenate([np.empty(0, np.float32), *found])


class Bags(Dense):
    """Several vectors a point, compared by MaxSim: for each vector of the query the most similar of the point's."""

    def parse(self, value: Any, *, query: bool = False) -> np.ndarray:
        """float32 (n, size), each row of length 1 under cosine but in a query."""
        if isinstance(value, dict) and "indices" not in value:
            raise unsupported("inference: a vector as a text or an image")
        if not isinstance(value, list):
            raise bad(f"Wrong input: Conversion between sparse and regular vectors failed for {self._title()}")
        if not value:
            raise bad(f"Wrong input: Multivector must not be empty for {self._title()}")
        array = _numbers(value, f"Wrong input: {self._title()}")
        if array.ndim == 1 and query:  # a single vector asks as a bag of one
            array = array[None]
        if array.ndim != 2 or array.shape[1] != self.size:
            got = array.shape[1] if array.ndim == 2 else f"{array.ndim} dimensions of nesting"
            raise bad(f"Wrong input: Vector dimension error: expected dim: {self.size}, got {got} for {self._title()}")
        return array if query else self.ready(array)

    def unpack(self, text: str) -> np.ndarray:
        """float32 (n, size)."""
        return super().unpack(text).reshape(-1, self.size)

    def mean(self, positive: Sequence[np.ndarray], negative: Sequence[np.ndarray]) -> np.ndarray:
        """All vectors of the positive, and those of the negative turned round."""
        return np.concatenate([*positive, *(-bag for bag in negative)])

    def held(self) -> Held:
        """An empty place for such bags."""
        return _HeldBags(self)


class _HeldBags(Held):
    def __init__(self, space: Bags):
        self._space = space
        self._vectors = Growing(np.float32, space.size)
        self._owners = Growing(np.int64)
        self._ends = Growing(np.int64)

    def add(self, row: int, vector: np.ndarray) -> None:
        self._owners.extend([row])
        self._vectors.extend(vector)
        self._ends.extend([len(self._vectors)])

    def _spans(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ends = np.concatenate([[0], self._ends.view()])
        places = np.searchsorted(self._owners.view(), rows)
        return ends[places], ends[places + 1]

    def get(self, row: int) -> np.ndarray:
        start, end = self._spans(np.array([row]))
        return self._vectors.view()[int(start[0]) : int(end[0])]

    def score(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            return np.empty(0, np.float32)
        starts, ends = self._spans(rows)
        vectors, distance = self._vectors.view(), self._space.distance
        found = np.zeros(len(rows), np.float32)
        # Bags that begin in one stretch of some thousand vectors are compared together.
        stretch = np.concatenate([[0], np.cumsum(ends - starts)[:-1]]) // max(1, _BLOCK // self._space.size)
        edges = [0, *(np.flatnonzero(np.diff(stretch)) + 1).tolist(), len(rows)]
        for some in map(slice, edges[:-1], edges[1:]):
            sizes = ends[some] - starts[some]
            first = np.cumsum(sizes) - sizes
            total = int(sizes.sum())
            begin, end = starts[some][0], ends[some][-1]
            if end - begin == total:  # one after the other: nothing is copied
                block = vectors[begin:end]
            else:
                block = vectors[np.arange(total) + np.repeat(starts[some] - first, sizes)]
            if distance in ("Cosine", "Dot"):  # all vectors of the query at once, so that a block is read once
                found[some] = np.maximum.reduceat(block @ query.T, first, axis=0).sum(axis=1)
                continue
            for one in query:
                found[some] += np.maximum.reduceat(similarities(block, one, distance), first)
        return found


Sparsed = tuple[np.ndarray, np.ndarray]  # dimensions uint32 ascending, values float32


class Sparse(Space):
    """A few of four thousand million numbers a point, compared by their inner product.

    Parameters
    ----------
    name : its name.
    idf : whether the values of a query are weighted by how rare their dimensions are.
    """

    def __init__(self, name: str, idf: bool):
        super().__init__(name)
        self.idf = idf

    def parse(self, value: Any, *, query: bool = False) -> Sparsed:
        """Dimensions in ascending order, and their values."""
        if not isinstance(value, dict):
            raise bad(f"Wrong input: Conversion between sparse and regular vectors failed for {self._title()}")
        if "indices" not in value:
            raise unsupported("inference: a vector as a text or an image")
        indices, values = value.get("indices"), value.get("values")
        if not isinstance(indices, list) or not isinstance(values, list) or len(indices) != len(values):
            raise bad(f"{self._title()}: expected as many 'values' as 'indices'")
        if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 32 for one in indices):
            raise bad(f"{self._title()}: expected 'indices' from 0 to 4294967295")
        if len(set(indices)) != len(indices):
            raise bad(f"{self._title()}: expected 'indices' that differ")
        numbers = _numbers(values, self._title())
        if numbers.ndim != 1:
            raise bad(f"{self._title()}: expected 'values' that are numbers")
        order = np.argsort(indices)
        return np.array(indices, np.uint32)[order], numbers[order]

    def to_json(self, vector: Sparsed) -> dict[str, Any]:
        """Two lists."""
        return {"indices": vector[0].tolist(), "values": vector[1].tolist()}

    def pack(self, vector: Sparsed) -> str:
        """Base64 of little-endian uint32 and float32, one after the other."""
        return base64.b64encode(
            np.asarray(vector[0], "<u4").tobytes() + np.asarray(vector[1], "<f4").tobytes()
        ).decode()

    def unpack(self, text: str) -> Sparsed:
        """Dimensions and values."""
        raw = base64.b64decode(text)
        half = len(raw) // 2
        return np.frombuffer(raw[:half], "<u4").astype(np.uint32), np.frombuffer(raw[half:], "<f4").astype(np.float32)

    def mean(self, positive: Sequence[Sparsed], negative: Sequence[Sparsed]) -> Sparsed:
        """As for dense vectors, dimension by dimension."""
        sums: dict[int, float] = {}
        for examples, sign in ((positive, 2.0 if negative else 1.0), (negative, -1.0)):
            for dimensions, values in examples:
                for dimension, value in zip(dimensions.tolist(), values.tolist(), strict=True):
                    sums[dimension] = sums.get(dimension, 0.0) + sign * value / len(examples)
        order = sorted(sums)
        return np.array(order, np.uint32), np.array([sums[dimension] for dimension in order], np.float32)

    def held(self) -> Held:
        """An empty place for such vectors."""
        return HeldSparse()


class HeldSparse(Held):
    """Sparse vectors, by dimension: a query looks at its own dimensions alone."""

    def __init__(self) -> None:
        self._vectors: dict[int, Sparsed] = {}
        self._postings: dict[int, tuple[Growing, Growing]] = {}
        self._rows = 0

    def add(self, row: int, vector: Sparsed) -> None:
        """The vector of a row; rows ascend."""
        self._vectors[row] = vector
        self._rows = row + 1
        for dimension, value in zip(vector[0].tolist(), vector[1].tolist(), strict=True):
            rows, values = self._postings.setdefault(dimension, (Growing(np.int64), Growing(np.float32)))
            rows.extend([row])
            values.extend([value])

    def get(self, row: int) -> Sparsed:
        """The vector of a row that has one."""
        return self._vectors[row]

    def score(self, query: Sparsed, rows: np.ndarray) -> np.ndarray:
        """The inner products, zero where no dimension is shared."""
        return self._sums(query)[0][rows]

    def overlapping(self, query: Sparsed, rows: np.ndarray) -> np.ndarray:
        """Which rows share a dimension with the query."""
        return self._sums(query)[1][rows]

    def _sums(self, query: Sparsed) -> tuple[np.ndarray, np.ndarray]:
        sums, shared = np.zeros(self._rows, np.float64), np.zeros(self._rows, bool)
        for dimension, weight in zip(query[0].tolist(), query[1].tolist(), strict=True):
            if dimension in self._postings:
                rows, values = (column.view() for column in self._postings[dimension])
                sums[rows] += values * weight
                shared[rows] = True
        return sums.astype(np.float32), shared

    def weighted(self, query: Sparsed, corpus: np.ndarray) -> Sparsed:
        """The query with each value times the IDF of its dimension among the rows of ``corpus``, bool by row."""
        total = int(corpus.sum())
        weights = np.empty(len(query[0]))
        for place, dimension in enumerate(query[0].tolist()):
            rows = self._postings[dimension][0].view() if dimension in self._postings else np.empty(0, np.int64)
            count = int(corpus[rows].sum())
            weights[place] = np.log((total - count + 0.5) / (count + 0.5) + 1.0)
        return query[0], (query[1] * weights).astype(np.float32)
