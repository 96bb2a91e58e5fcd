"""The module that ann-benchmarks calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..common.checks import check_int
from ..tune import Recipe

# What ann-benchmarks calls a distance -> our metric.
_METRICS = {"angular": "cosine", "euclidean": "l2", "ip": "ip", "dot": "ip"}


class AnnBenchmarks:
    """The interface of ann-benchmarks' ``BaseANN`` over any :class:`~nearfield.tune.Recipe`.

    Copy ``bench/ann-benchmarks/`` of the repository to ``ann_benchmarks/algorithms/nearfield`` there: a module of three
    lines, the configurations and the Dockerfile. Single queries run on one thread, as that project does it for all;
    batches on all the threads it allows.

    Parameters
    ----------
    metric : the distance of the data set: "angular", "euclidean", or "ip" (also "dot").
    parameters : fields of the recipe, such as ``{"layout": "fast", "alpha": 1.1, "slack": True}``; without a width,
        which the query arguments give.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
    >>> algorithm = AnnBenchmarks("euclidean", {"degree": 16})
    >>> algorithm.fit(rows)
    >>> algorithm.set_query_arguments(32)
    >>> print(algorithm, algorithm.query(rows[7], 2)[0])
    nearfield(degree=16, width=32) 7
    """

    def __init__(self, metric: str, parameters: Mapping[str, Any] | None = None):
        if metric not in _METRICS:
            raise ValueError(f"metric: expected one of {', '.join(_METRICS)}, got {metric!r}")
        self.metric = metric
        self.parameters = dict(parameters or {})
        try:
            self._recipe = Recipe(**self.parameters)
        except TypeError as error:
            raise ValueError(f"parameters: expected fields of a Recipe: {error}") from None
        self._width: int | None = None
        self._settings: dict[int, dict[str, Any]] = {}
        self._index: Any = None
        self._batch: np.ndarray | None = None

    @property
    def name(self) -> str:
        """What a curve in their plots is called."""
        said = [f"{name}={value}" for name, value in self.parameters.items()]
        return f"nearfield({', '.join([*said, *([] if self._width is None else [f'width={self._width}'])])})"

    def __str__(self) -> str:
        return self.name

    def fit(self, X: Any) -> None:
        """Build the index over the rows of ``X`` (n, d)."""
        rows = np.ascontiguousarray(X, np.float32)
        self._index = self._recipe.make(_METRICS[self.metric]).build(rows)

    def set_query_arguments(self, width: int) -> None:
        """How wide the next queries search: the beam of a graph, the lists that are read, the candidates of a scan."""
        self._width = check_int(width, "width", 1)
        self._settings = {}

    def query(self, q: Any, n: int) -> np.ndarray:
        """The row numbers of the ``n`` nearest, at most."""
        return self._search(q, n, 1)

    def batch_query(self, X: Any, n: int) -> None:
        """Ask all queries at once; :meth:`get_batch_results` has the answer."""
        self._batch = self._search(X, n, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None)

    def get_batch_results(self) -> list[np.ndarray]:
        """The row numbers for each query of the last batch."""
        if self._batch is None:
            raise RuntimeError("get_batch_results: no batch was asked; call batch_query first")
        return [rows[rows >= 0] for rows in self._batch]

    def get_memory_usage(self) -> float | None:
        """Resident memory of the process in kilobytes; None where the system does not say."""
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except OSError:
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024

    def get_additional(self) -> dict[str, Any]:
        """What is kept beside the results: how the resident bytes of the index are made up."""
        return {} if self._index is None else {f"bytes_{name}": size for name, size in self._index.memory().items()}

    def done(self) -> None:
        """Give the index back."""
        self._index = self._batch = None

    def _search(self, queries: Any, n: int, threads: int | None) -> np.ndarray:
        if self._index is None:
            raise RuntimeError("query: there is no index; call fit first")
        settings = self._settings.get(n)
        if settings is None:
            recipe = self._recipe if self._width is None else self._recipe.with_width(self._width, n)
            settings = self._settings[n] = recipe.search_settings()
        array = np.asarray(queries, np.float32)
        rows = self._index.search(array, min(n, len(self._index)), threads=threads, **settings).rows
        return rows[rows >= 0] if rows.ndim == 1 else rows
