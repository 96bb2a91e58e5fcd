"""What a build takes at its peak, found beforehand from the shapes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .. import native
from ..common.checks import check_int
from ..metric.inner_product import InnerProduct
from ..quantize.codec import Codec
from ..quantize.two_level import TwoLevelQuantizer
from ..transform.chain import output_dim
from .directions import BLOCK as DIFFERENCES

if TYPE_CHECKING:
    from .base import Index

# Blocks of rows on their way to codes: raw, prepared (float64 for a moment), mapped, encoded.
_BLOCKS = 3 << 20
# The same where rows are parted into lists.
_PARTED = 6 << 20
# What was freed, such as the differences between rows that directions are found from, serves again only allocations of
# up to 32 MB (glibc); for a larger one it stays beside.
_REUSED = 32 << 20
# The build's walks together in one thread.
_WALKS = 4


class BuildMemory(NamedTuple):
    """Bytes of a build beside the caller's vectors: its ``peak``, what stays ``resident``, and the ``parts`` at peak.

    Examples
    --------
    >>> from nearfield.index import Graph
    >>> estimate = Graph("cosine").estimate_build(1_000_000, 384)
    >>> estimate.resident // 10**6, max(estimate.parts, key=estimate.parts.get)
    (528, 'codes')
    """

    peak: int
    resident: int
    parts: dict[str, int]


def estimate_build(index: Index, n: int, dim: int, *, threads: int | None = None, queries: int = 0) -> BuildMemory:
    """The memory of ``index.build`` on ``n`` rows of ``dim`` dimensions; see :meth:`Index.estimate_build`.

    The build goes through phases (fit, encode, link, finish, pack); each holds what those before it made and some
    memory of its own. The largest sum is the peak.
    """
    check_int(n, "n", 1, 1 << 48)
    check_int(dim, "dim", 1, native.MAX_DIM)
    check_int(queries, "queries", 0, 1 << 48)
    workers = native.threads() if threads is None else check_int(threads, "threads", 1, 1024)
    reduced = dim + 1 if index._reduces and isinstance(index.metric, InnerProduct) else dim
    mapped = output_dim(index.transform, reduced)

    kept = {"codes": n * index.codec._row_bytes(mapped)}
    if isinstance(index.rescore, Codec):
        kept["rescore"] = n * index.rescore._row_bytes(dim)
    elif index.rescore == "residual":
        assert isinstance(index.codec, TwoLevelQuantizer)
        kept["rescore"] = n * index.codec._residual_row_bytes(mapped)
    elif index.rescore == "vectors" and index.metric.nonzero:
        kept["rescore"] = 4 * n
    if index.transform is not None:
        kept["transform"] = 4 * (mapped + 1) * reduced
    resident = sum(kept.values())

    phases: list[dict[str, int]] = []
    if index.transform is not None and index._fits_transform:
        # Moments, a copy with the mean, the solver's own and the components, in float64: measured, eight in all.
        fitting = 8 * 8 * reduced * reduced
        gathered = 0 if hasattr(index.transform, "fit_blocks") else 8 * n * reduced
        phases.append({"fit": fitting + gathered, "blocks": _BLOCKS})
        kept["fit"] = 8 * reduced * (reduced + mapped)  # the estimator goes on holding its moments
    fitting = 0 if index.codec.fits_in_blocks or index._gathers else 8 * n * mapped
    phases.append({"fit": fitting, "blocks": _BLOCKS})
    phases.append({**kept, "blocks": _BLOCKS})
    if isinstance(index.rescore, Codec) and not index.rescore.fits_in_blocks:
        phases.append({**kept, "fit": 8 * min(n, 1 << 16) * dim})
    graph = index._graph_phases(n, mapped, workers, queries)
    if index._gathers:  # before there are codes: the rows, which list each is in, sorted, and blocks of rows
        phases.append({"rows": (4 * mapped + 24) * n, "sums": graph[0]["sums"], "blocks": _PARTED})
    phases += [{**kept, **phase} for phase in graph]
    if graph:
        resident += graph[-1]["graph"]
    largest = max(phases, key=lambda phase: sum(phase.values()))
    return BuildMemory(sum(largest.values()), resident, largest)


def graph_phases(
    n: int, dim: int, *, degree: int, record: int, heads: int, coarse: bool, sample: int, queries: int, threads: int
) -> list[dict[str, int]]:
    """What the links of a graph take while it is built, phase by phase; the last is what stays.

    ``record``: bytes of a row's link codes in the fast layout, 0 in the lean one; made along ``heads`` directions.
    """
    finer = n * native.code_row_bytes("sq8", dim) if coarse else 0
    links = 4 * n * degree
    # Per row: which is its first equal, and the order of insertion. Hashes are there before the lists are.
    order = 8 * n
    newest = max(1, min(n // 50, 1 << 15))
    walks = threads * _WALKS * (n // 8)
    phases = [
        {"order": 16 * n, "finer": finer},
        {
            "graph": 4 * n * native.graph_room(degree),
            "order": order,
            "round": newest * degree * (4 + 8 + 8),
            "walks": walks,
            "finer": finer,
        },
    ]
    if queries:
        # Of a sample query the rows found, as numbers of 8 and of 4 bytes.
        wider = links + 4 * n * (degree // 2)
        phases.append({"graph": links + wider, "queries": queries * sample * 16 + 16 * n, "finer": finer})
        links = links if record else wider
    if record:
        packing = 4 * n * heads + 8 * n
        if heads < dim and 4 * n * heads > _REUSED:
            packing += DIFFERENCES * 8 * dim
        phases.append({"graph": links + n * record, "packing": packing, "finer": finer})
        links += n * record
    phases.append({"graph": links})
    return phases
