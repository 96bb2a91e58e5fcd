"""One suite for every index, metric, codec, transform and way of rescoring."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat, Index, Neighbors, load
from nearfield.metric import get_metric
from nearfield.quantize import Float16, Float32, RecurrentBinary, RotatedQuantizer, ScalarQuantizer
from nearfield.transform import PCA


def same(a, b):
    return a.distances.tobytes() == b.distances.tobytes() and (a.rows == b.rows).all()


def vectors_for(recipe, base):
    return base if recipe.rescore == "vectors" else None


def test_recall_is_above_its_floor(built, base, queries, recall):
    recipe, index = built
    found = index.search(queries, 10, **recipe.settings)
    assert recall(found.rows, base, queries, recipe.metric, 10) >= recipe.floor


def test_distances_are_those_of_the_metric(built, base, queries):
    recipe, index = built
    found = index.search(queries, 10)
    assert found.distances.dtype == np.float32 and found.rows.dtype == np.int64
    assert (np.diff(found.distances, axis=1) >= 0).all()
    truth = np.take_along_axis(get_metric(recipe.metric).pairwise(queries, base), found.rows, 1)
    if recipe.rescore == "vectors" or (recipe.codec in ("f32", "f16") and not recipe.transform and not recipe.rescore):
        tolerance = 0.02 if recipe.codec == "f16" and recipe.rescore is None else 2e-4
        assert np.abs(found.distances - truth).max() < tolerance * max(1, np.abs(truth).max())
    else:
        error = np.abs(found.distances - truth).mean() / np.abs(truth).mean()
        assert error < (0.6 if recipe.transform else 0.2)


def test_single_equals_batch_and_threads_do_not_matter(built, queries):
    _, index = built
    together = index.search(queries, 7)
    for i in (0, 13, 59):
        alone = index.search(queries[i], 7)
        assert alone.rows.shape == alone.distances.shape == (7,)
        assert alone.distances.tobytes() == together.distances[i].tobytes()
        assert (alone.rows == together.rows[i]).all()
    parts = [index.search(queries[i : i + 11], 7) for i in range(0, 60, 11)]
    assert same(Neighbors(*map(np.concatenate, zip(*parts, strict=True))), together)
    for threads in (1, 2, 5):
        assert same(index.search(queries, 7, threads=threads), together)


def test_a_file_gives_the_same_answers_and_maps_its_arrays(built, base, queries, tmp_path):
    recipe, index = built
    size = index.save(tmp_path / "index.nfa")
    assert (tmp_path / "index.nfa").stat().st_size == size
    vectors = vectors_for(recipe, base)
    mask = np.random.default_rng(0).random(len(base)) < 0.3
    for opened in (
        load(tmp_path / "index.nfa", vectors=vectors),
        type(index).load(tmp_path / "index.nfa", vectors=vectors, check=False),
        Index.load(str(tmp_path / "index.nfa"), vectors=vectors),
    ):
        assert type(opened) is type(index) and len(opened) == len(index) and opened.dim == index.dim
        assert opened.metric == index.metric and opened.digest() == index.digest()
        assert opened.memory() == index.memory()
        assert same(opened.search(queries, 10), index.search(queries, 10))
        assert same(opened.search(queries, 10, allow=mask), index.search(queries, 10, allow=mask))
        assert not opened.arrays()["codes"].flags.owndata and not opened.arrays()["codes"].flags.writeable
    opened.save(tmp_path / "again.nfa")
    assert (tmp_path / "again.nfa").read_bytes() == (tmp_path / "index.nfa").read_bytes()


def test_memory_is_the_bytes_that_are_there(built, base):
    recipe, index = built
    memory = index.memory()
    arrays = index.arrays()
    assert memory["total"] == sum(array.nbytes for array in arrays.values())
    assert memory["total"] == sum(memory[part] for part in ("codes", "graph", "lists", "rescore", "transform"))
    assert memory["codes"] >= len(base) * index.codec.bytes_per_vector == arrays["codes"].nbytes
    graph = [array for name, array in arrays.items() if name.split(".")[0] in ("neighbors", "entries", "signs")]
    links = sum(array.nbytes for array in graph)
    dim = arrays["codes"].shape[1]
    record = native.sign_record_bytes(24, dim, index.link_bits) if "signs" in arrays else 0
    assert memory["graph"] == sum(array.nbytes for array in graph)
    assert links < len(base) * (24 * 4 + record) + (dim * dim if record else 0) + 300
    assert recipe.is_graph == bool(graph) and (index.meta()["parameters"].get("layout") == "fast") == (record > 0)
    width = 20 if recipe.transform else base.shape[1]
    lists = 60 * 4 * width + 61 * 4 + len(base) * 4 if recipe.is_lists else 0
    if recipe.is_hash:
        width += recipe.metric == "ip"  # planes for rows with one more coordinate, and their mean
        lists = 6 * (7 * 4 * width + 8 * len(base)) + 4 * width
    assert memory["lists"] == lists
    assert memory["mapped"] == (base.nbytes if recipe.rescore == "vectors" else 0)
    assert (memory["transform"] > 0) == recipe.transform
    scaled = (recipe.rescore, recipe.metric) == ("vectors", "cosine")  # one over each length
    assert (memory["rescore"] > 0) == (recipe.rescore in ("sq8", "residual") or scaled)


def test_building_again_gives_the_same_digest(built, base):
    recipe, index = built
    before = native.threads()
    try:
        for threads in (1, 3):
            native.set_threads(threads)
            assert recipe.make().build(base).digest() == index.digest()
    finally:
        native.set_threads(before)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01, 0.0])
def test_only_allowed_rows_are_found(built, base, queries, recall, share):
    recipe, index = built
    mask = np.random.default_rng(1).random(len(base)) < share
    found = index.search(queries, 10, allow=mask)
    count = int(mask.sum())
    assert ((found.rows >= 0).sum(1) == min(10, count)).all()
    assert np.isposinf(found.distances[found.rows < 0]).all()
    if mask.all():  # nothing is excluded: the search is the plain one
        assert same(index.search(queries, 10), found)
    else:
        assert recall(found.rows, base, queries, recipe.metric, 10, mask) >= recipe.floor - 0.02
    assert same(index.search(queries, 10, allow=native.pack_bits(mask)), found)


@pytest.mark.parametrize(
    "codec", [RotatedQuantizer(1), RotatedQuantizer(2), RecurrentBinary(1), RecurrentBinary(2, symmetric=True)], ids=str
)
def test_few_bits_are_enough_to_choose_candidates(kind, codec, recall, tmp_path, wide):
    rng = np.random.default_rng(3)
    centers = rng.normal(size=(20, 256))
    base, asked = (
        (centers[rng.integers(0, 20, n)] + 0.5 * rng.normal(size=(n, 256))).astype(np.float32) for n in (1500, 40)
    )
    for metric in ("cosine", "l2"):
        index = kind(metric, codec=codec, rescore=Float16()).build(base)
        settings = {"candidates": 300} | wide(kind, 300)
        found = index.search(asked, 10, **settings)
        assert recall(found.rows, base, asked, metric, 10) > 0.98
        index.save(tmp_path / metric)
        assert same(load(tmp_path / metric).search(asked, 10, **settings), found)


def test_k_up_to_and_beyond_the_rows(kind, metric):
    rng = np.random.default_rng(2)
    for n in (1, 2, 5, 70):
        rows = rng.normal(size=(n, 6)).astype(np.float32)
        for rescore in (None, "vectors"):
            index = kind(metric, rescore=rescore).build(rows)
            for k in (1, n, n + 3):
                found = index.search(rows[:1], k)
                assert found.rows.shape == (1, k)
                there = found.rows[0][: min(k, n)]
                assert len(set(there)) == min(k, n) and (there >= 0).all()
                assert (found.rows[0][n:] == -1).all() and np.isposinf(found.distances[0][n:]).all()


def test_no_queries(kind, metric, base):
    index = kind(metric).build(base)
    found = index.search(base[:0], 4)
    assert found.rows.shape == found.distances.shape == (0, 4)
    assert index.search(base[:0], 4, allow=np.ones(len(base), bool)).rows.shape == (0, 4)


@pytest.mark.parametrize("rescore", [None, "vectors", "codec"])
def test_half_floats_are_taken_as_they_are(kind, metric, base, queries, recall, rescore, tmp_path):
    halves = base.astype(np.float16)
    np.save(tmp_path / "rows.npy", halves)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    chosen = ScalarQuantizer(8) if rescore == "codec" else rescore
    index = kind(metric, codec=ScalarQuantizer(8), rescore=chosen).build(mapped)
    settings = {"beam": 900} if kind.__name__ == "fast_graph" and metric == "ip" else {}
    found = index.search(queries, 10, **settings)
    assert recall(found.rows, halves.astype(np.float32), queries, metric, 10) > 0.96
    if rescore == "vectors":
        assert index.memory()["mapped"] == halves.nbytes
        index.save(tmp_path / "index.nfa")
        assert same(load(tmp_path / "index.nfa", vectors=mapped).search(queries, 10, **settings), found)


def test_the_callers_array_may_change_after_the_build(kind, metric, base, queries):
    rows = base.copy()
    index = kind(metric, codec=Float32()).build(rows)
    before, digest = index.search(queries, 5), index.digest()
    rows[:] = 1
    assert same(index.search(queries, 5), before) and index.digest() == digest


def test_a_codec_given_to_two_indexes_serves_both(kind, base, queries):
    codec, finer = ScalarQuantizer(8), ScalarQuantizer(8)
    first = kind("l2", codec=codec, rescore=finer).build(base)
    digest = first.digest()
    kind("l2", codec=codec, rescore=finer).build(base[:, :9] + 50)
    assert first.digest() == digest and not hasattr(codec, "dim_")
    both = kind("l2", transform=PCA(9), codec=codec, rescore=codec).build(base)  # two dimensions, one object
    assert both.search(queries, 3).rows.shape == (60, 3)


def test_an_index_can_be_built_again_from_other_vectors(kind, metric, base, queries):
    for options in ({"rescore": "vectors"}, {"transform": PCA(8)}, {"rescore": ScalarQuantizer(8)}):
        index = kind(metric, **options).build(base)
        other = (base[:900, :20] * np.linspace(1, 5, 900, dtype=np.float32)[:, None]).astype(np.float32)
        fresh = kind(metric, **{n: PCA(8) if n == "transform" else v for n, v in options.items()}).build(other)
        assert index.build(other).digest() == fresh.digest()
        assert same(index.search(queries[:, :20], 5), fresh.search(queries[:, :20], 5))


def test_a_fitted_transform_is_used_as_it_is(kind, base, queries):
    pca = PCA(12, center=False).fit(base[:200])
    matrix = pca.components_.copy()
    by_estimator = kind("cosine", transform=pca).build(base)
    by_map = kind("cosine", transform=pca.export()).build(base)
    assert (pca.components_ == matrix).all()
    assert by_estimator.digest() == by_map.digest()
    assert same(by_estimator.search(queries, 5), by_map.search(queries, 5))


def test_a_digest_tells_indexes_apart(kind, base):
    digests = {
        kind(metric, codec=codec, rescore=rescore).build(rows).digest()
        for metric in ("cosine", "ip", "l2")
        for codec in (Float32(), Float16(), ScalarQuantizer(8))
        for rescore in (None, "vectors")
        for rows in (base[:200], base[1:201])
    }
    assert len(digests) == 36


def test_many_threads_may_search_one_index(kind, base, queries):
    index = kind("cosine", rescore="vectors").build(base)
    wanted = index.search(queries, 10)
    with ThreadPoolExecutor(6) as pool:
        assert all(same(found, wanted) for found in pool.map(lambda _: index.search(queries, 10), range(24)))


def test_a_failed_build_leaves_an_empty_or_the_old_index(kind, base, queries):
    index = kind("l2").build(base)
    before = index.search(queries, 5)
    with pytest.raises(ValueError, match="vectors"):
        index.build(np.full((3, 4), np.nan, np.float32))
    assert same(index.search(queries, 5), before)

    def stop(done):
        raise KeyboardInterrupt

    rows = np.random.default_rng(3).normal(size=(60_000, 16)).astype(np.float32)
    with pytest.raises(KeyboardInterrupt):
        index.build(rows, progress=stop)
    assert len(index) == 0
    with pytest.raises(ValueError, match="is empty; call build first"):
        index.search(queries, 5)
    assert same(index.build(base).search(queries, 5), before)


def test_progress_comes_to_the_number_of_rows(kind):
    seen = []
    rows = np.random.default_rng(4).normal(size=(8000, 24)).astype(np.float32)
    kind("l2").build(rows, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 8000


def test_the_repr_says_what_it_is(kind):
    index = kind("ip", codec=ScalarQuantizer(4), rescore="vectors")
    assert repr(index).startswith(f"{type(index).__name__}('ip', codec=ScalarQuantizer(bits=4), rescore='vectors'")


def test_neighbors_are_a_pair(base):
    distances, rows = Flat("l2").build(base).search(base[5], 1)
    assert (distances[0], rows[0]) == (0, 5)
    assert Neighbors._fields == ("distances", "rows")


def test_extreme_but_finite_vectors(kind):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(200, 8)).astype(np.float32)
    for metric, scales in (("cosine", (1e-30, 1, 1e30)), ("l2", (1e-15, 1, 1e14)), ("ip", (1e-15, 1, 1e14))):
        for scale in scales:
            scaled = rows * np.float32(scale)
            for codec in (Float32(), ScalarQuantizer(8)):
                for rescore in (None, "vectors"):
                    found = kind(metric, codec=codec, rescore=rescore).build(scaled).search(scaled[:20], 3)
                    assert np.isfinite(found.distances).all()
                    if metric != "ip":
                        assert (found.rows[:, 0] == np.arange(20)).mean() > 0.9, (metric, scale, codec, rescore)
