"""The peers behind one small interface: build over a base, search a batch with a beam, say the library's own size.

Parameters are those known to serve each library well on sets of this size (about 100,000 vectors of 400 to 800
dimensions); only ``beam`` (ef, window) varies while searching. Every call is the library's batch call with its own
threads, so that none pays for a Python loop. Cosine workloads have unit vectors, for which inner product and squared
Euclidean distance give the same order: each library gets the one it was faster with in a trial of both.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


class Adapter(ABC):
    """One index of one library."""

    def prepare(self, base: np.ndarray, folder: Path) -> None:  # noqa: B027
        """Whatever the library needs before it builds; not timed. ``folder`` is that of the workload's files."""

    @abstractmethod
    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        """Index ``base``, a read-only mapped float32 array."""

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        """Rows (q, k) of one batch."""

    @abstractmethod
    def reported_bytes(self) -> tuple[int, str] | None:
        """The library's own figure and what it is, or None when it has none."""


@dataclass(frozen=True)
class Peer:
    """A named configuration: which library, with which parameters, made by ``make(**parameters)``.

    ``beams`` is the ladder a sweep climbs; ``environment`` is added to the process's own; ``default`` says whether it
    is measured when no names are given.
    """

    name: str
    package: str
    module: str
    make: Callable[..., Adapter]
    parameters: dict[str, Any] = field(default_factory=dict)
    beams: tuple[int, ...] = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900, 1280)
    default: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    find_version: Callable[[], str] | None = None

    def version(self) -> str | None:
        """The installed version, or None when the package is absent."""
        if importlib.util.find_spec(self.module) is None:
            return None
        if self.find_version is not None:
            return self.find_version()
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"


