"""Links for rows that walks miss: all are reached again, little else changes, records of links agree with the links."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import mending

NONE = np.empty(0, np.int64)


def make(rows):
    rows = np.asarray(rows, np.float32)
    center = rows.mean(0)
    return native.make_space("sq8", native.encode("sq8", rows, center), rows.shape[1], center=center)


@pytest.fixture(scope="module")
def space():
    return make(np.random.default_rng(0).normal(size=(2000, 24)))


def graph(space, degree=12):
    return native.build_graph(space, degree=degree, beam=40, alpha=1.2, seed=0)


def without_links_to(neighbors, rows):
    """The lists without any link to these rows."""
    cut = neighbors.copy()
    cut[np.isin(cut, rows)] = native.NO_LINK
    return np.take_along_axis(cut, np.argsort(cut == native.NO_LINK, axis=1, kind="stable"), axis=1)


def test_what_no_link_leads_to_is_reached_again_and_little_else_changes(space):
    neighbors, entries = graph(space)
    lost = np.setdiff1d(np.arange(0, 2000, 40), entries)
    cut = without_links_to(neighbors, lost)
    assert (np.flatnonzero(~native.reachable(cut, entries)) == lost).all()
    mended = mending.mend_graph(space, cut, entries, NONE, beam=40)
    assert native.reachable(mended, entries).all() and native.links_valid(mended)
    assert 0 < (mended != cut).any(axis=1).sum() <= 6 * len(lost)
    again = mending.mend_graph(space, cut, entries, NONE, beam=40)
    assert (again == mended).all()
    assert (mending.mend_graph(space, mended, entries, NONE, beam=40) == mended).all(), "nothing is missed any more"


def test_full_lists_make_room_and_lose_nobody(space):
    neighbors, entries = graph(space, degree=4)
    lost = np.setdiff1d(np.arange(0, 2000, 7), entries)
    mended = mending.mend_graph(space, without_links_to(neighbors, lost), entries, NONE, beam=40)
    assert native.reachable(mended, entries).all()


@pytest.mark.parametrize("name", ["all equal", "nine tenths equal", "far clusters", "two rows", "one row"])
def test_hard_rows(name):
    rng = np.random.default_rng(1)
    rows = {
        "all equal": np.ones((300, 8)),
        "nine tenths equal": np.where(rng.random((300, 1)) < 0.9, 1.0, rng.normal(size=(300, 8))),
        "far clusters": rng.normal(size=(300, 8)) + np.repeat([0, 1000], 150)[:, None],
        "two rows": rng.normal(size=(2, 8)),
        "one row": np.ones((1, 1)),
    }[name]
    space = make(rows)
    neighbors, entries = graph(space, degree=3)
    everything = np.setdiff1d(np.arange(space.n), entries)
    mended = mending.mend_graph(space, without_links_to(neighbors, everything), entries, everything, beam=20)
    assert native.reachable(mended, entries).all()


def test_a_row_that_is_reached_but_missed_gets_a_link_from_the_nearest(space):
    neighbors, entries = graph(space)
    row = 777
    before = (neighbors == row).sum()
    mended = mending.mend_graph(space, neighbors, entries, np.array([row]), beam=40)
    assert before < (mended == row).sum() <= before + 4 and native.reachable(mended, entries).all()


@pytest.mark.parametrize("heads", [None, 16])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_records_of_changed_rows_are_those_of_a_whole_packing(space, heads, metric):
    neighbors, entries = graph(space)
    directions = None if heads is None else np.eye(24, dtype=np.float32)[:heads]
    options = {"metric": metric, "seed": 3, "bits": 2, "directions": directions}
    signs = native.sign_links(space, neighbors, **options)
    cut = without_links_to(neighbors, np.setdiff1d(np.arange(0, 2000, 50), entries))
    mended = mending.mend_graph(space, cut, entries, NONE, beam=40)
    changed = np.flatnonzero((mended != neighbors).any(axis=1))
    again = mending.sign_again(space, mended, signs, changed, metric=metric)
    whole = native.sign_links(space, mended, **options)
    assert again is not None and again.units == signs.units
    if whole.units == signs.units:
        assert (again.records == whole.records).all()
    unchanged = np.setdiff1d(np.arange(2000), changed)
    assert (again.records[unchanged] == signs.records[unchanged]).all()


def test_links_too_long_for_the_units_are_told():
    rows = np.random.default_rng(2).normal(size=(200, 8)).astype(np.float32)
    rows[-1] = 1e6
    space = native.make_space("f32", rows, 8)
    neighbors = np.full((200, 4), native.NO_LINK, np.uint32)
    neighbors[:-1, 0] = (np.arange(199) + 1) % 199
    signs = native.sign_links(space, neighbors, metric="l2", seed=0)
    neighbors[0, 1] = 199
    assert mending.sign_again(space, neighbors, signs, np.array([0]), metric="l2") is None


def test_wrong_arguments_are_refused(space):
    neighbors, entries = graph(space)
    with pytest.raises(ValueError, match="missed: row out of range"):
        mending.mend_graph(space, neighbors, entries, np.array([2000]), beam=40)
    with pytest.raises(ValueError, match="a link leads out of the graph"):
        mending.mend_graph(space, neighbors + np.uint32(1900), entries, NONE, beam=40)
    with pytest.raises(ValueError, match="entries"):
        mending.mend_graph(space, neighbors, entries[:0], NONE, beam=40)
