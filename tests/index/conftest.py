"""Vectors like embeddings, and every recipe of an index, each built once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from nearfield.index import IVF, Flat, Graph, Hash, Index
from nearfield.quantize import (
    Codec,
    Float16,
    Float32,
    ProductQuantizer,
    RotatedQuantizer,
    ScalarQuantizer,
    TwoLevelQuantizer,
)
from nearfield.transform import PCA

METRICS = ("cosine", "ip", "l2")
CODECS: dict[str, Callable[[], Codec]] = {
    "f32": Float32,
    "f16": Float16,
    "sq8": lambda: ScalarQuantizer(8),
    "sq4": lambda: ScalarQuantizer(4),
    "rotated4": lambda: RotatedQuantizer(4),
}
LEVELS: dict[str, Callable[[], Codec]] = {"levels4": TwoLevelQuantizer, "levels1": lambda: TwoLevelQuantizer(1)}
COARSE: dict[str, Callable[[], Codec]] = {"pq": lambda: ProductQuantizer(16)}
DIM = 32


def embed(n: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Thirty soft clusters whose variance falls from the first dimension to the last; lengths differ by a third."""
    rng = np.random.default_rng(seed)
    spread = 0.93 ** np.arange(dim)
    centers = np.random.default_rng(99).normal(size=(30, dim)) * spread
    rows = centers[rng.integers(0, 30, n)] + 0.7 * rng.normal(size=(n, dim)) * spread
    return (rows * np.exp(0.3 * rng.normal(size=(n, 1)))).astype(np.float32)


@cache
def rows(n: int, seed: int = 0) -> np.ndarray:
    array = embed(n, seed)
    array.flags.writeable = False
    return array


def fast_graph(*arguments: Any, **options: Any) -> Graph:
    """A graph of the fast layout."""
    return Graph(*arguments, layout="fast", **options)


class Recipe:
    """One combination of what an index can be made of."""

    def __init__(self, kind: Callable[..., Index], metric: str, codec: str, transform: bool, rescore: str | None):
        self.kind, self.metric, self.codec, self.transform, self.rescore = kind, metric, codec, transform, rescore
        self.is_graph = kind in (Graph, fast_graph)
        self.is_lists = kind is IVF
        self.is_hash = kind is Hash

    def make(self, **options: Any) -> Index:
        transform = PCA(20, center=self.metric == "l2") if self.transform else None
        rescore = CODECS[self.rescore]() if self.rescore in CODECS else self.rescore
        if self.is_graph:
            options = {"degree": 24, "build_beam": 60} | options
        if self.is_lists:
            options = {"lists": 60} | options
        if self.is_hash:
            options = {"tables": 6, "bits": 7} | options
        return self.kind(
            self.metric, transform=transform, codec=(CODECS | LEVELS | COARSE)[self.codec](), rescore=rescore, **options
        )

    @property
    def floor(self) -> float:
        """Recall at ten that the recipe must reach, in front of exact search, with beams and candidates as they are."""
        if self.codec in LEVELS:
            floor = (0.9 if self.transform else 0.97) if self.codec == "levels4" else 0.89
        elif self.rescore is not None:
            floor = 0.98
        elif self.codec in ("sq4", "rotated4"):
            floor = 0.85 if self.transform else 0.87
        else:
            floor = 0.90 if self.transform else 0.98
        # A seed moves a walk by 0.007, on so few queries.
        return floor - 0.02 * self.is_graph - 0.01 * (self.is_lists or self.is_hash)

    @property
    def settings(self) -> dict[str, int]:
        """What a search needs to reach the floor: by inner product the queries lie far from all rows, and walks err."""
        if self.is_lists:
            return {"probes": 45}
        if self.is_hash:
            return {"probes": 60}
        if not self.is_graph or self.metric != "ip":
            return {}
        return {"beam": 300 if self.kind is Graph else 1200}  # estimates from 32 signs, of queries that lie far away

    def __str__(self) -> str:
        parts = [self.kind.__name__, self.metric, self.codec, "pca" if self.transform else "", self.rescore or ""]
        return "-".join(part for part in parts if part)


RECIPES = [
    Recipe(*parts)
    for parts in product((Flat, Graph, fast_graph, IVF, Hash), METRICS, CODECS, (False, True), (None, "sq8", "vectors"))
    if parts[2] != parts[4]  # rescoring with the codes themselves
]
RECIPES += [
    Recipe(*parts, "residual") for parts in product((Flat, Graph, fast_graph), METRICS, ("levels4",), (False, True))
]
RECIPES += [Recipe(kind, "cosine", "levels1", False, "residual") for kind in (Flat, Graph)]
RECIPES += [Recipe(kind, "l2", codec, False, "vectors") for kind in (Flat, Graph, fast_graph) for codec in COARSE]


@cache
def _built(number: int) -> Index:
    return RECIPES[number].make().build(rows(1500))


@pytest.fixture(params=range(len(RECIPES)), ids=lambda number: str(RECIPES[number]))
def built(request: pytest.FixtureRequest) -> tuple[Recipe, Index]:
    """A recipe, and its index over ``rows(1500)``."""
    return RECIPES[request.param], _built(request.param)


@pytest.fixture(params=[Flat, Graph, fast_graph, IVF, Hash], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Iterator[Callable[..., Index]]:
    yield request.param


@pytest.fixture(scope="session")
def wide() -> Callable[..., dict[str, int]]:
    """``wide(kind, width)``: the search settings that make a kind look at ``width`` rows; all lists or buckets."""

    def settings(kind: Any, width: int) -> dict[str, int]:
        if kind is Flat:
            return {}
        return {"probes": 1 << 20} if kind in (Hash, IVF) else {"beam": width}

    return settings


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


@pytest.fixture(scope="session")
def base() -> np.ndarray:
    return rows(1500)


@pytest.fixture(scope="session")
def queries() -> np.ndarray:
    return rows(60, seed=1)


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., np.ndarray]:
    """``make_rows(n, seed)``: read-only vectors of the same distribution."""
    return rows


@pytest.fixture(scope="session")
def real_rows() -> np.ndarray | None:
    """Every twentieth WordNet gloss as a unit vector; None where the set is not at hand."""
    from nearfield.datasets import load

    try:
        found = np.asarray(load("wordnet").vectors[::20], np.float32)
    except (FileNotFoundError, OSError):
        return None
    return found / np.linalg.norm(found, axis=1, keepdims=True)
