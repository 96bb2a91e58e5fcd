from dataclasses import replace

import pytest

from nearfield.tune import Plan, Recipe, Trial
from nearfield.tune.choose import choose

EXACT = Trial(Recipe("flat", bits=32), 1.0, 1.0, 1.0, 900.0, 1.2, 40_000_000, 0)
FINE = Trial(Recipe("graph", bits=8, beam=48), 0.957, 0.952, 0.962, 9_000.0, 0.2, 12_000_000, 0)
FAST = Trial(Recipe("graph", bits=4, rescore=8, beam=48), 0.958, 0.953, 0.963, 15_000.0, 0.3, 15_000_000, 0)
UNSURE = Trial(Recipe("graph", pca=50, bits=4, rescore=8, beam=99), 0.951, 0.946, 0.956, 30_000.0, 0.1, 14_000_000, 0)
LEAN = Trial(Recipe("flat", bits=4, rescore="vectors"), 0.90, 0.89, 0.91, 500.0, 2.0, 6_000_000, 40_000_000)


def chosen(trials, **asked):
    demands = {"recall": 0.95, "memory": None, "latency": None, "criterion": "bound"} | asked
    return choose(
        Plan(
            recipe=trials[0].recipe,
            trials=trials,
            met=False,
            message="",
            k=10,
            metric="cosine",
            rows=10_000,
            dim=100,
            measured_rows=9_000,
            queries=1_000,
            queries_from="held-out rows",
            **demands,
        )
    )


def test_the_fastest_whose_bound_meets_the_target():
    plan = chosen([EXACT, FINE, FAST, UNSURE, LEAN])
    assert plan.met and plan.recipe == FAST.recipe and plan.criterion == "bound"
    assert "lower end of its 95% interval meets the target" in plan.message


@pytest.mark.parametrize(
    ("asked", "want"),
    [
        ({"memory": 13_000_000}, FINE),
        ({"latency": 0.25}, FINE),
        ({"recall": 0.99}, EXACT),
        ({"criterion": "estimate"}, UNSURE),
        ({"recall": 1.0}, EXACT),
    ],
)
def test_budgets_and_targets(asked, want):
    plan = chosen([EXACT, FINE, FAST, UNSURE, LEAN], **asked)
    assert plan.met and plan.recipe == want.recipe


def test_a_mean_that_meets_the_target_is_better_than_nothing_and_said():
    plan = chosen([EXACT, UNSURE, LEAN], memory=14_000_000)
    assert plan.met and plan.recipe == UNSURE.recipe and plan.criterion == "estimate"
    assert "the lower end of its 95% interval (0.9460) does not" in plan.message


def test_infeasible_within_memory_names_the_closest_and_what_it_would_take():
    plan = chosen([EXACT, FINE, FAST, LEAN], memory=8_000_000)
    assert not plan.met and plan.recipe == LEAN.recipe
    assert plan.message.startswith(
        "Cannot be met (recall 0.95 within 8 MB of memory); the closest is flat scan of 4-bit"
    )
    assert "recall 0.9000, 6 MB" in plan.message
    assert "that recall takes graph of 8-bit codes, beam 48 (recall 0.9570, 12 MB" in plan.message


def test_infeasible_in_every_way_takes_the_least_excess():
    plan = chosen([EXACT, FINE, FAST], memory=1_000_000, latency=0.1)
    assert not plan.met and plan.recipe == FINE.recipe
    assert "within 1 MB of memory and 0.1 ms" in plan.message and "that recall takes" not in plan.message


def test_infeasible_without_a_budget():
    plan = chosen([LEAN, replace(LEAN, recall=0.92)], recall=0.99)
    assert not plan.met and "Cannot be met (recall 0.99); the closest is" in plan.message
    assert "recall 0.9200" in plan.message


def test_one_exact_trial_says_why():
    assert chosen([EXACT]).message.endswith("nothing else was tried.")
    assert "nothing else" not in chosen([EXACT, LEAN]).message


def test_only_finalists_are_chosen_and_a_sample_is_named():
    rung = replace(FAST, queries_per_second=None, latency=None, rows=4_000)
    assert chosen([EXACT, FINE, rung]).recipe == FINE.recipe
    plan = chosen([LEAN, rung], memory=8_000_000)
    assert not plan.met and plan.recipe == LEAN.recipe
    assert plan.message.endswith("beam 48 (recall 0.9580, 15 MB, on a sample of 4,000 rows).")
