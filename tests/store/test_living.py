"""Items that live are found as in a fresh build, whatever was deleted or replaced beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Store
from nearfield.tune import Recipe

N, DIM, K = 4000, 24, 10


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Soft clusters, as embeddings have them; the last 200 are queries, the 4,000 before them replace others."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(40, DIM))
    return (centers[rng.integers(0, 40, 2 * N + 200)] + 0.6 * rng.normal(size=(2 * N + 200, DIM))).astype(np.float32)


def build(make: Callable[..., Store], rows: np.ndarray, layout: str) -> Store:
    store = make(dim=DIM)
    store.add(list(range(N)), rows[:N])
    plan: dict[str, Any] = store.optimize(recall=0.5, k=1).to_dict()
    recipe = Recipe("graph", layout=layout, degree=16, beam=24, slack=True, slack_from=K, rescore="vectors")
    store._maintenance.compact(plan | {"recipe": recipe.to_dict()})
    return store


def recall(store: Store, vectors: np.ndarray, alive: np.ndarray, queries: np.ndarray) -> float:
    distances = get_metric("cosine").pairwise(queries, vectors)
    distances[:, ~alive] = np.inf
    kth = np.sort(distances, axis=1)[:, K - 1]
    ids = np.array(store.search(queries, K).ids)
    assert alive[ids].all() and all(len(set(some)) == K for some in ids.tolist())
    return float((np.take_along_axis(distances, ids, axis=1) <= kth[:, None] + 1e-6).mean())


@pytest.mark.parametrize("layout", ["lean", "fast"])
@pytest.mark.parametrize("how", ["random", "cluster"])
def test_after_deletes(
    make: Callable[..., Store], rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, how: str
) -> None:
    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 50)  # or the last state would be a plain scan
    store = build(make, rows, layout)
    vectors, queries = rows[:N], rows[-200:]
    order = np.random.default_rng(1).permutation(N) if how == "random" else np.argsort(-(vectors @ vectors[5]))
    alive, gone = np.ones(N, bool), 0
    for share in (0.1, 0.5, 0.9):
        some = order[gone : round(share * N)]
        gone += len(some)
        alive[some] = False
        store.delete(some)
        left = recall(store, vectors, alive, queries)
        store.snapshot(tmp_path / f"{share}.nf")
        with Store.open(tmp_path / f"{share}.nf") as fresh:
            fresh.compact()
            assert left >= recall(fresh, vectors, alive, queries) - 0.005
    assert store.verify().ok


def test_after_ten_rounds_of_replace(make: Callable[..., Store], rows: np.ndarray, tmp_path: Path) -> None:
    store = build(make, rows, "lean")
    vectors, queries, alive = rows[:N].copy(), rows[-200:], np.ones(N, bool)
    rng = np.random.default_rng(2)
    for number in range(10):
        chosen = rng.permutation(N)[: N // 10]
        vectors[chosen] = rows[N + number * (N // 10) :][: N // 10]
        store.upsert(chosen, vectors[chosen])
        if number == 4:
            store.seal()
    for _ in range(2):
        left = recall(store, vectors, alive, queries)
        store.snapshot(tmp_path / "fresh.nf")
        with Store.open(tmp_path / "fresh.nf") as fresh:
            fresh.compact()
            assert left >= recall(fresh, vectors, alive, queries) - 0.005
        import shutil

        shutil.rmtree(tmp_path / "fresh.nf")
        store.seal()
    assert store.verify().ok
