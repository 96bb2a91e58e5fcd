"""Small worlds with known truth: a store of topics, fresh queries about them, and queries about topics it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nearfield.decide import Judge


def same(distances: np.ndarray) -> np.ndarray:
    return distances


@dataclass
class World:
    """Vectors, brute-force neighbours, and everything a judge is fitted on."""

    store: np.ndarray
    answerable: np.ndarray
    unanswerable: np.ndarray
    distances: np.ndarray
    rows: np.ndarray
    scales: np.ndarray
    sample: np.ndarray
    others: np.ndarray

    def ask(self, queries: np.ndarray, k: int = 20) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = nearest(queries, self.store, k)
        return distances, self.scales[rows]

    def fit(
        self, judge: Judge | None = None, *, change: Callable[[Any], Any] = same, scales: bool = True, width: int = 21,
        vectors: bool = False, aside: float = 0.0,
    ) -> Judge:  # fmt: skip
        background = between(self.store[self.sample], self.store[self.others])
        background[self.sample[:, None] == self.others[None, :]] = np.nan
        near, rows = self.distances[self.sample][:, :width], self.rows[self.sample][:, :width]
        given = {"neighbor_scales": change(self.scales[rows]), "background_scales": change(self.scales[self.others])}
        return (judge or Judge()).fit(
            change(near),
            change(background),
            n_items=len(self.store),
            vectors=self.store[self.sample] + np.float32(aside) if vectors else None,
            **(given if scales else {}),
        )


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (1.0 - a @ b.T).astype(np.float32).clip(0.0)


def nearest(
    queries: np.ndarray, store: np.ndarray, k: int, *, leave_out: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances and rows of the k nearest; ``leave_out``: query i is item i and does not see itself."""
    distances, rows = [], []
    for start in range(0, len(queries), 1000):
        block = between(queries[start : start + 1000], store)
        if leave_out:
            block[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        part = np.argpartition(block, k, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(block, part, 1), axis=1, kind="stable")
        rows.append(np.take_along_axis(part, order, 1))
        distances.append(np.take_along_axis(block, rows[-1], 1))
    return np.concatenate(distances), np.concatenate(rows)


def build_world(
    store: np.ndarray, answerable: np.ndarray, unanswerable: np.ndarray, sample: int = 1500, others: int = 512
) -> World:
    rng = np.random.default_rng(0)
    distances, rows = nearest(store, store, 21, leave_out=True)
    return World(
        store=store,
        answerable=answerable,
        unanswerable=unanswerable,
        distances=distances,
        rows=rows,
        scales=distances[:, 4],
        sample=rng.permutation(len(store))[:sample],
        others=rng.permutation(len(store))[:others],
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def world() -> World:
    """2,000 items in 100 topics of unequal width; 600 fresh queries; 400 queries about 100 further topics."""
    rng = np.random.default_rng(3)
    centers, widths = rng.normal(size=(200, 24)), rng.uniform(0.5, 0.9, 200)

    def draw(topics: np.ndarray) -> np.ndarray:
        return unit(centers[topics] + widths[topics][:, None] * rng.normal(size=(len(topics), 24)))

    inside, outside = np.arange(100), np.arange(100, 200)
    return build_world(draw(np.repeat(inside, 20)), draw(np.repeat(inside, 6)), draw(np.repeat(outside, 4)))


@pytest.fixture(scope="session")
def judge(world: World) -> Judge:
    return world.fit()


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The helpers above, for tests that build a world of their own."""
    return SimpleNamespace(build_world=build_world, nearest=nearest, between=between, unit=unit)
