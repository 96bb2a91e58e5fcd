"""The one Python door to the C++ core: exact scans, codes, graph building and graph search.

Who calls whom: ``survey`` and ``tune`` call :func:`exact_search`; ``quantize`` calls :func:`encode` and :func:`decode`;
``index`` wraps its rows in a :class:`Space` and calls :func:`scan`, :func:`rescore`, :func:`build_graph`,
:func:`search_graph` and :func:`search_lists`. Below this file are only arrays.

Scores: smaller is nearer. Metric ``"ip"`` gives ``-<q, x>``, ``"l2"`` gives the squared Euclidean distance. Missing
rows are -1 with score ``+inf``. Ties go to the smaller row number. The GIL is released; Ctrl-C is answered within a
fraction of a second; the answer does not depend on the number of threads, nor on how queries are batched.

The instruction level is the widest the CPU has; ``NEARFIELD_SIMD=scalar|avx2|avx512`` in the environment forces one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..common.checks import check_choice, check_int, check_vectors
from . import _core
from ._core import Space
from .bits import allow_words, count_bits, pack_bits, unpack_bits
from .hits import write_hits
from .numbers import parse_numbers, parse_rows
from .pool import set_threads, threads
from .pool import thread_count as _threads
from .rows import rotate, unit
from .sockets import read_sockets, write_sockets

__all__ = [
    "Signs",
    "Space",
    "build_graph",
    "code_row_bytes",
    "count_bits",
    "decode",
    "encode",
    "encode_symmetric",
    "estimate_links",
    "exact_search",
    "graph_room",
    "make_space",
    "pack_bits",
    "parse_numbers",
    "parse_rows",
    "reachable",
    "read_sockets",
    "rescore",
    "rotate",
    "row_values",
    "scan",
    "score",
    "score_pairs",
    "search_graph",
    "search_lists",
    "set_simd_level",
    "set_threads",
    "sign_links",
    "sign_record_bytes",
    "simd_level",
    "simd_levels",
    "stitch",
    "threads",
    "unit",
    "unpack_bits",
    "write_hits",
    "write_sockets",
]

MAX_DIM = 16384
MAX_K = 1 << 24
MAX_DEGREE = 1024
NO_LINK = 0xFFFFFFFF


class Scores(NamedTuple):
    """``scores`` float32 ``(q, k)`` ascending, ``rows`` int64 ``(q, k)``."""

    scores: np.ndarray
    rows: np.ndarray


def simd_level() -> str:
    """The instruction level in force: ``"scalar"``, ``"avx2"`` or ``"avx512"``."""
    return str(_core.simd_level())


def simd_levels() -> list[str]:
    """The levels this CPU and build have."""
    return list(_core.simd_levels())


def set_simd_level(name: str) -> None:
    """Force an instruction level, for tests. ValueError when the CPU lacks it."""
    _core.set_simd_level(name)


def make_space(
    kind: str,
    data: np.ndarray,
    dim: int,
    *,
    center: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    words: np.ndarray | None = None,
    layout: np.ndarray | None = None,
    first: np.ndarray | None = None,
) -> Space:
    """Wrap rows for the core; ``kind``: ``"f32"``, ``"f16"`` (floats (n, dim)), ``"sq8"``, ``"sq4"``, ``"sq2"``,
    ``"sq1"`` (code rows).

    ``"additive"`` code rows (see :mod:`nearfield.native.additive`) need ``words`` and ``layout``; ``"levels1"``,
    ``"levels2"``, ``"levels4"`` and ``"levels8"`` (see :mod:`nearfield.native.levels`) the rows of the ``first`` level.
    """
    array = np.ascontiguousarray(data)
    if first is not None:
        first = np.ascontiguousarray(first)
    return Space(kind, array, dim, center, scale, words, layout, first)


def _float_space(base: np.ndarray, scale: np.ndarray | None) -> Space:
    if scale is not None:
        scale = np.ascontiguousarray(scale, np.float32)
    return make_space("f32" if base.dtype == np.float32 else "f16", base, base.shape[1], scale=scale)


def exact_search(
    base: np.ndarray,
    queries: np.ndarray,
    k: int,
    *,
    metric: str = "ip",
    scale: np.ndarray | None = None,
    allow: np.ndarray | None = None,
    threads: int | None = None,
) -> Scores:
    """The ``k`` best rows of ``base`` for every query, by scanning all rows (or those that ``allow`` permits).

    Parameters
    ----------
    base : float32 or float16 ``(n, d)``; may be memory-mapped.
    queries : float32 ``(q, d)``.
    k : how many; rows beyond what there is are -1 with score ``+inf``.
    metric : ``"ip"`` or ``"l2"``; see the head of this module for the scores.
    scale : float32 ``(n,)``, multiplies each row's inner product (1 / length gives cosine on raw vectors).
    allow : bool ``(n,)`` or packed ``uint64`` words.

    Examples
    --------
    >>> base = np.eye(3, dtype=np.float32)
    >>> exact_search(base, base[1:2], 2).rows
    array([[1, 0]])
    """
    base = np.asarray(base)
    if base.dtype not in (np.float32, np.float16) or base.ndim != 2:
        raise TypeError(f"base: expected float32 or float16 of shape (n, d), got {base.dtype} {base.shape}")
    if scale is not None and metric != "ip":
        raise ValueError(f"scale: expected None with metric {metric!r}; it multiplies inner products")
    queries, _ = check_vectors(queries, "queries", dim=base.shape[1])
    return scan(_float_space(base, scale), queries, k, metric=metric, allow=allow, threads=threads)


def scan(
    space: Space,
    queries: np.ndarray,
    k: int,
    *,
    metric: str,
    allow: np.ndarray | None = None,
    threads: int | None = None,
) -> Scores:
    """Like :func:`exact_search`, over a :class:`Space` of any kind; for codes the scores are those of the codes."""
    check_choice(metric, "metric", ("ip", "l2"))
    check_int(k, "k", 1, MAX_K)
    kept = min(k, max(space.n, 1))
    scores = np.empty((len(queries), kept), np.float32)
    rows = np.empty((len(queries), kept), np.int64)
    if space.n == 0:
        scores.fill(np.inf)
        rows.fill(-1)
    else:
        words = None if allow is None else allow_words(allow, space.n)
        _core.exact_search(space, metric, queries, words, _threads(threads), scores, rows)
    return _widen(scores, rows, k)


def _widen(scores: np.ndarray, rows: np.ndarray, k: int) -> Scores:
    missing = k - scores.shape[1]
    if missing > 0:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return Scores(scores, rows)


def score(
    space: Space, queries: np.ndarray, rows: np.ndarray, *, metric: str, threads: int | None = None
) -> np.ndarray:
    """The scores of given ``rows`` (uint32 ``(m,)``) for every query: float32 ``(q, m)``."""
    out = np.empty((len(queries), len(rows)), np.float32)
    _core.score(space, metric, queries, np.ascontiguousarray(rows, np.uint32), _threads(threads), out)
    return out


def score_pairs(space: Space, row: int, rows: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances between a stored row and ``rows`` (uint32 ``(m,)``): float32 ``(m,)``."""
    out = np.empty(len(rows), np.float32)
    _core.score_pairs(space, row, np.ascontiguousarray(rows, np.uint32), out)
    return out


