from itertools import pairwise

import pytest

from nearfield.tune import Recipe, Trial
from nearfield.tune.halving import rungs, survivors


def trial(name, recall, cost, memory):
    return Trial(Recipe("graph", beam=name), recall, recall - 0.005, recall + 0.005, None, None, memory, 0, 4000, cost)


CHEAP, GOOD, DEAR = trial(1, 0.96, 100, 1000), trial(2, 0.96, 200, 1010), trial(3, 0.97, 900, 1020)
UNSURE, POOR, LEAN = trial(4, 0.952, 50, 1015), trial(5, 0.80, 10, 1005), trial(6, 0.90, 10, 300)
ALL = [POOR, DEAR, LEAN, UNSURE, GOOD, CHEAP]


@pytest.mark.parametrize("rows", [1, 10, 5000, 7999, 8000, 33_000, 10**6])
@pytest.mark.parametrize("k", [1, 100])
def test_rungs_rise_by_two_at_least_and_end_with_all(rows, k):
    sizes = rungs(rows, k, 10)
    assert sizes[-1] == rows and len(sizes) <= 3
    assert all(2 * small <= large for small, large in pairwise(sizes))
    assert all(size >= max(4000, 8 * k) for size in sizes[:-1])
    assert rungs(rows, k, 4) == [rows]


def test_the_better_half_and_the_best_of_each_class_of_memory():
    assert survivors(ALL, 0.95, "bound", None) == [CHEAP, GOOD, DEAR, LEAN]
    assert survivors(ALL, 0.95, "estimate", None) == [UNSURE, CHEAP, GOOD, LEAN]


def test_four_finalists_the_best_and_the_diverse_first():
    assert survivors(ALL, 0.95, "bound", None, last=True) == [CHEAP, LEAN, GOOD, DEAR]


def test_what_is_too_large_goes_out_unless_nothing_is_small_enough():
    assert survivors(ALL, 0.95, "bound", 1012) == [CHEAP, GOOD, LEAN]
    assert survivors(ALL, 0.95, "bound", 100)[0] == CHEAP  # the leanest of those that find enough
    assert LEAN in survivors(ALL, 0.95, "bound", 100, last=True)


def test_the_order_in_which_equals_come_decides():
    twins = [trial(n, 0.96, 100, 1000) for n in range(1, 6)]
    assert survivors(twins, 0.95, "bound", None) == twins[:3]
