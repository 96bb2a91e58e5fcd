"""Plain rules that cut a result list, to compare with: none of them knows what is relevant."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_real
from .inputs import rows


def cut_at_distance(distances: Any, most: float) -> np.ndarray:
    """Hits no farther than ``most``: bool, same shape. The usual threshold on a cosine (``1 - distance``).

    Choose it where a space was made so that one distance means the same everywhere.

    Examples
    --------
    >>> cut_at_distance([0.1, 0.3, 0.6], 0.5)
    array([ True,  True, False])
    """
    check_real(most, "most", -np.inf, np.inf)
    hits, single = rows(distances, "distances")
    kept = (hits <= most) & np.isfinite(hits)
    return kept[0] if single else kept


def cut_at_count(distances: Any, k: int) -> np.ndarray:
    """The first ``k`` hits, whatever they are: bool, same shape.

    Examples
    --------
    >>> cut_at_count([0.1, 0.3, np.inf], 5)
    array([ True,  True, False])
    """
    check_int(k, "k", 0)
    hits, single = rows(distances, "distances")
    kept = np.isfinite(hits) & (np.arange(hits.shape[1]) < k)
    return kept[0] if single else kept


def cut_at_jump(distances: Any, jumps: int = 1) -> np.ndarray:
    """The hits before the ``jumps``-th leap of the distances: bool, same shape.

    Ranks and distances of a query are both scaled to [0, 1]; a leap is a hit at which the distance runs ahead of the
    rank farther than at the hits beside it. This is the rule that Weaviate calls autocut. It never returns
    nothing, and it needs no calibration: take it where there is neither a store to learn from nor a label.

    Parameters
    ----------
    distances : (q, j) or (j,) ascending, +inf where missing.
    jumps : how many leaps to take in; 1 cuts hardest.

    Examples
    --------
    >>> cut_at_jump([0.1, 0.11, 0.12, 0.4, 0.41, 0.42])
    array([ True,  True,  True, False, False, False])
    """
    check_int(jumps, "jumps", 1)
    hits, single = rows(distances, "distances")
    kept = np.isfinite(hits)
    for row, there in zip(hits, kept, strict=True):
        there[_before_jump(row[there], jumps) :] = False
    return kept[0] if single else kept


def _before_jump(distances: np.ndarray, jumps: int) -> int:
    count = len(distances)
    if count < 3 or not distances[-1] > distances[0]:
        return count
    scaled = (distances - distances[0]) / (distances[-1] - distances[0])
    ahead = scaled - np.linspace(0.0, 1.0, count)
    inner = (ahead[1:-1] > ahead[:-2]) & (ahead[1:-1] > ahead[2:])
    last = ahead[-1] > ahead[-2] and ahead[-1] > ahead[-3]
    places = np.append(np.flatnonzero(inner) + 1, [count - 1] if last else []).astype(int)
    return int(places[jumps - 1]) if len(places) >= jumps else count
