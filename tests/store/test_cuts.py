"""The tree of cuts: rows that queries ask for together stay together, and nothing is cut for nothing."""

from __future__ import annotations

import numpy as np

from nearfield.store.cuts import grow


def visited(labels: np.ndarray, passing: np.ndarray, weights: np.ndarray) -> float:
    """Rows of all leaves that each query must look at."""
    sizes = np.bincount(labels)
    return sum(weight * sizes[np.unique(labels[own])].sum() for own, weight in zip(passing, weights, strict=True))


def test_disjoint_conditions_have_leaves_of_their_own() -> None:
    kind = np.random.default_rng(0).integers(0, 4, 1000)
    passing = kind == np.arange(3)[:, None]
    tree = grow(passing, np.ones(3), passing, smallest=10, most=20)
    assert len(np.unique(tree.labels)) == 4 and len(tree.splits) == 3
    for own in passing:
        assert len(np.unique(tree.labels[own])) == 1 and not np.isin(tree.labels[~own], tree.labels[own]).any()


def test_what_is_asked_more_often_is_cut_first() -> None:
    rng = np.random.default_rng(1)
    passing = rng.random((2, 1000)) < 0.5
    for weights, first in (((1.0, 9.0), 1), ((9.0, 1.0), 0)):
        assert grow(passing, np.array(weights), passing, smallest=10, most=2).splits == [(0, first)]


def test_leaves_are_neither_too_small_nor_too_many() -> None:
    rng = np.random.default_rng(2)
    answers = rng.random((40, 2000)) < rng.random((40, 1)) * 0.3
    for smallest, most in ((50, 1000), (1, 7), (2000, 5)):
        tree = grow(answers, np.ones(40), answers, smallest=smallest, most=most)
        sizes = np.bincount(tree.labels)
        assert sizes.min() >= min(smallest, 2000) and len(sizes) <= most and sizes.sum() == 2000
    assert len(grow(answers, np.ones(40), answers, smallest=2000, most=5).splits) == 0


def test_a_tree_spares_visits() -> None:
    rng = np.random.default_rng(3)
    section, size = rng.integers(0, 20, 5000), rng.random(5000)
    passing = np.array([(section == i % 20) & (size < (i % 5 + 1) / 5) for i in range(60)])
    answers = np.concatenate([section == np.arange(20)[:, None], size < np.arange(1, 6)[:, None] / 5])
    weights = 1 / np.arange(1, 61)
    labels = grow(passing, weights, answers, smallest=40, most=100).labels
    assert visited(labels, passing, weights) < 0.2 * visited(np.zeros(5000, int), passing, weights)


def test_without_questions_or_queries_there_is_one_leaf() -> None:
    nothing = np.zeros((0, 30), bool)
    assert (grow(np.ones((1, 30), bool), np.ones(1), nothing, smallest=1, most=9).labels == 0).all()
    assert (grow(nothing, np.ones(0), np.eye(30, dtype=bool), smallest=1, most=9).labels == 0).all()


def test_other_rows_go_where_the_same_answers_lead() -> None:
    rng = np.random.default_rng(4)
    answers = rng.random((30, 3000)) < rng.random((30, 1)) * 0.5
    tree = grow(answers, np.ones(30), answers, smallest=20, most=60)
    assert len(np.unique(tree.labels)) > 10
    assert (tree.apply(lambda number: answers[number], 3000) == tree.labels).all()
    few = grow(answers[:, ::3], np.ones(30), answers[:, ::3], smallest=20, most=60)
    assert (few.apply(lambda number: answers[number], 3000)[::3] == few.labels).all()
