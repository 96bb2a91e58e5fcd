import numpy as np
import pytest

from nearfield.survey import hubness


def test_counts_are_those_of_brute_force():
    x = np.random.default_rng(0).standard_normal((300, 9)).astype(np.float32)
    distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    counts = np.bincount(np.argsort(distances, axis=1)[:, :5].ravel(), minlength=300)
    measure = hubness(x, k=5, metric="l2")
    assert np.array_equal(measure.arrays["occurrences"], counts)
    assert measure.value == pytest.approx(((counts - 5.0) ** 3).mean() / counts.std() ** 3)
    assert measure.parts["anti_hubs"] == pytest.approx((counts == 0).mean())
    assert measure.parts["robin_hood"] == pytest.approx(np.abs(counts - 5).sum() / (2 * 5 * 300))
    assert measure.parts["top_share"] == pytest.approx(np.sort(counts)[-3:].sum() / counts.sum())
    assert measure.parts["maximum"] == counts.max()


def test_grows_with_dimension(cloud):
    found = [hubness(cloud("gaussian", 1000, dim, 0), metric="l2") for dim in (2, 8, 30, 120)]
    assert [m.value for m in found] == sorted(m.value for m in found)
    assert [m.parts["anti_hubs"] for m in found] == sorted(m.parts["anti_hubs"] for m in found)
    assert (found[0].verdict, found[-1].verdict) == ("good", "poor")


def test_a_planted_hub_is_found(cloud):
    x = cloud("sphere", 500, 60, 0)
    x[7] = 0.001  # at the centre, nearer to every row than rows are to each other
    measure = hubness(x, metric="l2")
    assert measure.arrays["occurrences"].argmax() == 7
    assert measure.parts["maximum"] == 499


def test_intervals(cloud, holds):
    def measure(seed):
        return hubness(cloud("gaussian", 500, 20, seed), metric="l2", random_state=seed)

    reference = [measure(seed) for seed in range(100, 130)]
    assert holds(measure, np.mean([m.value for m in reference])) >= 16
    anti = np.mean([m.parts["anti_hubs"] for m in reference])
    found = [measure(seed).parts for seed in range(10)]
    assert sum(p["anti_hubs_low"] <= anti <= p["anti_hubs_high"] for p in found) >= 9


def test_a_larger_collection_is_sampled_and_says_so(cloud):
    measure = hubness(cloud("gaussian", 1500, 10, 0), sample=400, random_state=1)
    assert measure.parts["rows"] == 400 and len(measure.arrays["occurrences"]) == 400
    assert "400 rows (of 1,500 rows)" in measure.detail and "half as many rows" in measure.detail
    assert np.isfinite(measure.parts["at_half"])
    assert measure.value == hubness(cloud("gaussian", 1500, 10, 0), sample=400, random_state=1).value


def test_long_rows_are_hubs_under_inner_product(cloud):
    x = cloud("gaussian", 600, 10, 0)
    x[:6] *= 10
    by_product, by_angle = hubness(x, metric="ip"), hubness(x, metric="cosine")
    assert by_product.value > 2 * by_angle.value
    assert set(np.argsort(by_product.arrays["occurrences"])[-6:]) == set(range(6))


def test_what_cannot_be_measured_says_why():
    assert "at least 12 rows for lists of 10, and there is 1" in hubness(np.ones((1, 3), np.float32)).meaning
    assert "arbitrary" in hubness(np.ones((100, 3), np.float32)).meaning
    assert "arbitrary" in hubness(np.eye(40, dtype=np.float32)).meaning


@pytest.mark.parametrize("options", [{"k": 0}, {"sample": 1}, {"metric": "dot"}])
def test_bad_parameters(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        hubness(np.eye(20, dtype=np.float32), **options)
