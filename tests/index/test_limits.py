"""Hard input through the public API: any dimension, any number of rows, values at the ends of what float32 holds."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nearfield import native
from nearfield.index import Flat, Graph
from nearfield.quantize import Float16, Float32, ScalarQuantizer

CODECS = {"f32": Float32, "f16": Float16, "sq8": lambda: ScalarQuantizer(8), "sq4": lambda: ScalarQuantizer(4)}


LARGE = [pytest.param(dim, marks=pytest.mark.slow) for dim in (784, 4096, 8192)]


@pytest.mark.parametrize("dim", [1, 2, 3, 15, 16, 17, 63, *LARGE])
@pytest.mark.parametrize("codec", CODECS)
def test_any_dimension(kind, metric, codec, dim, recall, wide):
    rng = np.random.default_rng(dim)
    rows = rng.normal(size=(120, dim)).astype(np.float32)
    queries = rows[:20] + np.float32(0.01) * rng.normal(size=(20, dim)).astype(np.float32)
    index = kind(metric, codec=CODECS[codec](), rescore="vectors").build(rows)
    options = wide(kind, 120)
    found = index.search(queries, 10, candidates=120, **options)
    assert np.isfinite(found.distances).all() and (np.diff(found.distances, axis=1) >= 0).all()
    # In one dimension under cosine all distances are 0 or 2: any row of the right side is right.
    best = index.metric.pairwise(queries, rows)
    asked = np.take_along_axis(best, found.rows, axis=1)
    kth = np.sort(best, axis=1)[:, 9]
    # By inner product all rows lie far from a query, and estimates from signs are as blurred as they are apart.
    floor = 0.95 if metric == "ip" and kind not in (Flat, Graph) else 0.99
    assert (asked <= kth[:, None] + 1e-4 * np.abs(best).max()).mean() >= floor


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(kind, metric, n):
    for dim in (1, 5):
        rows = np.random.default_rng(n).normal(size=(n, dim)).astype(np.float32)
        for codec in CODECS.values():
            for rescore in (None, ScalarQuantizer(8), "vectors"):
                index = kind(metric, codec=codec(), rescore=rescore).build(rows)
                found = index.search(rows, n + 2)
                assert (np.sort(found.rows[:, :n], axis=1) == np.arange(n)).all()
                assert (found.rows[:, n:] == -1).all() and np.isinf(found.distances[:, n:]).all()
                none = index.search(rows, 1, allow=np.zeros(n, bool))
                assert (none.rows == -1).all()


def all_equal(rng):
    return np.tile(rng.normal(size=24), (2000, 1))


def far_cluster(rng):
    return 1000 + rng.normal(size=(2000, 24))


def duplicates(rng):
    return rng.normal(size=(200, 24))[np.minimum(rng.integers(0, 2000, 2000), 199)]


def denormal(rng):
    return 1e-41 * rng.normal(size=(2000, 24))


def small(rng):
    return 1e-18 * rng.normal(size=(2000, 24))


def long_(rng):
    return 1e13 * rng.normal(size=(2000, 24))


def signed_zeros(rng):
    rows = rng.normal(size=(2000, 24))
    rows[:, ::2] = np.where(rng.random((2000, 12)) < 0.5, 0.0, -0.0)
    return rows


HARD = [all_equal, far_cluster, duplicates, small, long_, signed_zeros]


@pytest.mark.parametrize("make", HARD)
@pytest.mark.parametrize("codec", ["f32", "sq8", "sq4"])
def test_hard_values(kind, metric, make, codec, wide):
    rng = np.random.default_rng(0)
    rows = make(rng).astype(np.float32)
    index = kind(metric, codec=CODECS[codec](), rescore="vectors").build(rows)
    assert len(index) == 2000 and (not isinstance(index, Graph) or index.reachable().all())
    options = wide(kind, 500)
    queries = rows[rng.permutation(2000)[:30]]
    found = index.search(queries, 10, candidates=300, **options)
    assert (found.rows >= 0).all() and not np.isnan(found.distances).any()
    distances = index.metric.pairwise(queries, rows).astype(np.float64)
    kth = np.sort(distances, axis=1)[:, 9:10]
    got = np.take_along_axis(distances, found.rows, axis=1)
    if make is far_cluster and codec == "sq4" and (metric == "cosine" or (metric == "ip" and kind is not Flat)):
        # Beyond 4 bits: cosines that differ by 1e-7; and, of the coordinate that makes inner products distances, 170
        # beside 1. The finer codes tell them apart.
        return
    # One minus a float32 cosine near one: two roundings.
    rounding = 1.5e-7 if metric == "cosine" else 0.0
    assert (got <= kth + rounding + 1e-6 * np.abs(kth)).mean() >= 0.9


@pytest.mark.parametrize("value", [1e30, 3e38])
def test_huge_values_are_refused_unless_only_their_direction_counts(kind, value):
    rows = (value * np.eye(8)).astype(np.float32)
    for metric in ("ip", "l2"):
        with pytest.raises(ValueError, match=r"vectors: expected lengths from 0 to 1e\+15"):
            kind(metric).build(rows)
    if value < 1e35:
        assert (kind("cosine").build(rows).search(rows, 1).rows[:, 0] == np.arange(8)).all()


def test_denormal_values_are_rows_like_others(kind):
    rows = denormal(np.random.default_rng(0)).astype(np.float32)
    found = kind("l2", codec=ScalarQuantizer(8)).build(rows).search(rows[:20], 10)
    assert (found.rows >= 0).all() and np.isfinite(found.distances).all()
    with pytest.raises(ValueError, match="vectors: expected"):
        kind("cosine").build(rows)


LEVELS = """
import hashlib, sys
import numpy as np
from nearfield import native
from nearfield.index import Flat, Graph
from nearfield.quantize import ScalarQuantizer

