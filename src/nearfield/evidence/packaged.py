"""Debian's packages with a skewed log of conditions: what batches of hybrid queries are measured on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..index import IVF
from ..store import Filter, Store
from ..store.cuts import grow

K = 10


@dataclass(frozen=True)
class World:
    """Packages with vectors, queries (vectors of other packages) and a log; query i asks ``texts[asked[i]]``."""

    packages: Any
    vectors: np.ndarray
    queries: np.ndarray
    past: np.ndarray
    texts: list[str]
    asked: np.ndarray
    asked_before: np.ndarray

    def where(self, asked: np.ndarray) -> list[str]:
        """The conditions of some queries."""
        return [self.texts[number] for number in asked]

    def masks(self, texts: list[str]) -> np.ndarray:
        """Which packages pass each condition, bool (conditions, n)."""
        import pyarrow as pa

        kinds = {"string": pa.large_string(), "int": pa.int64()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in self.packages.SCHEMA.items()])
        table = pa.table(self.packages.attributes, schema=schema)
        return np.array([Filter(text, self.packages.SCHEMA).mask(table) for text in texts])


def load(rows: int, conditions: int, queries: int) -> World:
    """``rows`` packages, or FileNotFoundError; the i-th condition comes with a chance of 1 / i."""
    from ..datasets import debian_packages
    from ..encode import WordLlama

    every = debian_packages()
    order = np.random.default_rng(0).permutation(len(every))[: rows + 2 * queries]
    some = every.take(np.sort(order))
    vectors = np.ascontiguousarray(WordLlama().encode(some.texts, progress=False), np.float32)
    order = np.random.default_rng(1).permutation(len(some))
    kept = np.sort(order[2 * queries :])
    chances = 1 / np.arange(1, conditions + 1)
    drawn = [np.random.default_rng(seed).choice(conditions, queries, p=chances / chances.sum()) for seed in (2, 3)]
    held = vectors[order[:queries]], vectors[order[queries : 2 * queries]]
    return World(some.take(kept), vectors[kept], *held, some.conditions(conditions), *drawn)


def make_stores(world: World, folder: Path) -> tuple[Store, Store]:
    """Two open stores of the same packages, the second with a partition learnt from the log."""
    packages, columns = world.packages, world.packages.attributes
    log = list(zip(world.past, world.where(world.asked_before), strict=True))
    with Store.create(folder / "learnt.nf", world.vectors.shape[1], attributes=packages.SCHEMA) as store:
        for start in range(0, len(packages), 10_000):
            some = slice(start, start + 10_000)
            part = {name: values[some] for name, values in columns.items()}
            store.add(packages.names[some], world.vectors[some], attributes=part)
        store.optimize(recall=0.95, workload=log)
        store.snapshot(folder / "plain.nf")
    for file in (folder / "plain.nf" / "segments").glob("*.partition.*"):
        file.unlink()  # derived: the copy answers without it
    return Store.open(folder / "plain.nf"), Store.open(folder / "learnt.nf")


def seconds(run: Callable[[], Any], rounds: int) -> float:
    """The shortest of some rounds, after one that warms up."""
    run()
    best = float("inf")
    for _ in range(rounds):
        clock = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - clock)
    return best


def recall(distances: np.ndarray, world: World, asked: np.ndarray, masks: np.ndarray) -> float:
    """The share of the exact neighbours found, ties standing in for each other."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (world.vectors, world.queries)]
    found, there = 0, 0
    for number in np.unique(asked):
        own = np.flatnonzero(asked == number)
        near = np.sort(1 - unit[1][own] @ unit[0][masks[number]].T, axis=1)[:, :K]
        found += int((distances[own, : near.shape[1]] <= near[:, -1:] + 1e-5).sum()) if near.size else 0
        there += near.size
    return found / there


def looked_at(world: World, masks: np.ndarray, target: float) -> dict[str, tuple[float, float, float]]:
    """Of one set of lists and of lists within learnt leaves, at recall ``target`` under conditions that many rows pass:
    rows of the lists that are read, vectors compared (centroids included), and the recall."""
    chosen = np.flatnonzero(masks.mean(axis=1)[world.asked] > 0.02)
    asked, queries = world.asked[chosen], world.queries[chosen]
    past = np.bincount(world.asked_before, minlength=len(masks)).astype(float)
    labels = grow(masks, past, masks, smallest=400, most=128).labels
    found = {}
    for name, index in (
        ("one set of lists", IVF(rescore="vectors").build(world.vectors)),
        ("lists within leaves", IVF(rescore="vectors").build(world.vectors, labels=labels)),
    ):
        arrays = index.arrays()
        sizes = np.diff(arrays["offsets"].astype(np.int64))
        counts = np.array([np.add.reduceat(np.append(m[arrays["order"]], 0), arrays["offsets"][:-1]) for m in masks])
        counts[:, sizes == 0] = 0
        near = arrays["centroids"] @ (queries / np.linalg.norm(queries, axis=1, keepdims=True)).T
        for share in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            budget = np.ceil(share * masks.sum(axis=1)).astype(int).tolist()
            best = index.search_batch(queries, K, list(masks), asked, budget=budget)
            every = np.full((len(world.queries), K), np.inf, np.float32)
            every[chosen] = best.distances
            reached = recall(every[chosen], _only(world, queries), asked, masks)
            if reached >= target or share == 1.0:
                break
        read = compared = 0
        for place, number in enumerate(asked):
            lists = np.flatnonzero(counts[number])
            ranked = lists[np.argsort(-near[lists, place], kind="stable")]
            enough = int(np.searchsorted(np.cumsum(counts[number][ranked]), budget[number])) + 1
            read += int(sizes[ranked[:enough]].sum())
            compared += int(counts[number][ranked[:enough]].sum()) + (len(lists) if share < 1 else 0)
        found[name] = (read / len(asked), compared / len(asked), reached)
    return found


def _only(world: World, queries: np.ndarray) -> World:
    fields = (world.packages, world.vectors, queries, world.past, world.texts, world.asked, world.asked_before)
    return World(*fields)
