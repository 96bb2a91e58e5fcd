"""Walks that follow allowed rows alone, against exact scans of the same rows."""

import numpy as np
import pytest

from nearfield import native

N = 3000


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(n, 12)).astype(np.float32) for n in (N, 40))
    center = rows.mean(0)
    space = native.make_space("sq8", native.encode("sq8", rows, center), 12, center=center)
    graph = native.build_graph(space, degree=24, beam=80, alpha=1.2, seed=0)
    return rows, queries, space, graph


SETTINGS = {"near": 16, "wide": 192, "scarce": 0.25, "enough": 15, "most": 10**9}


def follow(world, mask, *, k=10, beam=64, queries=None, **options):
    """``(found, covered)``."""
    _, known, space, (neighbors, entries) = world
    asked = known if queries is None else queries
    covered = np.full(len(asked), 7, np.uint8)
    settings = [options.pop(name, usual) for name, usual in SETTINGS.items()]
    found = native.search_graph(
        space,
        neighbors,
        entries,
        asked,
        k,
        metric="l2",
        beam=beam,
        allow=mask,
        covered=covered,
        followed=tuple(settings),
        **options,
    )
    return found, covered


def share(world, found, mask, k=10):
    exact = native.scan(world[2], world[1], k, metric="l2", allow=mask)
    return np.mean([np.isin(f, e).mean() for f, e in zip(found.rows, exact.rows, strict=True)])


def half_space(world, part):
    """The rows farthest along one direction, and the part of the rows that they are."""
    along = world[0][:, 0]
    return along > np.quantile(along, 1 - part)


@pytest.mark.parametrize("part", [1.0, 0.9, 0.5, 0.2, 0.1, 0.05])
@pytest.mark.parametrize("where", ["random", "half space"])
def test_what_it_finds_is_allowed_and_nearly_all(world, part, where):
    mask = np.random.default_rng(1).random(N) < part if where == "random" else half_space(world, part)
    found, covered = follow(world, mask)
    assert mask[found.rows].all() and (covered & 1).all()
    assert (np.diff(found.scores) >= 0).all()
    assert share(world, found, mask) >= 0.95


def test_a_query_sees_whether_the_filter_leans_away_from_it(world):
    mask, asked = half_space(world, 0.3), world[1].copy()
    asked[:20, 0], asked[20:, 0] = -4, 4
    _, covered = follow(world, mask, queries=asked)
    assert (covered == np.repeat([3, 1], 20)).all()
    left, covered = follow(world, mask, queries=asked, wide=0)  # such queries are left to a scan
    assert (covered == np.repeat([2, 1], 20)).all()
    assert (left.rows[:20] == -1).all() and mask[left.rows[20:]].all()


def test_it_gives_up_where_a_scan_would_be_cheaper(world):
    found, covered = follow(world, np.random.default_rng(2).random(N) < 0.1, most=5)
    assert not (covered & 1).any() and (found.rows == -1).all() and np.isposinf(found.scores).all()


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_rows_are_no_answer(world, count):
    mask = np.zeros(N, bool)
    mask[:count] = True
    found, covered = follow(world, mask)
    assert not (covered & 1).any() and (found.rows == -1).all()


def test_groups_that_no_links_join_are_all_found():
    rng = np.random.default_rng(3)
    centers = 60 * rng.normal(size=(40, 8))
    label = rng.integers(0, 40, N)
    rows = (centers[label] + rng.normal(size=(N, 8))).astype(np.float32)
    space = native.make_space("f32", rows, 8)
    world = (rows, rows[::75], space, native.build_graph(space, degree=16, beam=60, alpha=1.2, seed=0))
    mask = label % 5 == 0
    found, covered = follow(world, mask)
    assert (covered & 1).all() and share(world, found, mask) >= 0.95


def test_threads_batches_and_levels_do_not_matter(world, on_level):
    mask = np.random.default_rng(4).random(N) < 0.2
    first, covered = follow(world, mask, threads=1)
    for threads in (2, 5):
        again, same = follow(world, mask, threads=threads)
        assert again.rows.tobytes() == first.rows.tobytes() and again.scores.tobytes() == first.scores.tobytes()
        assert (same == covered).all()
    for i in range(0, 40, 7):
        alone, _ = follow(world, mask, queries=world[1][i : i + 1])
        assert (alone.rows[0] == first.rows[i]).all() and (alone.scores[0] == first.scores[i]).all()
    for name in native.simd_levels():
        again, _ = on_level(name, follow, world, mask)
        assert again.rows.tobytes() == first.rows.tobytes()


def test_the_work_is_counted_and_grows_slowly(world):
    counts = np.zeros((2, 40), np.uint32)
    for row, part in zip(counts, (0.5, 0.1), strict=True):
        follow(world, np.random.default_rng(5).random(N) < part, distances=row)
    assert (counts > 64).all() and counts[1].mean() < 3 * counts[0].mean()  # a wider walk would take five times as many


def test_finer_codes_decide_the_order(world):
    mask = np.random.default_rng(6).random(N) < 0.3
    finer = native.make_space("f32", world[0], 12)
    found, _ = follow(world, mask, second=finer, second_queries=world[1], candidates=64)
    exact = native.scan(finer, world[1], 10, metric="l2", allow=mask)
    assert np.mean([np.isin(f, e).mean() for f, e in zip(found.rows, exact.rows, strict=True)]) >= 0.98


def test_equal_rows_and_damaged_ones():
    rows = np.zeros((500, 4), np.float32)
    space = native.make_space("f32", rows, 4)
    world = (rows, rows[:3], space, native.build_graph(space, degree=8, beam=20, alpha=1.2, seed=0))
    mask = np.arange(500) % 3 == 0
    found, covered = follow(world, mask)
    assert not (covered & 1).any() or mask[found.rows[covered & 1 == 1]].all()
    rows[::2] = np.nan
    found, _ = follow(world, mask)
    assert ((found.rows == -1) | (found.rows % 2 == 1)).all()


@pytest.mark.parametrize(
    ("options", "text"), [({"near": 0}, "widths of 1"), ({"enough": 0}, "widths of 1"), ({"mask": None}, "a filter")]
)
def test_bad_settings_are_refused(world, options, text):
    mask = options.pop("mask", np.ones(N, bool))
    with pytest.raises(ValueError, match=text):
        follow(world, mask, **options)
