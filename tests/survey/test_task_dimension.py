import numpy as np
import pytest

from nearfield.survey import task_dimension


def halves(rows, dim, seed=0):
    x = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return x, x[:, 0] > 0


def test_a_line_between_two_classes_has_a_known_dimension():
    # The nearest direction in a random subspace of m of d dimensions has cosine sqrt(m / d) with the truth, and tells
    # 1 - arccos(cosine) / pi of the rows: 0.9 of them at m = 0.905 d.
    x, y = halves(4000, 40)
    measure = task_dimension(x, y, hidden=(), repeats=5)
    reached = measure.parts["target"]
    expected = 41 * np.cos(np.pi * (1 - reached)) ** 2
    assert measure.value == pytest.approx(expected, rel=0.15)
    assert measure.low <= measure.value <= measure.high
    assert measure.parts["parameters"] == 82


def test_fewer_classes_that_lie_open_take_fewer_dimensions():
    rng = np.random.default_rng(0)
    codes = np.arange(900) % 12
    apart = 4 * rng.standard_normal((12, 20))[codes] + rng.standard_normal((900, 20))
    easy = task_dimension(apart.astype(np.float32), codes % 2 == 0, hidden=(30,), repeats=1)
    hard = task_dimension(apart.astype(np.float32), codes, hidden=(30,), repeats=1)
    assert 2 * easy.value < hard.value
    assert hard.parts["compression"] == pytest.approx(hard.parts["parameters"] / hard.value)


def test_labels_that_mean_nothing_are_learnt_by_heart():
    x, _ = halves(200, 10)
    labels = np.random.default_rng(5).integers(2, size=200)
    open_ = task_dimension(x, x[:, 0] > 0, on="training", hidden=(50,), repeats=1, epochs=100)
    drawn = task_dimension(x, labels, on="training", hidden=(50,), repeats=1, epochs=100)
    assert drawn.value > 3 * open_.value


def test_same_seed_same_value():
    x, y = halves(300, 8)
    options = {"hidden": (), "repeats": 1}
    assert task_dimension(x, y, **options).to_dict() == task_dimension(x, y, **options).to_dict()


def test_what_cannot_be_measured_says_why():
    x, y = halves(300, 8)
    assert "100 labelled rows" in task_dimension(x[:60], y[:60]).meaning
    assert "2 classes" in task_dimension(x, np.zeros(300)).meaning
    some = np.where(np.arange(300) < 150, y.astype(object), None)
    assert "150 rows without a label" in task_dimension(x, some, hidden=(), repeats=1).detail


@pytest.mark.parametrize(
    ("options", "text"),
    [({"share": 0.0}, "share"), ({"on": "test"}, "on"), ({"repeats": 0}, "repeats"), ({"sample": 5}, "sample")],
)
def test_bad_input_is_named(options, text):
    x, y = halves(200, 4)
    with pytest.raises(ValueError, match=text):
        task_dimension(x, y, **options)
    with pytest.raises(ValueError, match="200 labels"):
        task_dimension(x, y[:10])