def rescore(
    space: Space, queries: np.ndarray, candidates: np.ndarray, k: int, *, metric: str, threads: int | None = None
) -> Scores:
    """The ``k`` best of each query's ``candidates`` (int64 ``(q, c)``, -1 skipped) by the scores of ``space``."""
    kept = min(k, max(candidates.shape[1], 1))
    scores = np.empty((len(queries), kept), np.float32)
    rows = np.empty((len(queries), kept), np.int64)
    _core.rescore(space, metric, queries, np.ascontiguousarray(candidates), _threads(threads), scores, rows)
    return _widen(scores, rows, k)


def search_lists(
    space: Space,
    centroids: Space,
    offsets: np.ndarray,
    order: np.ndarray,
    queries: np.ndarray,
    asked: np.ndarray,
    k: int,
    *,
    metric: str,
    probes: int,
    budget: int = 0,
    allow: np.ndarray | None = None,
    threads: int | None = None,
) -> Scores:
    """The ``k`` best rows of the lists whose centroids are nearest to each query.

    Parameters
    ----------
    space : n rows, stored list by list.
    centroids : a float32 Space, one row a list.
    offsets : uint32 ``(lists + 1,)``: rows ``offsets[i]`` to ``offsets[i + 1]`` of ``space`` make list i.
    order : uint32 ``(n,)``, a permutation: the caller's number of each stored row; answers, ``allow``, ties go by it.
    queries, asked : the queries as ``space`` and as ``centroids`` are asked, float32 ``(q, d)`` and ``(q, d')``.
    probes : how many lists are read. More are, nearest first, where these hold fewer than ``k`` (allowed) rows.
    budget : with ``allow``, how many allowed rows are scored at least: lists are read on until there were so many.
    """
    check_choice(metric, "metric", ("ip", "l2"))
    kept = min(check_int(k, "k", 1, MAX_K), max(space.n, 1))
    scores = np.empty((len(queries), kept), np.float32)
    rows = np.empty((len(queries), kept), np.int64)
    words = None if allow is None else allow_words(allow, space.n)
    count = _threads(threads)
    _core.list_search(
        space, metric, centroids, offsets, order, queries, asked, probes, budget, words, count, scores, rows
    )
    return _widen(scores, rows, k)