def saved_bytes(save: Callable[[str], Any]) -> tuple[int, str]:
    """The size of what ``save(path)`` leaves behind."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "index"
        save(str(target))
        files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files), "saved index"


class HnswlibIndex(Adapter):
    """hnswlib."""

    def __init__(self, M: int = 16, ef_construction: int = 200):
        self.M = M
        self.ef_construction = ef_construction

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        import hnswlib

        self._index = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=base.shape[1])
        self._index.init_index(len(base), ef_construction=self.ef_construction, M=self.M, random_seed=1)
        self._index.add_items(base, num_threads=threads)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        self._index.set_ef(beam)
        rows, _ = self._index.knn_query(queries, k=k, num_threads=threads)
        return rows.astype(np.int64)

    def reported_bytes(self) -> tuple[int, str] | None:
        return int(self._index.index_file_size()), "saved index"


class FaissIndex(Adapter):
    """faiss: any factory text; ``beam`` sets efSearch of a graph or nprobe of an inverted file."""

    def __init__(self, factory: str, ef_construction: int = 200):
        self.factory = factory
        self.ef_construction = ef_construction

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.index_factory(base.shape[1], self.factory, kind)
        if self.factory.startswith("HNSW"):
            self._index.hnsw.efConstruction = self.ef_construction
        self._index.train(base)
        self._index.add(base)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        import faiss

        faiss.omp_set_num_threads(threads)
        if self.factory.startswith("HNSW"):
            self._index.hnsw.efSearch = beam
        else:
            self._index.nprobe = beam
        return self._index.search(queries, k)[1]

    def reported_bytes(self) -> tuple[int, str] | None:
        import faiss

        return saved_bytes(lambda path: faiss.write_index(self._index, path))


class UsearchIndex(Adapter):
    """usearch."""

    def __init__(self, dtype: str = "f32", connectivity: int = 16, expansion_add: int = 200):
        self.dtype = dtype
        self.connectivity = connectivity
        self.expansion_add = expansion_add

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        from usearch.index import Index

        self._index = Index(
            ndim=base.shape[1],
            metric="l2sq",  # unit vectors: the same order as cosine, and the fastest kernels in every dtype
            dtype=self.dtype,
            connectivity=self.connectivity,
            expansion_add=self.expansion_add,
            enable_key_lookups=False,
        )
        self._index.add(np.arange(len(base), dtype=np.uint64), self._coded(base, fit=True), threads=threads)

    def _coded(self, vectors: np.ndarray, fit: bool = False) -> np.ndarray:
        """Codes over the range of the base for ``i8``: usearch's own cast to it scales every vector to unit length."""
        if self.dtype != "i8":
            return vectors
        if fit:
            self._low, high = np.quantile(vectors[:: max(1, len(vectors) // 10_000)], (0.0001, 0.9999))
            self._step = max(float(high - self._low), 1e-30) / 254
        return np.clip(np.rint((vectors - self._low) / self._step) - 127, -127, 127).astype(np.int8)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        self._index.expansion_search = beam
        found = self._index.search(self._coded(queries), k, threads=threads)
        return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)

    def reported_bytes(self) -> tuple[int, str] | None:
        return int(self._index.memory_usage), "memory_usage"


class SvsIndex(Adapter):
    """scalable-vs: Vamana over float32, LVQ or LeanVec.

    ``bits`` is None for float32, ``(primary, residual)`` for LVQ; ``leanvec`` is the reduced dimension of LeanVec.
    """

    def __init__(
        self,
        bits: tuple[int, int] | None = None,
        leanvec: int | None = None,
        graph_max_degree: int = 64,
        window_size: int = 128,
    ):
        self.bits = bits
        self.leanvec = leanvec
        self.graph_max_degree = graph_max_degree
        self.window_size = window_size

    def prepare(self, base: np.ndarray, folder: Path) -> None:
        if self.bits is None and self.leanvec is None:
            return
        import svs

        self._folder = tempfile.TemporaryDirectory()
        svs.write_vecs(np.ascontiguousarray(base), os.path.join(self._folder.name, "base.fvecs"))

    def _source(self, base: np.ndarray) -> Any:
        if self.bits is None and self.leanvec is None:
            return base
        import svs

        path = os.path.join(self._folder.name, "base.fvecs")
        loader = svs.VectorDataLoader(path, svs.DataType.float32, dims=base.shape[1])
        if self.bits is not None:
            return svs.LVQLoader(loader, primary=self.bits[0], residual=self.bits[1], padding=32)
        lvq8 = svs.LeanVecKind.lvq8
        return svs.LeanVecLoader(loader, self.leanvec, primary_kind=lvq8, secondary_kind=lvq8)

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        import svs

        parameters = svs.VamanaBuildParameters(
            alpha=1.2, graph_max_degree=self.graph_max_degree, window_size=self.window_size
        )
        source = self._source(base)
        self._index = svs.Vamana.build(parameters, source, svs.DistanceType.L2, num_threads=threads)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        if self._index.num_threads != threads:
            self._index.num_threads = threads
        self._index.search_window_size = beam
        return self._index.search(queries, k)[0].astype(np.int64)

    def reported_bytes(self) -> tuple[int, str] | None:
        def save(path: str) -> None:
            os.mkdir(path)
            self._index.save(*(os.path.join(path, part) for part in ("config", "graph", "data")))

        return saved_bytes(save)


class SymphonyIndex(Adapter):
    """rabitqlib's SymphonyQG: ``bits`` 0 keeps raw vectors for the exact scores, 8 and 4 keep codes."""

    def __init__(self, bits: int = 0, max_degree: int = 32, ef_construction: int = 200):
        self.bits = bits
        self.max_degree = max_degree
        self.ef_construction = ef_construction

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        from rabitqlib import SymqgIndex

        self._index = SymqgIndex(base.shape[1], self.max_degree, "l2", self.bits)
        self._index.build(base, self.ef_construction, threads)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        return self._index.search_batch(queries, k, beam, threads)[0].astype(np.int64)

    def reported_bytes(self) -> tuple[int, str] | None:
        return saved_bytes(self._index.save)


_PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

PEERS: tuple[Peer, ...] = (
    Peer("hnswlib", "hnswlib", "hnswlib", HnswlibIndex, {"M": 16, "ef_construction": 200}),
    Peer("faiss-hnsw", "faiss-cpu", "faiss", FaissIndex, {"factory": "HNSW32"}),
    Peer("faiss-hnsw-sq8", "faiss-cpu", "faiss", FaissIndex, {"factory": "HNSW32_SQ8"}),
    Peer("faiss-ivf", "faiss-cpu", "faiss", FaissIndex, {"factory": "IVF512,Flat"}, _PROBES, default=False),
    Peer("usearch-f32", "usearch", "usearch", UsearchIndex, {"dtype": "f32"}),
    Peer("usearch-bf16", "usearch", "usearch", UsearchIndex, {"dtype": "bf16"}),
    Peer("usearch-i8", "usearch", "usearch", UsearchIndex, {"dtype": "i8"}),
    Peer("svs-f32", "scalable-vs", "svs", SvsIndex, {}),
    Peer("svs-lvq8", "scalable-vs", "svs", SvsIndex, {"bits": (8, 0)}),
    Peer("svs-lvq4x8", "scalable-vs", "svs", SvsIndex, {"bits": (4, 8)}),
    Peer("svs-leanvec", "scalable-vs", "svs", SvsIndex, {"leanvec": 160}, default=False),
    Peer("symqg", "rabitqlib", "rabitqlib", SymphonyIndex, {"bits": 0}),
    Peer("symqg-8bit", "rabitqlib", "rabitqlib", SymphonyIndex, {"bits": 8}),
)
