"""A learnt encoding: the mean of a document, and what its mean leaves unsaid of its products with sample vectors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ... import native
from ...common.blas import one_blas_thread
from ...common.checks import check_int, check_random_state, check_real
from ...encode.bags import Bags
from .encoding import BagEncoding, blocks, restored

_DOCUMENTS = 2500  # of which the map of documents is learnt
_VECTORS = 20_000  # of queries, of which the map of queries is learnt
_SHRINKAGE = 1e-3  # of both covariances, towards a multiple of the identity


class LearnedEncoding(BagEncoding):
    """Learns, from sample queries without answers, which few numbers of a document its MaxSim depends on.

    MaxSim sums, over the query's vectors x, what a document answers to x: the best product of x with any of its
    vectors. Every document is asked for its answers to some hundred sample vectors, and those to any other x are
    predicted: by the product with the document's mean, and by a kernel regression of what that leaves. Both are linear
    in numbers of the document, of which the few that matter most for the sample queries are kept.

    The encoding to take where sample queries can be had: on SciFact with MiniLM's tokens 384 dimensions find 0.97 of
    the exact ten best among 100 candidates, where the mean of the same size finds 0.94, and plain fixed-dimensional
    encodings of 10,240 dimensions 0.88. Without sample queries it learns from vectors of the documents, which serves
    as far as queries are like them. A document costs ``anchors`` products for each of its vectors when it is added.

    Parameters
    ----------
    dimensions : kept. More of them in fewer bits find more: on SciFact 384 in 8 bits (400 bytes) 0.964 among 100, 768
        in 2 bits of a ``RotatedQuantizer`` (208 bytes) 0.968, 768 in 1 bit (112 bytes) 0.953.
    anchors : sample vectors, at most as many as there are; 500 to 1,500. Time and the maps' memory grow with them.
    width : how fast the kernel falls, in squared lengths of the vectors; 2 to 8 serve about alike for unit vectors.
    ridge : of the regression; more trusts the mean more.
    random_state : seed of the draws.

    Attributes
    ----------
    anchors_ : float32 (anchors, d).
    query_map_, document_map_, offset_ : float32, from the vector (or mean) and the kernel's values (or answers) to the
        dimensions kept.

    Notes
    -----
    After LEMUR (Jääsaari, Hyvönen and Roos, 2026), which predicts the same answers by a network with one hidden layer
    and takes a document's output weights for its vector. Departures: the prediction starts from the mean; the hidden
    layer is a Gaussian kernel at the sample vectors, solved for in closed form; and the dimensions are those of the
    best low-rank approximation of predicted scores under the covariances of queries and documents, so that fewer of
    them are the first of more.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> centres = rng.standard_normal((60, 8), np.float32)
    >>> bags = Bags.from_list([c + rng.standard_normal((9, 8), np.float32) for c in centres]).unit()
    >>> encoding = LearnedEncoding(6, anchors=50).fit(bags, bags[:20])
    >>> (encoding.queries(bags[:5]) @ encoding.documents(bags).T).shape
    (5, 60)
    """

    name: ClassVar[str] = "learned"

    def __init__(
        self,
        dimensions: int = 384,
        *,
        anchors: int = 1024,
        width: float = 4.0,
        ridge: float = 0.3,
        random_state: int = 0,
    ):
        self.dimensions = check_int(dimensions, "dimensions", 1, native.MAX_DIM)
        self.anchors = check_int(anchors, "anchors", 1, 8192)
        self.width = check_real(width, "width", 0.0, 1e6, open_low=True)
        self.ridge = check_real(ridge, "ridge", 0.0, 1e6, open_low=True)
        self.random_state = check_random_state(random_state)

    def _parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("dimensions", "anchors", "width", "ridge", "random_state")}

    def _fit(self, bags: Bags, queries: Bags | None) -> None:
        rng = np.random.default_rng(self.random_state)
        source = bags if queries is None else queries
        seen = source.take(np.sort(_bags_with(source, rng, _VECTORS)))
        vectors = seen.vectors.astype(np.float32)
        with one_blas_thread():
            self.anchors_ = vectors[np.sort(rng.permutation(len(vectors))[: self.anchors])].copy()
            self.scale_ = float((self.anchors_.astype(np.float64) ** 2).sum()) / len(self.anchors_)
            some = bags.take(np.sort(rng.permutation(len(bags))[:_DOCUMENTS]))
            means, answers = self._parts(some)
            expected = means @ self.anchors_.T
            centred, middle = expected - expected.mean(axis=0), answers.mean(axis=0)
            power = float((centred.astype(np.float64) ** 2).sum())
            trust = float((centred * (answers - middle)).sum(dtype=np.float64)) / power if power > 0 else 1.0
            left = (answers - middle) - trust * centred
            size = len(self.anchors_)
            kernel = self._kernel(self.anchors_).astype(np.float64)
            kernel[np.diag_indices(size)] += self.ridge
            inverse = np.linalg.inv(kernel)
            # A query's vector x and a document as numbers whose product is the predicted answer.
            asked = np.concatenate([trust * vectors, self._kernel(vectors) @ inverse.astype(np.float32)], axis=1)
            known = np.concatenate([means - means.mean(axis=0), left], axis=1)
            sums = np.add.reduceat(asked, seen.offsets[:-1], axis=0)
            of_queries = 0.5 * _covariance(asked) + 0.5 * _covariance(sums)
            to_query, to_document = _low_rank(of_queries, _covariance(known), self.dimensions)
            d = bags.dim
            query_map = np.concatenate([trust * to_query[:, :d], to_query[:, d:] @ inverse], axis=1)
            plain = to_document[:, :d] - trust * (to_document[:, d:] @ self.anchors_.astype(np.float64))
            document_map = np.concatenate([plain, to_document[:, d:]], axis=1)
            offset = -(document_map @ np.concatenate([means.mean(axis=0), middle]).astype(np.float64))
        self.query_map_, self.document_map_ = (np.ascontiguousarray(m, np.float32) for m in (query_map, document_map))
        self.offset_ = offset.astype(np.float32)
        self.dimensions_ = len(offset)

    def _kernel(self, vectors: np.ndarray) -> np.ndarray:
        """Of every vector with every anchor: float32 (t, anchors)."""
        products = vectors @ self.anchors_.T
        own = np.einsum("ij,ij->i", vectors, vectors)[:, None] + np.einsum("ij,ij->i", self.anchors_, self.anchors_)
        apart = np.maximum(own - 2 * products, 0)
        return np.exp((-0.5 * self.width / self.scale_ if self.scale_ > 0 else 0.0) * apart)

    def _parts(self, bags: Bags) -> tuple[np.ndarray, np.ndarray]:
        """The unit mean of every bag, and its answer to every anchor."""
        answers = np.empty((len(bags), len(self.anchors_)), np.float32)
        done = 0
        for part in blocks(bags, 4096):
            products = part.vectors.astype(np.float32) @ self.anchors_.T
            answers[done : done + len(part)] = np.maximum.reduceat(products, part.offsets[:-1], axis=0)
            done += len(part)
        return bags.means(normalize=True), answers

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Anchors, maps and offset."""
        self._fitted()
        scale = np.array([self.scale_], np.float64)
        maps = {"query_map": self.query_map_, "document_map": self.document_map_, "offset": self.offset_}
        return {"anchors": self.anchors_, "scale": scale, **maps}

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        anchors, kept = len(arrays["anchors"]), len(arrays["offset"])
        self.anchors_ = restored(arrays, "anchors", (anchors, dim))
        self.query_map_ = restored(arrays, "query_map", (kept, dim + anchors))
        self.document_map_ = restored(arrays, "document_map", (kept, dim + anchors))
        self.offset_ = restored(arrays, "offset", (kept,))
        scale = arrays["scale"]
        if scale.shape != (1,) or not np.isfinite(scale).all() or not 1 <= kept <= native.MAX_DIM:
            raise ValueError(f"scale: expected one finite number, got {scale}")
        self.scale_, self.dimensions_ = float(scale[0]), kept
        super()._restore(dim, arrays)

    def _documents(self, bags: Bags) -> np.ndarray:
        with one_blas_thread():
            return np.concatenate(self._parts(bags), axis=1) @ self.document_map_.T + self.offset_

    def _queries(self, bags: Bags) -> np.ndarray:
        out = np.empty((len(bags), self.dimensions_), np.float32)
        done = 0
        with one_blas_thread():
            for part in blocks(bags, 4096):
                vectors = part.vectors.astype(np.float32)
                both = np.concatenate([vectors, self._kernel(vectors)], axis=1)
                out[done : done + len(part)] = np.add.reduceat(both, part.offsets[:-1], axis=0) @ self.query_map_.T
                done += len(part)
        return out


