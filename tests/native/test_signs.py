"""Signs of links: what the estimates are, on every instruction level."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import NO_LINK


def world(n, dim, degree, metric="l2", kind="f32", seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    rows = (scale * rng.normal(size=(n, dim))).astype(np.float32)
    center = rows.mean(0)
    if kind == "f32":
        space = native.make_space("f32", rows, dim)
    else:
        space = native.make_space(kind, native.encode(kind, rows, center), dim, center=center)
    neighbors = np.full((n, degree), NO_LINK, np.uint32)
    for row in range(n):
        links = rng.permutation(n)[: rng.integers(0, min(degree, n) + 1)]
        neighbors[row, : len(links)] = links
    return rows, space, neighbors, native.sign_links(space, neighbors, metric=metric, seed=5)


def test_every_level_gives_the_same_bytes_and_estimates(on_level):
    for dim, degree in ((1, 3), (3, 32), (15, 33), (16, 64), (17, 7), (100, 40), (1100, 32)):
        for metric in ("l2", "ip"):
            kept = []
            for name in native.simd_levels():
                rows, space, neighbors, signs = on_level(name, world, 60, dim, degree, metric, "sq8")
                estimates = [
                    on_level(name, native.estimate_links, space, neighbors, signs, rows[59], row, metric=metric)
                    for row in range(60)
                ]
                kept.append((signs.records.tobytes(), signs.units, np.array(estimates).tobytes()))
            assert all(one == kept[0] for one in kept), (dim, degree, metric)


@pytest.mark.parametrize("kind", ["f32", "sq8", "sq4"])
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_estimates_are_unbiased_and_near(metric, kind, scale):
    dim = 256
    _, space, neighbors, signs = world(400, dim, 32, metric, kind, scale=scale)
    assert signs.records.shape == (400, native.sign_record_bytes(32, dim)) == (400, 128 + 32 * dim // 8)
    queries = (scale * np.random.default_rng(1).normal(size=(20, dim))).astype(np.float32)
    errors, truths = [], []
    for query in queries:
        for row in range(400):
            links = neighbors[row][neighbors[row] != NO_LINK]
            estimates = native.estimate_links(space, neighbors, signs, query, row, metric=metric)
            assert np.isinf(estimates[len(links) :]).all() and np.isfinite(estimates[: len(links)]).all()
            truth = native.score(space, query[None], links, metric=metric)[0]
            errors.append(estimates[: len(links)] - truth)
            truths.append(truth)
    errors, spread = np.concatenate(errors), np.concatenate(truths).std()
    # One bit a dimension: 2 |q - c| |x - c| sqrt((pi / 2 - 1) / d) under l2, half of it under ip.
    length = np.sqrt(2 * dim) * scale
    deviation = (2 if metric == "l2" else 1) * length * length * np.sqrt((np.pi / 2 - 1) / dim)
    assert 0.4 * deviation < errors.std() < 1.1 * deviation
    assert abs(errors.mean()) < 0.05 * spread


def test_of_equal_rows_the_estimate_is_the_score():
    rows = np.ones((5, 24), np.float32)
    space = native.make_space("f32", rows, 24)
    neighbors = np.array([[(row + 1) % 5, NO_LINK] for row in range(5)], np.uint32)
    signs = native.sign_links(space, neighbors, metric="l2", seed=0)
    estimates = native.estimate_links(space, neighbors, signs, np.zeros(24, np.float32), 0, metric="l2")
    assert estimates.tolist() == [24.0, np.inf]


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_an_offset_of_all_rows_costs_nothing(metric):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(200, 64)).astype(np.float32)
    neighbors = np.array([rng.permutation(200)[:20] for _ in range(200)], np.uint32)
    spread = []
    for offset in (0, 100):
        moved = rows + np.float32(offset)
        space = native.make_space("f32", moved, 64)
        signs = native.sign_links(space, neighbors, metric=metric, seed=1)
        assert np.allclose(signs.center, moved.mean(0), rtol=1e-5, atol=1e-5)
        query = moved[0] if metric == "l2" else rows[0]
        errors = [
            native.estimate_links(space, neighbors, signs, query, row, metric=metric)
            - native.score(space, query[None], neighbors[row], metric=metric)[0]
            for row in range(200)
        ]
        spread.append(np.std(errors))
    # By inner product the query itself lies off the mean of the rows; under l2 it moves with them.
    assert spread[1] < (1.3 if metric == "l2" else 130) * spread[0]


def test_threads_do_not_matter():
    _, space, neighbors, signs = world(500, 40, 20)
    for threads in (1, 3):
        again = native.sign_links(space, neighbors, metric="l2", seed=5, threads=threads)
        assert again.records.tobytes() == signs.records.tobytes() and again.units == signs.units
    other = native.sign_links(space, neighbors, metric="l2", seed=6)
    assert other.records.tobytes() != signs.records.tobytes()


def test_arguments_are_checked():
    rows, space, neighbors, signs = world(20, 8, 4)
    bad = neighbors.copy()
    bad[0, 0] = 20
    with pytest.raises(ValueError, match="neighbors"):
        native.sign_links(space, bad, metric="l2", seed=0)
    with pytest.raises(ValueError, match="records"):
        native.estimate_links(space, neighbors, signs._replace(records=signs.records[:-1]), rows[0], 0, metric="l2")
    with pytest.raises(ValueError, match="query, row"):
        native.estimate_links(space, neighbors, signs, rows[0], 20, metric="l2")
    with pytest.raises(ValueError, match="expected records"):
        native.search_graph(
            space,
            neighbors,
            np.zeros(1, np.uint32),
            rows,
            3,
            metric="l2",
            beam=5,
            signs=signs._replace(records=signs.records[:, :-1].copy()),
        )


def test_codes_of_more_bits_are_nearer_and_directions_may_be_few(on_level):
    rng = np.random.default_rng(7)
    spread = np.where(np.arange(64) < 16, 1.0, 0.02).astype(np.float32)
    rows = (rng.normal(size=(300, 64)) * spread).astype(np.float32)
    neighbors = np.array([rng.permutation(300)[:32] for _ in range(300)], np.uint32)
    queries = (rng.normal(size=(10, 64)) * spread).astype(np.float32)
    assert (native.row_values(native.make_space("f32", rows, 64), np.array([3, 7])) == rows[[3, 7]]).all()
    # Sums of whole numbers, which are the same bits on every level.
    space = native.make_space("sq8", native.encode("sq8", rows, rows.mean(0)), 64, center=rows.mean(0))
    directions = np.eye(16, 64, dtype=np.float32)
    for metric in ("l2", "ip"):
        errors = {}
        for bits, along in ((1, None), (2, None), (3, None), (4, None), (1, directions), (4, directions)):
            options = {"metric": metric, "seed": 3, "bits": bits, "directions": along}
            made = [on_level(name, native.sign_links, space, neighbors, **options) for name in native.simd_levels()]
            assert all(one.records.tobytes() == made[0].records.tobytes() for one in made)
            assert made[0].records.shape[1] == native.sign_record_bytes(32, 64 if along is None else 16, bits)
            off = []
            for query in queries:
                for row in range(0, 300, 10):
                    found = [
                        on_level(name, native.estimate_links, space, neighbors, made[0], query, row, metric=metric)
                        for name in native.simd_levels()
                    ]
                    assert all((one == found[0]).all() for one in found)
                    off.append(found[0] - native.score(space, query[None], neighbors[row], metric=metric)[0])
            errors[bits, along is None] = float(np.std(off))
        assert errors[4, True] < errors[3, True] < errors[2, True] < errors[1, True]
        assert errors[4, False] < 0.5 * errors[1, False]
    for bad in ({"bits": 0}, {"bits": 5}, {"directions": np.zeros((65, 64))}, {"directions": np.zeros((3, 5))}):
        with pytest.raises(ValueError, match=r"bits|projection|directions"):
            native.sign_links(space, neighbors, metric="l2", seed=0, **bad)
