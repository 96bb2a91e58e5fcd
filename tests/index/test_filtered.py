"""The planner: what it picks, that it counts, and that its answers depend on nothing but the query and the filter."""

import numpy as np
import pytest

from nearfield.index import FilterPlan, Flat, Graph
from nearfield.index import filtered as planner
from nearfield.quantize import Float32, RotatedQuantizer, ScalarQuantizer, TwoLevelQuantizer

N = 20_000
SHARES = (1.0, 0.9, 0.5, 0.1, 0.01, 0.001)


@pytest.fixture(scope="module")
def index(make_rows):
    return Graph("cosine", degree=24, build_beam=60, rescore="vectors").build(make_rows(N, 7))


@pytest.fixture(scope="module")
def fast(make_rows):
    return Graph("cosine", degree=32, build_beam=60, layout="fast", rescore="vectors").build(make_rows(N, 7))


def masked(share, seed=3):
    mask = np.zeros(N, bool)
    mask[np.random.default_rng(seed).permutation(N)[: round(share * N)]] = True
    return mask


def test_the_choice_goes_by_how_much_is_allowed(index, fast):
    picks = [index.plan_filter(10, masked(share), beam=16).strategy for share in SHARES]
    assert picks[0] == "cross" and picks[-1] == picks[-2] == "scan"
    assert [pick for pick in picks if pick == "follow"]
    assert picks == sorted(picks, key=["cross", "follow", "scan"].index)
    for share in SHARES:  # the fast layout crosses longer: its links are scored together
        plans = [each.plan_filter(10, masked(share)) for each in (index, fast)]
        assert plans[1].costs["cross"] < plans[0].costs["cross"] and plans[0].costs["scan"] == plans[1].costs["scan"]


def test_costs_grow_as_they_must(index):
    plans = [index.plan_filter(10, masked(share)) for share in SHARES]
    for way, rises in (("scan", False), ("cross", True), ("follow", True)):
        costs = [plan.costs[way] for plan in plans]
        assert costs == sorted(costs, reverse=not rises)
    wide = index.plan_filter(10, masked(SHARES[2]), beam=500)
    assert all(wide.costs[way] > plans[2].costs[way] for way in ("cross", "follow"))
    assert wide.costs["scan"] == plans[2].costs["scan"]


def test_as_many_as_all_that_is_allowed_are_scanned(index):
    assert index.plan_filter(500, masked(0.05)).strategy == "scan"
    assert index.plan_filter(N, masked(0.9)).strategy == "scan"


def test_a_walk_is_counted_once_and_the_same_every_time(index, make_rows):
    fixed, slope = planner.walk_cost(index, signs=False)
    assert fixed > 0 and 1 < slope < 24
    again = Graph("cosine", degree=24, build_beam=60, rescore="vectors").build(make_rows(N, 7))
    assert planner.walk_cost(again, signs=False) == (fixed, slope)


def test_a_plan_says_why(index):
    plan = index.plan_filter(10, masked(0.01))
    assert isinstance(plan, FilterPlan) and str(plan).startswith(
        "scan: 200 of 20,000 rows allowed; in rows scanned, scan"
    )


@pytest.mark.parametrize("strategy", [None, "scan", "cross", "follow"])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_batch_equals_single_and_threads_do_not_matter(index, fast, make_rows, strategy, share):
    asked, mask = make_rows(30, seed=8), masked(share)
    for each in (index, fast):
        together = each.search(asked, 10, allow=mask, strategy=strategy, threads=1)
        assert mask[together.rows].all()
        assert (each.search(asked, 10, allow=mask, strategy=strategy, threads=3).rows == together.rows).all()
        for i in (0, 13, 29):
            alone = each.search(asked[i], 10, allow=mask, strategy=strategy)
            assert alone.distances.tobytes() == together.distances[i].tobytes()
            assert (alone.rows == together.rows[i]).all()


@pytest.mark.parametrize("layout", ["lean", "fast"])
@pytest.mark.parametrize(
    ("codec", "rescore"),
    [
        (Float32(), None),
        (ScalarQuantizer(4), ScalarQuantizer(8)),
        (RotatedQuantizer(2), "vectors"),
        (TwoLevelQuantizer(4), "residual"),
    ],
    ids=str,
)
def test_every_codec_is_searched_under_a_filter(make_rows, recall, layout, codec, rescore):
    rows, asked = make_rows(3000, 7), make_rows(40, seed=8)
    index = Graph("l2", codec=codec, rescore=rescore, degree=32, build_beam=60, layout=layout).build(rows)
    mask = np.random.default_rng(3).random(3000) < 0.4
    for strategy in (None, "cross", "follow"):
        found = index.search(asked, 10, allow=mask, candidates=100, beam=100, strategy=strategy)
        assert recall(found.rows, rows, asked, "l2", 10, mask) >= 0.95


@pytest.mark.parametrize("strategy", [None, "cross", "follow"])
def test_an_answer_is_never_short(index, make_rows, strategy):
    asked = make_rows(5, seed=8)
    for count in (0, 1, 7, 40):
        mask = np.zeros(N, bool)
        mask[np.random.default_rng(count).permutation(N)[:count]] = True
        found = index.search(asked, 20, allow=mask, strategy=strategy)
        assert ((found.rows >= 0).sum(axis=1) == min(20, count)).all()
        assert all(len(set(row[row >= 0])) == min(20, count) for row in found.rows)


def test_nine_tenths_are_copies(recall):
    rng = np.random.default_rng(5)
    some = rng.normal(size=(300, 16)).astype(np.float32)
    rows = some[rng.integers(0, 300, 3000)]
    index = Graph("l2").build(rows)
    mask = rng.random(3000) < 0.5
    for strategy in (None, "cross", "follow"):
        found = index.search(some[:30], 10, allow=mask, strategy=strategy)
        exact = Flat("l2").build(rows).search(some[:30], 10, allow=mask)
        assert mask[found.rows].all() and np.allclose(found.distances[:, 0], exact.distances[:, 0], atol=0.1)


def test_one_row_and_one_dimension():
    index = Graph("l2").build(np.ones((1, 1), np.float32))
    for allowed, strategy in ((True, None), (True, "follow"), (False, None), (False, "cross")):
        found = index.search(np.ones((2, 1), np.float32), 3, allow=np.array([allowed]), strategy=strategy)
        assert (found.rows[:, 0] == (0 if allowed else -1)).all() and (found.rows[:, 1:] == -1).all()


def test_an_unknown_strategy_is_refused(index, make_rows):
    with pytest.raises(ValueError, match="strategy: expected"):
        index.search(make_rows(1, seed=8), 3, allow=masked(0.5), strategy="guess")
