"""Nearfield inside other projects: their protocols, spoken by our indexes and stores.

:class:`KNeighborsTransformer` gives scikit-learn, UMAP and what else reads a neighbour graph our neighbours;
:class:`MTEBIndex` is the index of an MTEB run; :class:`AnnBenchmarks` is the module that ann-benchmarks calls;
:func:`to_arrow` streams a store to DuckDB, polars and all that know Arrow. Nothing of those projects is needed to
import this room. Data frames go in by :meth:`nearfield.store.Store.add`, and hits come out by ``hits.to_pandas()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .ann_benchmarks import AnnBenchmarks as AnnBenchmarks
    from .arrow import to_arrow as to_arrow
    from .mteb_index import MTEBIndex as MTEBIndex
    from .neighbors import KNeighborsTransformer as KNeighborsTransformer

__all__ = ["AnnBenchmarks", "KNeighborsTransformer", "MTEBIndex", "to_arrow"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AnnBenchmarks": ".ann_benchmarks",
        "KNeighborsTransformer": ".neighbors",
        "MTEBIndex": ".mteb_index",
        "to_arrow": ".arrow",
    },
)
