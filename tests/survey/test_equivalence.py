import numpy as np
import pytest

from nearfield.survey import functional_equivalence, head_equivalence, mutual_neighbors


def test_an_invertible_map_is_undone(two):
    x, _ = two(600, 8, 0, 0)
    mixed = (x @ np.random.default_rng(1).standard_normal((8, 11))).astype(np.float32)
    found = functional_equivalence(x, mixed, metric="l2", sample=200)
    assert found.value > 0.98 and found.parts["backward"] > 0.98 and found.parts["own"] == 1
    assert mutual_neighbors(x, mixed, metric="l2", sample=200).value < 0.9
    assert found.parts["stored"] == pytest.approx(mutual_neighbors(x, mixed, metric="l2", sample=200).value, abs=0.02)


def test_a_part_is_lost_with_the_dimensions_that_are_missing(two):
    x, _ = two(600, 8, 0, 0)
    small = x[:, :5].copy()
    assert functional_equivalence(x, small, metric="l2", sample=200).value > 0.98
    assert functional_equivalence(small, x, metric="l2", sample=200).value < 0.6


def test_unrelated_spaces_are_at_chance(two):
    found = functional_equivalence(two(600, 8, 0, 0)[0], two(600, 8, 0, 1)[0], metric="l2")
    assert found.verdict == "poor" and found.value < 0.1
    assert found.low - 0.02 <= found.parts["by_chance"] <= found.high + 0.02


def classes(rows, seed, noise):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, rows)
    return kind, (3 * np.eye(4)[kind] + noise * rng.standard_normal((rows, 4))).astype(np.float32)


def test_a_head_works_on_the_other_space(two):
    kind, x = classes(800, 0, 0.7)
    turned = (x @ np.random.default_rng(1).standard_normal((4, 6))).astype(np.float32)
    found = head_equivalence(x, turned, labels=[f"class {i}" for i in kind], metric="l2")
    assert found.value == pytest.approx(1, abs=0.03) and found.parts["by_chance"] < 0.3
    assert found.low <= 1 <= found.high or found.value > 0.99


def test_a_head_that_cannot_work(two):
    kind, x = classes(800, 0, 0.7)
    found = head_equivalence(two(800, 4, 0, 0)[0], x, labels=kind, metric="l2")
    assert found.verdict == "poor" and abs(found.value) < 0.15
    assert "no better than naming the commonest" in head_equivalence(x, two(800, 4, 0, 0)[0], labels=kind).meaning
    assert "at least 2 classes" in head_equivalence(x, x, labels=np.ones(800, int)).meaning


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (np.ones(3, int), ValueError, "labels: expected 800, one for each row"),
        (np.ones((800, 2), int), ValueError, "labels"),
        (np.ones(800), TypeError, "integers or texts"),
    ],
)
def test_bad_labels(labels, error, text):
    _, x = classes(800, 0, 0.7)
    with pytest.raises(error, match=text):
        head_equivalence(x, x, labels=labels)


def test_few_rows_say_why(two):
    assert "at least 40" in functional_equivalence(*two(30, 4, 0, 0)).meaning
