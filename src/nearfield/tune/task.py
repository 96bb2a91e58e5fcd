"""What is asked of the tuner: the demands, checked, and the queries with their true neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from ..common.checks import check_bytes, check_int, check_random_state, check_real
from ..common.interval import mean_interval
from ..metric import Metric, get_metric
from .candidates import candidates
from .recipe import Recipe
from .truth import Truth, check_rows, hold_out

_LEAST_QUERIES = 10
# Of the queries given, those beyond what is measured may go to builds, where there are so many at least; so many are
# enough (see Graph.build).
_FEWEST_SHARED = 500
_MOST_SHARED = 5000


@dataclass(frozen=True)
class Task:
    """What is asked, checked, with the truth found."""

    truth: Truth
    metric: Metric
    recall: float
    k: int
    memory: int | None
    latency: float | None
    rows: int
    queries_from: str
    criterion: str
    random_state: int
    shared: np.ndarray | None = None  # queries for builds: none of those that are measured

    @classmethod
    def check(
        cls,
        vectors: Any,
        metric: str | Metric,
        recall: float,
        k: int,
        memory: int | str | None,
        latency: float | None,
        queries: Any,
        sample: int,
        random_state: int,
        share_queries: bool = True,
    ) -> Task:
        measure = get_metric(metric)
        target = check_real(recall, "recall", 0.0, 1.0, open_low=True)
        budget = None if memory is None else check_bytes(memory, "memory")
        if latency is not None:
            latency = check_real(latency, "latency", 0.0, 1e9, open_low=True)
        check_random_state(random_state)
        array = np.asarray(vectors)
        n = len(array) if array.ndim == 2 else 0
        if n > check_int(sample, "sample", 1000):
            picked = np.random.default_rng(random_state).permutation(n)[:sample]
            array = array[np.sort(picked)]
        base = check_rows(array, measure)
        k = check_int(k, "k", 1, len(base))
        most = queries_wanted(target)
        source, shared = "given", None
        if queries is not None:
            asked = check_rows(queries, measure, "queries")
            if asked.shape[1] != base.shape[1]:
                raise ValueError(f"queries: expected {base.shape[1]} dimensions, got {asked.shape[1]}")
            if len(asked) > most:
                order = np.random.default_rng(random_state).permutation(len(asked))
                if share_queries and len(asked) >= most + _FEWEST_SHARED:
                    shared = asked[np.sort(order[most : most + _MOST_SHARED])].astype(np.float32, copy=False)
                asked = asked[np.sort(order[:most])]
        else:
            taken, kept = hold_out(len(base), most, k, random_state)
            if len(taken) < _LEAST_QUERIES:  # so small a set is scanned exactly; its own rows will do to time that
                asked, source = base[:most], "own rows"
            else:
                asked, base, source = base[taken], base[kept], "held-out rows"
        truth = Truth.find(base, asked.astype(np.float32, copy=False), k, measure)
        _, bound, _ = mean_interval(np.ones(len(asked)))
        # That nothing is missed, no sample can show; less than that it can, if a perfect run leaves room for errors.
        criterion = "bound" if target == 1 or bound >= 1 - (1 - target) / 2 else "estimate"
        return cls(truth, measure, target, k, budget, latency, n, source, criterion, random_state, shared)

    def candidates(self) -> list[Recipe]:
        """The recipes to try when the caller names none."""
        base = self.truth.base
        return candidates(
            base,
            self.metric,
            rows=self.rows,
            memory=self.memory,
            scan_first=self.scan_first,
            shared=self.shared is not None,
        )

    def sample_for(self, recipe: Recipe) -> np.ndarray | None:
        """The queries that the recipe is built with."""
        return self.shared if recipe.queries else None

    @property
    def scan_first(self) -> bool:
        """Whether queries may be unlike those measured, and nobody asked for speed: then a scan is the safer choice."""
        return self.queries_from != "given" and self.latency is None

    def sample(self, rows: int) -> Truth:
        """The same queries on ``rows`` of the rows: samples by one seed, the smaller inside the larger."""
        base = self.truth.base
        if rows >= len(base):
            return self.truth
        picked = np.sort(np.random.default_rng(self.random_state).permutation(len(base))[:rows])
        return Truth.find(np.ascontiguousarray(base[picked]), self.truth.queries, self.k, self.metric)

    @property
    def dim(self) -> int:
        return int(self.truth.base.shape[1])


def queries_wanted(recall: float) -> int:
    """Enough that a perfect run's lower bound lies halfway between the target and 1; 1,000 to 2,000."""
    z = 1.96
    return int(min(2000, max(1000, ceil(2 * z * z / max(1 - recall, 1e-9)))))
