import pickle

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.index import Flat, Graph, Hash, load
from nearfield.transform import PairMargin


@parametrize_with_checks([PairMargin(), PairMargin(1, steps=20)])
def test_estimator_checks(estimator, check):
    check(estimator)


def things(count, seed=0, tells=6, dim=24):
    """Pairs of rows, 2 i and 2 i + 1, that agree in their first coordinates; the others are larger, and chance."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.standard_normal((count, dim)), 2, axis=0)
    rows[:, :tells] += 0.1 * rng.standard_normal((2 * count, tells))
    rows[:, tells:] = 2 * rng.standard_normal((2 * count, dim - tells))
    return rows.astype(np.float32)


PAIRS = np.arange(2000).reshape(-1, 2)


@pytest.fixture(scope="module")
def world():
    return things(1000), things(500, seed=1)


def cosines(rows, left, right):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (unit[left] * unit[right]).sum(1)


@pytest.mark.parametrize("steps", [0, 100])
def test_what_was_learnt_holds_for_other_rows(world, steps):
    taught, others = world
    mapped = PairMargin(6, steps=steps).fit(taught, near=PAIRS).transform(others)
    own = np.arange(0, 1000, 2)
    assert cosines(mapped, own, own + 1).mean() > 0.95 > 0.5 > cosines(others, own, own + 1).mean()
    assert abs(cosines(mapped, own, np.roll(own, 7)).mean()) < 0.1


def test_labels_stand_for_pairs(world):
    taught, others = world
    own = np.arange(0, 1000, 2)
    mapped = PairMargin(6).fit(taught, np.repeat(np.arange(1000), 2)).transform(others)
    assert cosines(mapped, own, own + 1).mean() > 0.95
    words = PairMargin(6, steps=0).fit(taught[:40], ["a", "b"] * 20)
    assert 0 < words.n_near_ == 38 and words.n_far_ > 0


def test_the_descent_lowers_the_loss_where_the_start_is_not_best():
    """Far pairs that differ in two directions, one much more: the eigenproblem sees the one, the loss needs both."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3000, 6)) * [9, 1, 1, 1, 1, 1]
    copies = rows + rng.standard_normal(rows.shape) * [0.3, 0.1, 0.1, 0.6, 0.6, 0.6]
    X = np.concatenate([rows, copies])
    near = np.column_stack([np.arange(3000), np.arange(3000) + 3000])
    start, learnt = (PairMargin(6, steps=steps).fit(X, near=near) for steps in (0, 300))
    assert start.n_steps_ == 0 < learnt.n_steps_ <= 300
    assert learnt.loss_ < 0.95 * start.loss_


def test_the_loss_is_that_of_all_pairs(world):
    taught, _ = world
    far = np.column_stack([np.arange(500), np.arange(500) + 1000])
    fitted = PairMargin(8, radius=0.5, ratio=2.5, steps=10).fit(taught, near=PAIRS, far=far)
    mapped = fitted.transform(taught.astype(np.float64))
    unit = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
    near, far = (np.linalg.norm(unit[p[:, 0]] - unit[p[:, 1]], axis=1) for p in (PAIRS, far))
    assert fitted.loss_ == pytest.approx(np.maximum(near - 0.5, 0).mean() + np.maximum(1.25 - far, 0).mean())
    assert (fitted.n_near_, fitted.n_far_, fitted.n_components_) == (1000, 500, 8)


def test_the_gradient_is_that_of_the_distance():
    rng = np.random.default_rng(0)
    rows, matrix = rng.standard_normal((40, 5)), rng.standard_normal((3, 5))
    pairs = rng.permutation(40).reshape(-1, 2)
    for near in (True, False):
        model = PairMargin(radius=1e-9, ratio=1.9e9)

        def mean(matrix, pairs=pairs):
            mapped = rows @ matrix.T
            unit = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
            return np.linalg.norm(unit[pairs[:, 0]] - unit[pairs[:, 1]], axis=1).mean()

        slope = model._slope(rows, matrix, pairs, near)
        if not near:  # only those nearer than 1.9 count
            mapped = rows @ matrix.T
            unit = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
            counts = np.linalg.norm(unit[pairs[:, 0]] - unit[pairs[:, 1]], axis=1) < 1.9
            chosen = pairs[counts]
            slope = slope * len(pairs) / len(chosen)
        else:
            chosen = pairs
        for i in range(3):
            for j in range(5):
                moved = [matrix.copy(), matrix.copy()]
                moved[0][i, j] += 1e-6
                moved[1][i, j] -= 1e-6
                difference = (mean(moved[0], chosen) - mean(moved[1], chosen)) / 2e-6
                assert slope[i, j] == pytest.approx(difference, abs=1e-6)


