"""Batches with a few filters, and lists that keep to labels."""

import numpy as np
import pytest

from nearfield.index import IVF, Flat
from nearfield.index.partition import partition_within


def filters(n):
    rng = np.random.default_rng(5)
    return [None, rng.random(n) < 0.5, rng.random(n) < 0.05, np.arange(n) < 7, np.zeros(n, bool)]


@pytest.mark.parametrize("rescore", [None, "vectors"])
def test_a_budget_of_all_rows_is_a_scan(make_rows, metric, rescore):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    index = IVF(metric, rescore=rescore).build(rows)
    scanned = Flat(metric, codec=index.codec, rescore=rescore).build(rows)
    which = np.arange(60) % 5
    scored = np.zeros(60, np.uint32)
    found = index.search_batch(queries, 10, filters(1500), which, budget=1500, scored=scored)
    for number, allow in enumerate(filters(1500)):
        own = which == number
        wanted = scanned.search(queries[own], 10, allow=allow)
        assert found.distances[own].tobytes() == wanted.distances.tobytes() and (found.rows[own] == wanted.rows).all()
        assert (scored[own] == (1500 if allow is None else allow.sum())).all()


def test_there_are_k_answers_wherever_k_rows_pass(make_rows, metric):
    rows, queries = make_rows(1500), make_rows(50, seed=1)
    index = IVF(metric).build(rows)
    for k in (1, 7, 200):
        found = index.search_batch(queries, k, filters(1500), np.arange(50) % 5, budget=0)
        for number, allow in enumerate(filters(1500)):
            there = min(k, 1500 if allow is None else int(allow.sum()))
            own = found.rows[np.arange(50) % 5 == number]
            assert ((own >= 0).sum(axis=1) == there).all()
            assert allow is None or allow[own[own >= 0]].all()


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_recall_does_not_fall_under_a_filter(make_rows, recall, metric, share):
    rows, queries = make_rows(6000, seed=3), make_rows(30, seed=1)
    mask = np.random.default_rng(0).random(6000) < share
    index = IVF(metric, rescore="vectors").build(rows)
    found = index.search_batch(queries, 10, [mask], np.zeros(30, int))
    assert recall(found.rows, rows, queries, metric, 10, mask) > 0.9


def test_lists_keep_to_labels(make_rows):
    rows = make_rows(3000)
    labels = np.random.default_rng(2).choice([0, 1, 5], 3000, p=[0.6, 0.39, 0.01])
    index = IVF("l2", lists=40).build(rows, labels=labels)
    arrays = index.arrays()
    for start, stop in zip(arrays["offsets"][:-1], arrays["offsets"][1:], strict=True):
        assert len(set(labels[arrays["order"][start:stop]])) <= 1
    assert 40 <= index.list_count <= 43
    only = labels == 5
    scored = np.zeros(1, np.uint32)
    assert (index.search_batch(rows[only][:1], 3, [only], [0], budget=10_000, scored=scored).rows >= 0).all()
    assert scored[0] == only.sum()
    again = IVF("l2", lists=40).build(rows, labels=labels)
    assert again.digest() == index.digest() != IVF("l2", lists=40).build(rows).digest()


def test_every_label_has_a_list(make_rows):
    rows = make_rows(50)
    part = partition_within(rows, np.arange(50) % 10, 3, unit=False, seed=0)
    assert len(part.centroids) == 10 and sorted(part.order.tolist()) == list(range(50))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"which": [0, 1]}, "which: expected 3 ints"),
        ({"which": [0, 1, 2]}, "which: expected numbers of 2 filters, got 2"),
        ({"which": [0.0, 1.0, 1.0]}, "which: expected 3 ints"),
        ({"budget": [5]}, "budget: expected one of each of 2 filters"),
        ({"budget": -1}, "budget: expected"),
        ({"filters": [None, np.ones(3, bool)]}, "allow: expected"),
        ({"k": 0}, "k: expected"),
    ],
)
def test_what_does_not_fit_is_refused(make_rows, options, text):
    rows = make_rows(200)
    index = IVF("l2").build(rows)
    given = {"k": 2, "filters": [None, None], "which": [0, 1, 1], **options}
    with pytest.raises(ValueError, match=text):
        index.search_batch(rows[:3], **given)


@pytest.mark.parametrize(("labels", "text"), [([0, 1], "expected 200 ints"), ([-1] * 200, "expected 0 or more")])
def test_labels_that_are_none_are_refused(make_rows, labels, text):
    with pytest.raises(ValueError, match=f"labels: {text}"):
        IVF("l2").build(make_rows(200), labels=labels)
