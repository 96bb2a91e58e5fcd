"""Distribution shift: do new rows still come from where the stored ones came from? A test with a stated level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from .collection import METRICS, Collection
from .jackknife import GROUPS, margin
from .measure import Measure, undefined

ROWS = 2_000
PERMUTATIONS = 499
FEWEST = 10
_BLOCK = 64
_SOURCE = (
    "Szekely & Rizzo (2013), Energy statistics: a class of statistics based on distances, J. Stat. Plan. Inference 143 "
    "(test by permutation; coefficient of inhomogeneity)"
)


def distribution_shift(
    old: Any,
    new: Any,
    *,
    metric: str = "cosine",
    level: float = 0.05,
    sample: int = ROWS,
    permutations: int = PERMUTATIONS,
    random_state: int = 0,
) -> Measure:
    """Energy distance of two sets of rows, with a permutation test of whether one distribution gave both.

    Notices any kind of difference: other topics, a moved mean, a changed scale, a mixture in other proportions. Choose
    :func:`drift` for what the difference costs; a large store makes small shifts certain that cost nothing.

    Parameters
    ----------
    old, new : (n, d) and (m, d); ten rows of each are the least, a few hundred find what matters.
    metric : "cosine" compares directions, "l2" and "ip" the vectors themselves.
    level : how often, at most, a batch from the same source may be called a shift: the test's false-alarm rate.
    sample : so many random rows of each are compared; the power grows with it, the cost with its square.
    permutations : relabellings of the rows that the statistic is held against; 499 give p to 0.002.
    random_state : chooses rows and permutations.

    Returns
    -------
    Measure
        The energy coefficient, 0 (same distribution) to 1: twice the mean distance across less the mean distances
        within, over twice the mean distance across, without bias (below 0 is set to 0). The interval is a
        delete-a-group jackknife over rows. ``parts``: ``p_value``, ``level``, ``shifted`` (1 when p is at most the
        level), ``old_rows`` and ``new_rows`` compared. The verdict is "good" when no shift was found. ``arrays``:
        ``statistic`` of each permutation, ``observed``.

    Notes
    -----
    The permutation test is exact: with rows that are independent its false-alarm rate is at most ``level`` for any
    number of rows and dimensions. Rows that come in groups (passages of one document) are not independent and raise it:
    give one of each group.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1500, 8)).astype(np.float32)
    >>> same, moved = distribution_shift(x[:1000], x[1000:]), distribution_shift(x[:1000], x[1000:] + np.float32(0.5))
    >>> same.parts["shifted"], moved.parts["shifted"]
    (0, 1)
    """
    title, name = "Distribution shift", "distribution_shift"
    check_choice(metric, "metric", METRICS)
    check_real(level, "level", 0.0, 1.0, open_low=True, open_high=True)
    check_int(sample, "sample", FEWEST)
    check_int(permutations, "permutations", math.ceil(1 / level) - 1, 1_000_000)
    seed = check_random_state(random_state)
    geometry = "l2" if metric == "ip" else metric
    spaces = pair_of(old, new, geometry)
    if min(map(len, spaces)) < FEWEST:
        few = min(map(len, spaces))
        why = f"Unknown: needs at least {FEWEST} rows of either kind, and there {'is' if few == 1 else 'are'} {few}."
        return undefined(name, title, why, source=_SOURCE)
    rows = [_drawn(space, sample, seed, side) for side, space in enumerate(spaces)]
    distances = _pairwise(np.concatenate(rows))
    count = len(rows[0])
    observed, across = _statistic(distances, count)
    if not across > 0:
        return undefined(name, title, "Unknown: all rows of both kinds coincide.", source=_SOURCE)
    shuffled = _permuted(distances, count, permutations, seed)
    # What rounding does to equal statistics must not decide.
    p_value = float((1 + (shuffled >= observed - 1e-9 * across).sum()) / (permutations + 1))
    value = max(observed / (2 * across), 0.0)
    around = margin(_left_out(distances, count, seed))
    shifted = p_value <= level
    if not shifted:
        verdict = "good"
        meaning = (
            f"Nothing says that the new rows come from elsewhere: stored rows dealt out at random differ as much in "
            f"{p_value:.0%} of cases."
        )
    else:
        verdict = "fair" if value < 0.02 else "poor"
        size = "slightly" if value < 0.005 else "noticeably" if value < 0.02 else "strongly"
        meaning = (
            f"The new rows come from elsewhere: stored rows dealt out at random differ as much in at most "
            f"{p_value:.1%} of cases. They differ {size}."
        )
    return Measure(
        name,
        value,
        max(value - around, 0.0),
        min(max(value + around, value), 1.0),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Energy distance of {count:,} old and {len(distances) - count:,} new rows, {permutations:,} "
        f"permutations, level {level:g}. The interval is a delete-a-group jackknife over rows.",
        source=_SOURCE,
        parts={
            "p_value": p_value,
            "level": level,
            "shifted": int(shifted),
            "old_rows": count,
            "new_rows": len(distances) - count,
        },
        arrays={"statistic": shuffled, "observed": np.array([observed])},
    )


def pair_of(old: Any, new: Any, metric: str) -> tuple[Collection, Collection]:
    """Both sets checked, errors naming which; ValueError when their dimensions differ."""
    made = []
    for value, name in ((old, "old"), (new, "new")):
        try:
            made.append(Collection.of(value, metric))
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("vectors: ", f"{name}: ", 1)) from None
    if made[0].dim != made[1].dim:
        raise ValueError(f"new: expected {made[0].dim} dimensions as in old, got {made[1].dim}")
    return made[0], made[1]


def _drawn(space: Collection, sample: int, seed: int, side: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 80, side])
    chosen = rng.permutation(len(space))[:sample]
    return space.take(np.sort(chosen)).astype(np.float64)


def _pairwise(rows: np.ndarray) -> np.ndarray:
    """Euclidean distances, float32; the common mean is taken off first, so that little is lost to rounding."""
    rows = rows - rows.mean(axis=0)
    extent = float(np.abs(rows).max())
    rows = rows / extent if extent > 0 else rows
    squares = np.einsum("ij,ij->i", rows, rows)
    found = np.maximum(squares[:, None] + squares - 2 * (rows @ rows.T), 0.0)
    found[found < 1e-13 * float(squares.max(initial=0.0))] = 0.0
    np.sqrt(found, out=found)
    np.fill_diagonal(found, 0.0)
    return found


def _statistic(distances: np.ndarray, count: int) -> tuple[float, float]:
    """Twice the mean distance across, less the two means within (no row with itself); and the mean across."""
    rest = len(distances) - count
    across = float(distances[:count, count:].mean())
    within = [float(block.sum()) / (size * (size - 1.0)) for block, size in _blocks(distances, count, rest)]
    return 2 * across - within[0] - within[1], across


def _blocks(distances: np.ndarray, count: int, rest: int) -> list[tuple[np.ndarray, int]]:
    return [(distances[:count, :count], count), (distances[count:, count:], rest)]


def _permuted(distances: np.ndarray, count: int, permutations: int, seed: int) -> np.ndarray:
    """The statistic after dealing the rows out anew, from products of the distances with blocks of signs."""
    rng = np.random.default_rng([seed, 81])
    total, rest = len(distances), len(distances) - count
    sums = distances.sum(axis=1)
    everything = float(sums.sum())
    found = np.empty(permutations)
    narrow = distances.astype(np.float32)
    for start in range(0, permutations, _BLOCK):
        size = min(_BLOCK, permutations - start)
        first = np.zeros((size, total), np.float32)
        for line in first:
            line[rng.permutation(total)[:count]] = 1
        within = np.einsum("ij,ij->i", first @ narrow, first, dtype=np.float64)
        touching = first.astype(np.float64) @ sums
        across = touching - within
        other = everything - 2 * touching + within
        found[start : start + size] = (
            2 * across / (count * rest) - within / (count * (count - 1.0)) - other / (rest * (rest - 1.0))
        )
    return found


def _left_out(distances: np.ndarray, count: int, seed: int) -> list[float]:
    """The coefficient without each group of rows, of either kind in turn."""
    rng = np.random.default_rng([seed, 82])
    total = len(distances)
    group = np.concatenate([rng.permutation(count) % GROUPS, rng.permutation(total - count) % GROUPS])
    found = []
    for g in range(GROUPS):
        kept = np.flatnonzero(group != g)
        mine = int((kept < count).sum())
        if mine < 2 or len(kept) - mine < 2:
            continue
        observed, across = _statistic(distances[np.ix_(kept, kept)], mine)
        found.append(observed / (2 * across) if across > 0 else math.nan)
    return found
