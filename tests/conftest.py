"""What tests of several rooms share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric

# A shell that starts the tests in the background has SIGINT ignored, and every child would inherit that: tests of
# Ctrl-C could then interrupt nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when Haystack is imported


def recall_with_ties(
    rows: np.ndarray, vectors: Any, queries: Any, metric: str, k: int, allow: np.ndarray | None = None
) -> float:
    """The mean share of the exact ``k`` nearest that ``rows`` (q, k) holds; a row as near as the k-th counts.

    Where fewer than k rows are allowed, all of them make the whole. A row found twice, or one that is not allowed,
    fails at once.
    """
    truth = get_metric(metric).pairwise(queries, np.asarray(vectors, np.float32)).astype(np.float64)
    if allow is not None:
        truth[:, ~allow] = np.inf
    possible = min(k, int(np.isfinite(truth[0]).sum()))
    if possible == 0:
        assert (rows == -1).all(), "rows were found where none is allowed"
        return 1.0
    shares = []
    for found, distances in zip(rows, truth, strict=True):
        there = found[found >= 0]
        assert len(set(there.tolist())) == len(there), "a row was found twice"
        assert np.isfinite(distances[there]).all(), "a row was found that is not allowed"
        last = np.partition(distances, possible - 1)[possible - 1]
        shares.append((distances[there] <= last + 1e-6 * max(1.0, abs(last))).sum() / possible)
    return float(np.mean(shares))


@pytest.fixture(scope="session")
def recall() -> Callable[..., float]:
    """:func:`recall_with_ties`, as a fixture: tests cannot import from each other."""
    return recall_with_ties
