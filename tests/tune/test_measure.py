import numpy as np
import pytest

from nearfield.common.interval import mean_interval
from nearfield.metric import get_metric
from nearfield.tune import Recipe
from nearfield.tune.measure import Curve, bytes_read, latency, list_count, memory, queries_per_second
from nearfield.tune.truth import Truth


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 24), dtype=np.float32)
    return Truth.find(x[300:], x[:300], 10, get_metric("l2"))


@pytest.fixture(scope="module")
def graph(truth):
    return Recipe("graph", degree=16, build_beam=40).make("l2").build(truth.base)


def test_recall_is_that_of_the_search(truth, graph):
    recipe = Recipe("graph", degree=16, build_beam=40)
    mean, low, high = Curve(graph, recipe, truth).at(40)
    found = graph.search(truth.queries, 10, beam=40).rows
    shares = (found[:, :, None] == truth.rows[:, None, :]).any(2).mean(1)
    assert (mean, low, high) == mean_interval(shares)


@pytest.mark.parametrize("criterion", ["bound", "estimate"])
@pytest.mark.parametrize("target", [0.8, 0.9])
def test_the_narrowest_width_meets_the_target_and_the_next_narrower_does_not(truth, graph, target, criterion):
    curve = Curve(graph, Recipe("graph"), truth)
    width = curve.narrowest(target, criterion)
    value = 1 if criterion == "bound" else 0
    assert curve.at(width)[value] >= target
    assert curve.at(width - max(1, width // 32) - 1)[value] < target


def test_what_cannot_be_met_by_the_bound_is_met_by_the_mean(truth, graph):
    curve = Curve(graph, Recipe("graph"), truth)
    target = mean_interval(np.ones(300))[1] + 0.001  # above the bound of a perfect run
    width = curve.narrowest(target, "bound")
    assert curve.at(width)[0] >= target > curve.at(width)[1]


def test_what_cannot_be_met_at_all_gets_the_knee(truth):
    recipe = Recipe("graph", pca=6, bits=4, degree=16, build_beam=40)
    curve = Curve(recipe.make("l2").build(truth.base), recipe, truth)
    width = curve.narrowest(0.95, "bound")
    best = max(curve.at(w)[0] for w in curve.seen)
    assert best < 0.95 and best - 0.004 <= curve.at(width)[0]
    assert width < max(curve.seen)


def test_scans(truth):
    plain = Recipe("flat", bits=8)
    curve = Curve(plain.make("l2").build(truth.base), plain, truth)
    curve.narrowest(0.5, "bound")
    assert len(curve.seen) == 1
    rescored = Recipe("flat", pca=8, bits=4, rescore="vectors")
    curve = Curve(rescored.make("l2").build(truth.base), rescored, truth)
    widths = [curve.narrowest(target, "bound") for target in (0.3, 0.8, 0.95)]
    assert 40 <= widths[0] < widths[1] < widths[2]


def test_slack_and_its_beam_are_one_width(truth, graph):
    plain, slack = (Curve(graph, Recipe("graph", slack=slack), truth) for slack in (None, True))
    width = slack.narrowest(0.9, "bound")
    recipe = slack.recipe.with_width(width, 10)
    found = graph.search(truth.queries, 10, beam=-(-3 * width // 2), slack=-(-3 * width // 2) / 1200, slack_from=10)
    assert slack.at(width) == mean_interval(truth.shares(found.rows))
    assert slack.at(width)[1] >= 0.9 and recipe.width == width
    bytes_of = [
        bytes_read(graph, one, truth.queries, 10, len(truth.base))
        for one in (recipe, Recipe("graph", beam=3 * width), plain.recipe.with_width(plain.narrowest(0.9, "bound"), 10))
    ]
    assert bytes_of[0] < bytes_of[1]


def test_lists_are_widened_by_probes_and_their_memory_grows_with_the_square_root(truth):
    recipe = Recipe("ivf", bits=4, rescore="vectors")
    index = recipe.make("l2").build(truth.base)
    curve = Curve(index, recipe, truth)
    width = curve.narrowest(0.9, "bound")
    assert 1 < width < index.list_count and curve.at(width)[1] >= 0.9
    few, many = (bytes_read(index, recipe.with_width(w, 10), truth.queries, 10, 10_000) for w in (2, 50))
    assert few < many < bytes_read(index, recipe.with_width(index.list_count, 10), truth.queries, 10, 10_000) * 1.01
    # Ten probes hold fewer rows than are scored again: the search reads more, and does not look saturated for it.
    short = Recipe("ivf", bits=1, rotated=True, rescore="vectors", candidates=400)
    curve = Curve(short.make("l2").build(truth.base), short, truth)
    assert curve.at(curve.narrowest(0.9, "bound"))[1] >= 0.9 and min(curve.seen) >= 400 * index.list_count // 3700
    part = recipe.make("l2").build(truth.base[:1000])
    assert memory(part, recipe, len(truth.base))[0] == pytest.approx(index.memory()["total"], rel=0.01)
    assert list_count(recipe, len(truth.base)) == pytest.approx(index.list_count, abs=1)
    assert memory(part, recipe, 2000)[1] == 2 * part.memory()["mapped"]


def test_timings_are_positive_and_search_as_told(truth, monkeypatch):
    calls = []

    class Recorder:
        def search(self, queries, k, **settings):
            calls.append((np.shape(queries), k, settings))

    recipe = Recipe("graph", rescore=8, beam=20, candidates=15)
    assert queries_per_second(Recorder(), recipe, truth.queries, 10) > 0
    assert latency(Recorder(), recipe, truth.queries, 10) > 0
    assert {call[0] for call in calls} >= {(300, 24), (24,)}
    assert all(call[1:] == (10, {"threads": 1, "beam": 20, "candidates": 15}) for call in calls)


@pytest.mark.parametrize("guess", [1, 12, 30, 200, 10_000])
def test_a_guess_changes_nothing_but_the_number_of_searches(truth, graph, guess):
    want = Curve(graph, Recipe("graph"), truth).narrowest(0.9, "bound")
    assert abs(Curve(graph, Recipe("graph"), truth).narrowest(0.9, "bound", guess=guess) - want) <= max(1, want // 32)
    good = Curve(graph, Recipe("graph"), truth)
    good.narrowest(0.9, "bound", guess=want)
    plain = Curve(graph, Recipe("graph"), truth)
    plain.narrowest(0.9, "bound")
    assert len(good.seen) <= len(plain.seen)


def test_bytes_read_are_counted(truth, graph):
    n, d = truth.base.shape
    scan = Recipe("flat", bits=4, rescore=8, candidates=50)
    index = scan.make("l2").build(truth.base)
    codes, again = index.memory()["codes"] / n, index.memory()["rescore"] / n
    assert bytes_read(index, scan, truth.queries, 10, 2 * n) == round(2 * n * codes + 50 * again)
    narrow, wide = (bytes_read(graph, Recipe("graph", beam=b), truth.queries, 10, n) for b in (10, 80))
    assert narrow < wide < n * d
    fast = Recipe("graph", degree=32, build_beam=40, beam=20, layout="fast")
    assert bytes_read(fast.make("l2").build(truth.base), fast, truth.queries, 10, n) > 0
