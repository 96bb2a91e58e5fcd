import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat
from nearfield.tune import Plan, Recipe, tune


@pytest.fixture(scope="module", autouse=True)
def small_scale():
    """Graphs are tried on a twentieth of the usual size, and nothing is timed for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nearfield.tune.candidates._SMALL", 200_000)
        patch.setattr("nearfield.tune.candidates._SCANNED_NUMBERS", 200_000)
        patch.setattr("nearfield.tune.measure._PASS_SECONDS", 0.005)
        patch.setattr("nearfield.tune.measure._SINGLES", 20)
        yield


@pytest.fixture(scope="module")
def rows():
    """5,000 rows in bunches along a falling spectrum, as embeddings are."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((100, 64))
    spread = centres[rng.integers(0, 100, 5000)] + 0.7 * rng.standard_normal((5000, 64))
    return (spread * np.arange(1, 65) ** -0.5).astype(np.float32)


@pytest.fixture(scope="module")
def plan(rows):
    return tune(rows, recall=0.9, progress=False)


def measured(plan: Plan):
    """All but the timings."""
    return [replace(trial, queries_per_second=0, latency=0) for trial in plan.trials]


def test_the_plan_keeps_its_word_on_fresh_queries(plan, rows):
    assert plan.met and plan.recipe in [trial.recipe for trial in plan.trials]
    assert plan.criterion == "bound" and plan.queries == 500 and plan.measured_rows == 4500
    rng = np.random.default_rng(1)
    fresh = (rows[rng.integers(0, len(rows), 400)] + 0.02 * rng.standard_normal((400, 64))).astype(np.float32)
    exact = Flat("cosine").build(rows).search(fresh, 10).rows
    for trial in plan.trials[3:]:
        assert trial.recall_low >= 0.9
    found = plan.recipe.make("cosine").build(rows).search(fresh, 10, **plan.recipe.search_settings()).rows
    assert (found[:, :, None] == exact[:, None, :]).any(2).mean() >= 0.88


def test_candidates_are_scans_and_graphs_with_and_without_components(plan):
    kinds = {(t.recipe.kind, t.recipe.bits, t.recipe.pca is None) for t in plan.trials}
    assert kinds >= {("flat", 32, True), ("flat", 8, True), ("graph", 8, True), ("graph", 4, True), ("graph", 4, False)}
    assert plan.trials[0].recipe.exact and plan.trials[0].recall_low == 1


def test_memory_is_that_of_the_index_of_all_rows(plan, rows):
    for trial in plan.trials[3:6] + plan.trials[-1:]:
        size = trial.recipe.make("cosine").build(rows).memory()
        assert trial.memory == pytest.approx(size["total"], rel=0.002)
        assert trial.mapped == pytest.approx(size["mapped"], rel=0.002)


def test_only_timings_vary(plan, rows):
    before = native.threads()
    native.set_threads(1)
    try:
        again = tune(rows, recall=0.9, progress=False)
    finally:
        native.set_threads(before)
    assert measured(again) == measured(plan)


def test_a_shared_graph_is_the_one_each_recipe_builds(plan, rows):
    recipe = Recipe("graph", bits=4, rescore="vectors", slack=True)
    alone = tune(rows, recall=0.9, recipes=[recipe], progress=False)
    together = [t for t in measured(plan) if (t.recipe.bits, t.recipe.rescore, t.recipe.pca) == (4, "vectors", None)]
    assert measured(alone)[0] in together


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_other_metrics_and_given_queries(rows, metric):
    queries = rows[:300] + np.float32(0.05)
    recipes = [Recipe("graph", bits=4, rescore=8), Recipe("graph", pca=40, bits=8, rescore=8)]
    found = tune(rows[300:], metric=metric, recall=0.9, queries=queries, recipes=recipes, progress=False)
    assert found.met and found.queries_from == "given" and found.queries == 300 and found.metric == metric
    assert found.measured_rows == found.rows == 4700


