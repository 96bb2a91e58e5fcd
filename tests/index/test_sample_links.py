import numpy as np
import pytest

from nearfield import native
from nearfield.index import Graph, sample_links
from nearfield.index.sample_links import add_entries, link_sample


@pytest.fixture(scope="module")
def elsewhere():
    """Rows, and queries far from every row, along directions in which the rows hardly differ."""
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(6000, 48)).astype(np.float32)
    rows[:, :8] *= 3
    queries = (0.2 * rng.normal(size=(1300, 48))).astype(np.float32)
    queries[:, 8:] *= 15
    return rows, queries[:1000], queries[1000:]


def test_rows_near_to_many_queries_become_entries():
    found = np.array([[7, 1, 2], [7, 3, 4], [7, 5, 6], [7, 8, 9], [1, 3, 5]] * 2)
    assert add_entries(np.array([4], np.uint32), found).tolist() == [4, 7]
    assert add_entries(np.array([7], np.uint32), found).tolist() == [7]


def test_queries_with_nothing_in_common_add_no_entry():
    spread = np.arange(3000).reshape(1000, 3)
    for found in (spread, np.full((9, 3), -1), np.zeros((0, 3), np.int64), np.zeros((3, 1), np.int64)):
        assert add_entries(np.array([4], np.uint32), found).tolist() == [4]


def test_entries_are_few_and_distinct():
    found = np.random.default_rng(0).integers(0, 30, (500, 5))
    entries = add_entries(np.array([3, 4], np.uint32), found)
    assert entries.dtype == np.uint32 and len(np.unique(entries)) == len(entries) <= 10


def test_a_walk_costs_queries_of_the_sample_s_kind_fewer_rows_at_equal_recall(elsewhere, recall):
    rows, sample, asked = elsewhere
    without = Graph("l2").build(rows)
    index = Graph("l2", alpha=1.0).build(rows, queries=sample)
    assert len(index.arrays()["entries"]) > len(without.arrays()["entries"])
    assert recall(index.search(asked, 10, beam=60).rows, rows, asked, "l2", 10) > recall(
        without.search(asked, 10, beam=80).rows, rows, asked, "l2", 10
    )
    assert index.count_distances(asked, 10, beam=60).mean() < 0.9 * without.count_distances(asked, 10, beam=80).mean()


def test_sample_queries_beyond_the_first_are_walked_for(elsewhere, recall, monkeypatch):
    rows, sample, asked = elsewhere
    scanned = Graph("l2").build(rows, queries=sample)
    for name, value in (("_FEW_ROWS", 100), ("_SCANNED", 200), ("_BEAM", 120)):
        monkeypatch.setattr(sample_links, name, value)
    before, digests = native.threads(), set()
    try:
        for threads in (1, 3):
            native.set_threads(threads)
            walked = Graph("l2").build(rows, queries=sample)
            digests.add(walked.digest())
    finally:
        native.set_threads(before)
    assert len(digests) == 1 and walked.reachable().all()
    shares = [recall(index.search(asked, 10, beam=40).rows, rows, asked, "l2", 10) for index in (scanned, walked)]
    assert abs(shares[0] - shares[1]) < 0.02


def test_links_that_a_row_s_own_lead_to_are_left_out():
    values = np.float32([[0, 0], [10, 0], [10, 1], [0, 30]])
    space = native.make_space("f32", values, 2)
    own = np.full((4, 2), native.NO_LINK, np.uint32)
    own[0, 0], own[1:, 0] = 1, 0
    links, entries = link_sample(space, own, np.zeros(1, np.uint32), np.float32([[5, 15]]), metric="l2", extra=2)
    # Row 1 stands beside row 2, and is linked to already; nothing leads to row 3.
    assert links.shape == (4, 4) and set(links[0][links[0] != native.NO_LINK]) == {1, 3}
    assert entries.tolist() == [0]
