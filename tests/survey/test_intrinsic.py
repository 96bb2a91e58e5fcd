import numpy as np
import pytest

from nearfield.survey import (
    intrinsic_dimension_mle,
    intrinsic_dimension_twonn,
    local_intrinsic_dimension,
    sample_neighbors,
)

BOTH = pytest.mark.parametrize("estimate", [intrinsic_dimension_twonn, intrinsic_dimension_mle])


@BOTH
@pytest.mark.parametrize("kind", ["gaussian", "cube", "sphere", "ball", "heavy", "curved"])
@pytest.mark.parametrize("dim", [2, 5, 10, 20])
def test_within_fifteen_percent_on_known_dimension(estimate, kind, dim, cloud):
    values = [estimate(cloud(kind, 1500, dim, seed, 100), metric="l2", sample=None).value for seed in range(2)]
    assert np.mean(values) == pytest.approx(dim, rel=0.2 if kind == "heavy" and dim == 20 else 0.15)


@BOTH
@pytest.mark.parametrize(("kind", "dim"), [("gaussian", 2), ("cube", 5), ("sphere", 10), ("gaussian", 20)])
def test_interval_holds_the_truth(estimate, kind, dim, cloud, holds):
    def measured(seed):
        return estimate(cloud(kind, 500, dim, seed, 32), metric="l2", sample=None, random_state=seed)

    assert holds(measured, dim) >= 17


@BOTH
def test_interval_holds_the_truth_when_sampled(estimate, cloud, holds):
    assert (
        holds(lambda s: estimate(cloud("gaussian", 1000, 8, s, 32), metric="l2", sample=250, random_state=s), 8) >= 17
    )


@BOTH
def test_the_uncorrected_number_is_kept(estimate, cloud):
    x = cloud("gaussian", 1500, 20, 0, 64)
    plain = estimate(x, metric="l2", correct=False, sample=None)
    assert plain.value == plain.parts["uncorrected"] == estimate(x, metric="l2", sample=None).parts["uncorrected"]
    assert 13 < plain.value < 18
    assert "does not cover the estimator's bias" in plain.detail


def test_twonn_follows_the_paper():
    # Ratios drawn from the paper's law F(m) = 1 - m^-d, with lists built by hand: r1 = 1, r2 = m.
    from nearfield.survey.intrinsic import _fit_twonn

    log_ratio = -np.log(np.random.default_rng(0).random(200_000)) / 7
    for discard in (0.0, 0.1, 0.5):
        assert _fit_twonn(log_ratio, discard) == pytest.approx(7, rel=0.02)


def test_twonn_leaves_out_the_largest_ratios():
    from nearfield.survey.intrinsic import _fit_twonn

    log_ratio = -np.log(np.random.default_rng(0).random(20_000)) / 7
    log_ratio[:1000] += 2  # a twentieth of the rows are lonely
    assert _fit_twonn(log_ratio, 0.0) < 3
    assert _fit_twonn(log_ratio, 0.1) > 5.5


def test_mle_is_levina_bickel_with_mackay_ghahramani():
    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    distances = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, 1:12]
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)
    measure = intrinsic_dimension_mle(x, k=11, metric="l2", sample=None)
    assert measure.parts["uncorrected"] == pytest.approx(1 / inverse.mean(), rel=1e-4)


def test_noise_shows_as_a_fall_when_thinned():
    rng = np.random.default_rng(0)
    plane = np.pad(rng.random((4000, 2)), ((0, 0), (0, 18))) + 0.004 * rng.standard_normal((4000, 20))
    measure = intrinsic_dimension_twonn(plane.astype(np.float32), metric="l2", sample=None)
    assert measure.parts["at_quarter"] < measure.parts["at_half"] < measure.parts["uncorrected"]


def test_local_dimension_finds_the_line_in_the_ball(cloud):
    line, ball = cloud("cube", 400, 1, 0, 10), cloud("gaussian", 400, 10, 1) + 20
    measure = local_intrinsic_dimension(np.concatenate([line, ball]), metric="l2")
    per_row = measure.arrays["per_row"]
    assert len(per_row) == 800 and np.array_equal(measure.arrays["rows"], np.arange(800))
    assert np.median(per_row[:400]) == pytest.approx(1, rel=0.3)
    assert np.median(per_row[400:]) == pytest.approx(10, rel=0.2)
    assert measure.verdict == "poor" and "Regions differ" in measure.meaning