def test_queries_from_elsewhere_need_wider_beams(rows):
    elsewhere = np.random.default_rng(2).standard_normal((500, 64)).astype(np.float32)
    recipes = [Recipe("graph")]
    near, far = (tune(rows, recall=0.9, queries=q, recipes=recipes, progress=False) for q in (None, elsewhere))
    assert far.recipe.beam > 2 * near.recipe.beam


def test_memory_budget(rows):
    tight = tune(rows, recall=0.9, memory="450kB", progress=False)
    assert tight.met and tight.memory == 450_000
    assert next(t for t in tight.trials if t.recipe == tight.recipe).memory <= 450_000
    impossible = tune(rows, recall=0.9, memory="10kB", progress=False)
    assert not impossible.met and "Cannot be met (recall 0.9 within 10 kB of memory)" in impossible.message


def test_latency_budget(rows):
    recipes = [Recipe("flat", bits=32), Recipe("graph")]
    assert tune(rows, recall=0.9, latency=1e4, recipes=recipes, progress=False).met
    hopeless = tune(rows, recall=0.9, latency=1e-6, recipes=recipes, progress=False)
    assert not hopeless.met and "within 1e-06 ms" in hopeless.message


def test_all_means_exact(rows):
    plan = tune(rows, recall=1.0, recipes=[Recipe("graph"), Recipe("flat", bits=32)], progress=False)
    assert plan.met and plan.recipe.exact


def test_small_sets_are_scanned(rows):
    for n in (1, 5, 30, 2000):
        plan = tune(rows[:n], k=1, progress=False)
        assert plan.met and plan.recipe == Recipe("flat", bits=32) and len(plan.trials) == 1
        assert plan.queries_from == ("held-out rows" if n == 2000 else "own rows")
        assert not plan.sampled
    assert tune(rows[:50], k=50, progress=False).met


def test_where_a_scan_takes_no_time_no_graph_is_trusted_with_unknown_queries(rows, monkeypatch):
    monkeypatch.setattr("nearfield.tune.candidates._SCANNED_NUMBERS", 4_000_000)
    held_out = tune(rows, recall=0.9, memory="900kB", progress=False)
    assert held_out.met and held_out.recipe.kind == "flat" and held_out.recipe.bits in (4, 8)
    assert {trial.recipe.kind for trial in held_out.trials} == {"flat"}
    known = tune(rows, recall=0.9, queries=rows[:200] + np.float32(0.01), progress=False)
    hurried = tune(rows, recall=0.9, latency=1.0, progress=False)
    assert all("graph" in {trial.recipe.kind for trial in plan.trials} for plan in (known, hurried))


def test_a_sample_widens_the_beam_and_says_so(rows):
    sampled = tune(rows, recall=0.9, sample=1500, recipes=[Recipe("graph")], progress=False)
    whole = tune(rows, recall=0.9, recipes=[Recipe("graph")], progress=False)
    assert sampled.sampled and sampled.rows == 5000 and sampled.measured_rows == 1350
    assert sampled.recipe.beam >= sampled.trials[0].recipe.beam
    assert "Measured on 1,350 of 5,000 rows and not verified on all" in sampled.message
    assert sampled.recipe.beam >= 0.7 * whole.recipe.beam
    assert sampled.trials[0].memory == pytest.approx(whole.trials[0].memory, rel=0.01)


def test_half_precision_and_mapped_vectors(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows.astype(np.float16))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    plan = tune(mapped, recall=0.9, recipes=[Recipe("graph", bits=4, rescore="vectors")], progress=False)
    assert plan.met and plan.trials[0].mapped == 5000 * 64 * 2


