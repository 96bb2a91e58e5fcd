"""Quantisation survival: the recall that shorter codes, or fewer dimensions, would leave, before anything is built."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.interval import mean_interval
from ..native import encode_symmetric, exact_search, make_space, rotate, scan
from .collection import METRICS, Collection
from .measure import Measure, format_number, undefined
from .neighbors import BASE_LIMIT
from .rank import Moments

BITS = (1, 2, 4, 8)
_HEADLINE = 4
_QUERIES = 400
_CANDIDATES = 512
_FIT = 16_000
_HALVINGS = 3
_BLOCK = 32
_SLICE = 65_536
_SOURCE = (
    "RaBitQ (Gao & Long, 2024; Gao et al., 2025) for the codes; recall among the true nearest rows of all, those "
    "beyond them allowed for by the series over their number"
)


def quantization_survival(
    vectors: Any,
    *,
    k: int = 10,
    dimensions: tuple[int, ...] | None = None,
    metric: str = "cosine",
    sample: int = _QUERIES,
    candidates: int = _CANDIDATES,
    random_state: int = 0,
) -> Measure:
    """Predicted recall of the ``k`` nearest with 1, 2, 4 and 8 bits a dimension, and with fewer dimensions.

    Choose it to see what compression will cost before any index is built; :func:`nearfield.tune.compress` then compares
    codecs at a budget of memory, by measurement.

    Parameters
    ----------
    vectors : (n, d).
    k : length of the result lists.
    dimensions : numbers of principal dimensions to try; None: a half, a quarter and an eighth of d.
    metric : "cosine", "ip" or "l2".
    sample : rows held out and asked for, at most a fifth of all. Four times as many halve the intervals.
    candidates : how many of the true nearest rows of each query are coded. 512 is enough for 2 bits and more.
    random_state : chooses the queries, and the rotation of the codes.

    Returns
    -------
    Measure
        The value is the share of the true ``k`` nearest rows that a scan of 4-bit codes would find, nothing scored
        again. The rows nearest to each query are known exactly (all rows up to a million are searched, a random million
        beyond), and only those are coded: what a codec confuses is near. Rows beyond them are allowed for by how
        recall falls from a quarter of the candidates to a half and to all of them. Codes are rotated; dimensions are
        principal ones (not centred under cosine and ip, as search wants it), at full precision. Rows that repeat
        another one are left out. ``parts``: ``bits_1``, ``bits_1_low``, ``bits_1_high``, ..., ``dimensions_192``, ...
        The interval is that of the mean over queries; its low end lies lower by once more what rows beyond the
        candidates are told to take, and its high end supposes that they take nothing. ``arrays``: ``bits``,
        ``dimensions`` and, for each, ``*_recall``, ``*_low``, ``*_high``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    >>> parts = quantization_survival(x).parts
    >>> parts["bits_1"] < parts["bits_2"] < parts["bits_4"] < parts["bits_8"]
    True
    """
    check_choice(metric, "metric", METRICS)
    check_int(k, "k", 1)
    check_int(sample, "sample", 2)
    check_int(candidates, "candidates", 4 * k)
    check_random_state(random_state)
    title = "Quantisation survival"
    space = Collection.of(vectors, metric)
    kept = _check_dimensions(dimensions, space.dim)
    distinct = np.flatnonzero(~space.repeats)
    count = min(sample, len(distinct) // 5)
    if len(distinct) - count < 2 * k or space.norms.max() == 0:
        why = f"Unknown: needs at least {-(-5 * k // 2)} different rows, and there are {len(distinct)}."
        return undefined("quantization_survival", title, why, source=_SOURCE)
    rng = np.random.default_rng([random_state, 80])
    asked = np.sort(rng.choice(distinct, count, replace=False))
    others = np.setdiff1d(distinct, asked, assume_unique=True)
    searched = others if len(others) <= BASE_LIMIT else np.sort(rng.choice(others, BASE_LIMIT, replace=False))
    near = _nearest(space, asked, searched, min(candidates, len(searched)))
    some = space.take(np.sort(rng.choice(searched, min(_FIT, len(searched)), replace=False))) * space.shrink
    steps = sorted({max(near.shape[1] >> step, min(k, near.shape[1])) for step in range(3)})
    names = [f"bits_{bits}" for bits in BITS] + [f"dimensions_{keep}" for keep in kept]
    shares: dict[str, list[list[float]]] = {name: [] for name in names}
    center, axes = some.mean(axis=0, dtype=np.float64).astype(np.float32), _axes(some, metric)
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        queries = space.take(asked[part]) * space.shrink
        rows = space.take(near[part].ravel()) * space.shrink
        for bits in BITS:
            for order in _by_codes(rows, queries, bits, center, metric, random_state):
                shares[f"bits_{bits}"].append(_found(order, steps, k))
        for keep in kept:
            for order in _by_fewer(rows, queries, axes[:, :keep], metric):
                shares[f"dimensions_{keep}"].append(_found(order, steps, k))
    parts: dict[str, float] = {"k": k, "rows": len(others), "candidates": near.shape[1]}
    arrays: dict[str, list[float]] = {}
    for name in names:
        recall = _told(np.array(shares[name]), steps, len(searched))
        kind, amount = name.split("_")
        for key, number in zip(("", "_low", "_high"), recall, strict=True):
            parts[name + key] = number
            arrays.setdefault(kind + (key or "_recall"), []).append(number)
        arrays.setdefault(kind, []).append(float(amount))
    value = parts[f"bits_{_HEADLINE}"]
    among = f"{len(searched):,} rows" if len(searched) == len(others) else f"{len(searched):,} of {len(others):,} rows"
    return Measure(
        "quantization_survival",
        value,
        parts[f"bits_{_HEADLINE}_low"],
        parts[f"bits_{_HEADLINE}_high"],
        _meaning(parts, kept, space.dim, k),
        title=title,
        unit="share",
        verdict="good" if value >= 0.9 else "fair" if value >= 0.75 else "poor",
        detail=f"Recall of the {k} nearest of {count} rows held out among {among}, told from codes of the "
        f"{near.shape[1]:,} nearest of each; nothing is scored again. Nothing was built.",
        source=_SOURCE,
        parts=parts,
        arrays={name: np.asarray(values) for name, values in arrays.items()},
    )


def _check_dimensions(dimensions: tuple[int, ...] | None, dim: int) -> list[int]:
    if dimensions is None:
        return sorted({dim >> step for step in range(1, _HALVINGS + 1) if dim >> step >= 2}, reverse=True)
    for keep in dimensions:
        check_int(keep, "dimensions", 1, dim)
    return sorted(set(dimensions), reverse=True)


def _nearest(space: Collection, asked: np.ndarray, searched: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` nearest of ``searched`` for each row asked, nearest first."""
    ids, distances = np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0), np.float32)
    queries = space.take(asked) * space.shrink
    for start in range(0, len(searched), _SLICE):
        part = searched[start : start + _SLICE]
        scores, rows = exact_search(
            space.take(part) * space.shrink, queries, min(count, len(part)), metric=_native(space.metric)
        )
        ids, distances = np.concatenate([ids, part[rows]], axis=1), np.concatenate([distances, scores], axis=1)
        best = np.argsort(distances, axis=1, kind="stable")[:, :count]
        ids, distances = np.take_along_axis(ids, best, axis=1), np.take_along_axis(distances, best, axis=1)
    return ids


