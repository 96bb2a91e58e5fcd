"""The judge keeps its promise where the truth is known, means the same under every metric, refuses bad input."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.decide import Judge

World = Any  # of conftest.py
Tools = Any


def lost(judge: Judge, world: World, max_false: float, queries: np.ndarray | None = None) -> float:
    return 1 - float(answered(judge, world, world.answerable if queries is None else queries, max_false).mean())


def answered(judge: Judge, world: World, queries: np.ndarray, max_false: float) -> np.ndarray:
    distances, scales = world.ask(queries)
    return judge.keep(distances, max_false, scales, queries=queries)[:, 0]


# -- the promise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_lost", [0.02, 0.05, 0.1, 0.2])
def test_the_promised_loss_is_kept(world: World, judge: Judge, max_lost: float) -> None:
    max_false = judge.max_false_for(max_lost)
    rate = judge.expected_lost(max_false)
    assert rate.value == pytest.approx(max_lost, abs=1e-6)
    assert rate.low < rate.value < rate.high
    # 600 queries have an error of their own: two standard errors around the interval.
    slack = 2 * (max_lost * (1 - max_lost) / len(world.answerable)) ** 0.5
    assert rate.low - slack <= lost(judge, world, max_false) <= rate.high + slack


def test_queries_about_topics_it_lacks_get_nothing(world: World, judge: Judge) -> None:
    max_false = judge.max_false_for(0.05)
    assert answered(judge, world, world.unanswerable, max_false).mean() < 0.2
    # Hiding an item's nearest is not quite the absence of a topic: the rate is right within a factor of two and a half.
    for allowed in (0.05, 0.2):
        assert allowed / 2.5 <= answered(judge, world, world.unanswerable, allowed).mean() <= allowed * 2.5


def test_local_scales_help_where_density_differs(world: World) -> None:
    def rejected(judge: Judge, scales: bool) -> float:
        scores = []
        for queries in (world.answerable, world.unanswerable):
            distances, local = world.ask(queries)
            scores.append(judge.relevance(distances, local if scales else None)[:, 0])
        return float((scores[1] < np.quantile(scores[0], 0.05)).mean())

    assert rejected(world.fit(), True) > rejected(world.fit(scales=False), False)


def test_twins_in_the_store_are_seen_through(tools: Tools) -> None:
    # Every item has a near copy; fresh queries have none. Leave-one-out alone would promise far too little loss.
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(60, 24))
    fresh = tools.unit(centers[np.repeat(np.arange(60), 30)] + 0.7 * rng.normal(size=(1800, 24)))
    single, queries = fresh[::3], fresh[1::3]
    store = np.concatenate([single, tools.unit(single + 0.02 * rng.normal(size=single.shape))])
    world = tools.build_world(store, queries, queries)
    judge = world.fit(Judge(nearest=1))
    rate = judge.expected_lost(judge.max_false_for(0.05))
    plain = 1 - judge.paired_.below(judge.threshold(judge.max_false_for(0.05)))
    assert plain < 0.02
    assert rate.high > 0.08


def test_rates_and_cuts_are_monotone(world: World, judge: Judge) -> None:
    settings = [0.0, 1e-4, 0.01, 0.05, 0.2, 0.5, 0.9, 1.0]
    rates = [judge.expected_lost(setting) for setting in settings]
    values = [rate.value for rate in rates]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[-1] == 0.0
    assert all(0 <= rate.low <= rate.value <= rate.high <= 1 for rate in rates)
    distances, scales = world.ask(world.answerable)
    kept = [judge.keep(distances, setting, scales) for setting in settings]
    assert not kept[0].any()
    assert kept[-1].all()
    for fewer, more in itertools.pairwise(kept):
        assert (more | ~fewer).all()


def test_max_false_for_the_ends(judge: Judge) -> None:
    assert judge.max_false_for(0.0) == 1.0
    assert judge.max_false_for(1.0) == 0.0
    for max_lost in (1e-4, 0.5, 0.999):
        assert judge.expected_lost(judge.max_false_for(max_lost)).value == pytest.approx(max_lost, abs=1e-6)


def test_few_background_distances_err_on_the_careful_side(world: World) -> None:
    few = dataclasses.replace(world, others=world.others[:64]).fit()
    many = world.fit()
    assert answered(few, world, world.unanswerable, 0.05).mean() <= 0.1
    assert few.expected_lost(0.05).value > many.expected_lost(0.05).value - 0.02


# -- relevance --------------------------------------------------------------------------------------------------------


def test_relevance_is_a_probability_that_never_rises_along_a_row(world: World, judge: Judge) -> None:
    for queries in (world.answerable, world.unanswerable):
        distances, scales = world.ask(queries)
        relevance = judge.relevance(distances, scales)
        assert relevance.dtype == np.float32
        assert relevance.shape == distances.shape
        assert ((relevance >= 0) & (relevance <= 1)).all()
        assert (np.diff(relevance, axis=1) <= 0).all()


def test_relevance_is_calibrated(world: World, judge: Judge) -> None:
    yes = judge.relevance(*world.ask(world.answerable))[:, 0]
    no = judge.relevance(*world.ask(world.unanswerable))[:, 0]
    value = np.concatenate([yes, no])
    truth = np.concatenate([np.ones(len(yes)), np.zeros(len(no))])
    weight = np.concatenate([np.full(len(yes), 0.5 / len(yes)), np.full(len(no), 0.5 / len(no))])
    cell = np.minimum((value * 10).astype(int), 9)
    error = sum(abs((weight * (truth - value))[cell == c].sum()) for c in range(10))
    assert error < 0.08


def test_relevance_orders_as_the_cut_does(world: World, judge: Judge) -> None:
    distances, scales = world.ask(np.concatenate([world.answerable, world.unanswerable]))
    relevance, kept = judge.relevance(distances, scales), judge.keep(distances, 0.05, scales)
    assert relevance[kept].min() >= relevance[~kept].max()


def test_prior_moves_relevance_alone(world: World) -> None:
    distances, scales = world.ask(world.answerable)
    low, high = world.fit(Judge(prior=0.1)), world.fit(Judge(prior=0.9))
    assert (low.relevance(distances, scales) < high.relevance(distances, scales))[:, 0].mean() > 0.9
    assert np.array_equal(low.keep(distances, 0.05, scales), high.keep(distances, 0.05, scales))


# -- the same for every metric, batch, process ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [lambda d: np.sqrt(2 * d), lambda d: d - 1, lambda d: 7 * d], ids=["l2", "ip", "scaled"]
)
def test_the_metric_does_not_matter(world: World, judge: Judge, change: Callable[[Any], Any]) -> None:
    changed = world.fit(change=change)
    for queries in (world.answerable, world.unanswerable):
        distances, scales = world.ask(queries)
        mine, theirs = judge.relevance(distances, scales), changed.relevance(change(distances), change(scales))
        np.testing.assert_allclose(mine, theirs, atol=0.02)
        for max_false in (0.01, 0.05, 0.3):
            same = judge.keep(distances, max_false, scales) == changed.keep(
                change(distances), max_false, change(scales)
            )
            assert same.mean() > 0.995


def test_coarse_codes_do_not_matter_much(world: World) -> None:
    rng = np.random.default_rng(5)

    def coarse(distances: np.ndarray) -> np.ndarray:
        noisy = distances + rng.normal(0, 0.005, distances.shape).astype(np.float32)
        return np.sort(noisy.clip(0), axis=1) if noisy.ndim == 2 and noisy.shape[1] <= 21 else noisy.clip(0)

    judge = world.fit(change=coarse)
    distances, scales = world.ask(world.answerable)
    kept = judge.keep(coarse(distances), judge.max_false_for(0.05), scales)[:, 0]
    assert 0.02 < 1 - kept.mean() < 0.09


def test_one_query_equals_a_batch(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable[:20])
    relevance, kept = judge.relevance(distances, scales), judge.keep(distances, 0.05, scales)
    for i in range(20):
        assert np.array_equal(judge.relevance(distances[i], scales[i]), relevance[i])
        assert np.array_equal(judge.keep(distances[i], 0.05, scales[i]), kept[i])


def test_fitting_twice_gives_the_same_judge(world: World) -> None:
    assert world.fit().to_dict() == world.fit().to_dict()


@pytest.mark.parametrize("refined", [False, True])
def test_json_gives_the_same_decisions_back(world: World, refined: bool) -> None:
    judge = world.fit(vectors=True)
    queries = np.concatenate([world.answerable[:60], world.unanswerable[:60]])
    if refined:
        distances, scales = world.ask(queries)
        judge.refine(distances, np.arange(120) < 60, scales=scales, queries=queries)
        assert judge.uses_queries_
    text = json.dumps(judge.to_dict(), allow_nan=False)
    again = Judge.from_dict(json.loads(text))
    distances, scales = world.ask(queries)
    assert np.array_equal(
        judge.relevance(distances, scales, queries=queries), again.relevance(distances, scales, queries=queries)
    )
    assert judge.threshold(0.05) == again.threshold(0.05)
    assert judge.expected_lost(0.05) == again.expected_lost(0.05)
    assert again.k == judge.k
    assert again.to_dict() == json.loads(text)
    with pytest.raises(RuntimeError, match="fit it anew"):
        again.refine(distances, np.ones(120, bool), scales=scales)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(kind="Jury"), "Jury"),
        (lambda d: d.update(version=99), "99"),
        (lambda d: d["state"].pop("chance_"), "chance_"),
    ],
)
def test_another_dictionary_is_refused(judge: Judge, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    saved = judge.to_dict()
    change(saved)
    with pytest.raises(ValueError, match=said):
        Judge.from_dict(saved)


def test_judging_imports_nothing_heavy(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable[:2])
    script = (
        "import json, sys; from nearfield.decide import Judge\n"
        "judge, distances, scales = json.load(sys.stdin)\n"
        "judge = Judge.from_dict(judge); judge.relevance(distances, scales); judge.keep(distances, 0.05, scales)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('scipy', 'sklearn', 'pyarrow')])\n"
    )
    text = json.dumps([judge.to_dict(), distances.tolist(), scales.tolist()])
    done = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- what a search hands over -----------------------------------------------------------------------------------------


def test_fewer_hits_or_filtered_ones_are_judged_by_the_whole_neighbourhood(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable)
    all_hits = judge.relevance(distances, scales)
    first = judge.relevance(distances[:, :3], scales, neighbors=distances)
    assert np.array_equal(first, all_hits[:, :3])
    # A filter that leaves every other item: the same hits keep the relevance they had.
    filtered = judge.relevance(distances[:, ::2], scales, neighbors=distances)
    assert np.array_equal(filtered, all_hits[:, ::2])
    kept = judge.keep(distances[:, ::2], 0.05, scales, neighbors=distances)
    assert np.array_equal(kept, judge.keep(distances, 0.05, scales)[:, ::2])


def test_missing_hits_are_never_relevant(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable[:10])
    distances[:5, 12:] = np.inf
    distances[5] = np.inf
    relevance, kept = judge.relevance(distances, scales), judge.keep(distances, 1.0, scales)
    assert (relevance[:5, 12:] == 0).all()
    assert (relevance[:5, 0] > 0).all()
    assert not relevance[5].any()
    assert not kept[5].any()
    assert not kept[:5, 12:].any()


def test_unknown_scales_are_taken_as_typical(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable)
    holes = np.where(np.random.default_rng(0).uniform(size=scales.shape) < 0.2, np.nan, scales)
    full, part = judge.relevance(distances, scales)[:, 0], judge.relevance(distances, holes)[:, 0]
    assert np.abs(full - part).mean() < 0.05
    none = judge.relevance(distances, np.full_like(scales, np.nan))
    assert np.isfinite(none).all()


def test_inputs_are_not_changed(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable[:5])
    before = distances.copy(), scales.copy()
    judge.relevance(distances, scales)
    judge.keep(distances, 0.05, scales)
    assert np.array_equal(before[0], distances)
    assert np.array_equal(before[1], scales)


# -- labels -----------------------------------------------------------------------------------------------------------


def test_thirty_queries_of_another_kind_mend_the_promise(world: World, tools: Tools) -> None:
    # Queries are blurred: farther from everything than any stored item is from the others.
    rng = np.random.default_rng(1)
    blurred = tools.unit(world.answerable + 0.2 * rng.normal(size=world.answerable.shape))
    judge = world.fit()
    before = lost(judge, world, judge.max_false_for(0.05), blurred[30:])
    assert before > 0.1
    distances, scales = world.ask(blurred[:30])
    judge.refine(distances, np.ones(30, bool), scales=scales)
    assert judge.labels_ == 30
    assert judge.trust_.answerable < 100
    max_false = judge.max_false_for(0.05)
    after = lost(judge, world, max_false, blurred[30:])
    assert after < before / 1.5
    assert judge.expected_lost(max_false).low - 0.01 <= after <= judge.expected_lost(max_false).high + 0.01


def test_labels_that_agree_change_little(world: World) -> None:
    judge = world.fit()
    before = judge.max_false_for(0.05), judge.threshold(0.05)
    distances, scales = world.ask(world.answerable[:50])
    judge.refine(distances, np.ones(50, bool), scales=scales)
    assert abs(judge.threshold(0.05) - before[1]) < 1e-9
    assert abs(judge.expected_lost(before[0]).value - 0.05) < 0.03
    assert not judge.uses_queries_


def test_query_vectors_teach_what_distances_cannot(world: World) -> None:
    # Unanswerable queries that lie as near as answerable ones, but all to one side of the space.
    rng = np.random.default_rng(2)
    near_misses = world.answerable[world.answerable[:, 0] > 0.15]
    wanted = world.answerable[world.answerable[:, 0] < 0.0]
    labelled = np.concatenate([wanted[:60], near_misses[:60]])
    judge = world.fit(vectors=True)
    distances, scales = world.ask(labelled)
    order = rng.permutation(120)
    judge.refine(distances[order], (np.arange(120) < 60)[order], scales=scales[order], queries=labelled[order])
    tests = np.concatenate([wanted[60:160], near_misses[60:]])
    relevance = judge.relevance(*world.ask(tests), queries=tests)[:, 0]
    assert np.median(relevance[:100]) > 0.6 > 0.3 > np.median(relevance[100:])
    with pytest.raises(ValueError, match="needs them, got None"):
        judge.relevance(*world.ask(tests))


def test_where_the_origin_lies_does_not_matter_to_query_vectors(world: World) -> None:
    queries = np.concatenate([world.answerable[:80], world.unanswerable[:80]])
    distances, scales = world.ask(queries)
    found = []
    for aside in (0.0, 3.0):
        judge = world.fit(vectors=True, aside=aside)
        moved = queries + np.float32(aside)
        judge.refine(distances, np.arange(160) < 80, scales=scales, queries=moved)
        assert judge.uses_queries_
        found.append(judge.relevance(distances, scales, queries=moved))
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_the_trials_are_scored_in_the_learnt_direction_too(world: World) -> None:
    # The same labels, but stored items that lie elsewhere: the rates must know.
    queries = np.concatenate([world.answerable[:80], world.unanswerable[:80]])
    distances, scales = world.ask(queries)
    middle = []
    for aside in (0.0, 3.0):
        judge = world.fit(vectors=True, aside=aside)
        judge.refine(distances, np.arange(160) < 80, scales=scales, queries=queries)
        middle.append(judge.paired_.at(0.5))
    assert abs(middle[0] - middle[1]) > 0.05


def test_refining_again_replaces(world: World) -> None:
    judge = world.fit(vectors=True)
    fresh = judge.to_dict()
    queries = np.concatenate([world.answerable[:50], world.unanswerable[:50]])
    distances, scales = world.ask(queries)
    judge.refine(distances, np.arange(100) < 50, scales=scales, queries=queries)
    assert judge.to_dict() != fresh
    judge.refine(distances[:0], np.zeros(0, bool), scales=scales[:0])
    assert judge.to_dict() == fresh


def test_labels_of_single_hits_move_the_cut_inside_a_row(world: World) -> None:
    distances, scales = world.ask(world.answerable)
    strict, lenient = np.zeros_like(distances, bool), np.ones_like(distances, bool)
    strict[:, 0] = True
    judge = world.fit()
    few = judge.refine(distances, strict, scales=scales).keep(distances, 0.05, scales).sum()
    shift = judge.item_shift_
    many = judge.refine(distances, lenient, scales=scales).keep(distances, 0.05, scales).sum()
    assert few < many
    assert shift > judge.item_shift_


# -- difficult stores -------------------------------------------------------------------------------------------------


def tiny(n: int, tools: Tools) -> World:
    rng = np.random.default_rng(n)
    return tools.build_world(
        tools.unit(rng.normal(size=(n, 8))), tools.unit(rng.normal(size=(9, 8))), tools.unit(rng.normal(size=(9, 8)))
    )


@pytest.mark.parametrize("n", [50, 120, 400])
def test_small_stores_work(n: int, tools: Tools) -> None:
    world = tiny(n, tools)
    judge = world.fit()
    distances, scales = world.ask(world.answerable)
    assert np.isfinite(judge.relevance(distances, scales)).all()
    assert 0 <= judge.expected_lost(0.05).low <= judge.expected_lost(0.05).high <= 1
    json.dumps(judge.to_dict(), allow_nan=False)


def test_tiny_stores_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="at least 50 stored items to learn from, got 10"):
        Judge().fit(np.zeros((10, 5)), np.zeros((10, 10)), n_items=10)


@pytest.mark.parametrize("width", [2, 3, 6, 12])
def test_any_number_of_neighbours(world: World, width: int) -> None:
    judge = world.fit(width=width)
    assert judge.k == width - 1
    distances, scales = world.ask(world.answerable, judge.k)
    assert 0.005 < 1 - judge.keep(distances, judge.max_false_for(0.05), scales)[:, 0].mean() < 0.15
    assert answered(judge, world, world.unanswerable, judge.max_false_for(0.05)).mean() < 0.5


def test_duplicates(tools: Tools) -> None:
    # Half of the store is one and the same item.
    rng = np.random.default_rng(0)
    base = tools.unit(rng.normal(size=(300, 12)))
    world = tools.build_world(np.concatenate([base, np.repeat(base[:1], 300, axis=0)]), base[:20], base[:20])
    judge = world.fit()
    distances, scales = world.ask(np.concatenate([base[:1], tools.unit(rng.normal(size=(20, 12)))]))
    relevance = judge.relevance(distances, scales)
    assert np.isfinite(relevance).all()
    assert relevance[0, 0] >= relevance[1:, 0].max()
    json.dumps(judge.to_dict(), allow_nan=False)


def test_all_equal_distances_are_refused() -> None:
    with pytest.raises(ValueError, match=r"all equal to 0\.5"):
        Judge().fit(np.full((100, 21), 0.5), np.full((100, 50), 0.5), n_items=100)


# -- bad input --------------------------------------------------------------------------------------------------------


def near(m: int = 60, k: int = 21) -> np.ndarray:
    return np.sort(np.random.default_rng(0).uniform(size=(m, k)), axis=1)


def far(m: int = 60, b: int = 50) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(m, b)) + 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"neighbors": near()[0]}, "neighbors: expected a 2-D"),
        ({"neighbors": near()[:, ::-1]}, "descent in row 0"),
        ({"neighbors": np.where(near() > 0.9, np.nan, near())}, "NaN"),
        ({"neighbors": near(10), "background": far(10)}, "m >= 20"),
        ({"neighbors": near(k=1)}, "K >= 2"),
        ({"neighbors": near(k=60)}, "fewer columns than items"),
        ({"background": far(59)}, "background"),
        ({"background": far(b=10)}, "20 finite"),
        ({"neighbor_scales": near()}, "both or neither"),
        ({"neighbor_scales": near(59), "background_scales": far()}, "neighbor_scales"),
        ({"neighbor_scales": np.full((60, 21), np.nan), "background_scales": far()}, "at least one finite"),
        ({"vectors": np.ones((59, 4), np.float32)}, "vectors: expected 60"),
    ],
)
def test_fit_refuses(arguments: dict[str, Any], said: str) -> None:
    given = {"neighbors": near(), "background": far(), "n_items": 60} | arguments
    with pytest.raises(ValueError, match=said):
        Judge().fit(given.pop("neighbors"), given.pop("background"), **given)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"hidden": 0.0}, "hidden"),
        ({"hidden": 0.5}, "hidden"),
        ({"nearest": 0}, "nearest"),
        ({"locality": 1.5}, "locality"),
        ({"prior": 1.0}, "prior"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_parameters_are_checked_in_fit(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Judge(**parameters).fit(near(), far(), n_items=60)


def test_use_before_fit() -> None:
    for call in (lambda j: j.keep(near(), 0.05), lambda j: j.relevance(near()), lambda j: j.threshold(0.1)):
        with pytest.raises(RuntimeError, match="call fit first"):
            call(Judge())
    assert Judge(nearest=5).k == 10


def test_queries_are_checked(world: World, judge: Judge) -> None:
    distances, scales = world.ask(world.answerable[:4])
    with pytest.raises(ValueError, match=r"at least 20 distances .* got 5"):
        judge.keep(distances[:, :5], 0.05, scales)
    with pytest.raises(ValueError, match="needs them, got None"):
        judge.keep(distances, 0.05)
    with pytest.raises(ValueError, match="scales: expected shape"):
        judge.keep(distances, 0.05, scales[:, :9])
    with pytest.raises(ValueError, match="got NaN"):
        judge.keep(np.where(distances > 0, np.nan, distances), 0.05, scales)
    with pytest.raises(ValueError, match="descent in row 0"):
        judge.keep(distances[:, ::-1], 0.05, scales)
    with pytest.raises(ValueError, match=r"max_false.*got 1\.5"):
        judge.keep(distances, 1.5, scales)
    with pytest.raises(ValueError, match="expected 4 rows, got 3"):
        judge.keep(distances, 0.05, scales[:3], neighbors=distances[:3])
    with pytest.raises(ValueError, match="max_lost"):
        judge.max_false_for(-0.1)


def test_labels_are_checked(world: World) -> None:
    judge = world.fit()
    distances, scales = world.ask(world.answerable[:6])
    for labels in (np.ones(6), np.ones(5, bool), np.ones((6, 21), bool), np.ones((6, 0), bool)):
        with pytest.raises(ValueError, match="relevant"):
            judge.refine(distances, labels, scales=scales)
    with pytest.raises(ValueError, match="fitted without vectors"):
        judge.refine(distances, np.ones(6, bool), scales=scales, queries=world.answerable[:6])
    before = judge.to_dict()
    with pytest.raises(ValueError, match="needs them"):
        judge.refine(distances, np.ones(6, bool))
    assert judge.to_dict() == before


def test_helpers_agree_with_brute_force(tools: Tools) -> None:
    rng = np.random.default_rng(0)
    store = tools.unit(rng.normal(size=(50, 6)))
    distances, rows = tools.nearest(store, store, 3, leave_out=True)
    full = tools.between(store, store)
    np.fill_diagonal(full, np.inf)
    assert np.array_equal(rows[:, 0], full.argmin(axis=1))
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :3])
