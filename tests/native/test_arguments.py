"""Whatever is handed in, the answer is an error that names it, never a crash or a silent zero."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import _core

ROWS = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
SPACE = native.make_space("f32", ROWS, 8)
GRAPH = native.build_graph(SPACE, degree=6, beam=16, alpha=1.2, seed=0)
CENTER = np.zeros(8, np.float32)
CODES = native.encode("sq8", ROWS, CENTER)


def search_lists(**changes):
    """A search of four lists, with something changed."""
    arguments = {
        "space": SPACE,
        "centroids": native.make_space("f32", ROWS[:4], 8),
        "offsets": np.uint32([0, 30, 50, 70, 100]),
        "order": np.arange(100, dtype=np.uint32),
        "queries": ROWS,
        "asked": ROWS,
        "k": 3,
        "metric": "ip",
        "probes": 2,
    }
    return native.search_lists(**(arguments | changes))


def test_an_order_that_leads_out_of_the_rows_is_not_followed():
    outside = np.full(100, 4_000_000_000, np.uint32)
    found = search_lists(order=outside, allow=np.arange(100) < 90)
    assert (found.rows == -1).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, ValueError, "k: expected an integer from 1"),
        ({"k": 2.5}, TypeError, "k: expected an integer"),
        ({"k": 1 << 25}, ValueError, "k: expected an integer from 1"),
        ({"threads": 0}, ValueError, "threads"),
        ({"threads": -1}, ValueError, "threads"),
        ({"metric": "cosine"}, ValueError, "metric: expected one of 'ip', 'l2', got 'cosine'"),
        ({"base": ROWS[0]}, TypeError, r"base: expected float32 or float16 of shape \(n, d\), got float32 \(8,\)"),
        ({"base": ROWS.astype(np.float64)}, TypeError, "base: expected float32 or float16"),
        ({"base": ROWS.astype(np.int8)}, TypeError, "base: expected float32 or float16"),
        ({"base": [[1.0] * 8]}, TypeError, "base: expected float32 or float16"),
        ({"base": ROWS[:, :5]}, ValueError, "queries: expected 5 dimensions, got 8"),
        ({"base": np.empty((3, 0), np.float32)}, ValueError, "queries: expected 0 dimensions, got 8"),
        ({"queries": np.full((1, 8), np.nan)}, ValueError, "queries: expected finite values"),
        ({"queries": np.full((1, 8), np.inf, np.float32)}, ValueError, "queries: expected finite values"),
        ({"queries": np.full((1, 8), 1e30, np.float32)}, ValueError, "queries: expected lengths from 0 to 1e"),
        ({"queries": ROWS[None]}, ValueError, r"queries: expected shape \(n, d\) or \(d,\), got \(1, 100, 8\)"),
        ({"queries": [["a"] * 8]}, TypeError, "queries: expected an array of numbers"),
        ({"allow": np.ones(99, bool)}, ValueError, r"allow: expected a bool array of shape \(100,\), got \(99,\)"),
        ({"allow": np.ones((100, 1), bool)}, ValueError, "allow: expected a bool array"),
        ({"allow": np.ones(100, np.int64)}, ValueError, r"allow: expected bool \(100,\) or packed uint64 \(2,\)"),
        ({"allow": np.ones(3, np.uint64)}, ValueError, "allow: expected bool"),
        ({"scale": np.ones(99)}, ValueError, "scale: expected float32 of shape"),
        ({"scale": np.ones(100), "metric": "l2"}, ValueError, "scale: expected None with metric 'l2'"),
    ],
)
def test_exact_search_refuses(options, error, message):
    arguments = {"base": ROWS, "queries": ROWS[:3], "k": 5} | options
    with pytest.raises(error, match=message):
        native.exact_search(**arguments)


def test_a_single_query_and_rows_in_any_order_are_understood():
    wanted = native.exact_search(ROWS, ROWS[:3], 5)
    assert (native.exact_search(ROWS, ROWS[0], 5).rows == wanted.rows[:1]).all()
    assert (native.exact_search(np.asfortranarray(ROWS), ROWS[:3].tolist(), 5).rows == wanted.rows).all()
    assert (native.exact_search(np.repeat(ROWS, 2, axis=0)[::2], ROWS[:3], 5).rows == wanted.rows).all()
    assert (native.exact_search(ROWS, ROWS[:3], np.int64(5), threads=np.int32(2)).rows == wanted.rows).all()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("f64", ROWS, 8), ValueError),
        (("f32", ROWS, 7), ValueError),
        (("f32", ROWS, 0), ValueError),
        (("f32", ROWS, -1), TypeError),
        (("f32", ROWS[0], 8), TypeError),
        (("f32", ROWS.astype(np.float64), 8), ValueError),
        (("f32", ROWS.astype(np.int32), 8), ValueError),
        (("f16", ROWS, 8), ValueError),
        (("f32", np.zeros((1, 16385), np.float32), 16385), ValueError),
        (("sq8", CODES, 8), ValueError),  # no center
        (("sq8", CODES[:, :-1], 8), ValueError),
        (("sq4", CODES, 8), ValueError),
        (("sq8", CODES.astype(np.int8), 8), ValueError),
        (("f32", "rows", 8), TypeError),
    ],
)
def test_a_space_refuses(arguments, error):
    with pytest.raises(error):
        native.make_space(*arguments)


@pytest.mark.parametrize("center", [CENTER[:7], np.zeros((8, 1), np.float32), "center"])
def test_a_space_of_codes_refuses_a_wrong_center(center):
    with pytest.raises((ValueError, TypeError)):
        native.make_space("sq8", CODES, 8, center=center)


def test_a_space_of_codes_refuses_a_scale_and_unaligned_rows():
    with pytest.raises(ValueError, match="scale"):
        native.make_space("sq8", CODES, 8, center=CENTER, scale=np.ones(100, np.float32))
    raw = np.zeros(CODES.nbytes + 1, np.uint8)[1:]
    with pytest.raises(ValueError, match="alignment"):
        native.make_space("sq8", raw.reshape(CODES.shape), 8, center=CENTER)


def test_a_space_says_its_shape():
    assert isinstance(SPACE, native.Space) and (SPACE.n, SPACE.dim) == (100, 8)


def test_a_space_keeps_its_arrays_alive():
    space = native.make_space("sq8", CODES.copy(), 8, center=CENTER.copy())
    wanted = native.score(native.make_space("sq8", CODES, 8, center=CENTER), ROWS[:2], np.arange(100), metric="ip")
    junk = [np.random.default_rng(i).bytes(CODES.nbytes) for i in range(50)]
    assert (native.score(space, ROWS[:2], np.arange(100), metric="ip") == wanted).all() and junk


@pytest.mark.parametrize(
    "call",
    [
        lambda: native.encode("f32", ROWS, CENTER),
        lambda: native.encode("sq2", ROWS, CENTER),
        lambda: native.encode("sq8", ROWS, CENTER[:7]),
        lambda: native.encode("sq2", ROWS, CENTER),
        lambda: native.encode_symmetric("f32", "length", ROWS),
        lambda: native.encode_symmetric("sq1", "size", ROWS),
        lambda: native.encode_symmetric("sq1", "length", ROWS[:, :0]),
        lambda: native.encode("sq8", ROWS, CENTER, threads=0),
        lambda: native.decode("sq8", CODES[:, :-1], CENTER),
        lambda: native.decode("sq4", CODES, CENTER),
        lambda: native.decode("sq8", CODES, np.zeros(9, np.float32)),
        lambda: native.decode("f16", CODES, CENTER),
        lambda: native.code_row_bytes("f32", 8),
        lambda: native.score(SPACE, ROWS[:, :7].copy(), np.uint32([0]), metric="ip"),
        lambda: native.score(SPACE, ROWS, np.uint32([100]), metric="ip"),
        lambda: native.score(SPACE, ROWS, np.array([-1]), metric="ip"),
        lambda: native.score(SPACE, ROWS, np.uint32([0]), metric="cosine"),
        lambda: native.score_pairs(SPACE, 100, np.uint32([0])),
        lambda: native.score_pairs(SPACE, 0, np.uint32([100])),
        lambda: native.scan(SPACE, ROWS[:, :7].copy(), 1, metric="ip"),
        lambda: native.scan(SPACE, ROWS, 1, metric="dot"),
        lambda: native.rescore(SPACE, ROWS, np.full((100, 3), 100), 1, metric="ip"),
        lambda: native.rescore(SPACE, ROWS, np.zeros((99, 3), np.int64), 1, metric="ip"),
        lambda: search_lists(queries=ROWS[:, :7].copy()),
        lambda: search_lists(asked=ROWS[:, :7].copy()),
        lambda: search_lists(asked=ROWS[:50]),
        lambda: search_lists(centroids=SPACE),
        lambda: search_lists(centroids=native.make_space("sq8", CODES[:4], 8, center=CENTER)),
        lambda: search_lists(offsets=np.uint32([0, 60, 50, 70, 100])),
        lambda: search_lists(offsets=np.uint32([1, 30, 50, 70, 100])),
        lambda: search_lists(offsets=np.uint32([0, 30, 50, 70, 101])),
        lambda: search_lists(order=np.arange(99, dtype=np.uint32)),
        lambda: search_lists(allow=np.ones(99, bool)),
        lambda: search_lists(metric="cosine"),
        lambda: search_lists(k=0),
        lambda: search_lists(threads=0),
        lambda: native.build_graph(SPACE, degree=0, beam=8, alpha=1.2, seed=0),
        lambda: native.build_graph(SPACE, degree=8, beam=0, alpha=1.2, seed=0),
        lambda: native.build_graph(SPACE, degree=8, beam=8, alpha=0, seed=0),
        lambda: native.build_graph(SPACE, degree=8, beam=8, alpha=float("nan"), seed=0),
        lambda: native.build_graph(SPACE, degree=8, beam=8, alpha=1.2, seed=0, threads=0),
        lambda: native.reachable(GRAPH[0], np.uint32([100])),
        lambda: native.reachable(GRAPH[0] + np.uint32(200), np.uint32([0])),
        lambda: native.search_graph(SPACE, GRAPH[0][:50], GRAPH[1], ROWS, 3, metric="ip", beam=8),
        lambda: native.search_graph(SPACE, GRAPH[0], np.uint32([]), ROWS, 3, metric="ip", beam=8),
        lambda: native.search_graph(SPACE, GRAPH[0], np.uint32([100]), ROWS, 3, metric="ip", beam=8),
        lambda: native.search_graph(SPACE, *GRAPH, ROWS[:, :4].copy(), 3, metric="ip", beam=8),
        lambda: native.search_graph(SPACE, *GRAPH, ROWS, 3, metric="ip", beam=8, allow=np.ones(99, bool)),
        lambda: native.search_graph(SPACE, *GRAPH, ROWS, 3, metric="ip", beam=8, second=SPACE, candidates=5),
        lambda: native.search_graph(
            SPACE, *GRAPH, ROWS, 3, metric="ip", beam=8, second=SPACE, second_queries=ROWS[:50], candidates=5
        ),
        lambda: native.search_graph(SPACE, *GRAPH, ROWS, 3, metric="ip", beam=8, covered=np.zeros(99, np.uint8)),
    ],
)
def test_wrong_values_are_refused(call):
    with pytest.raises(ValueError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: native.score(SPACE, [[1.0] * 8], np.uint32([0]), metric="ip"),
        lambda: native.score(SPACE, ROWS[0], np.uint32([0]), metric="ip"),
        lambda: native.score(ROWS, ROWS, np.uint32([0]), metric="ip"),
        lambda: native.build_graph(SPACE, degree=8, beam=8, alpha=1.2, seed=-1),
        lambda: native.search_graph(SPACE, *GRAPH, ROWS.astype(np.complex64), 3, metric="ip", beam=8),
        lambda: _core.exact_search(SPACE, "ip", ROWS, None, 1, None, None),
    ],
)
def test_wrong_types_are_refused(call):
    with pytest.raises(TypeError):
        call()


def test_a_query_in_another_dtype_or_order_gives_the_same_scores():
    wanted = native.score(SPACE, ROWS[:4], np.uint32([3, 1]), metric="l2")
    for queries in (ROWS[:4].astype(np.float64), np.asfortranarray(ROWS[:4]), np.repeat(ROWS[:4], 2, axis=0)[::2]):
        assert (native.score(SPACE, queries, np.array([3, 1]), metric="l2") == wanted).all()
