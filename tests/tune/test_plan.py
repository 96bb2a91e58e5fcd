import json
from dataclasses import replace

import pytest

from nearfield.tune import Plan, Recipe, Trial
from nearfield.tune.plan import format_bytes

EXACT = Trial(Recipe("flat", bits=32), 1.0, 1.0, 1.0, 900.0, 1.25, 40_000_000, 0)
WALK = Trial(Recipe("graph", bits=8, beam=32), 0.956, 0.951, 0.961, 12_000.0, 0.15, 12_500_000, 0)
PLAN = Plan(
    recipe=WALK.recipe,
    trials=[EXACT, WALK],
    met=True,
    message="Fine.",
    recall=0.95,
    k=10,
    memory=20_000_000,
    latency=1.0,
    metric="cosine",
    criterion="bound",
    rows=10_000,
    dim=100,
    measured_rows=9_000,
    queries=1_000,
    queries_from="held-out rows",
)


def test_json_round_trip():
    assert Plan.from_dict(json.loads(json.dumps(PLAN.to_dict()))) == PLAN
    assert Trial.from_dict(json.loads(json.dumps(WALK.to_dict()))) == WALK


def test_shortfalls():
    assert PLAN.shortfalls(EXACT) == ["memory", "latency"]
    assert PLAN.shortfalls(WALK) == []
    worse = replace(WALK, recall=0.952, recall_low=0.947)
    assert PLAN.shortfalls(worse) == ["recall"]
    assert replace(PLAN, criterion="estimate").shortfalls(worse) == []


def test_the_table_shows_every_trial_and_marks_the_choice():
    title, head, exact, walk, message = str(PLAN).splitlines()
    assert title == "10,000 rows of 100 dimensions under cosine, 1,000 queries (held-out rows)"
    assert head.split()[:2] == ["recipe", "recall@10"]
    assert exact.startswith("   flat scan of floats") and "exact" in exact and exact.endswith("memory, latency")
    assert walk.startswith(">  graph of 8-bit codes, beam 32") and "0.9510 - 0.9610" in walk and "12.5 MB" in walk
    assert message == "Fine."


def test_a_sample_is_stated():
    assert not PLAN.sampled
    sampled = replace(PLAN, rows=10_001)
    assert sampled.sampled and "measured on a sample of 9,000 rows" in str(sampled)
    assert replace(PLAN, queries_from="given").sampled


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (45_600_000, "45.6 MB"), (3 * 10**15, "3e+03 TB")]
)
def test_format_bytes(count, text):
    assert format_bytes(count) == text
