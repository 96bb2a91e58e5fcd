"""Our own index behind the peers' interface, in the configurations that are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from .adapters import Adapter, Peer
from .data import SAMPLE


class NearfieldGraph(Adapter):
    """:class:`nearfield.index.Graph` over a codec, with optional PCA and rescoring.

    ``bits`` is what the graph walks over (32 keeps float32); ``rescore`` the bits of the finer codes that order the
    answers, ``"vectors"`` for the mapped input itself (read at random, not resident), or None; ``residual`` the bits
    of a second level beside 4-bit codes instead; ``pca`` the share of the dimensions kept before the codes; ``depth``
    how many answers of the beam are rescored, as a multiple of k; ``slack`` searches beam b with width 1.5 b and slack
    b / 800; ``sample`` builds with the workload's sample queries, where it has some; the rest as in ``Graph``.
    """

    def __init__(
        self,
        bits: int = 8,
        rescore: int | str | None = None,
        pca: float | None = None,
        depth: int = 3,
        degree: int = 32,
        build_beam: int = 100,
        alpha: float = 1.2,
        layout: str = "lean",
        link_dims: int | None = None,
        slack: bool = False,
        sample: bool = False,
        residual: int | None = None,
    ):
        self.bits = bits
        self.rescore = rescore
        self.pca = pca
        self.depth = depth
        self.degree = degree
        self.build_beam = build_beam
        self.alpha = alpha
        self.layout = layout
        self.link_dims = link_dims
        self.slack = slack
        self.sample = sample
        self.residual = residual

    def prepare(self, base: np.ndarray, folder: Path) -> None:
        path = folder / SAMPLE
        self._queries = np.load(path) if self.sample and path.exists() else None

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        from ..index import Graph
        from ..quantize import Float32, ScalarQuantizer, TwoLevelQuantizer

        def codec(bits: int) -> Any:
            return Float32() if bits == 32 else ScalarQuantizer(bits=bits)

        finer = codec(self.rescore) if isinstance(self.rescore, int) else self.rescore
        if self.residual is not None:
            finer = "residual"
        native.set_threads(threads)
        self._index = Graph(
            metric,
            transform=self._pca(base.shape[1], metric),
            codec=codec(self.bits) if self.residual is None else TwoLevelQuantizer(self.residual),
            rescore=finer,
            degree=self.degree,
            build_beam=self.build_beam,
            alpha=self.alpha,
            layout=self.layout,
            link_dims=self.link_dims,
        ).build(
            base if finer == "vectors" else np.array(base),  # a copy: what is kept of it counts as the index's own
            queries=self._queries,
        )

    def _pca(self, dim: int, metric: str) -> Any:
        if self.pca is None:
            return None
        from ..transform import PCA

        return PCA(n_components=round(self.pca * dim), center=metric == "l2")

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        native.set_threads(threads)  # also for the transform of the queries
        candidates = None if self.rescore is None and self.residual is None else min(beam, self.depth * k)
        width, slack = (3 * beam // 2, beam / 800) if self.slack else (beam, None)
        return self._index.search(queries, k, beam=width, slack=slack, candidates=candidates, threads=threads).rows

    def reported_bytes(self) -> tuple[int, str] | None:
        return int(self._index.memory()["total"]), "index.memory()"


class NearfieldFlat(Adapter):
    """:class:`nearfield.index.Flat` over codes of few bits, rescored by 8-bit ones: a scan, whose beam is how many."""

    def __init__(self, bits: int = 1):
        self.bits = bits

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        from ..index import Flat
        from ..quantize import RotatedQuantizer, ScalarQuantizer

        native.set_threads(threads)
        self._index = Flat(metric, codec=RotatedQuantizer(self.bits), rescore=ScalarQuantizer(8)).build(np.array(base))

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        native.set_threads(threads)  # also for the rotation of the queries
        return self._index.search(queries, k, candidates=max(beam, k), threads=threads).rows

    def reported_bytes(self) -> tuple[int, str] | None:
        return int(self._index.memory()["total"]), "index.memory()"


class NearfieldLists(Adapter):
    """:class:`nearfield.index.IVF`: ``bits`` of its codes (32 keeps float32), ``lists`` as there; a beam is probes."""

    def __init__(self, bits: int = 8, lists: int | None = None):
        self.bits = bits
        self.lists = lists

    def build(self, base: np.ndarray, metric: str, threads: int) -> None:
        from ..index import IVF
        from ..quantize import Float32, ScalarQuantizer

        native.set_threads(threads)
        codec = Float32() if self.bits == 32 else ScalarQuantizer(bits=self.bits)
        self._index = IVF(metric, codec=codec, lists=self.lists).build(base)

    def search(self, queries: np.ndarray, k: int, beam: int, threads: int) -> np.ndarray:
        return self._index.search(queries, k, probes=beam, threads=threads).rows

    def reported_bytes(self) -> tuple[int, str] | None:
        return int(self._index.memory()["total"]), "index.memory()"


@cache
def version() -> str:
    """The package's version and a digest of the code an index stands on: a changed engine is measured again."""
    from .. import __version__

    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in ("native", "metric", "transform", "quantize", "index"):
        for path in sorted((root / room).glob("*")):
            if path.suffix in (".py", ".so"):
                digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"


def _peer(name: str, make: Callable[..., Adapter] = NearfieldGraph, *, default: bool = True, **parameters: Any) -> Peer:
    # NumPy's own threads would help the transform of a query even when one thread is asked for.
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    return Peer(
        name,
        "nearfield",
        "nearfield.index",
        make,
        parameters,
        default=default,
        environment=environment,
        find_version=version,
    )


OURS: tuple[Peer, ...] = (
    _peer("nearfield-8bit", bits=8),
    _peer("nearfield-8bit+slack", bits=8, slack=True),
    _peer("nearfield-fast", bits=8, layout="fast", link_dims=160, alpha=1.1),
    _peer("nearfield-fast+slack", bits=8, layout="fast", link_dims=160, alpha=1.1, slack=True),
    _peer("nearfield-fast-128", bits=8, layout="fast", link_dims=128, alpha=1.1),
    _peer("nearfield-8bit+queries", bits=8, sample=True, slack=True, alpha=1.0),
    _peer("nearfield-8bit-degree48", bits=8, degree=48, default=False),
    _peer("nearfield-8bit+mapped", bits=8, rescore="vectors", default=False),
    _peer("nearfield-f32", bits=32),
    _peer("nearfield-4bit+8", bits=4, rescore=8),
    _peer("nearfield-4+4bit", residual=4, slack=True, depth=4),
    _peer("nearfield-leanest", residual=1, degree=14, build_beam=200, alpha=1.1, slack=True),
    _peer("nearfield-pca+8", bits=8, rescore=8, pca=0.5),
    _peer("nearfield-flat-1bit+8", NearfieldFlat, bits=1, default=False),
    _peer("nearfield-lists", NearfieldLists, bits=8, default=False),
    _peer("nearfield-lists-f32", NearfieldLists, bits=32, default=False),
)
