import numpy as np
import pytest

from nearfield.survey import cka


def gram_cka(x, y):
    """The estimator as Song et al. write it, on Gram matrices with an empty diagonal."""

    def hsic(a, b):
        n = len(a)
        a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
        last = a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * a.sum(0) @ b.sum(0)
        return ((a * b).sum() + last) / (n * (n - 3))

    a, b = (part.astype(float) @ part.T.astype(float) for part in (x, y))
    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))


@pytest.mark.parametrize("dim", [5, 90])
def test_is_the_estimator_without_bias(two, dim):
    x, y = two(60, dim, 1.0, 0)
    assert cka(x, y, metric="l2").value == pytest.approx(gram_cka(x, y), abs=1e-6)


def test_the_truth_is_inside(two, holds):
    # Covariances I and (1 + s^2) I, and a rotation between them: 1 / (1 + s^2) whatever the dimension.
    assert holds(lambda seed: cka(*two(400, 15, 1.0, seed), metric="l2", random_state=seed), 0.5) >= 18


def test_unrelated_spaces_are_at_zero_even_with_few_rows(two, holds):
    def measure(seed):
        return cka(two(80, 200, 0, seed)[0], two(80, 200, 0, 100 + seed)[0], metric="l2")

    assert holds(measure, 0.0) >= 18
    assert measure(0).parts["biased"] > 0.6


def test_turning_scaling_and_shifting_change_nothing(two):
    x, y = two(300, 12, 0.0, 0)
    found = cka(x, 7 * y + 3, metric="l2")
    assert found.value == pytest.approx(1, abs=1e-6) and found.verdict == "good"
    assert abs(found.parts["by_chance"]) < 0.05


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    assert "there are 9" in cka(x, x).meaning
    assert "all rows of the second" in cka(np.eye(12, dtype=np.float32), np.ones((12, 2), np.float32)).meaning
    assert "Unknown" in cka(np.eye(12, dtype=np.float32), np.eye(12, dtype=np.float32)).meaning  # all equally alike
