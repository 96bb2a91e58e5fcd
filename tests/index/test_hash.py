"""What only hashing promises: all buckets read are a scan, more probes find more, pairs are those of the buckets."""

import numpy as np
import pytest

from nearfield.index import Flat, Hash, load
from nearfield.quantize import Float32, ScalarQuantizer
from nearfield.transform import PCA


@pytest.mark.parametrize("rescore", [None, "vectors"])
def test_every_bucket_read_is_a_scan_of_the_codes(make_rows, metric, rescore):
    rows, queries = make_rows(1500), make_rows(60, seed=1)
    index = Hash(metric, rescore=rescore).build(rows)
    scanned = Flat(metric, codec=ScalarQuantizer(8), rescore=rescore).build(rows)
    for options in ({}, {"allow": np.arange(1500) % 3 == 0}, {"allow": np.arange(1500) == 77}):
        found = index.search(queries, 10, probes=1 << 20, **options)
        wanted = scanned.search(queries, 10, **options)
        assert found.distances.tobytes() == wanted.distances.tobytes() and (found.rows == wanted.rows).all()


def test_more_probes_and_more_tables_find_more(make_rows, recall, metric):
    rows, queries = make_rows(6000, seed=3), make_rows(60, seed=1)
    for settings in ([(1, 8), (4, 8), (16, 8), (64, 8)], [(4, 1), (4, 4), (4, 16)]):
        recalls = []
        for probes, tables in settings:
            index = Hash(metric, codec=Float32(), tables=tables, bits=10).build(rows)
            recalls.append(recall(index.search(queries, 10, probes=probes).rows, rows, queries, metric, 10))
        assert recalls == sorted(recalls) and recalls[0] < 0.8 < recalls[-1]


def test_nearest_planes_first_finds_more_than_any_order(make_rows, recall, monkeypatch):
    """The point of probing by margins: as many buckets in an order of chance, the own one first, find less."""
    from nearfield.index import probing

    rows, queries = make_rows(6000, seed=3), make_rows(60, seed=1)
    index = Hash("l2", codec=Float32(), tables=2, bits=12).build(rows)
    by_margin = recall(index.search(queries, 10, probes=24).rows, rows, queries, "l2", 10)
    real = probing.probe
    level = np.float32(1)
    monkeypatch.setattr(probing, "probe", lambda signed, probes: real(np.where(signed >= 0, level, -level), probes))
    assert by_margin > recall(index.search(queries, 10, probes=24).rows, rows, queries, "l2", 10) + 0.1


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("where", ["random", "near", "far"])
def test_recall_does_not_fall_under_a_filter(make_rows, recall, metric, share, where):
    rows, queries = make_rows(6000, seed=3), make_rows(30, seed=1)
    order = np.random.default_rng(0).permutation(6000)
    if where != "random":
        order = Flat(metric).build(rows).search(queries[0], 6000).rows[:: 1 if where == "near" else -1]
    mask = np.zeros(6000, bool)
    mask[order[: round(share * 6000)]] = True
    index = Hash(metric, rescore="vectors").build(rows)
    found = index.search(queries, 10, allow=mask)
    free = recall(index.search(queries, 10).rows, rows, queries, metric, 10)
    assert recall(found.rows, rows, queries, metric, 10, mask) > min(0.9, free - 0.05)


def test_where_buckets_hold_too_little_more_are_read(make_rows):
    rows = make_rows(1500)
    index = Hash("l2", bits=24, tables=1).build(rows)
    for k in (10, 400, 1500, 1600):
        found = index.search(-3 * rows[:9], k, probes=1).rows
        assert all(len(set(row[:1500])) == min(k, 1500) for row in found) and (found[:, :1500] >= 0).all()


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
    index = Hash(metric, rescore="vectors").build(rows)
    found = index.search(rows[:40], 10, candidates=100)
    assert (found.rows >= 0).all()
    assert recall(found.rows, rows, rows[:40], metric, 10) > 0.85
    if metric != "ip":
        shared = index.pairs(rows[:40])
        assert set(zip(range(40), range(40), strict=True)) <= set(map(tuple, shared.tolist()))