def code_row_bytes(kind: str, dim: int) -> int:
    """Bytes of one code row, its 16-byte header included."""
    return int(_core.code_row_bytes(kind, dim))


def encode(kind: str, vectors: np.ndarray, center: np.ndarray, *, threads: int | None = None) -> np.ndarray:
    """Scalar codes ``"sq8"`` or ``"sq4"`` of float32 ``(n, d)`` rows: uint8 ``(n, code_row_bytes(kind, d))``."""
    out = np.empty((len(vectors), code_row_bytes(kind, vectors.shape[1])), np.uint8)
    _core.encode(kind, vectors, center, out, _threads(threads))
    return out


def encode_symmetric(kind: str, keep: str, vectors: np.ndarray, *, threads: int | None = None) -> np.ndarray:
    """Codes of any kind for float32 ``(n, d)`` rows without their mean, on the symmetric grid nearest in direction.

    ``keep`` says what the factor of each row preserves: ``"product"``, that of the row with its decoded form, which
    makes estimates unbiased over random rotations, or ``"length"``. The squared length in the header is the row's own.
    """
    out = np.empty((len(vectors), code_row_bytes(kind, vectors.shape[1])), np.uint8)
    _core.encode_symmetric(kind, keep, np.ascontiguousarray(vectors, np.float32), out, _threads(threads))
    return out


