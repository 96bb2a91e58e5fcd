import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nearfield.transform import choose_anchors

SELECTIONS = ("random", "kmeans", "farthest")


@pytest.fixture(scope="module")
def rows():
    centres = 10 * np.eye(5, 8)
    return np.repeat(centres, 40, axis=0) + np.random.default_rng(0).standard_normal((200, 8))


@pytest.mark.parametrize("selection", SELECTIONS)
def test_rows_are_different_rising_and_drawn_by_the_seed(rows, selection):
    chosen = choose_anchors(rows, 20, selection=selection)
    assert len(set(chosen)) == 20 and (np.diff(chosen) > 0).all()
    with threadpool_limits(1):
        assert (choose_anchors(rows, 20, selection=selection) == chosen).all()
    assert (choose_anchors(rows, 20, selection=selection, random_state=1) != chosen).any()
    assert (choose_anchors(rows, 500, selection=selection) == np.arange(200)).all()


@pytest.mark.parametrize("selection", ["kmeans", "farthest"])
def test_every_group_gets_an_anchor(rows, selection):
    assert set(choose_anchors(rows, 5, selection=selection) // 40) == set(range(5))


def test_farthest_covers_and_kmeans_stands_in_the_middle(rows):
    def radius(chosen):
        return np.linalg.norm(rows[:, None] - rows[chosen][None], axis=2).min(axis=1).max()

    assert radius(choose_anchors(rows, 40, selection="farthest")) < radius(choose_anchors(rows, 40))
    spread = np.linalg.norm(rows - np.repeat(10 * np.eye(5, 8), 40, axis=0), axis=1)
    assert spread[choose_anchors(rows, 5, selection="kmeans")].mean() < spread.mean()


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("kind", ["all equal", "two values"])
def test_repeated_rows_do_no_harm(selection, kind):
    rows = np.ones((30, 3)) if kind == "all equal" else np.repeat([[0.0, 1], [1, 0]], 15, axis=0)
    assert len(set(choose_anchors(rows, 7, selection=selection))) == 7


def test_large_sets_are_sampled():
    rows = np.random.default_rng(0).standard_normal((30_000, 4), dtype=np.float32)
    chosen = choose_anchors(rows, 3, selection="kmeans")
    assert len(chosen) == 3 and chosen.max() < 30_000


def test_what_is_wrong_is_refused(rows):
    with pytest.raises(ValueError, match="selection: expected one of 'random', 'kmeans', 'farthest', got 'best'"):
        choose_anchors(rows, 3, selection="best")
    with pytest.raises(ValueError, match="n_anchors: expected an integer of at least 1, got 0"):
        choose_anchors(rows, 0)
    for bad in ([1.0, 2.0], np.zeros((0, 3)), np.array([["a"], ["b"]])):
        with pytest.raises(ValueError, match=r"X: expected numbers of shape \(n, d\)"):
            choose_anchors(bad, 1)
    with pytest.raises(ValueError, match="X: expected finite values"):
        choose_anchors(np.full((5, 2), np.nan), 2, selection="kmeans")
