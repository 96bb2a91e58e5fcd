"""What only the inverted file promises: every list read is a scan, more lists find more, filters lose nothing."""

import numpy as np
import pytest

from nearfield.index import IVF, Flat
from nearfield.quantize import Float32, ScalarQuantizer, TwoLevelQuantizer
from nearfield.transform import PCA


@pytest.mark.parametrize("rescore", [None, "vectors"])
def test_every_list_read_is_a_scan_of_the_codes(make_rows, metric, rescore):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    index = IVF(metric, rescore=rescore).build(rows)
    scanned = Flat(metric, codec=ScalarQuantizer(8), rescore=rescore).build(rows)
    for options in ({}, {"allow": np.arange(1500) % 3 == 0}, {"allow": np.arange(1500) == 77}):
        found = index.search(queries, 10, probes=10_000, **options)
        wanted = scanned.search(queries, 10, **options)
        assert found.distances.tobytes() == wanted.distances.tobytes() and (found.rows == wanted.rows).all()


def test_more_lists_find_more(make_rows, recall, metric):
    rows, queries = make_rows(6000, seed=3), make_rows(60, seed=1)
    index = IVF(metric, codec=Float32(), lists=150).build(rows)
    recalls = [
        recall(index.search(queries, 10, probes=probes).rows, rows, queries, metric, 10) for probes in (1, 4, 16, 150)
    ]
    assert recalls == sorted(recalls) and recalls[0] < 0.9 and recalls[-1] == 1


def test_the_default_finds_nearly_all(make_rows, recall, metric):
    rows, queries = make_rows(6000, seed=3), make_rows(60, seed=1)
    for options in ({}, {"rescore": "vectors"}, {"transform": PCA(24, center=metric == "l2"), "rescore": "vectors"}):
        index = IVF(metric, **options).build(rows)
        assert recall(index.search(queries, 10).rows, rows, queries, metric, 10) > 0.9


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("where", ["random", "near", "far"])
def test_recall_does_not_fall_under_a_filter(make_rows, recall, metric, share, where):
    rows, queries = make_rows(6000, seed=3), make_rows(30, seed=1)
    order = np.random.default_rng(0).permutation(6000)
    if where != "random":
        order = Flat(metric).build(rows).search(queries[0], 6000).rows[:: 1 if where == "near" else -1]
    mask = np.zeros(6000, bool)
    mask[order[: round(share * 6000)]] = True
    index = IVF(metric, rescore="vectors").build(rows)
    found = index.search(queries, 10, allow=mask)
    assert recall(found.rows, rows, queries, metric, 10, mask) > 0.9


def test_short_lists_are_read_on(make_rows):
    rows = make_rows(1500)
    index = IVF("l2", lists=1500).build(rows)
    for k in (10, 400, 1500, 1600):
        found = index.search(rows[:9], k, probes=1).rows
        assert all(len(set(row[:1500])) == min(k, 1500) for row in found) and (found[:, :1500] >= 0).all()


def test_there_are_never_more_lists_than_rows(make_rows):
    assert IVF("l2", lists=50).build(make_rows(1500)[:20]).list_count == 20
    assert IVF("l2").build(make_rows(1500)[:1]).list_count == 1
    assert IVF("l2").build(make_rows(1500)).list_count == 155


def hard_rows(name):
    rng = np.random.default_rng(0)
    if name == "wide":
        return rng.normal(size=(40, 8192))
    rows = rng.normal(size=(2000, 1 if name == "one dimension" else 12))
    if name == "all equal":
        rows[:] = 1
    if name == "mostly one value":
        rows[rng.permutation(2000)[:1800]] = rows[0]
    if name == "two far clusters":
        rows[rng.random(2000) < 0.5] += 50
    return rows


@pytest.mark.parametrize("name", ["wide", "one dimension", "all equal", "mostly one value", "two far clusters"])
def test_hard_rows(name, metric, recall):
    rows = hard_rows(name).astype(np.float32)
    index = IVF(metric, rescore="vectors").build(rows)
    found = index.search(rows[:40], 10, candidates=100)
    assert (found.rows >= 0).all()
    assert recall(found.rows, rows, rows[:40], metric, 10) > 0.85


def test_settings_and_seed_change_the_index(make_rows):
    rows = make_rows(1500)[:400]
    settings = [{}, {"lists": 7}, {"random_state": 1}]
    assert len({IVF("l2", **options).build(rows).digest() for options in settings}) == len(settings)


def test_codes_are_found_under_their_own_numbers(make_rows):
    rows = make_rows(1500)
    index = IVF("l2", codec=Float32()).build(rows)
    found = index.search(rows, 1)
    assert (found.rows[:, 0] == np.arange(1500)).all() and (found.distances == 0).all()


def test_a_second_level_is_refused():
    with pytest.raises(ValueError, match="rescore: expected None, a Codec or 'vectors' for an IVF index"):
        IVF("l2", codec=TwoLevelQuantizer(), rescore="residual")