def test_one_query_with_very_many_rows_does_not_widen_the_others():
    """Half of 60,000 rows are one: asked for it and for 3,000 others, in one block they would take 700 MB."""
    import tracemalloc

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60_000, 8)).astype(np.float32)
    rows[30_000:] = rows[30_000]
    index = Hash("l2", tables=2, bits=12).build(rows)
    asked = np.concatenate([rows[:3000], rows[-1:]])
    tracemalloc.start()
    found = index.search(asked, 1, probes=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6 and (found.rows[:3000, 0] == np.arange(3000)).mean() > 0.99


def test_settings_and_seed_change_the_index(make_rows):
    rows = make_rows(1500)[:400]
    settings = [{}, {"tables": 3}, {"bits": 7}, {"random_state": 1}]
    assert len({Hash("l2", **options).build(rows).digest() for options in settings}) == len(settings)


def test_pairs_are_the_rows_that_share_a_bucket(make_rows, metric):
    rows = make_rows(1500)[:300]
    index = Hash(metric, tables=3, bits=8).build(rows)
    keys = np.empty((3, 300), np.uint32)
    for table in range(3):
        keys[table, index.arrays()["order"][table]] = index.arrays()["keys"][table]
    shared = (keys[:, :, None] == keys[:, None]).any(axis=0)
    found = index.pairs()
    assert found.dtype == np.int64 and (found == np.argwhere(np.triu(shared, 1))).all()
    if metric != "ip":  # by inner product the others are queries, which have no length of their own
        assert (index.pairs(rows) == np.argwhere(shared)).all()
        assert (index.pairs(rows[7]) == np.argwhere(shared[7:8])).all()
    few, more = (set(map(tuple, index.pairs(rows, probes=probes).tolist())) for probes in (1, 5))
    assert few < more
    every = index.pairs(rows[:20], probes=256)
    assert len(every) == 20 * 300


def test_pairs_are_refused_above_the_limit(make_rows):
    rows = np.repeat(make_rows(1500)[:10], 30, axis=0)
    index = Hash("l2", tables=2).build(rows)
    found = index.pairs()
    assert len(found) >= 10 * 30 * 29 // 2
    assert len(index.pairs(limit=len(found))) == len(found)
    with pytest.raises(ValueError, match=r"limit: expected at most 4,000 pairs, got .* or more; use more bits"):
        index.pairs(limit=4000)
    with pytest.raises(ValueError, match="limit: expected at most 100 pairs"):
        index.pairs(rows, limit=100)
    with pytest.raises(ValueError, match="limit: expected an integer"):
        index.pairs(limit=-1)
    same = Hash("l2").build(np.ones((40_000, 3), np.float32))
    with pytest.raises(ValueError, match="got 799,980,000 or more"):
        same.pairs()


def test_pairs_check_their_arguments(make_rows):
    rows = make_rows(1500)[:50]
    index = Hash("cosine").build(rows)
    with pytest.raises(ValueError, match="probes: expected None or 1 between rows of the index, got 2; pass vectors"):
        index.pairs(probes=2)
    with pytest.raises(ValueError, match="vectors: expected 32 dimensions, got 5"):
        index.pairs(rows[:, :5])
    with pytest.raises(ValueError, match="vectors: expected finite values"):
        index.pairs(np.full((1, 32), np.nan, np.float32))
    with pytest.raises(ValueError, match="vectors: expected nonzero"):
        index.pairs(np.zeros((1, 32), np.float32))
    assert index.pairs(rows[:0]).shape == (0, 2)
    assert Hash("l2").build(rows[:1]).pairs().shape == (0, 2)
    for call in (Hash("l2").pairs, lambda: Hash("l2").pairs(rows)):
        with pytest.raises(ValueError, match="Hash is empty; call build first"):
            call()


def test_a_loaded_index_has_the_same_pairs(make_rows, metric, tmp_path):
    rows = make_rows(1500)[:400]
    index = Hash(metric, transform=PCA(20, center=metric == "l2"), bits=9).build(rows)
    index.save(tmp_path / "index.nfa")
    opened = load(tmp_path / "index.nfa")
    assert isinstance(opened, Hash) and (opened.pairs() == index.pairs()).all()
    assert (opened.pairs(rows, probes=3) == index.pairs(rows, probes=3)).all()


def test_likelier_near_than_far(make_rows):
    """Collisions by angle, against 1 - angle / pi, which holds for planes in any direction."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4000, 64))
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    side = rng.normal(size=base.shape)
    side -= (side * base).sum(1, keepdims=True) * base
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    index = Hash("cosine", tables=1, bits=1).build(np.concatenate([base, -base]).astype(np.float32))
    for angle in (0.2, 0.8, 1.5):
        turned = np.cos(angle) * base + np.sin(angle) * side
        left, right = index.pairs(turned.astype(np.float32)).T
        assert abs((left == right).sum() / 4000 - (1 - angle / np.pi)) < 0.03
