"""Queries that are checked and prepared once give an index what raw ones do."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.index import IVF, Flat, Graph
from nearfield.metric import get_metric
from nearfield.metric.queries import Queries


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_an_index_takes_them_for_raw_ones(metric: str) -> None:
    rng = np.random.default_rng(0)
    rows, raw = (rng.standard_normal((n, 12)).astype(np.float32) for n in (300, 5))
    queries = Queries(raw, metric)
    np.testing.assert_array_equal(queries.prepared, get_metric(metric).prepare_queries(raw))
    assert len(queries) == 5
    for kind in (Flat, Graph, IVF):
        index = kind(metric).build(rows)
        for ours, theirs in zip(index.search(queries, 4), index.search(raw, 4), strict=True):
            np.testing.assert_array_equal(ours, theirs)
