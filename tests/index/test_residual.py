"""Candidates scored again by the second level of their own codes."""

import numpy as np
import pytest

from nearfield.common.container import read_container, write_container
from nearfield.common.errors import CorruptFileError
from nearfield.index import Flat, Graph, explain, load
from nearfield.index.files import VERSION
from nearfield.quantize import ScalarQuantizer, TwoLevelQuantizer
from nearfield.transform import PCA

KINDS = (Flat, Graph)


@pytest.mark.parametrize("transform", [None, 20])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_both_levels_order_as_eight_bits_do(metric, transform, base, queries):
    def make(**parts):
        mapped = None if transform is None else PCA(transform, center=metric == "l2")
        return Flat(metric, transform=mapped, **parts).build(base)

    whole = make(codec=ScalarQuantizer(8)).search(queries, 10)
    two = make(codec=TwoLevelQuantizer(), rescore="residual").search(queries, 10, candidates=200)
    same = np.mean([np.isin(a, b).mean() for a, b in zip(two.rows, whole.rows, strict=True)])
    assert same > 0.995
    np.testing.assert_allclose(two.distances, whole.distances, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_that_of_one_code_and_as_estimated(kind, base):
    two = kind("cosine", codec=TwoLevelQuantizer(), rescore="residual")
    estimate = two.estimate_build(*base.shape)
    memory, whole = two.build(base).memory(), kind("cosine", codec=ScalarQuantizer(8)).build(base).memory()
    assert memory["codes"] + memory["rescore"] == whole["codes"] + 4 * len(base)
    assert memory["total"] == pytest.approx(estimate.resident, rel=0.01)
    assert two.build(base, memory=estimate.peak) is two
    with pytest.raises(MemoryError, match="memory allows"):
        two.build(base, memory=estimate.peak - 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 40])
def test_few_rows_equal_rows_and_nothing_allowed(kind, n):
    rows = np.tile(np.float32([1, 2, 3]), (n, 1))
    for metric in ("cosine", "ip", "l2"):
        index = kind(metric, codec=TwoLevelQuantizer(), rescore="residual").build(rows)
        found = index.search(rows[0], 50)
        assert sorted(found.rows[:n]) == list(range(n)) and (found.rows[n:] == -1).all()
        assert (index.search(rows[0], 3, allow=np.zeros(n, bool)).rows == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_batch_equals_single_and_filters_hold(kind, base, queries):
    index = kind("cosine", codec=TwoLevelQuantizer(2), rescore="residual").build(base)
    allow = np.arange(len(base)) % 3 == 0
    whole = index.search(queries, 10, allow=allow)
    assert (whole.rows % 3 == 0).all()
    for i in (0, 31):
        one = index.search(queries[i], 10, allow=allow, threads=1)
        assert (one.rows == whole.rows[i]).all() and (one.distances == whole.distances[i]).all()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_walk_over_all_rows_scores_as_a_scan_does(metric, base, queries):
    graph = Graph(metric, codec=TwoLevelQuantizer(), rescore="residual").build(base)
    mapped, prepared, _ = graph._queries(queries)
    scanned = graph._scan(mapped, prepared, 10, 300, None, None)
    walked = graph.search(queries, 10, beam=len(base), candidates=300)
    assert (walked.rows == scanned.rows).all()
    assert (walked.distances == graph.metric.distances_from_scores(scanned.scores)).all()


def test_explain_names_the_stages(base, queries):
    index = Graph("cosine", codec=TwoLevelQuantizer(1), rescore="residual", degree=8).build(base)
    explanation = explain(index, base, queries, beam=10, candidates=10)
    assert set(explanation.counts) <= {"code", "beam", "rescore"} and explanation.recall > 0.5


def test_links_serve_two_levels(base, queries):
    built = Graph("cosine").build(base)
    other = built.with_codes(base, codec=TwoLevelQuantizer(), rescore="residual")
    assert np.mean(other.search(queries, 10, beam=100).rows == built.search(queries, 10, beam=100).rows) > 0.9


def test_levels_of_different_length_in_a_file_are_damage(base, tmp_path):
    index = Graph("l2", codec=TwoLevelQuantizer(), rescore="residual").build(base)
    path = tmp_path / "two.nfa"
    index.save(path)
    assert load(path).digest() == index.digest()
    container = read_container(path, "index", VERSION)
    for change in ({"rescore": container.arrays["rescore"][:-1].copy()}, {"codes": index.arrays()["codes"][1:].copy()}):
        write_container(tmp_path / "bad.nfa", "index", VERSION, container.meta, dict(container.arrays) | change)
        with pytest.raises(CorruptFileError):
            load(tmp_path / "bad.nfa")
    write_container(
        tmp_path / "bad.nfa", "index", VERSION, dict(container.meta) | {"codec": {"codec": "scalar", "bits": 4}},
        container.arrays,
    )  # fmt: skip
    with pytest.raises(CorruptFileError):
        load(tmp_path / "bad.nfa")
