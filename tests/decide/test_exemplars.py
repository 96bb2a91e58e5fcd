"""Remembered examples beside a classifier."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import ExemplarMemory, NaiveBayes
from nearfield.quantize import RotatedQuantizer


def rows(per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(5).standard_normal((8, 24))
    y = np.repeat(np.arange(8), per_class)
    return (centres[y] + 0.5 * np.random.default_rng(seed).standard_normal((len(y), 24))).astype(np.float32), y


@pytest.mark.parametrize("codec", [None, RotatedQuantizer(1)])
def test_new_classes_are_answered_and_old_ones_as_before(codec: object) -> None:
    (x, y), (unseen, truth) = rows(20, 0), rows(30, 1)
    old, asked = y % 2 == 0, truth % 2 == 0
    plain = NaiveBayes().fit(x[old], y[old])
    model = ExemplarMemory(codec=codec).fit(x[old], y[old])
    assert (model.predict(unseen) == plain.predict(unseen)).all()
    model.remember(x[~old], y[~old])
    assert model.score(unseen[~asked], truth[~asked]) > 0.9
    assert model.score(unseen[asked], truth[asked]) > plain.score(unseen[asked], truth[asked]) - 0.03
    assert np.allclose(model.predict_proba(unseen).sum(axis=1), 1, atol=1e-6)
    assert model.n_remembered_ == 160 and model.classes_.tolist() == list(range(8))


def test_the_nearest_are_the_nearest_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = rows(20, 2)
    model = ExemplarMemory(k=4).fit(x, y)
    placed = model._placed(x.astype(float))
    whole = model._nearest(placed[:7])
    cosines = placed[:7] @ placed.T
    assert np.allclose(whole[0], -np.sort(-cosines, axis=1)[:, :4], atol=1e-6)
    monkeypatch.setattr("nearfield.decide.exemplars._CELLS", 24 * 11)
    parts = model._nearest(placed[:7])
    assert np.allclose(parts[0], whole[0], atol=1e-6) and (parts[1] == whole[1]).all()
    assert (model._nearest(placed[:7], without=np.arange(7))[0][:, 0] < 0.999).all()


def test_labels_are_forgotten() -> None:
    x, y = rows(10, 3)
    names = np.char.add("class ", y.astype(str))
    model = ExemplarMemory().fit(x[y < 4], names[y < 4]).remember(x[y > 5], names[y > 5])
    assert "class 6" in model.predict(x)
    model.forget("class 6")
    assert model.classes_.tolist() == [f"class {i}" for i in (0, 1, 2, 3, 7)] and "class 6" not in model.predict(x)
    assert model.score(x[y == 7], names[y == 7]) == 1
    with pytest.raises(ValueError, match="expected one that was remembered, got 'class 1'"):
        model.forget("class 1")
    with pytest.raises(ValueError, match="got 'class 6'"):
        model.forget("class 6")


def test_fewer_examples_than_neighbours() -> None:
    model = ExemplarMemory(k=50).fit(np.eye(4), [0, 0, 1, 1]).remember(np.eye(4)[:1] + 9, [5])
    assert model.predict(np.eye(4)[:1] + 9).tolist() == [5] and np.isfinite(model.predict_proba(np.eye(4))).all()


def test_what_is_refused() -> None:
    x, y = rows(5, 4)
    with pytest.raises(ValueError, match="expected labels like those fitted on"):
        ExemplarMemory().fit(x, y).remember(x[:1], ["new"])
    with pytest.raises(TypeError, match="codec: expected a codec with fit"):
        ExemplarMemory(codec=3).fit(x, y)
    with pytest.raises(ValueError, match="k: expected"):
        ExemplarMemory(k=0).fit(x, y)
    with pytest.raises(ValueError, match="NaN"):
        ExemplarMemory().fit(x, y).remember(x * np.nan, y)
