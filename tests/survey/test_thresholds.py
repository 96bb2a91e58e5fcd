import numpy as np
import pytest

from nearfield.survey import neighbor_purity, threshold_inconsistency


def classes(spread, rows=30, count=40, seed=0, dim=12):
    """Centres equally far from each other; the scale of a class is e^(spread * u), u from -1 to 1."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(count), rows)
    scale = np.exp(spread * np.linspace(-1, 1, count))[kind][:, None]
    noise = scale * rng.standard_normal((len(kind), dim))
    return np.concatenate([2.5 * np.eye(count)[kind], noise], axis=1).astype(np.float32), kind


@pytest.mark.parametrize("rows", [6, 30])
def test_zero_when_all_classes_share_one_distribution(rows):
    found = [threshold_inconsistency(*classes(0, rows, seed=seed), metric="l2") for seed in range(5)]
    assert sum(one.low <= 0 for one in found) >= 4
    ours, plain = (np.mean(values) for values in ([m.value for m in found], [m.parts["uncorrected"] for m in found]))
    assert ours < 0.35 * plain
    assert rows == 6 or ours < 1e-3


def test_rises_with_differences_of_scale():
    found = [threshold_inconsistency(*classes(spread), metric="l2") for spread in (0, 0.2, 0.4, 0.6)]
    assert [m.value for m in found] == sorted(m.value for m in found)
    assert (found[0].verdict, found[-1].verdict) == ("good", "poor")
    assert found[-1].parts["worst"] > found[-1].value > 0.02


def test_the_formula_on_curves_that_are_known():
    # Three far classes, two tight and one so wide that no pair of it is ever accepted: U is 1, 1 and 0.
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(3), 40)
    scale = np.array([0.01, 0.01, 500.0])[kind][:, None]
    x = (1000 * np.eye(3)[kind] @ np.eye(3, 40) + scale * rng.standard_normal((120, 40))).astype(np.float32)
    measure = threshold_inconsistency(x, kind, metric="l2", false_accepts=(0.01, 0.05), worst=0.3)
    assert measure.parts["threshold_high"] < x[kind == 2].std() * 9
    utility = measure.arrays["utility"]
    assert (utility[:2] > 0.85).all()
    mean = utility.mean(axis=0)
    assert measure.parts["uncorrected"] == pytest.approx(((utility - mean) ** 2).mean(), rel=0.1)
    assert measure.value == pytest.approx(1.5 * measure.parts["uncorrected"], rel=0.15)
    assert measure.parts["worst"] == pytest.approx(((mean - utility.min(axis=0)) ** 2).mean(), rel=0.15)


def test_false_accepts_over_all_are_what_was_asked_for():
    x, kind = classes(0.5)
    measure = threshold_inconsistency(x, kind, metric="l2", false_accepts=(0.02, 0.2), sample=5000)
    distances = np.linalg.norm(x[:, None] - x[None], axis=2)
    different = kind[:, None] != kind
    for name, share in (("threshold_low", 0.02), ("threshold_high", 0.2)):
        assert (distances[different] <= measure.parts[name]).mean() == pytest.approx(share, rel=0.1)


def test_perfect_ranking_can_be_inconsistent():
    x, kind = classes(0.7, count=20)
    x[:, :20] *= 1.6
    assert neighbor_purity(x, kind, metric="l2").parts["nearest"] > 0.95
    assert threshold_inconsistency(x, kind, metric="l2").verdict == "poor"


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_metrics_and_many_classes(metric):
    rng = np.random.default_rng(0)
    kind = np.arange(4000) // 8
    x = (rng.standard_normal((500, 16))[kind] + 0.5 * rng.standard_normal((4000, 16))).astype(np.float32)
    measure = threshold_inconsistency(x, kind, metric=metric, sample=1200)
    assert measure.parts["classes"] == 200 and measure.low <= measure.value <= measure.high
    assert measure.to_dict() == threshold_inconsistency(x, kind, metric=metric, sample=1200).to_dict()


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    assert "3 classes of 6 rows" in threshold_inconsistency(x, np.arange(40) % 10).meaning
    assert "no threshold" in threshold_inconsistency(np.ones((40, 3), np.float32), np.arange(40) % 4).meaning


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"false_accepts": 0.1}, "false_accepts: expected two shares"),
        ({"false_accepts": (0.1, 0.01)}, r"false_accepts\[1\]"),
        ({"worst": 0}, "worst"),
        ({"sample": 3}, "sample"),
        ({"metric": "dot"}, "metric"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(ValueError, match=text):
        threshold_inconsistency(np.eye(40, dtype=np.float32), np.arange(40) % 4, **options)
