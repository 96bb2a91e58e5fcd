import numpy as np
import pytest

from nearfield.survey import RowSample, row_sensitivities, sample_rows
from nearfield.survey.row_sampling import inclusion


def heavy(rows=2000, dim=6, seed=0):
    """Gaussian rows, and five that are alone in two more directions."""
    rng = np.random.default_rng(seed)
    x = np.zeros((rows, dim + 2), np.float32)
    x[5:, :dim] = rng.standard_normal((rows - 5, dim))
    x[:3, dim], x[3:5, dim + 1] = 3, 40
    return x


def least(x, row, p):
    """The sensitivity by its definition: one over the least ||Ax||_p^p with a x = 1, by reweighted least squares."""
    a = x.astype(float)
    target = a[row]
    weights = np.ones(len(a))
    for _ in range(200):
        solved = np.linalg.solve(a.T @ (a * weights[:, None]) + 1e-9 * np.eye(a.shape[1]), target)
        found = solved / (target @ solved)
        weights = 0.5 * weights + 0.5 * np.maximum(np.abs(a @ found), 1e-6) ** (p - 2)
    return 1 / (np.abs(a @ found) ** p).sum()


def test_leverage_scores_are_the_diagonal_of_the_projection():
    x = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    truth = np.diag(x @ np.linalg.pinv(x))
    assert row_sensitivities(x) == pytest.approx(truth, abs=1e-5)
    assert row_sensitivities(np.hstack([x, x])) == pytest.approx(truth, abs=1e-5)  # rank below the dimensions


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_bounds_hold_the_sensitivity(p):
    x = heavy(400, 3)
    bounds = row_sensitivities(x, p)
    for row in (0, 3, 7, 100):
        assert least(x, row, p) <= bounds[row] * 1.03
    if p < 2:
        assert bounds.sum() == pytest.approx(5, rel=0.02)  # the dimensions


def test_rows_alone_in_a_direction_are_always_drawn():
    x = heavy()
    for p in (1.0, 2.0, 3.0):
        drawn = sample_rows(x, 200, p=p)
        assert isinstance(drawn, RowSample) and len(drawn.rows) == 200
        assert (drawn.chances[:5] == 1).all() and drawn.rows[:5].tolist() == [0, 1, 2, 3, 4]
        assert drawn.total <= 8 ** max(p / 2, 1) * 1.03


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_norms_are_kept_where_a_uniform_sample_loses_them(p):
    x = heavy()
    rng = np.random.default_rng(1)
    asked = np.hstack([rng.standard_normal((8, 40)), np.eye(8)])
    truth = (np.abs(x @ asked) ** p).sum(0) ** (1 / p)
    drawn = sample_rows(x, 400, p=p)
    seen = (np.abs((x[drawn.rows] * drawn.scale[:, None]) @ asked) ** p).sum(0) ** (1 / p)
    assert np.abs(seen / truth - 1).max() < 0.25
    rows = rng.choice(len(x), 400, replace=False)
    blind = ((5.0 * np.abs(x[rows] @ asked) ** p).sum(0)) ** (1 / p)
    assert np.abs(blind / truth - 1).max() > 0.5


def test_chances_are_kept_on_average():
    x = heavy(60, 3)
    first = sample_rows(x, 12, random_state=0)
    counts = np.zeros(60)
    for seed in range(600):
        counts[sample_rows(x, 12, random_state=seed).rows] += 1
    scores = row_sensitivities(x)
    assert np.abs(counts / 600 - inclusion(scores, 12)).max() < 0.08
    assert np.array_equal(first.rows, sample_rows(x, 12, random_state=0).rows)


def test_inclusion():
    assert inclusion(np.array([10.0, 1, 1, 1, 1]), 3).tolist() == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert inclusion(np.zeros(4), 2).tolist() == [0.5] * 4
    assert inclusion(np.array([1.0, 2, 3]), 3).tolist() == [1.0, 1.0, 1.0]
    assert inclusion(np.array([1.0, 0, 0]), 2).sum() <= 2


def test_all_rows_and_strange_rows():
    x = heavy(50, 3)
    assert sample_rows(x, 50).scale.tolist() == [1.0] * 50
    for strange in (np.zeros((9, 3)), np.ones((9, 3)), np.eye(9) * 1e-30, np.ones((9, 1)) * 1e12):
        drawn = sample_rows(strange.astype(np.float32), 4, p=1.5)
        assert 1 <= len(drawn.rows) <= 4 and np.isfinite(drawn.scale).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 0}, "size"),
        ({"size": 51}, "size"),
        ({"size": 5, "p": 4.0}, "p: expected"),
        ({"size": 5, "p": 0.5}, "p: expected"),
        ({"size": 5, "kind": "uniform"}, "kind"),
        ({"size": 5, "random_state": -1}, "random_state"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(ValueError, match=text):
        sample_rows(heavy(50, 3), **options)
