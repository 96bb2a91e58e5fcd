import json
from dataclasses import replace

import pytest

from nearfield.tune import Forecast, Plan, Recipe, Trial
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


LEFT = Trial(Recipe("graph", bits=4, beam=20), 0.951, 0.95, 0.953, None, None, 9_000_000, 0, 4_000, 60_000)
FORECAST = Forecast(Recipe("graph", pca=8, bits=4), 10_000, [500, 1000, 2000], [0.6, 0.55, 0.5], 0.42, 0.35, 0.53)


def test_what_was_left_behind_and_what_was_not_built_are_shown_and_kept():
    plan = replace(PLAN, trials=[EXACT, WALK, LEFT], pareto=[WALK, EXACT], dropped=[FORECAST])
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert Forecast.from_dict(FORECAST.to_dict()) == FORECAST and not LEFT.timed
    text = str(plan).splitlines()
    assert text[1].split()[-2:] == ["rows", "misses"] and text[3].split()[-1] == "9,000"
    assert text[4].split()[-1] == "4,000"  # no speed, and no blame for that
    assert "Not beaten in recall, speed and memory at once:" in text
    assert next(line for line in text if line.startswith("Not built")).startswith(
        "Not built: graph of 4-bit codes of 8 components, whose codes are forecast to find 0.420 (0.350 - 0.530)"
    )


def test_plans_of_an_older_version_are_read():
    old = PLAN.to_dict()
    del old["pareto"], old["dropped"]
    for trial in old["trials"]:
        del trial["rows"], trial["bytes_read"], trial["recipe"]["layout"], trial["recipe"]["alpha"]
    assert Plan.from_dict(old) == PLAN


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