def decode(kind: str, codes: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The float32 ``(n, d)`` rows that the codes stand for."""
    out = np.empty((len(codes), len(center)), np.float32)
    _core.decode(kind, codes, center, out)
    return out


def row_values(space: Space, rows: np.ndarray) -> np.ndarray:
    """The float32 ``(m, d)`` vectors that stored ``rows`` (uint32 ``(m,)``) stand for."""
    out = np.empty((len(rows), space.dim), np.float32)
    _core.row_values(space, np.ascontiguousarray(rows, np.uint32), out)
    return out


def graph_room(degree: int) -> int:
    """How many links a row has room for while a graph of this degree is built."""
    return int(_core.graph_room(check_int(degree, "degree", 1, MAX_DEGREE)))


def build_graph(
    space: Space,
    *,
    degree: int,
    beam: int,
    alpha: float,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """A proximity graph over the rows: ``(neighbors uint32 (n, degree), entries uint32 (e,))``.

    Lists shorter than ``degree`` end with ``NO_LINK``. Every row can be reached from the entries. ``progress`` is
    called now and then with the number of rows linked. The result depends on the rows and the settings alone.
    """
    lists = np.empty(space.n * graph_room(degree), np.uint32)
    entries = _core.graph_build(space, degree, beam, alpha, seed, _threads(threads), lists, progress)
    lists.resize(space.n * degree, refcheck=False)  # what the build needed beyond the lists is given back
    return lists.reshape(space.n, degree), np.array(entries, np.uint32)


def stitch(
    space: Space, neighbors: np.ndarray, found: np.ndarray, extra: int, *, threads: int | None = None
) -> np.ndarray:
    """The lists with up to ``extra`` more links each, between rows that are neighbours of one query.

    ``found``, int64 ``(q, k)``, names the neighbours of sample queries (-1 skipped); those of one query lead to each
    other, pruned as links are. Returns uint32 ``(n, degree + extra)``. After RoarGraph (Chen et al., VLDB 2024), but
    the links are added to a graph of the rows instead of making one alone.
    """
    out = np.empty((space.n, neighbors.shape[1] + extra), np.uint32)
    _core.graph_stitch(space, neighbors, np.ascontiguousarray(found), _threads(threads), out)
    return out


class Signs(NamedTuple):
    """One to four bits a dimension for every link of a graph, as :func:`sign_links` packs them.

    Examples
    --------
    >>> Signs(np.zeros((1, 192), np.uint8), (1.0, 1.0), 0, np.zeros(8, np.float32)).records.shape
    (1, 192)
    """

    records: np.ndarray
    units: tuple[float, float]
    seed: int
    center: np.ndarray
    bits: int = 1
    projection: np.ndarray | None = None


def sign_record_bytes(degree: int, dim: int, bits: int = 1) -> int:
    """Bytes of one row's record: for every 32 links 128 and ``bits`` a dimension and link, dimensions in sixteens."""
    return int(_core.sign_record_bytes(degree, dim, bits))


def sign_links(
    space: Space,
    neighbors: np.ndarray,
    *,
    metric: str,
    seed: int,
    bits: int = 1,
    directions: np.ndarray | None = None,
    threads: int | None = None,
) -> Signs:
    """The signs of all links, or codes of 2 to 4 bits: uint8 records ``(n, sign_record_bytes)``.

    ``directions``, float32 (heads, d) with orthonormal rows, are those along which the codes are made; None means all
    dimensions, rotated. Takes 4 n heads bytes of memory while it runs. The result depends on the arguments alone.
    Source: RaBitQ
    (Gao and Long, SIGMOD 2024; more bits: Gao et al., SIGMOD 2025) for the estimate, SymphonyQG (Gou et al., SIGMOD
    2025) for the layout; the rotation is of Walsh-Hadamard transforms, and the grid of several bits that for a normal
    distribution instead of the best for each vector, which takes a search.
    """
    projection, heads = None, space.dim
    if directions is not None:
        heads = len(directions)
        if directions.shape[1] != space.dim:
            raise ValueError(f"directions: expected shape (heads, {space.dim}), got {directions.shape}")
        rotated = rotate(np.ascontiguousarray(np.transpose(directions)), seed, threads=threads)
        projection = encode("sq8", np.ascontiguousarray(rotated.T), np.zeros(space.dim, np.float32), threads=threads)
    records = np.empty((space.n, sign_record_bytes(neighbors.shape[1], heads, bits)), np.uint8)
    center = np.empty(space.dim, np.float32)
    units = _core.graph_signs(space, metric, neighbors, bits, seed, _threads(threads), records, center, projection)
    return Signs(records, units, seed, center, bits, projection)


def estimate_links(
    space: Space, neighbors: np.ndarray, signs: Signs, query: np.ndarray, row: int, *, metric: str
) -> np.ndarray:
    """What a walk at ``row`` takes its links' scores to be: float32 ``(degree,)``, ``+inf`` where there is none."""
    out = np.empty(neighbors.shape[1], np.float32)
    records, units, seed, center, bits, projection = signs
    _core.graph_estimates(space, metric, neighbors, records, bits, units, seed, center, projection, query, row, out)
    return out


def links_valid(neighbors: np.ndarray) -> bool:
    """Whether every link of the lists points into the graph."""
    return bool(_core.graph_check(neighbors))


def reachable(neighbors: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Which rows, bool ``(n,)``, a walk from the entries can come to."""
    reached = np.empty(len(neighbors), np.uint8)
    _core.graph_reachable(neighbors, entries, reached)
    return reached.view(bool)


def search_graph(
    space: Space,
    neighbors: np.ndarray,
    entries: np.ndarray,
    queries: np.ndarray,
    k: int,
    *,
    metric: str,
    beam: int,
    slack: float = float("inf"),
    signs: Signs | None = None,
    allow: np.ndarray | None = None,
    second: Space | None = None,
    second_queries: np.ndarray | None = None,
    candidates: int = 0,
    followed: tuple[int, int, float, int, int] | None = None,
    threads: int | None = None,
    distances: np.ndarray | None = None,
    covered: np.ndarray | None = None,
) -> Scores:
    """Best-first search of the graph; with ``second``, the best ``candidates`` are scored again by that space.

    With ``slack`` a walk also ends where the nearest row left to follow is farther than ``1 + slack`` times the squared
    distance of the ``k``-th answer so far. With ``signs`` the walk goes by estimates, and a row is scored by its
    codes when its links are followed.

    With ``followed``, ``(near, wide, scarce, enough, most)``, and a filter, only allowed rows are scored once a walk of
    width ``near`` found the surroundings of the query; see ``Followed`` in ``graph.hpp``. Bit 1 of ``covered`` then
    says that few rows around the query are allowed, and bit 0 that the walk came to its end, before ``most``, with k
    rows.

    ``distances``, a uint32 ``(q,)`` array, receives how many rows were scored for each query. ``covered``, a uint8
    ``(q,)`` array, receives 1 where half of the beam reaches to the ``k``-th allowed row; where it is 0 the allowed
    rows lie outside of what was walked, and a scan of them is due.
    """
    kept = min(k, space.n)
    scores = np.empty((len(queries), kept), np.float32)
    rows = np.empty((len(queries), kept), np.int64)
    records, units, seed, center, bits, projection = signs or (None, (1.0, 1.0), 0, None, 1, None)
    _core.graph_search(
        space,
        metric,
        neighbors,
        entries,
        queries,
        min(max(beam, kept), space.n),
        slack,
        records,
        bits,
        units,
        seed,
        center,
        projection,
        None if allow is None else allow_words(allow, space.n),
        second,
        second_queries,
        min(candidates, space.n),
        followed,
        _threads(threads),
        scores,
        rows,
        distances,
        covered,
    )
    return _widen(scores, rows, k)
