from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import PrototypePropagation
from nearfield.decide.texts import unit_rows

NAMES = np.array(["d", "a", "c", "b"])


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Items of four classes, the class of each, and two views of the classes that lie beside them."""
    rng = np.random.default_rng(3)
    centres = 3 * np.eye(4, 12)
    truth = np.repeat(np.arange(4), 40)
    items = (centres[truth] + 0.7 * rng.normal(size=(160, 12))).astype(np.float32)
    name, gloss = (centres + 1.3 * rng.normal(size=(4, 12)) + 1.0 for _ in range(2))
    return items, NAMES[truth], name, gloss


def share(model: PrototypePropagation, truth: np.ndarray) -> float:
    return float(np.mean(model.transduction_ == truth))


def test_neighbours_tell_more_than_the_nearest_class(world) -> None:
    items, truth, name, gloss = world
    nearest = float(np.mean(NAMES[(unit_rows(items) @ unit_rows(name).T).argmax(axis=1)] == truth))
    one = PrototypePropagation().fit(items, views=name, classes=NAMES)
    two = PrototypePropagation().fit(items, views=[name, gloss], classes=NAMES)
    assert share(one, truth) > nearest + 0.03 and share(two, truth) >= share(one, truth) > 0.9
    assert one.classes_.tolist() == list("abcd") and two.n_views_ == 2
    np.testing.assert_allclose(two.label_distributions_.sum(axis=1), 1.0)
    assert np.mean(two.predict(items) == two.transduction_) > 0.95
    assert share(PrototypePropagation(links="pairs").fit(items, views=name, classes=NAMES), truth) > nearest + 0.03


def test_the_propagation_solves_its_equation(world) -> None:
    """By the dense inverse: hyperedges H (rows, edges), P = D^-1 H E^-1 H^T, f = (1 - alpha) (I - alpha P)^-1 Y."""
    items, _, name, _ = world
    model = PrototypePropagation(5, 0.6).fit(items, views=name)
    rows = np.concatenate([items.astype(float) - items.astype(float).mean(0), name - name.mean(0)])
    cosines = np.maximum(unit_rows(rows) @ unit_rows(rows).T, 0)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :5]
    squares = np.square(np.take_along_axis(cosines, near, 1))
    H = np.zeros((164, 164))
    H[near.ravel(), np.repeat(np.arange(164), 5)] = np.exp(squares.ravel() / np.median(squares))
    P = (H / H.sum(axis=0)) @ H.T / H.sum(axis=1)[:, None]
    seeds = np.concatenate([np.zeros((160, 4)), np.eye(4)])
    exact = 0.4 * np.linalg.solve(np.eye(164) - 0.6 * P, seeds)[:160]
    np.testing.assert_allclose(model.label_distributions_, exact / exact.sum(axis=1, keepdims=True), atol=1e-6)


def test_labels_help_and_are_kept(world) -> None:
    items, truth, name, _ = world
    given = np.full(160, None, object)
    given[::8] = truth[::8]
    given[0] = "b"  # wrong, and still its own
    model = PrototypePropagation().fit(items, given, views=name, classes=NAMES)
    plain = PrototypePropagation().fit(items, views=name, classes=NAMES)
    assert model.transduction_[0] == "b" and share(model, truth) >= share(plain, truth)
    assert len(model.held_out_support_) == 20
    strangers = np.random.default_rng(0).normal(size=(200, 12)) - 3
    assert model.reject(items, max_false=0.1).mean() < 0.3 and model.support(strangers).shape == (200,)
    with pytest.raises(ValueError, match="give others to calibrate"):
        plain.reject(items)
    assert plain.calibrate(items[::2], truth[::2]).reject(items[1::2], max_false=0.1).mean() < 0.25
    alone = PrototypePropagation().fit(items, list(given))
    assert share(alone, truth) > 0.9 and "with probability" in alone.explain(items[:1])[0]


def test_views_of_different_spaces(world) -> None:
    items, truth, name, gloss = world
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    both = [items, items @ turn]
    for options in ({}, {"shared_dim": 3, "shrinkage": 0.1}):
        model = PrototypePropagation(**options).fit(both, views=[name, gloss @ turn], classes=NAMES)
        assert share(model, truth) > 0.85
        np.testing.assert_array_equal(model.predict(both), model.predict(np.hstack(both)))
        assert len(model.explain(both)) == 160
        assert share(PrototypePropagation(**options).fit(both, views=[name, None], classes=NAMES), truth) > 0.8
    with pytest.raises(ValueError, match="dimensions, as in fit"):
        model.predict([items, items[:, :5]])


def test_rows_of_zeros_and_lonely_rows(world) -> None:
    items, truth, name, gloss = world
    left_out = gloss.copy()
    left_out[1] = 0.0
    assert share(PrototypePropagation().fit(items, views=[name, left_out], classes=NAMES), truth) > 0.85
    part = items.copy()
    part[:20] = 0.0
    assert share(PrototypePropagation().fit([items, part], views=[name, gloss], classes=NAMES), truth) > 0.85
    zeros = PrototypePropagation().fit(np.zeros((6, 12)), views=name, classes=NAMES)
    assert set(zeros.transduction_) <= set(NAMES) and np.isfinite(zeros.label_distributions_).all()
    same = PrototypePropagation().fit(np.repeat(name[2:3], 9, axis=0), views=name, classes=NAMES)
    assert (same.transduction_ == "c").all()
    lone = PrototypePropagation().fit(name[:1], views=name, classes=NAMES)
    assert lone.transduction_.tolist() == ["d"]
    one = PrototypePropagation(500, 0.0).fit(items, views=name[:1], classes=["only"])
    assert (one.transduction_ == "only").all()
    far = np.concatenate([items, 100 * np.ones((3, 12))])
    assert np.isfinite(PrototypePropagation(2).fit(far, views=name, classes=NAMES).label_distributions_).all()


def test_the_same_bytes(world) -> None:
    items, _, name, gloss = world
    made = [PrototypePropagation().fit(items, views=[name, gloss]).label_distributions_.tobytes() for _ in range(2)]
    assert made[0] == made[1]
    assert PrototypePropagation().fit(items, views=name).predict_proba(items).dtype == np.float32


@pytest.mark.parametrize(
    ("options", "given", "match"),
    [
        ({"alpha": 1.0}, {}, "alpha"),
        ({"n_neighbors": 0}, {}, "n_neighbors"),
        ({"links": "both"}, {}, "links"),
        ({"shrinkage": 0.0}, {}, "shrinkage"),
        ({"shared_dim": 2}, {}, "shared_dim"),
        ({}, {"views": np.ones((4, 5))}, "12 dimensions, got 5"),
        ({}, {"views": [np.ones((4, 12)), np.ones((3, 12))]}, "same classes"),
        ({}, {"views": np.full((4, 12), np.nan)}, "NaN"),
        ({}, {"classes": ["a", "a", "b", "c"]}, "once"),
        ({}, {"classes": ["a"]}, "expected 4 labels"),
        ({}, {"views": None}, "requires y"),
        ({}, {"views": None, "y": [None] * 160}, "requires y"),
        ({}, {"y": [None, "x"]}, "160 labels"),
        ({}, {"y": [None] * 159 + ["x"], "classes": list("abcd")}, "among the 4 fitted"),
    ],
)
def test_refusals(world, options, given, match) -> None:
    items, _, name, _ = world
    given = {"views": name} | given
    with pytest.raises(ValueError, match=match):
        PrototypePropagation(**options).fit(items, **given)