def _native(metric: str) -> str:
    return "l2" if metric == "l2" else "ip"


def _by_codes(
    rows: np.ndarray, queries: np.ndarray, bits: int, center: np.ndarray, metric: str, seed: int
) -> Iterator[np.ndarray]:
    """For each query, the numbers of its candidates as a scan of rotated codes orders them."""
    kind, count = f"sq{bits}", len(rows) // len(queries)
    codes = encode_symmetric(kind, "product", rotate(rows - center, seed))
    turned, turned_center = rotate(queries, seed), rotate(center[None], seed)[0]
    for number in range(len(queries)):
        own = make_space(kind, codes[number * count : (number + 1) * count], rows.shape[1], center=turned_center)
        yield scan(own, turned[number : number + 1], count, metric=_native(metric), threads=1).rows[0]


def _by_fewer(rows: np.ndarray, queries: np.ndarray, axes: np.ndarray, metric: str) -> Iterator[np.ndarray]:
    """For each query, the numbers of its candidates as fewer dimensions order them."""
    count = len(rows) // len(queries)
    fewer = (rows @ axes).reshape(len(queries), count, -1)
    scores = -np.einsum("qcd,qd->qc", fewer, queries @ axes)
    squares = np.einsum("qcd,qcd->qc", fewer, fewer)
    if metric == "cosine":
        scores = scores / np.sqrt(np.where(squares > 0, squares, np.float32(1)))
    elif metric == "l2":
        scores = scores + squares / 2
    yield from np.argsort(scores, axis=1, kind="stable")


def _found(order: np.ndarray, steps: list[int], k: int) -> list[float]:
    """Recall when only the nearest ``step`` candidates had been there, for each step; they are numbered by nearness."""
    return [float((order[order < step][:k] < k).mean()) for step in steps]


def _axes(rows: np.ndarray, metric: str) -> np.ndarray:
    """The principal directions as columns, strongest first."""
    spectrum = Moments.of(rows)
    moments = spectrum.covariance if metric == "l2" else spectrum.second
    return np.ascontiguousarray(np.linalg.eigh(moments)[1][:, ::-1], dtype=np.float32)


def _told(shares: np.ndarray, steps: list[int], rows: int) -> tuple[float, float, float]:
    """Recall with its interval among all rows, from (queries, steps) shares among the nearest of them."""
    mean, low, high = mean_interval(shares[:, -1])
    if len(steps) < 3 or steps[-1] >= rows:
        return mean, low, high
    quarter, half, all_of = (float(share) for share in shares.mean(axis=0))
    last, before = max(half - all_of, 0.0), max(quarter - half, 0.0)
    # Each doubling takes a part of what the one before took; no more doublings than there are rows for.
    ratio = min(last / before, 1.0) if before > 0 else 0.0
    beyond = last * sum(ratio**step for step in range(1, math.ceil(math.log2(rows / steps[-1])) + 1))
    told = max(mean - beyond, 0.0)
    return told, max(told - (mean - low) - beyond, 0.0), high


def _meaning(parts: dict[str, float], kept: list[int], dim: int, k: int) -> str:
    def told(name: str) -> str:
        return format_number(round(parts[name], 3), "share")

    text = (
        f"Stored in 4 bits a number, an eighth of the memory, the vectors alone still find {told('bits_4')} of the {k} "
        f"true nearest rows; with 8 bits {told('bits_8')}, with 2 {told('bits_2')}, with 1 {told('bits_1')}"
    )
    if kept:
        fewer = " and ".join(f"{told(f'dimensions_{keep}')} with {keep}" for keep in kept[:2])
        text += f". Of {dim} dimensions, PCA leaves {fewer}"
    return text + ". Scoring the best candidates again with finer codes wins most of the rest back."
