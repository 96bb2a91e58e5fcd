"""Bags like those of texts: vectors around the mean of their bag, queries of a few of its vectors, moved a little."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.encode import Bags

DIM = 24


def make_bags(count: int, seed: int = 0, dim: int = DIM, most: int = 30) -> Bags:
    rng = np.random.default_rng(seed)
    topics = rng.standard_normal((20, dim))
    bags = []
    for _ in range(count):
        middle = topics[rng.integers(20)] + 0.7 * rng.standard_normal(dim)
        bags.append((middle + rng.standard_normal((rng.integers(2, most), dim))).astype(np.float32))
    return Bags.from_list(bags).unit()


def make_queries(bags: Bags, count: int, seed: int = 1) -> Bags:
    rng = np.random.default_rng(seed)
    chosen = [bags[int(row)] for row in rng.permutation(len(bags))[:count]]
    parts = [rng.permutation(bag)[: rng.integers(1, 7)] for bag in chosen]
    return Bags.from_list([part + 0.15 * rng.standard_normal(part.shape).astype(np.float32) for part in parts]).unit()


@pytest.fixture(scope="session")
def bags() -> Bags:
    return make_bags(400)


@pytest.fixture(scope="session")
def queries(bags: Bags) -> Bags:
    return make_queries(bags, 40)