rng = np.random.default_rng(0)
rows, queries = (rng.normal(size=(n, 67)).astype(np.float32) for n in (900, 40))
state = hashlib.sha256()
for metric in ("cosine", "ip", "l2"):
    for bits in (8, 4):
        for index in (Flat(metric, codec=ScalarQuantizer(bits)), Graph(metric, codec=ScalarQuantizer(bits)),
                      Graph(metric, codec=ScalarQuantizer(bits), rescore=ScalarQuantizer(8), layout="fast")):
            index.build(rows)
            state.update(index.digest().encode())
            for found in index.search(queries, 10):
                state.update(found.tobytes())
print(native.simd_level(), state.hexdigest())
"""


@pytest.mark.slow
def test_every_instruction_level_gives_the_same_bytes():
    said = {}
    for level in native.simd_levels():
        environment = os.environ | {"NEARFIELD_SIMD": level}
        done = subprocess.run([sys.executable, "-c", LEVELS], capture_output=True, text=True, env=environment)
        name, said[level] = done.stdout.split()
        assert name == level, done.stderr
    assert len(set(said.values())) == 1, said


INTERRUPTED = """
import numpy as np
from nearfield.index import Graph

rows = np.random.default_rng(0).normal(size=(60_000, 64)).astype(np.float32)
index = Graph("l2", build_beam=400, **{options}).build(rows[:500])
told = []

def progress(done):
    if not told:
        told.append(done)
        print("building", flush=True)

try:
    index.build(rows, progress=progress)
except KeyboardInterrupt:
    print("interrupted", len(index), flush=True)
try:
    index.search(rows[0], 1)
except ValueError as error:
    print(error, flush=True)
print(index.build(rows[:500]).search(rows[7], 1).rows[0], flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("options", [{}, {"layout": "fast"}])
def test_an_interrupted_build_leaves_the_index_unbuilt(options):
    script = INTERRUPTED.replace("{options}", repr(options))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert said.splitlines() == ["interrupted 0", "Graph is empty; call build first", "7"], errors


def test_threads_may_search_one_index_at_once(kind, make_rows):
    rows = make_rows(1500)
    index = kind("cosine", rescore=ScalarQuantizer(8), codec=ScalarQuantizer(4)).build(rows)
    expected = [index.search(rows[i : i + 60], 10) for i in range(0, 1500, 60)]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            found = list(pool.map(lambda i: index.search(rows[i : i + 60], 10), range(0, 1500, 60)))
            for a, b in zip(found, expected, strict=True):
                assert a.rows.tobytes() == b.rows.tobytes() and a.distances.tobytes() == b.distances.tobytes()
