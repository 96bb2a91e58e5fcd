from dataclasses import replace

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.tune.candidates import EXACT, GRAPHS, LEAN, PLAIN, SCANS, candidates, components, last_resort

COSINE = get_metric("cosine")


@pytest.fixture(scope="module")
def falling():
    """A spectrum that falls: few components hold most of the variance."""
    x = np.random.default_rng(0).standard_normal((12_000, 384), dtype=np.float32)
    return x * np.arange(1, 385, dtype=np.float32) ** -1


def tried(base, memory=None, scan_first=False):
    return candidates(base, COSINE, rows=len(base), memory=memory, scan_first=scan_first)


def test_small_sets_are_scanned_and_by_codes_only_where_floats_do_not_fit(falling):
    assert tried(falling[:2000]) == [EXACT]
    assert tried(falling[:2000], memory=2_000_000) == [EXACT, *SCANS]
    assert tried(falling[:10_000], scan_first=True) == [EXACT, *SCANS]


def test_graphs_in_both_layouts_with_and_without_components(falling):
    found = tried(falling)
    assert len(set(found)) == len(found)
    kinds = {(r.kind, r.layout, r.pca is None) for r in found}
    graphs = {("graph", "lean", True), ("graph", "lean", False), ("graph", "fast", True)}
    assert kinds == {("flat", "lean", True)} | graphs
    assert all(recipe.alpha == 1.1 for recipe in found if recipe.layout == "fast")


def test_components_only_where_they_hold_the_variance(falling):
    assert components(falling, COSINE) % 16 == 0
    even = np.random.default_rng(0).standard_normal((12_000, 384), dtype=np.float32)
    assert components(even, COSINE) is None and components(even[:1], COSINE) is None
    assert all(recipe.pca is None for recipe in tried(even))


def test_rows_that_are_all_the_same_have_no_variance_to_hold():
    assert components(np.ones((2000, 64), np.float32), COSINE) in (None, 16)


def test_the_last_resort_is_what_was_not_tried(falling):
    left = last_resort(falling, COSINE, [EXACT, *SCANS])
    assert {recipe.kind for recipe in left if recipe.pca is None} == {"flat", "ivf"}
    assert {recipe.kind for recipe in left if recipe.pca is not None} == {"flat", "ivf"}
    assert last_resort(falling, COSINE, [EXACT])[: len(LEAN)] == list(LEAN)


def test_sample_queries_go_to_every_graph_but_one(falling):
    found = candidates(falling, COSINE, rows=len(falling), memory=None, scan_first=False, shared=True)
    graphs = [recipe for recipe in found if recipe.kind == "graph"]
    assert [recipe for recipe in graphs if not recipe.queries] == [PLAIN]
    assert [recipe for recipe in graphs if recipe.queries and recipe.leanvec is None] == [
        replace(recipe, queries=True) for recipe in GRAPHS
    ]
    assert {recipe.leanvec for recipe in graphs} == {None, 192} and all(recipe.pca is None for recipe in found)
    squared = candidates(falling, get_metric("l2"), rows=len(falling), memory=None, scan_first=False, shared=True)
    assert all(recipe.leanvec is None for recipe in squared) and any(recipe.pca for recipe in squared)
