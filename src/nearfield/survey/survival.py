"""Quantisation survival: the recall that shorter codes, or fewer dimensions, would leave, before anything is built."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.extrapolation import extrapolate, rising
from ..common.interval import mean_interval
from ..native import encode_symmetric, exact_search, make_space, rotate, scan
from .collection import METRICS, Collection
from .measure import Measure, format_number, undefined

BITS = (1, 2, 4, 8)
_HEADLINE = 4
_MOST, _FEWEST = 16_000, 1000
_QUERIES = 400
_HALVINGS = 3
_SOURCE = (
    "RaBitQ (Gao & Long, 2024; Gao et al., 2025) for the codes; the logit of recall on samples carried on along the "
    "logarithm of their size"
)


def quantization_survival(
    vectors: Any,
    *,
    k: int = 10,
    dimensions: tuple[int, ...] | None = None,
    metric: str = "cosine",
    sample: int = _MOST,
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
    sample : rows that are coded and scanned at most; larger collections are forecast from nested samples of 1,000 to
        so many. 16,000 forecasts a million to a few hundredths.
    random_state : chooses the samples, the queries among the rows, and the rotation of the codes.

    Returns
    -------
    Measure
        The value is the share of the true ``k`` nearest rows that a scan of 4-bit codes finds, nothing scored again.
        Codes are rotated, 1 to 8 bits a dimension; dimensions are principal ones (not centred under cosine and ip, as
        search wants it), at full precision. Queries are rows held out; rows that repeat another one are left out.
        ``parts``: ``bits_1``, ``bits_1_low``, ``bits_1_high``, ..., ``dimensions_192``, ... The interval is Wilson's
        for so many queries, and for a forecast that of :func:`nearfield.common.extrapolation.extrapolate`; it supposes
        that the samples hold ten rows or more of every group there is, for inside a group recall falls faster.
        ``arrays``: ``bits``, ``dimensions`` and, for each, ``*_recall``, ``*_low``, ``*_high``.

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
    check_random_state(random_state)
    title = "Quantisation survival"
    space = Collection.of(vectors, metric)
    kept = _check_dimensions(dimensions, space.dim)
    distinct = np.flatnonzero(~space.repeats)
    asked = min(_QUERIES, len(distinct) // 5)
    others = len(distinct) - asked
    if others < 2 * k or space.norms.max() == 0:
        why = f"Unknown: needs at least {-(-5 * k // 2)} different rows, and there are {len(distinct)}."
        return undefined("quantization_survival", title, why, source=_SOURCE)
    rng = np.random.default_rng([random_state, 80])
    chosen = rng.choice(distinct, min(asked + sample, len(distinct)), replace=False)
    order = np.argsort(chosen)
    rows = np.empty((len(chosen), space.dim), np.float32)
    rows[order] = space.take(chosen[order]) * space.shrink  # read in order, kept as drawn: every prefix is a sample
    queries, base = rows[:asked], rows[asked:]
    whole = len(base) == others
    sizes = [len(base)] if whole or len(base) < 3 * _FEWEST else rising(_FEWEST, len(base))
    truths = [_nearest(base[:size], queries, k, metric) for size in sizes]
    told = [(f"bits_{bits}", bits, _coded(base, queries, sizes, truths, bits, metric, random_state)) for bits in BITS]
    axes = _axes(base, metric)
    told += [
        (f"dimensions_{keep}", keep, _reduced(base, queries, sizes, truths, axes[:, :keep], metric)) for keep in kept
    ]
    parts: dict[str, float] = {"k": k, "rows": others, "scanned": len(base)}
    arrays: dict[str, list[float]] = {}
    for name, amount, shares in told:
        recall = _forecast(sizes, shares, others, k)
        kind = name.split("_")[0]
        for key, number in zip(("", "_low", "_high"), recall, strict=True):
            parts[name + key] = number
            arrays.setdefault(kind + (key or "_recall"), []).append(number)
        arrays.setdefault(kind, []).append(amount)
    value = parts[f"bits_{_HEADLINE}"]
    how = f"a scan of all {others:,} rows" if whole else f"scans of {', '.join(f'{n:,}' for n in sizes)} rows"
    tail = "" if whole else f", carried on to {others:,}: a forecast, which rows of another kind would bend"
    return Measure(
        "quantization_survival",
        value,
        parts[f"bits_{_HEADLINE}_low"],
        parts[f"bits_{_HEADLINE}_high"],
        _meaning(parts, kept, space.dim, k),
        title=title,
        unit="share",
        verdict="good" if value >= 0.9 else "fair" if value >= 0.75 else "poor",
        detail=f"Recall of the {k} nearest of {asked} rows held out, from {how}{tail}. Nothing is scored again.",
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


def _nearest(base: np.ndarray, queries: np.ndarray, k: int, metric: str) -> np.ndarray:
    return exact_search(base, queries, k, metric="l2" if metric == "l2" else "ip").rows


def _shares(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The share of each query's true rows that were found."""
    return np.asarray((found[:, :, None] == truth[:, None, :]).any(axis=1).mean(axis=1))


def _coded(
    base: np.ndarray, queries: np.ndarray, sizes: list[int], truths: list[np.ndarray], bits: int, metric: str, seed: int
) -> list[np.ndarray]:
    """For each size, what a scan of rotated codes finds for each query."""
    center = base.mean(axis=0, dtype=np.float64).astype(np.float32)
    kind = f"sq{bits}"
    codes = encode_symmetric(kind, "product", rotate(base - center, seed))
    turned, turned_center = rotate(queries, seed), rotate(center[None], seed)[0]
    shares = []
    for size, truth in zip(sizes, truths, strict=True):
        space = make_space(kind, codes[:size], base.shape[1], center=turned_center)
        found = scan(space, turned, truth.shape[1], metric="l2" if metric == "l2" else "ip").rows
        shares.append(_shares(found, truth))
    return shares


def _axes(base: np.ndarray, metric: str) -> np.ndarray:
    """The principal directions as columns, strongest first."""
    moments = base - base.mean(axis=0) if metric == "l2" else base
    gram = np.zeros((base.shape[1], base.shape[1]))
    for start in range(0, len(base), 4096):
        block = moments[start : start + 4096].astype(np.float64)
        gram += block.T @ block
    return np.ascontiguousarray(np.linalg.eigh(gram)[1][:, ::-1], dtype=np.float32)


def _reduced(
    base: np.ndarray, queries: np.ndarray, sizes: list[int], truths: list[np.ndarray], axes: np.ndarray, metric: str
) -> list[np.ndarray]:
    """For each size, what a scan of the rows in fewer dimensions finds for each query."""
    rows, asked = base @ axes, queries @ axes
    if metric == "cosine":
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0, lengths, np.float32(1))
    return [
        _shares(_nearest(rows[:size], asked, truth.shape[1], metric), truth)
        for size, truth in zip(sizes, truths, strict=True)
    ]


def _forecast(sizes: list[int], shares: list[np.ndarray], rows: int, k: int) -> tuple[float, float, float]:
    intervals = [mean_interval(share) for share in shares]
    if len(sizes) == 1:
        return intervals[0]
    return extrapolate(sizes, intervals, rows, shares[0].size * k)


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
