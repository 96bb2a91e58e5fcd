import numpy as np
import pytest

from nearfield.survey import Pair, mutual_neighbors
from nearfield.survey.pair_lists import PairLists, checked_queries, common, shared


def test_shared_counts_what_the_first_places_have_in_common():
    rng = np.random.default_rng(0)
    one, other = (np.stack([rng.permutation(12)[:7] for _ in range(1100)]) for _ in range(2))
    counts = shared(one, other)
    for depth in (1, 3, 7):
        truth = [len(set(a[:depth]) & set(b[:depth])) for a, b in zip(one, other, strict=True)]
        assert counts[:, depth - 1].tolist() == truth
        assert common(one[:, :depth], other[:, :depth]).tolist() == truth


def test_the_same_rows_ask_in_both_spaces(two):
    lists = PairLists.of(Pair.of(*two(200, 5, 0.5, 0)), 10, 30)
    assert len(lists) == 30 and lists.depth == 10
    assert not (lists.first == lists.rows[:, None]).any()


def test_lists_are_of_one_pair(two):
    lists = PairLists.of(Pair.of(*two(60, 5, 0.5, 0)), 11)
    with pytest.raises(ValueError, match="neighbors: expected lists of the same Pair"):
        mutual_neighbors(*two(60, 5, 0.5, 0), neighbors=lists)


@pytest.mark.parametrize(
    ("queries", "text"),
    [
        (np.ones((3, 5)), "expected a pair"),
        ((np.ones((3, 4), np.float32), np.ones((3, 5), np.float32)), r"queries \(first\): expected 5 dimensions"),
        ((np.ones((3, 5), np.float32), np.ones((2, 5), np.float32)), "same questions"),
        ((np.ones((3, 5), np.float32), np.zeros((3, 5), np.float32)), r"queries \(second\): expected nonzero"),
    ],
)
def test_bad_queries(two, queries, text):
    with pytest.raises(ValueError, match=text):
        checked_queries(Pair.of(*two(20, 5, 0, 0)), queries)
