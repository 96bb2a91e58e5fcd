import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearfield.common.interval import mean_interval
from nearfield.tune import Forecast, Recipe
from nearfield.tune.survival import _scan, extrapolate, forecast, samples, sift
from nearfield.tune.task import Task


def task(rows, recall=0.9, k=10, queries=None):
    return Task.check(rows, "cosine", recall, k, None, None, queries, 150_000, 0)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 48))[rng.integers(0, 200, 20_000)] + 0.7 * rng.standard_normal((20_000, 48))
    return (x * np.arange(1, 49) ** -0.4).astype(np.float32)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def test_a_straight_line_is_carried_on_and_the_upper_end_supposes_that_it_stops():
    sizes = [1000, 2000, 4000, 8000]
    means = [float(logistic(3 - 0.4 * np.log(n / 1000))) for n in sizes]
    narrow = [(m, m - 1e-4, m + 1e-4) for m in means]
    expected, low, high = extrapolate(sizes, narrow, 64_000, 10**6)
    assert low == pytest.approx(logistic(3 - 0.4 * np.log(64)), abs=2e-3)
    assert high == pytest.approx(means[-1], abs=2e-3) and low < expected < high
    wide = [(m, m - 0.02, m + 0.02) for m in means]
    assert extrapolate(sizes, wide, 64_000, 10**6)[1] < low


def test_nothing_missed_is_no_reason_to_doubt():
    perfect = [mean_interval(np.ones(500))] * 4
    assert extrapolate([1000, 2000, 4000, 8000], perfect, 10**6, 5000)[2] == 1.0
    little = [mean_interval(np.full(500, 0.1))] * 4
    assert extrapolate([1000, 2000, 4000, 8000], little, 10**6, 5000)[2] < 0.2


def test_samples():
    assert samples(3000, 10, Recipe()) == [] and samples(1, 1, Recipe()) == []
    for n in (20_000, 115_659, 10**7):
        found = samples(n, 10, Recipe())
        assert len(found) == 4 and found == sorted(set(found)) and found[-1] <= n // 4
    assert samples(20_000, 10, Recipe(rescore=8)) == []  # all would be scored again


def test_the_forecast_holds_the_truth(rows):
    asked = task(rows)
    recipes = [Recipe(bits=8), Recipe(bits=4), Recipe(pca=12, bits=8), Recipe(pca=24, bits=4), Recipe("flat", bits=32)]
    found = forecast(asked, recipes)
    assert list(found) == recipes[:-1]
    for recipe, told in found.items():
        truth = float(_scan(asked, recipe, asked.truth).mean())
        assert told.low <= truth <= told.high, (recipe, told, truth)
        assert 0 < told.high - told.low < 0.6


def test_rotated_codes_directions_and_lists_are_forecast_too(rows):
    rng = np.random.default_rng(1)
    asked = task(rows, queries=rng.standard_normal((2000, 48)).astype(np.float32))
    assert asked.shared.shape == (1000, 48)
    assert not {row.tobytes() for row in asked.shared} & {row.tobytes() for row in asked.truth.queries}
    recipes = [
        Recipe(bits=4, rotated=True, slack=True),
        Recipe("ivf", bits=1, rotated=True),
        Recipe(leanvec=16, bits=8, queries=True),
        Recipe(leanvec=16, bits=8),
    ]
    found = forecast(asked, recipes)
    assert list(found) == recipes
    for recipe, told in found.items():
        truth = float(_scan(asked, recipe, asked.truth).mean())
        assert told.low <= truth <= told.high, (recipe, told, truth)
    with_queries, without = (found[recipe].recalls[-1] for recipe in recipes[2:])
    assert with_queries != without


def test_only_what_must_miss_is_dropped_and_never_all(rows):
    recipes = [Recipe(pca=4, bits=4), Recipe(bits=8), Recipe("flat", bits=32)]
    kept, dropped = sift(task(rows), recipes)
    assert kept == recipes[1:] and [one.recipe for one in dropped] == recipes[:1]
    hopeless = [Recipe(pca=4, bits=4), Recipe(pca=8, bits=4)]
    kept, dropped = sift(task(rows), hopeless)
    assert kept == hopeless[1:] and len(dropped) == 1


@pytest.mark.parametrize("rows", [np.ones((20_000, 8), np.float32), np.eye(8, dtype=np.float32).repeat(2500, 0)])
def test_equal_rows_and_duplicates_are_not_dropped(rows):
    recipes = [Recipe(bits=8), Recipe(bits=4)]
    assert sift(task(rows), recipes) == (recipes, [])


def test_where_rows_repeat_nothing_is_forecast(rows):
    """On samples the copies are missing that on the whole answer for each other: 0.55 there, 0.91 here."""
    recipes = [Recipe(bits=4), Recipe(pca=12, bits=8)]
    assert forecast(task(np.repeat(rows[:2000], 10, axis=0), recall=0.8), recipes) == {}


def test_where_recall_rises_nothing_is_dropped(rows):
    told = Forecast(Recipe(), 100_000, [1, 2, 3, 4], [0.6, 0.5, 0.45, 0.5], 0.5, 0.4, 0.6)
    assert not told.misses(0.9) and replace(told, recalls=[0.6, 0.55, 0.5, 0.45]).misses(0.9)
    assert not replace(told, recalls=[0.6, 0.55, 0.5, 0.45]).misses(0.6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["held-out rows", "debian_queries.npy"])
def test_wordnet(name):
    folder = Path(os.environ.get("NEARFIELD_DATA", "")) / "wordnet"
    if not (folder / "minilm.npy").is_file():
        pytest.skip("needs $NEARFIELD_DATA/wordnet")
    queries = np.load(folder / name)[:500].astype(np.float32) if name.endswith("npy") else None
    asked = task(np.load(folder / "minilm.npy"), queries=queries)
    recipes = [Recipe(bits=4), Recipe(pca=128, bits=8), Recipe(pca=64, bits=8)]
    for recipe, told in forecast(asked, recipes).items():
        truth = float(_scan(asked, recipe, asked.truth).mean())
        assert told.low <= truth <= told.high, (recipe, told, truth)