def _bags_with(bags: Bags, rng: np.random.Generator, vectors: int) -> np.ndarray:
    """Bags at random that hold about so many vectors, at least one."""
    order = rng.permutation(len(bags))
    return order[: max(1, int(np.searchsorted(np.cumsum(bags.lengths[order]), vectors, side="right")))]


def _covariance(rows: np.ndarray) -> np.ndarray:
    """Second moments, of trace one, shrunk."""
    moments = (rows.T @ rows).astype(np.float64)
    trace = float(np.trace(moments))
    size = len(moments)
    return (moments / trace if trace > 0 else 0 * moments) + _SHRINKAGE / size * np.eye(size)


def _low_rank(of_queries: np.ndarray, of_documents: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps A, B of few rows, such that ``(A y) @ (B z)`` is the nearest to ``y @ z`` for y and z of these moments."""
    roots, inverses = [], []
    for moments in (of_queries, of_documents):
        values, directions = np.linalg.eigh(moments)
        values = np.maximum(values, np.finfo(float).tiny)
        roots.append(directions * np.sqrt(values))
        inverses.append(directions / np.sqrt(values))
    left, values, right = np.linalg.svd(roots[0].T @ roots[1])
    kept = min(dimensions, len(values))
    split = np.sqrt(values[:kept, None])  # on both sides alike: codes of either lose least
    return split * (left[:, :kept].T @ inverses[0].T), split * (right[:kept] @ inverses[1].T)
