import numpy as np
import pytest

from nearfield.survey import mutual_neighbors, rank_biased_overlap


def brute(x, k):
    distances = np.linalg.norm(x[:, None].astype(float) - x[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def test_is_what_brute_force_says(two):
    x, y = two(150, 5, 0.4, 0)
    truth = [len(set(a) & set(b)) for a, b in zip(brute(x, 7), brute(y, 7), strict=True)]
    found = mutual_neighbors(x, y, k=7, metric="l2", sample=None)
    assert found.arrays["per_row"].tolist() == truth and found.value == pytest.approx(np.mean(truth) / 7)
    assert found.parts["none"] == np.mean(np.array(truth) == 0)


def test_a_sample_contains_the_whole(two, holds):
    x, y = two(1500, 8, 0.4, 0)
    truth = mutual_neighbors(x, y, metric="l2", sample=None).value
    assert holds(lambda seed: mutual_neighbors(x, y, metric="l2", sample=200, random_state=seed), truth) >= 18


def test_unrelated_spaces_are_at_chance(two, holds):
    def measure(seed):
        return mutual_neighbors(two(500, 8, 0, seed)[0], two(500, 8, 0, 50 + seed)[0], metric="l2")

    assert holds(measure, 10 / 499) >= 18
    assert measure(0).parts["by_chance"] == pytest.approx(10 / 499)


def test_queries_from_elsewhere_ask_in_both(two):
    x, y = two(300, 6, 0.0, 0)
    asked = two(330, 6, 0.0, 0)
    assert np.array_equal(asked[0][:300], asked[0][:300])
    found = mutual_neighbors(x, y, queries=(x[:40] + 0.01, y[:40] + 0.01), metric="l2")
    assert "40 queries" in found.detail and found.value > 0.9


def test_spaces_of_different_metric_and_dimension(two):
    x, _ = two(300, 6, 0.0, 0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    wide = np.hstack([3 * x, np.zeros((300, 2), np.float32)])
    assert mutual_neighbors(unit, wide, metric=("l2", "cosine")).value > 0.999


def rbo_by_definition(a, b, p):
    depth = len(a)
    agreement = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, depth + 1)]
    return agreement[-1] * p**depth + (1 - p) / p * sum(x * p ** (d + 1) for d, x in enumerate(agreement))


def test_rank_biased_overlap_is_equation_32(two):
    x, y = two(100, 5, 0.4, 0)
    truth = [rbo_by_definition(a, b, 0.8) for a, b in zip(brute(x, 12), brute(y, 12), strict=True)]
    found = rank_biased_overlap(x, y, persistence=0.8, depth=12, metric="l2", sample=None)
    assert found.value == pytest.approx(np.mean(truth))
    chance = 12 / 99 * 0.8**12 + 0.2 / 0.8 * sum(d / 99 * 0.8**d for d in range(1, 13))
    assert found.parts["by_chance"] == pytest.approx(chance)
    assert len(found.arrays["agreement"]) == 12


def test_ties_and_few_rows_say_why():
    same = np.repeat(np.eye(3, dtype=np.float32), 20, 0)
    other = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    for measure in (mutual_neighbors, rank_biased_overlap):
        assert "most rows of the second space" in measure(other, same).meaning
        assert "there are 5" in measure(other[:5], other[:5]).meaning
    assert mutual_neighbors(other, other, k=10_000).value == 1


@pytest.mark.parametrize("options", [{"persistence": 1.0}, {"persistence": 0}, {"depth": 0}])
def test_bad_parameters(two, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        rank_biased_overlap(*two(50, 4, 0, 0), **options)