def test_far_pairs_are_the_nearest_rows_of_other_things():
    X = np.float32([[1, 0], [1, 0.1], [1, 0.2], [-1, 0], [-1, 0.1], [0, -1]])
    fitted = PairMargin(steps=0).fit(X, near=[[0, 1], [1, 2], [3, 4]])
    assert fitted.n_far_ == 3 * 3 + 2 * 4  # of each row of a near pair, all rows outside of its own three or two


def test_the_same_bytes_for_any_number_of_threads(world):
    taught, _ = world
    found = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            found.append(PairMargin(8, steps=60).fit(taught, near=PAIRS))
    assert found[0].components_.tobytes() == found[1].components_.tobytes()
    other = PairMargin(8, steps=60, random_state=1).fit(taught, near=PAIRS)
    assert other.n_features_in_ == 24 and pickle.loads(pickle.dumps(other)).loss_ == other.loss_


@pytest.mark.parametrize("make", [Hash, Flat, Graph])
def test_an_index_finds_what_belongs_together(world, make, tmp_path):
    taught, others = world
    learnt = PairMargin(6).fit(taught, near=PAIRS)
    base, asked = others[::2], others[1::2]
    index = make(transform=learnt).build(base)
    found = (index.search(asked, 1).rows[:, 0] == np.arange(500)).mean()
    plain = (make().build(base).search(asked, 1).rows[:, 0] == np.arange(500)).mean()
    assert found > 0.9 > 0.5 > plain
    index.save(tmp_path / "index.nfa")
    assert (load(tmp_path / "index.nfa").search(asked, 1).rows == index.search(asked, 1).rows).all()


def test_blocks_are_smaller_and_hold_more(world):
    taught, others = world
    learnt = PairMargin(6).fit(taught, near=PAIRS)
    pairs = {
        by: Hash(transform=by, tables=8, bits=8).build(others[::2]).pairs(others[1::2])
        for by in (None, learnt.export())
    }
    complete = [(found[:, 0] == found[:, 1]).mean() * len(found) / 500 for found in pairs.values()]
    assert complete[1] > 0.95 > 0.5 > complete[0]


def hard_rows(name):
    rng = np.random.default_rng(0)
    if name == "wide":
        return rng.normal(size=(6, 600))
    rows = rng.normal(size=(300, 1 if name == "one dimension" else 12))
    if name == "all equal":
        rows[:] = 1
    if name == "mostly one value":
        rows[rng.permutation(300)[:270]] = rows[0]
    if name == "two rows":
        return rows[:2]
    return rows


@pytest.mark.parametrize("name", ["wide", "one dimension", "all equal", "mostly one value", "two rows"])
def test_hard_rows(name):
    rows = hard_rows(name)
    fitted = PairMargin(1, steps=30).fit(rows, near=np.arange(len(rows)).reshape(-1, 2))
    mapped = fitted.transform(rows)
    assert mapped.shape == (len(rows), 1) and np.isfinite(mapped).all() and np.isfinite(fitted.loss_)


@pytest.mark.parametrize(
    ("options", "given", "error", "message"),
    [
        ({"n_components": 0}, {}, ValueError, r"n_components: expected None or an integer from 1 to 24 .* got 0"),
        ({"n_components": 25}, {}, ValueError, "n_components"),
        ({"n_components": True}, {}, ValueError, "n_components"),
        ({"radius": 0}, {}, ValueError, r"radius: expected a number in \(0, 2\)"),
        ({"radius": 0.5, "ratio": 4.1}, {}, ValueError, r"ratio: expected a number in \(1, 4\]"),
        ({"ratio": 1}, {}, ValueError, "ratio"),
        ({"steps": -1}, {}, ValueError, "steps: expected an integer of at least 0"),
        ({"random_state": -1}, {}, ValueError, "random_state"),
        ({}, {"near": None}, ValueError, "near: expected pairs of rows .* or labels as y, got None for both"),
        ({}, {"near": [1, 2]}, ValueError, r"near: expected integers of shape \(m, 2\), got int64 \(2,\)"),
        ({}, {"near": [[0.0, 1.0]]}, ValueError, "near: expected integers"),
        ({}, {"near": [[0, 2000]]}, ValueError, "near: expected row numbers from 0 to 1999, got 0 to 2000"),
        ({}, {"far": [[-1, 3]]}, ValueError, "far: expected row numbers from 0 to 1999, got -1 to 3"),
        ({}, {"near": np.empty((0, 2), int), "far": np.empty((0, 2), int)}, ValueError, "at least 1 pair"),
        ({}, {"near": None, "y": [1, 2]}, ValueError, r"y: expected one label a row, shape \(2000,\), got \(2,\)"),
    ],
)
def test_what_is_wrong_is_refused(world, options, given, error, message):
    with pytest.raises(error, match=message):
        PairMargin(**options).fit(world[0], **({"near": PAIRS} | given))
