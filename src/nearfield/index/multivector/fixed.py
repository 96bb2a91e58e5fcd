"""Fixed-dimensional encodings: vectors summed cell by cell of a random or learnt partition, several times over."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from ... import native
from ...common.blas import one_blas_thread
from ...common.checks import check_choice, check_int, check_random_state
from ...encode.bags import Bags
from ..partition import partition as k_means
from .encoding import BagEncoding, blocks, restored

_SAMPLE = 1 << 15  # vectors that learnt cells are found on


class FixedDimensionalEncoding(BagEncoding):
    """Space is cut into cells; a query's vectors are summed in each cell, a document's are averaged, and matched.

    The product of the two sums, over the query's vectors, their mean product with the document's vectors of the same
    cell: near ones share a cell more often than others, so it approximates MaxSim, the better the more cells and
    repetitions there are (``cells * repetitions * projected`` dimensions; the published figures begin at some 5,000).
    Choose it for encoders trained for late interaction and where nothing may be learnt from the data; compress it with
    the codec of the index. On tokens of a mean-pooled encoder :class:`MeanEncoding` finds more in a tenth of the
    dimensions; ``residuals=True`` joins the two.

    Parameters
    ----------
    cells : of each partition. With "simhash" a power of two, 2 to 1024; 16 to 64 is a good start.
    repetitions : independent partitions, 1 to 1000; more lower the variance.
    projected : dimensions a cell's vector is projected to, by random signs; None keeps all.
    final : dimensions everything is projected to at the end, each going to a random place with a random sign; None
        leaves it.
    partition : "simhash" (sides of random hyperplanes) or "kmeans" (cells learnt from the documents' vectors).
    residuals : encode the documents' vectors without their mean, and put the mean before: a query's product with the
        mean is exact, and only what is left is approximated.
    fill : give a document's empty cell the vector of its nearest occupied cell. Without it a query's vector in such a
        cell counts as zero.
    random_state : seed of hyperplanes, projections and places.

    Notes
    -----
    Source: MUVERA (Dhulipala et al., 2024), section 2, and its supplement for the final projection. With k hyperplanes
    there are 2**k cells; queries are summed and documents averaged, which makes the estimate one-sided (theorem 2.1).
    Departures: an empty cell is given the mean of the nearest occupied cell, by the hyperplanes between them (by
    centroids for "kmeans"), rather than one nearest vector; learnt cells and residuals are ours. The paper's scale is
    kept, divided by the repetitions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bags = Bags.from_list([rng.standard_normal((9, 8), np.float32) for _ in range(5)])
    >>> encoding = FixedDimensionalEncoding(cells=4, repetitions=3, projected=None).fit(bags)
    >>> encoding.documents(bags).shape
    (5, 96)
    """

    name: ClassVar[str] = "fixed"

    def __init__(
        self,
        cells: int = 16,
        repetitions: int = 10,
        projected: int | None = 16,
        *,
        final: int | None = None,
        partition: str = "simhash",
        residuals: bool = False,
        fill: bool = True,
        random_state: int = 0,
    ):
        self.cells = check_int(cells, "cells", 2, 1024)
        self.partition = check_choice(partition, "partition", ("simhash", "kmeans"))
        if self.partition == "simhash" and self.cells & (self.cells - 1):
            raise ValueError(f"cells: expected a power of two with partition='simhash', got {cells}")
        self.repetitions = check_int(repetitions, "repetitions", 1, 1000)
        self.projected = None if projected is None else check_int(projected, "projected", 1, native.MAX_DIM)
        self.final = None if final is None else check_int(final, "final", 1, native.MAX_DIM)
        self.residuals, self.fill = bool(residuals), bool(fill)
        self.random_state = check_random_state(random_state)

    def _parameters(self) -> dict[str, Any]:
        names = ("cells", "repetitions", "projected", "final", "partition", "residuals", "fill", "random_state")
        return {name: getattr(self, name) for name in names}

    def _fit(self, bags: Bags, queries: Bags | None) -> None:
        self._shape(bags.dim)
        rng = np.random.default_rng(self.random_state)
        if self.partition == "simhash":
            bits = self.cells.bit_length() - 1
            self.cells_ = rng.standard_normal((self.repetitions, bits, bags.dim), np.float32)
        else:
            self.cells_ = np.stack([self._learnt_cells(bags, rng) for _ in range(self.repetitions)])
        width = self._width(bags.dim)
        self.projections_ = np.zeros((0, width, bags.dim), np.float32)
        if self.projected is not None:
            signs = rng.integers(0, 2, (self.repetitions, width, bags.dim)) * 2 - 1
            self.projections_ = (signs / np.sqrt(width)).astype(np.float32)
        inner = self.repetitions * self.cells * width
        self.places_ = np.zeros(0, np.int32)
        if self.final is not None:  # the place, and as its sign that of the dimension: never zero
            self.places_ = ((rng.integers(0, self.final, inner) + 1) * (rng.integers(0, 2, inner) * 2 - 1)).astype("i4")

    def _learnt_cells(self, bags: Bags, rng: np.random.Generator) -> np.ndarray:
        rows = rng.permutation(len(bags.vectors))[: max(_SAMPLE, self.cells)]
        sample = bags.vectors[np.sort(rows)].astype(np.float32)
        found = k_means(sample, min(self.cells, len(sample)), unit=False, seed=int(rng.integers(2**31))).centroids
        return found[np.arange(self.cells) % len(found)]  # fewer vectors than cells: some cells stay empty

    def _width(self, dim: int) -> int:
        return dim if self.projected is None else min(self.projected, dim)

    def _shape(self, dim: int) -> None:
        encoded = self.repetitions * self.cells * self._width(dim)
        kept = encoded if self.final is None else self.final
        self.dimensions_ = kept + (dim if self.residuals else 0)
        if self.dimensions_ > native.MAX_DIM:
            raise ValueError(
                f"cells, repetitions, projected: expected at most {native.MAX_DIM} dimensions in all, "
                f"got {self.dimensions_}; use a final projection"
            )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Hyperplanes or centroids, projections, and places of the final projection."""
        self._fitted()
        return {"cells": self.cells_, "projections": self.projections_, "places": self.places_}

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        self._shape(dim)
        width = self._width(dim)
        sides = self.cells.bit_length() - 1 if self.partition == "simhash" else self.cells
        self.cells_ = restored(arrays, "cells", (self.repetitions, sides, dim))
        shape = (0 if self.projected is None else self.repetitions, width, dim)
        self.projections_ = restored(arrays, "projections", shape)
        self.places_ = np.ascontiguousarray(arrays["places"])
        inner = 0 if self.final is None else self.repetitions * self.cells * width
        sizes = np.abs(self.places_.astype(np.int64))
        if self.places_.shape != (inner,) or (inner and not (1 <= sizes.min() <= sizes.max() <= (self.final or 0))):
            raise ValueError(f"places: expected {inner} of 1 to {self.final} with a sign, got {self.places_.shape}")
        super()._restore(dim, arrays)

    def _documents(self, bags: Bags) -> np.ndarray:
        return self._encode(bags, documents=True)

    def _queries(self, bags: Bags) -> np.ndarray:
        return self._encode(bags, documents=False)

    def _encode(self, bags: Bags, documents: bool) -> np.ndarray:
        out = np.empty((len(bags), self.dimensions_), np.float32)
        done = 0
        with one_blas_thread():  # sums in one order: the same bits for any number of threads
            for part in blocks(bags, max(1, (1 << 22) // self.dim_)):
                self._encode_block(part, documents, out[done : done + len(part)])
                done += len(part)
        return out

    def _encode_block(self, bags: Bags, documents: bool, out: np.ndarray) -> None:
        vectors = bags.vectors.astype(np.float32)
        owners, n = bags.owners(), len(bags)
        coded = vectors
        if self.residuals:
            means = bags.means()
            out[:, : self.dim_] = means if documents else means * bags.lengths[:, None].astype(np.float32)
            coded = vectors - means[owners] if documents else vectors
            out = out[:, self.dim_ :]
        if self.final is not None:
            out[:] = 0
        width = self._width(self.dim_)
        size = self.cells * width
        for number in range(self.repetitions):
            codes = self._cell_numbers(vectors, number)
            turned = coded @ self.projections_[number].T if self.projected is not None else coded
            places = owners * self.cells + codes
            entries = (np.ones(len(places), np.float32), (places, np.arange(len(places))))
            sums = (sparse.csr_matrix(entries, shape=(n * self.cells, len(places))) @ turned).reshape(n, -1, width)
            if documents:
                counts = np.bincount(places, minlength=n * self.cells).reshape(n, self.cells)
                sums /= np.maximum(counts, 1)[:, :, None].astype(np.float32)
                if self.fill:
                    sums = np.take_along_axis(sums, self._nearest(number, counts > 0)[:, :, None], axis=1)
            flat = sums.reshape(n, size) / np.float32(np.sqrt(self.repetitions))
            if self.final is None:
                out[:, number * size : (number + 1) * size] = flat
            else:
                own = self.places_[number * size : (number + 1) * size]
                spread = (np.sign(own).astype(np.float32), (np.arange(size), np.abs(own) - 1))
                out += (sparse.csr_matrix(spread, shape=(size, self.final)).T @ flat.T).T

    def _cell_numbers(self, vectors: np.ndarray, number: int) -> np.ndarray:
        """The cell of every vector in a repetition."""
        if self.partition == "kmeans":
            return native.exact_search(self.cells_[number], vectors, 1, metric="l2").rows[:, 0]
        above = vectors @ self.cells_[number].T > 0
        return above @ (1 << np.arange(above.shape[1]))

    def _nearest(self, number: int, occupied: np.ndarray) -> np.ndarray:
        """For every cell of each document the occupied one nearest to it, itself where it is: int (n, cells)."""
        if self.partition == "simhash":
            sides = np.arange(self.cells)[:, None] >> np.arange(self.cells.bit_length() - 1) & 1
            apart = (sides[:, None] != sides[None]).sum(axis=2).astype(np.float32)
        else:
            centroids = self.cells_[number]
            apart = ((centroids[:, None] - centroids[None]) ** 2).sum(axis=2)
            np.fill_diagonal(apart, -1)
        found = np.empty(occupied.shape, np.int64)
        step = max(1, (1 << 22) // self.cells**2)
        for start in range(0, len(occupied), step):
            here = occupied[start : start + step]
            found[start : start + step] = np.where(here[:, None, :], apart[None], np.inf).argmin(axis=2)
        return found
