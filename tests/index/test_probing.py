"""Buckets by signs, the order in which they are probed, and the rows that share them, against the definitions."""

from itertools import combinations

import numpy as np
import pytest

from nearfield.index import probing
from nearfield.index.probing import Tables, hash_rows, hyperplanes, probe


@pytest.mark.parametrize(("count", "dim"), [(5, 12), (12, 12), (40, 12), (3, 1), (4, 2)])
def test_hyperplanes_are_perpendicular_as_far_as_there_are_dimensions(count, dim):
    planes = hyperplanes(count, dim, 7)
    assert planes.shape == (count, dim) and planes.dtype == np.float32
    for start in range(0, count, dim):
        part = planes[start : start + dim]
        np.testing.assert_allclose(part @ part.T, np.eye(len(part)), atol=1e-5)
    assert (planes == hyperplanes(count, dim, 7)).all()
    assert dim == 1 or (planes != hyperplanes(count, dim, 8)).any()


def test_signs_of_all_planes_name_the_bucket():
    signed = np.random.default_rng(0).normal(size=(50, 3 * 5)).astype(np.float32)
    keys = hash_rows(signed, 3)
    assert keys.shape == (3, 50) and keys.dtype == np.uint32
    for table in range(3):
        for row in range(50):
            bits = signed[row, 5 * table : 5 * table + 5] >= 0
            assert keys[table, row] == sum(int(bit) << place for place, bit in enumerate(bits))
    assert hash_rows(np.ones((1, 32), np.float32), 1)[0, 0] == 0xFFFFFFFF


@pytest.mark.parametrize("bits", [1, 2, 7])
@pytest.mark.parametrize("probes", [1, 2, 13, 128])
def test_buckets_come_by_their_scores(bits, probes):
    probes = min(probes, 1 << bits)
    signed = np.random.default_rng(bits).normal(size=(20, 3, bits)).astype(np.float32)
    found = probe(signed, probes)
    assert found.shape == (20, 3, probes) and found.dtype == np.uint32
    turned = np.arange(1 << bits)[:, None] >> np.arange(bits) & 1
    for query in range(20):
        for table in range(3):
            one = signed[query, table].astype(np.float64)
            away = turned != (one >= 0)
            order = np.argsort((away * one**2).sum(1), kind="stable")
            assert (found[query, table] == order[:probes]).all()


def test_the_buckets_of_a_query_do_not_depend_on_its_company():
    signed = np.random.default_rng(3).normal(size=(30, 4, 12)).astype(np.float32)
    together = probe(signed, 40)
    for query in range(30):
        assert (probe(signed[query], 40) == together[query]).all()


def test_planes_as_near_as_each_other_are_no_trouble():
    assert sorted(probe(np.zeros((1, 1, 3), np.float32), 8)[0, 0]) == list(range(8))
    assert sorted(probe(np.full((1, 1, 4), -1, np.float32), 5)[0, 0]) == [0, 1, 2, 4, 8]


def listed(blocks):
    return [(int(at[i]), int(j)) for at, left, right in blocks for i, j in zip(left, right, strict=True)]


@pytest.mark.parametrize("gathered", [1, 50, 1 << 20])
def test_mates_are_the_rows_of_the_buckets(monkeypatch, gathered):
    monkeypatch.setattr(probing, "_GATHERED", gathered)
    monkeypatch.setattr(probing, "_NAMED", 4 * gathered)
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 16, (3, 70)).astype(np.uint32)
    tables = Tables.of(keys, 4)
    signed = rng.normal(size=(20, 3, 4)).astype(np.float32)
    named = probe(signed, 2)
    got = listed(tables.mates(signed, 2))
    expected = {(q, r) for q in range(20) for r in range(70) if any(keys[t, r] in named[q, t] for t in range(3))}
    assert got == sorted(expected)
    own = {(i, j) for i in range(70) for j in range(70) if (keys[:, i] == keys[:, j]).any()}
    assert listed(tables.own_mates()) == sorted(own)
    most = max(sum(one[i] == one[j] for i, j in combinations(range(70), 2)) for one in keys)
    assert tables.most_pairs() == most