def test_local_dimension_of_an_even_cloud_shows_no_spread(cloud):
    measure = local_intrinsic_dimension(cloud("sphere", 1500, 8, 0), metric="l2")
    assert measure.parts["spread"] < 0.15
    assert "All regions" in measure.meaning


def test_local_dimension_interval(cloud, holds):
    assert holds(lambda s: local_intrinsic_dimension(cloud("gaussian", 400, 6, s, 20), metric="l2"), 6) >= 17


def test_correction_keeps_the_order_of_rows(cloud):
    x = cloud("gaussian", 500, 12, 0, 30)
    plain = local_intrinsic_dimension(x, metric="l2", correct=False)
    better = local_intrinsic_dimension(x, metric="l2")
    assert plain.parts["factor"] == 1
    assert np.allclose(better.arrays["per_row"], plain.arrays["per_row"] * better.parts["factor"], rtol=1e-5)


def test_repeats_get_the_number_of_what_they_repeat(cloud):
    x = cloud("gaussian", 300, 4, 0)
    x[250:] = x[:50]
    per_row = local_intrinsic_dimension(x, metric="l2").arrays["per_row"]
    assert np.array_equal(per_row[250:], per_row[:50])
    alone = local_intrinsic_dimension(x[:250], metric="l2").arrays["per_row"]
    assert np.allclose(per_row[:250], alone)


def test_cosine_measures_directions(cloud):
    x = cloud("sphere", 1000, 6, 0)
    lengths = np.exp(np.random.default_rng(0).standard_normal((1000, 1)))
    same, stretched = (intrinsic_dimension_mle(v.astype(np.float32), sample=None).value for v in (x, x * lengths))
    assert stretched == pytest.approx(same, rel=1e-3)


def test_a_shared_search_gives_the_same_numbers(cloud):
    x = cloud("gaussian", 1000, 6, 0, 20)
    shared = sample_neighbors(x, 30, sample=200)
    for measure in (intrinsic_dimension_twonn, intrinsic_dimension_mle):
        assert measure(x, neighbors=shared).value == pytest.approx(measure(x, sample=200).value, rel=1e-9)
    assert len(local_intrinsic_dimension(x, neighbors=shared).arrays["per_row"]) == 200


def test_a_search_of_another_kind_is_refused(cloud):
    x = cloud("gaussian", 100, 3, 0)
    with pytest.raises(ValueError, match="neighbors: expected lists under 'cosine'"):
        intrinsic_dimension_mle(x, neighbors=sample_neighbors(x, 30, metric="l2"))
    with pytest.raises(ValueError, match="at least 21 neighbours"):
        intrinsic_dimension_mle(x, neighbors=sample_neighbors(x, 10))
    with pytest.raises(ValueError, match="distinct=False"):
        intrinsic_dimension_mle(x, neighbors=sample_neighbors(x, 30, distinct=False))


@pytest.mark.parametrize("measure", [intrinsic_dimension_twonn, intrinsic_dimension_mle, local_intrinsic_dimension])
@pytest.mark.parametrize(
    "x", [np.ones((1, 3)), np.ones((50, 3)), np.eye(2), np.repeat(np.eye(5), 40, 0), np.arange(1, 9).reshape(8, 1)]
)
def test_too_little_data_is_unknown_and_says_why(measure, x):
    found = measure(x.astype(np.float32), metric="l2")
    assert not found.known
    assert "needs at least 10 different rows" in found.meaning


def test_a_grid_has_no_ratio_to_fit():
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), -1).reshape(-1, 3).astype(np.float32)
    assert "equally far" in intrinsic_dimension_twonn(grid, metric="l2").meaning
    assert not local_intrinsic_dimension(np.eye(40, dtype=np.float32), metric="l2").known


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: intrinsic_dimension_twonn(x, discard=1.0), "discard"),
        (lambda x: intrinsic_dimension_mle(x, k=1), "k: "),
        (lambda x: local_intrinsic_dimension(x, k=0), "k: "),
        (lambda x: intrinsic_dimension_mle(x, metric="hamming"), "metric"),
    ],
)
def test_bad_parameters(call, text, cloud):
    with pytest.raises(ValueError, match=text):
        call(cloud("gaussian", 50, 3, 0))
