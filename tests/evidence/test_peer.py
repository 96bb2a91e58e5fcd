import numpy as np
import pytest

from nearfield.evidence import peer
from nearfield.evidence.measures import exact, recall

ROWS = np.random.default_rng(0).standard_normal((600, 24), np.float32)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("name", ["ours", "hnswlib"])
def test_engines_find_neighbours(name: str, metric: str) -> None:
    if name not in peer.engines():
        pytest.skip(f"{name} is not installed")
    rows = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True) if metric == "cosine" else ROWS
    search = peer.engines()[name](rows, metric, 1)
    assert recall(search(rows[:50], 10, 200), exact(rows, rows[:50], metric=metric)) > 0.95


def test_layers_are_counted_with_and_without() -> None:
    pytest.importorskip("faiss")
    with_layers, without = peer.layer_costs(ROWS, ROWS[:40], exact(ROWS, ROWS[:40], metric="l2"), 0.9, (10, 40, 160),
                                            metric="l2")  # fmt: skip
    assert 20 < with_layers < 600 and 20 < without < 600
