"""Clouds of known dimension, and a count of how often an interval holds the truth."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearfield.survey import Measure


def make_cloud(kind: str, rows: int, dim: int, seed: int, ambient: int | None = None) -> np.ndarray:
    """A cloud of intrinsic dimension ``dim``, float32, turned into ``ambient`` dimensions by a random rotation."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((rows, dim + 1))
    if kind == "gaussian":
        x = normal[:, :dim]
    elif kind == "cube":
        x = rng.random((rows, dim))
    elif kind == "sphere":
        x = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    elif kind == "ball":
        x = (
            normal[:, :dim]
            / np.linalg.norm(normal[:, :dim], axis=1, keepdims=True)
            * rng.random((rows, 1)) ** (1 / dim)
        )
    elif kind == "heavy":
        x = normal[:, :dim] / np.sqrt(rng.chisquare(5, (rows, 1)) / 5)
    elif kind == "curved":
        x = np.concatenate(
            [np.tanh(normal[:, :dim] @ rng.standard_normal((dim, 3 * dim)) / np.sqrt(dim)), normal[:, :dim]], 1
        )
    else:
        raise ValueError(kind)
    if ambient is not None:
        x = x @ np.linalg.qr(rng.standard_normal((ambient, ambient)))[0][: x.shape[1]]
    return x.astype(np.float32)


@pytest.fixture
def cloud() -> Callable[..., np.ndarray]:
    return make_cloud


def make_pair(rows: int, dim: int, noise: float, seed: int, turned: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian rows, and the same (turned by a random rotation) plus noise: they share 1 / (1 + noise^2) of all."""
    rng = np.random.default_rng([seed, 5])
    x = rng.standard_normal((rows, dim))
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0] if turned else np.eye(dim)
    return x.astype(np.float32), (x @ rotation + noise * rng.standard_normal((rows, dim))).astype(np.float32)


@pytest.fixture
def two() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return make_pair


@pytest.fixture
def holds() -> Callable[..., int]:
    """How many of ``seeds`` intervals hold ``truth`` (a Measure, or a value with its interval)."""

    def count(measured: Callable[[int], Measure | tuple[float, float]], truth: float, seeds: int = 20) -> int:
        hits = 0
        for seed in range(seeds):
            found = measured(seed)
            low, high = (found.low, found.high) if isinstance(found, Measure) else found
            hits += low <= truth <= high
        return hits

    return count


@pytest.fixture
def data_folder() -> Path:
    folder = os.environ.get("NEARFIELD_DATA")
    if not folder or not (Path(folder) / "wordnet" / "minilm.npy").exists():
        pytest.skip("NEARFIELD_DATA does not point to a folder with wordnet/minilm.npy")
    return Path(folder)