def test_interrupting_passes_through(rows, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nearfield.tune.tuner._advance", stop)
    with pytest.raises(KeyboardInterrupt):
        tune(rows, recipes=[Recipe("graph")], progress=False)


def test_slack_is_chosen_by_measurement(plan, rows):
    finalists = [trial.recipe for trial in plan.trials if trial.timed and trial.recipe.kind == "graph"]
    with_slack = [recipe for recipe in finalists if recipe.slack is True]
    assert with_slack and all(recipe.slack_from == 10 for recipe in with_slack)
    for recipe in with_slack:
        assert any(other.links == recipe.links and other.slack is None for other in finalists)
    asked = [Recipe("graph", slack=True), Recipe("graph", slack=0.1), Recipe("graph")]
    given = tune(rows, recall=0.9, recipes=asked, progress=False)
    assert [trial.recipe.slack for trial in given.trials] == [True, 0.1, None]
    chosen = given.trials[0].recipe
    exact = Flat("cosine").build(rows[100:]).search(rows[:100], 1).rows
    found = given.build(rows[100:]).search(rows[:100], 1, **chosen.search_settings()).rows
    assert (found == exact).mean() > 0.85  # asked for one neighbour, a walk tuned for ten goes as far


def test_queries_that_are_not_measured_shape_the_build(rows):
    rng = np.random.default_rng(2)
    elsewhere = rng.standard_normal((3000, 64)).astype(np.float32)
    recipes = [Recipe("graph", queries=True), Recipe("graph", leanvec=32, queries=True, rescore=8), Recipe("graph")]
    plan = tune(rows, recall=0.9, queries=elsewhere, recipes=recipes, progress=False)
    assert plan.queries == 1000 and plan.sample_queries.shape == (2000, 64)
    measured_ones = {row.tobytes() for row in elsewhere} - {row.tobytes() for row in plan.sample_queries}
    assert len(measured_ones) == 1000
    narrow, _, wide = (trial.recipe.beam for trial in plan.trials)
    assert narrow < wide
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan and again.sample_queries is None
    chosen = replace(plan, recipe=plan.trials[0].recipe)
    assert (
        chosen.build(rows).memory()["graph"] > replace(plan, recipe=plan.trials[2].recipe).build(rows).memory()["graph"]
    )
    with pytest.raises(ValueError, match="sample_queries: the recipe is built with sample queries"):
        replace(again, recipe=plan.trials[0].recipe).build(rows)
    for few in ({"queries": elsewhere[:1400]}, {"queries": elsewhere, "share_queries": False}, {}):
        with pytest.raises(ValueError, match="queries: expected some to build with"):
            tune(rows, recall=0.9, recipes=recipes, progress=False, **few)


def test_where_no_graph_fits_lists_are_tried(rows):
    plan = tune(rows, recall=0.9, memory="260kB", progress=False)
    assert plan.met and {trial.recipe.kind for trial in plan.trials} == {"flat", "graph", "ivf"}
    assert plan.recipe.kind in ("ivf", "flat")
    chosen = next(trial for trial in plan.trials if trial.recipe == plan.recipe)
    assert chosen.memory <= 260_000
    assert plan.build(rows).memory()["total"] == pytest.approx(chosen.memory, rel=0.05)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"recall": 0}, r"recall: expected a number in \(0, 1\]"),
        ({"recall": 1.5}, r"recall: expected a number in \(0, 1\]"),
        ({"recall": float("nan")}, "recall: expected"),
        ({"memory": "12 parsecs"}, "memory: expected bytes such as '200MB'"),
        ({"memory": 0}, "memory: expected"),
        ({"latency": 0}, "latency: expected"),
        ({"k": 201}, "k: expected an integer from 1 to 200, got 201"),
        ({"k": 0}, "k: expected"),
        ({"metric": "dot"}, "metric: expected one of"),
        ({"queries": np.ones((3, 63), np.float32)}, "queries: expected 64 dimensions, got 63"),
        ({"queries": np.zeros((3, 64), np.float32)}, "queries: expected nonzero"),
        ({"queries": np.empty((0, 64), np.float32)}, "queries: expected at least 1 row"),
        ({"recipes": []}, "recipes: expected at least one Recipe"),
        ({"recipes": [Recipe("flat", pca=65)]}, "n_components: expected"),
        ({"sample": 10}, "sample: expected"),
        ({"random_state": -1}, "random_state: expected"),
    ],
)
def test_bad_parameters(rows, bad, message):
    with pytest.raises(ValueError, match=message):
        tune(rows[:200], progress=False, **bad)


