"""Filtered search: recall against the exact filtered answer, however many rows are allowed and wherever they lie."""

from functools import cache

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat, Graph
from nearfield.metric import get_metric
from nearfield.quantize import ScalarQuantizer

N = 12_000
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001, 0.0)


@pytest.fixture(scope="module")
def make_index(make_rows):
    @cache
    def make(metric, kind="graph"):
        if kind == "flat":
            return Flat(metric, codec=ScalarQuantizer(8), rescore="vectors").build(make_rows(N, 7))
        index = Graph(metric, degree=24, build_beam=60, rescore="vectors")
        return index.build(make_rows(N, 7))

    return make


@pytest.fixture(scope="module")
def asked(make_rows):
    return make_rows(30, seed=8)


def allowed(where, share, rows, anchor, metric):
    """The given share of the rows: drawn by lot, or the nearest to or the farthest from the anchor."""
    count = round(share * len(rows))
    if where == "random":
        order = np.random.default_rng(3).permutation(len(rows))
    else:
        order = np.argsort(get_metric(metric).to_many(anchor, rows), kind="stable")
        if where == "far":
            order = order[::-1]
    mask = np.zeros(len(rows), bool)
    mask[order[:count]] = True
    return mask


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("where", ["random", "near", "far"])
@pytest.mark.parametrize("strategy", [None, "cross", "follow"])
def test_recall_holds_at_every_selectivity(make_index, make_rows, asked, recall, metric, where, share, strategy):
    rows, index = make_rows(N, 7), make_index(metric)
    mask = allowed(where, share, rows, asked[0], metric)
    # The anchor itself, queries near it, and queries from everywhere.
    near = asked[0] + 0.05 * np.random.default_rng(4).normal(size=(10, rows.shape[1])).astype(np.float32)
    beam = 300 if metric == "ip" else None
    for queries in (asked[:1], near, asked):
        # So many candidates that codes lose nothing.
        found = index.search(queries, 10, allow=mask, beam=beam, candidates=200, strategy=strategy)
        assert recall(found.rows, rows, queries, metric, 10, mask) >= 0.95


@pytest.mark.parametrize("share", SHARES)
def test_a_filtered_scan_is_exact(make_index, make_rows, asked, recall, metric, share):
    rows = make_rows(N, 7)
    mask = allowed("random", share, rows, asked[0], metric)
    found = make_index(metric, "flat").search(asked, 10, allow=mask)
    assert recall(found.rows, rows, asked, metric, 10, mask) >= 0.999


def test_after_nine_tenths_were_deleted(make_index, make_rows, asked, recall, metric):
    rows, index = make_rows(N, 7), make_index(metric)
    alive = np.ones(N, bool)
    order = np.random.default_rng(5).permutation(N)
    for share in (0.1, 0.5, 0.9):
        alive[order[: int(share * N)]] = False
        found = index.search(asked, 10, allow=alive, beam=300 if metric == "ip" else None)
        assert recall(found.rows, rows, asked, metric, 10, alive) >= (0.95 if metric == "ip" else 0.97)


def test_a_whole_cluster_may_be_deleted(recall):
    # The entry, and all rows on the way, may be among what is gone.
    rng = np.random.default_rng(6)
    rows = np.concatenate([rng.normal(size=(6000, 8)), rng.normal(size=(6000, 8)) + 40]).astype(np.float32)
    index = Graph("l2", degree=16, build_beam=40).build(rows)
    for gone in (slice(0, 6000), slice(6000, 12_000)):
        alive = np.ones(12_000, bool)
        alive[gone] = False
        for queries in (rows[:20], rows[-20:]):
            found = index.search(queries, 10, allow=alive)
            assert recall(found.rows, rows, queries, "l2", 10, alive) >= 0.95


def test_the_answer_does_not_depend_on_the_form_of_the_filter(make_index, make_rows, asked):
    index = make_index("cosine")
    mask = np.random.default_rng(7).random(N) < 0.4
    words = native.pack_bits(mask)
    spilled = words.copy()
    if N % 64:
        spilled[-1] |= ~np.uint64((1 << N % 64) - 1)  # bits beyond the last row
    first = index.search(asked, 10, allow=mask)
    for allow in (words, spilled, mask.tolist()):
        found = index.search(asked, 10, allow=allow)
        assert found.distances.tobytes() == first.distances.tobytes() and (found.rows == first.rows).all()


def test_batch_equals_single_under_a_filter(make_index, asked):
    index = make_index("l2")
    for share in (0.5, 0.02):
        mask = np.random.default_rng(8).random(N) < share
        together = index.search(asked, 10, allow=mask)
        for i in range(0, 30, 7):
            alone = index.search(asked[i], 10, allow=mask)
            assert alone.distances.tobytes() == together.distances[i].tobytes()
            assert (alone.rows == together.rows[i]).all()
