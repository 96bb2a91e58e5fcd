"""Maps keep neighbours, and are the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from nearfield.view import layout, neighbors_kept
from nearfield.view.graph import nearest_rows


def groups(rows: int, dim: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = rng.normal(0, 3, (8, dim))
    return (centers[rng.integers(0, 8, rows)] + rng.normal(0, 1, (rows, dim))).astype(np.float32)


def test_neighbours_are_kept_better_than_by_principal_components() -> None:
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness

    images = load_digits().data.astype(np.float32)
    near = nearest_rows(images, 15, "l2")
    drawn = layout(images, metric="l2", rounds=300)
    flat = PCA(2, random_state=0).fit_transform(images)
    assert trustworthiness(images, drawn, n_neighbors=15) > 0.98
    assert trustworthiness(images, flat, n_neighbors=15) < 0.86
    assert neighbors_kept(drawn, near).mean() > 4 * neighbors_kept(flat, near).mean()


def test_given_neighbours_are_taken() -> None:
    rows = groups(300)
    near = nearest_rows(rows, 10, "l2")
    assert np.array_equal(
        layout(rows, metric="l2", k=10, rounds=40), layout(rows, metric="l2", k=10, neighbors=near, rounds=40)
    )
    other = layout(rows, metric="l2", neighbors=np.roll(near, 1, axis=0), rounds=40)
    assert not np.array_equal(other, layout(rows, metric="l2", k=10, rounds=40))


def test_missing_neighbours_are_no_links() -> None:
    rows = groups(200)
    near = nearest_rows(rows, 10, "l2")
    near[5] = -1
    near[6, 3:] = -1
    assert np.isfinite(layout(rows, metric="l2", neighbors=near, rounds=60)).all()
    assert np.isfinite(layout(rows, metric="l2", neighbors=np.full((200, 3), -1), rounds=60)).all()


def test_the_same_bytes_with_other_threads() -> None:
    script = (
        "import numpy as np, hashlib\n"
        "from nearfield.view import layout\n"
        "rows = np.random.default_rng(0).normal(size=(1300, 40)).astype(np.float32)\n"
        "print(hashlib.sha256(layout(rows, rounds=90).tobytes()).hexdigest())\n"
    )
    found = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "NEARFIELD_THREADS": threads}
        found.add(
            subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout
        )
    assert len(found) == 1


def test_it_is_centred_and_widest_along_the_first_axis() -> None:
    drawn = layout(groups(400), metric="l2", rounds=120)
    assert drawn.dtype == np.float32 and drawn.shape == (400, 2)
    assert np.abs(drawn.mean(axis=0)).max() < 1e-3 * np.abs(drawn).max()
    assert drawn[:, 0].std() >= drawn[:, 1].std()


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 17])
def test_few_rows(rows: int) -> None:
    drawn = layout(groups(rows), metric="l2", rounds=50)
    assert drawn.shape == (rows, 2) and np.isfinite(drawn).all()
    assert len(np.unique(drawn, axis=0)) == rows


def test_rows_all_alike_and_in_one_dimension() -> None:
    assert np.isfinite(layout(np.ones((50, 4), np.float32), rounds=50)).all()
    drawn = layout(np.arange(60, dtype=np.float32)[:, None], metric="l2", rounds=200)
    assert np.isfinite(drawn).all() and drawn[:, 1].std() > 0


def test_huge_and_tiny_vectors() -> None:
    for factor in (1e-12, 1e12):
        drawn = layout(groups(100) * np.float32(factor), metric="cosine", rounds=50)
        assert np.isfinite(drawn).all() and drawn.std() > 0


def test_rounds_are_reported_and_the_report_can_end_it() -> None:
    seen = []

    def report(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layout(groups(100), rounds=20, report=report)
    assert seen == [(done, 20) for done in range(1, 8)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vectors": np.full((5, 3), np.nan, np.float32)}, "vectors"),
        ({"vectors": np.zeros((5, 3), np.float32)}, "vectors"),
        ({"vectors": np.ones(5, np.float32)}, r"vectors: expected shape \(n, d\)"),
        ({"metric": "cos"}, "metric"),
        ({"k": 0}, "k"),
        ({"rounds": 0}, "rounds"),
        ({"exaggeration": 0.5}, "exaggeration"),
        ({"neighbors": np.zeros((4, 2), int)}, r"neighbors: expected shape \(5, k\)"),
        ({"neighbors": np.full((5, 2), 5)}, "neighbors: expected row numbers from -1 to 4"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        layout(**{"vectors": groups(5), "metric": "cosine", "rounds": 5, **change})


def test_the_room_is_its_function() -> None:
    import nearfield

    rows = groups(40)
    same = nearfield.view.layout(rows, rounds=5)
    assert hashlib.sha256(same.tobytes()).digest() == hashlib.sha256(layout(rows, rounds=5).tobytes()).digest()
