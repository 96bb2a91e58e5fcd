"""The chance scale is one for all metrics; the hidden topic leaves the quantile that the whole store would give."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nearfield.decide.null import ChanceScale, hidden_topic


def pairs(seed: int = 0, items: int = 300, others: int = 256) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    background = rng.gamma(4.0, 0.2, (items, others)).astype(np.float32)
    near = np.sort(rng.gamma(4.0, 0.2, (items, 3000)).astype(np.float32), axis=1)[:, :21]
    return near, background


def test_it_is_the_log_odds_of_being_as_near() -> None:
    near, background = pairs()
    scale = ChanceScale.fit(near, background, n_items=3001)
    for share in (1e-3, 1e-2, 0.1, 0.5):
        d = np.quantile(np.random.default_rng(9).gamma(4.0, 0.2, 2_000_000), share)
        assert scale(np.array([d]))[0] == pytest.approx(np.log(share / (1 - share)), abs=0.15)


def test_it_rises_strictly_and_without_end() -> None:
    scale = ChanceScale.fit(*pairs(), n_items=3001)
    values = scale(np.linspace(0.0, 9.0, 2000))
    assert np.isfinite(values).all()
    # Below the nearest pair ever seen it may rest on its floor; from there on it rises.
    assert (np.diff(values) >= 0).all()
    assert (np.diff(scale(np.linspace(0.1, 9.0, 500))) > 0).all()


@pytest.mark.parametrize(
    "change", [np.sqrt, np.square, lambda d: d - 1, lambda d: 3 * d], ids=["root", "square", "shift", "scale"]
)
def test_monotone_changes_of_the_distance_do_not_matter(change: np.ufunc) -> None:
    near, background = (values.astype(np.float64) for values in pairs())
    plain = ChanceScale.fit(near, background, n_items=3001)
    changed = ChanceScale.fit(change(near), change(background), n_items=3001)
    probe = np.linspace(0.15, 2.0, 50)
    np.testing.assert_allclose(plain(probe), changed(change(probe)), atol=0.02)


def test_duplicates_stay_finite_and_lowest() -> None:
    near, background = pairs()
    near[:, :4] = 0.0
    scale = ChanceScale.fit(near, background, n_items=3001)
    values = scale(np.array([0.0, 0.2]))
    assert np.isfinite(values).all()
    assert values[0] < values[1]


def test_integer_distances_work() -> None:
    rng = np.random.default_rng(0)
    background = rng.binomial(20, 0.5, (100, 200)).astype(np.float32)
    scale = ChanceScale.fit(np.sort(background[:, :21] // 2, axis=1), background, n_items=900)
    assert (np.diff(scale(np.arange(3.0, 15.0))) > 0).all()


def test_all_equal_is_refused() -> None:
    with pytest.raises(ValueError, match=r"all equal to 0\.5"):
        ChanceScale.fit(np.full((50, 5), 0.5), np.full((50, 40), 0.5), n_items=100)


def test_missing_background_is_left_out() -> None:
    near, background = pairs()
    holes = np.where(np.random.default_rng(1).uniform(size=background.shape) < 0.1, np.nan, background)
    full, part = (ChanceScale.fit(near, b, n_items=3001) for b in (background, holes))
    probe = np.linspace(0.3, 1.5, 20)
    np.testing.assert_allclose(full(probe), part(probe), atol=0.1)


def test_survives_json_exactly() -> None:
    scale = ChanceScale.fit(*pairs(), n_items=3001)
    again = ChanceScale.from_dict(json.loads(json.dumps(scale.to_dict())))
    probe = np.linspace(0, 3, 301)
    assert np.array_equal(scale(probe), again(probe))


@pytest.mark.parametrize("hidden", [0.01, 0.05, 0.3])
def test_what_remains_is_the_quantile_of_the_whole_store(hidden: float) -> None:
    # Rows differ in place and width; each sees 1,024 of 50,000 items, the truth is known.
    rng = np.random.default_rng(0)
    place, width = rng.normal(0, 0.5, 400), rng.uniform(0.7, 1.4, 400)
    background = place[:, None] + width[:, None] * np.log(rng.uniform(size=(400, 1024)))
    neighbors, _ = hidden_topic(background, None, 50_000, hidden, 20)
    truth = place + width * np.log(hidden)
    error = neighbors[:, 0] - truth
    assert abs(error.mean()) < 0.05
    assert error.std() < 0.45
    assert (np.diff(neighbors, axis=1) >= 0).all()


def test_true_neighbours_do_not_teach_the_tail() -> None:
    # A tight topic of half a percent of the store lies inside what is hidden: what remains must not come nearer for it.
    rng = np.random.default_rng(0)
    background = np.log(rng.uniform(size=(400, 1024)))
    plain, _ = hidden_topic(background, None, 50_000, 0.01, 5)
    with_topic = background.copy()
    with_topic[:, :5] = -15.0
    crowded, _ = hidden_topic(with_topic, None, 50_000, 0.01, 5)
    assert abs(crowded[:, 0].mean() - plain[:, 0].mean()) < 0.45


def test_scales_are_those_at_the_edge_of_what_is_hidden() -> None:
    background = np.tile(np.linspace(-8, 0, 1000), (30, 1))
    neighbors, scale = hidden_topic(background, background - 1.0, 10_000, 0.05, 10)
    assert scale is not None
    assert neighbors.shape == (30, 10)
    edge = background[0, 50]
    assert edge - 1.0 <= scale[0] <= edge - 1.0 + 1.0
