import numpy as np
import pytest

from nearfield.survey import alignment, uniformity


def test_uniformity_is_the_paper_s_number():
    x = np.random.default_rng(0).standard_normal((80, 6)).astype(np.float32) + 0.3
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    squared = np.square(unit[:, None] - unit[None]).sum(-1)[np.triu_indices(80, 1)]
    assert uniformity(x).value == pytest.approx(np.log(np.exp(-2 * squared).mean()), abs=1e-5)
    assert uniformity(x, t=1.0).value == pytest.approx(np.log(np.exp(-squared).mean()), abs=1e-5)


@pytest.mark.parametrize("dim", [1, 2, 16, 384])
def test_an_even_sphere_has_the_value_computed_for_it(dim):
    x = np.random.default_rng(0).standard_normal((3000, dim)).astype(np.float32)
    measure = uniformity(x)
    assert measure.value == pytest.approx(measure.parts["even"], abs=0.02)
    assert measure.verdict == "good"


def test_very_many_dimensions_have_a_limit():
    from nearfield.survey.uniformity import _even

    assert _even(4000, 2.0) == pytest.approx(_even(2000, 2.0), abs=3e-3)
    assert _even(100_000, 2.0) == pytest.approx(-4 + 8 / 100_000, abs=1e-6)


def test_uniformity_interval(holds):
    far = np.random.default_rng(99).standard_normal((6000, 12)).astype(np.float32) + 0.5
    truth = uniformity(far, sample=None).value

    def measured(seed):
        return uniformity((np.random.default_rng(seed).standard_normal((300, 12)) + 0.5).astype(np.float32))

    assert holds(measured, truth) >= 17


def test_crowded_rows_are_poor_and_zero_rows_are_left_out():
    x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    assert uniformity(x + 4).verdict == "poor"
    assert uniformity(np.concatenate([x, np.zeros((9, 8), np.float32)])).value == pytest.approx(uniformity(x).value)
    assert "at least 3 nonzero rows, and there are 2" in uniformity(np.eye(2, dtype=np.float32)).meaning


def pairs_of(noise, rows=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 32))
    y = x + noise * rng.standard_normal(x.shape)
    return np.concatenate([x, y]).astype(np.float32), np.stack([np.arange(rows), rows + np.arange(rows)], 1)


def test_alignment_is_the_mean_squared_distance():
    x, pairs = pairs_of(0.5)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    squared = np.square(unit[pairs[:, 0]] - unit[pairs[:, 1]]).sum(1)
    measure = alignment(x, pairs)
    assert measure.value == pytest.approx(squared.mean(), abs=1e-5)
    assert measure.parts["unrelated"] == pytest.approx(2, abs=0.03)
    assert measure.verdict == "good" and measure.parts["partner_nearer"] > 0.999


def test_unrelated_pairs_are_poor():
    x, pairs = pairs_of(200.0)
    measure = alignment(x, pairs)
    assert measure.verdict == "poor" and measure.parts["ratio"] == pytest.approx(1, abs=0.05)
    assert measure.parts["partner_nearer"] == pytest.approx(0.5, abs=0.06)


def test_alignment_interval_allows_for_rows_in_many_pairs(holds):
    truth = alignment(*pairs_of(0.7, 40_000, 99)).value
    assert holds(lambda seed: alignment(*pairs_of(0.7, 200, seed)), truth) >= 17
    x, pairs = pairs_of(0.7, 200)
    once, thrice = alignment(x, pairs), alignment(x, np.repeat(pairs, 3, axis=0))
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


@pytest.mark.parametrize(
    ("pairs", "error", "text"),
    [
        ([], ValueError, "shape"),
        ([[0, 1, 2]], ValueError, "shape"),
        ([[0.0, 1.0]], TypeError, "integers"),
        ([[0, 9]], ValueError, "0 to 3"),
        ([[-1, 2]], ValueError, "-1 to 2"),
        ([[2, 2]], ValueError, "row 2 with itself"),
        ([[0, 3]], ValueError, "zero row"),
    ],
)
def test_bad_pairs(pairs, error, text):
    x = np.float32([[1, 0], [0, 1], [1, 1], [0, 0]])
    with pytest.raises(error, match=text):
        alignment(x, pairs)


def test_one_pair_has_an_open_interval_and_two_rows_are_too_few():
    x = np.float32([[1, 0], [0, 1], [1, 1]])
    measure = alignment(x, [[0, 1]])
    assert (measure.low, measure.high) == (0.0, 4.0)
    assert "at least 3" in alignment(x[:2], [[0, 1]]).meaning