def test_bad_types_and_vectors(rows):
    with pytest.raises(TypeError, match="recall: expected"):
        tune(rows[:200], recall="high")
    with pytest.raises(TypeError, match="recipes: expected Recipe objects"):
        tune(rows[:200], recipes=["flat"])
    for bad in ([], np.empty((0, 8), np.float32), rows[0], np.zeros((30, 4), np.float32)):
        with pytest.raises(ValueError, match="vectors: expected"):
            tune(bad)
    with pytest.raises(ValueError, match="NaN or infinity in row 3"):
        tune(np.where(np.arange(200)[:, None] == 3, np.nan, rows[:200]).astype(np.float32))


@pytest.fixture
def low_rungs(monkeypatch):
    monkeypatch.setattr("nearfield.tune.halving._FEWEST", 300)


def test_rounds_are_honest_about_their_rows_and_only_finalists_are_timed(rows, low_rungs):
    plan = tune(rows, recall=0.9, progress=False)
    assert plan.met and {trial.rows for trial in plan.trials} <= {300, 1125, 4500}
    assert all(trial.timed == (trial.rows == 4500) for trial in plan.trials)
    finalists = [trial for trial in plan.trials if trial.timed]
    walks = {trial.recipe.links for trial in finalists}
    assert 3 <= len(walks) <= 5 and len(finalists) <= 9 and any(trial.recipe.exact for trial in finalists)
    assert plan.recipe in [trial.recipe for trial in finalists]
    again = tune(rows, recall=0.9, progress=False)
    assert measured_or_left(again) == measured_or_left(plan)
    assert plan.pareto[-1].recall == 1 and {t.rows for t in plan.pareto} == {4500}
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def measured_or_left(plan: Plan):
    return [replace(t, queries_per_second=t.queries_per_second and 1, latency=t.latency and 1) for t in plan.trials]


def test_impossible_budgets_end_with_the_closest(rows, low_rungs):
    for budgets in ({"memory": 1}, {"latency": 1e-9}, {"memory": 1, "latency": 1e-9, "recall": 1.0}):
        plan = tune(rows, **{"recall": 0.9, **budgets}, progress=False)
        assert not plan.met and "Cannot be met" in plan.message
        assert next(t for t in plan.trials if t.recipe == plan.recipe).timed


def test_equal_rows_and_duplicates(rows, low_rungs):
    same = tune(np.ones((5000, 64), np.float32), recall=0.9, progress=False)
    assert same.met and all(trial.recall == 1 for trial in same.trials) and not same.dropped
    many = tune(np.repeat(rows[:500], 10, axis=0), recall=0.9, progress=False)
    assert many.met
    with pytest.raises(ValueError, match="k: expected an integer from 1 to 5000, got 5001"):
        tune(rows, k=5001, progress=False)
    large = tune(rows, recall=0.9, k=100, recipes=[Recipe("graph"), *[Recipe("flat", bits=b) for b in (4, 8, 16, 32)]])
    assert large.met and all(trial.rows in (1125, 4500) for trial in large.trials)


def test_codes_that_cannot_reach_the_target_are_not_built(rows, monkeypatch):
    monkeypatch.setattr("nearfield.tune.survival._FEWEST", 150)
    recipes = [Recipe("graph", pca=3, bits=4), Recipe("graph")]
    plan = tune(rows, recall=0.9, recipes=recipes, progress=False)
    assert plan.met and [t.recipe.pca for t in plan.trials] == [None]
    assert [forecast.recipe for forecast in plan.dropped] == recipes[:1] and plan.dropped[0].high < 0.9
    alone = tune(rows, recall=0.9, recipes=recipes[:1], progress=False)
    assert not alone.met and len(alone.trials) == 1 and not alone.dropped


@pytest.mark.slow
def test_wordnet():
    path = Path(os.environ.get("NEARFIELD_DATA", "")) / "wordnet" / "minilm.npy"
    if not path.is_file():
        pytest.skip("needs $NEARFIELD_DATA/wordnet/minilm.npy")
    plan = tune(np.load(path)[::4], recall=0.95, memory="20MB", progress=False)
    assert plan.met and plan.recipe.kind == "graph"
