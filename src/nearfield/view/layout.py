"""Two coordinates for every row, so that rows near in the space are near on the map."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from .graph import Links, check_neighbors, nearest_rows
from .repulsion import Repulsion

METRICS = ("cosine", "ip", "l2")
_EARLY_EXAGGERATION = 12.0
# Of the rounds, the first third gathers what belongs together.
_EARLY_SHARE = 1 / 3
_START = 1e-4


def layout(
    vectors: Any,
    *,
    metric: str = "cosine",
    k: int = 15,
    neighbors: Any = None,
    rounds: int = 600,
    exaggeration: float = 1.0,
    random_state: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """A map of a space: t-SNE of its neighbour graph, for looking at 20 to some 200,000 rows.

    Choose it over the first two principal components to see which rows belong together: of each row's nearest it keeps
    many times as many. What it does not keep: distances between groups, their sizes, and how dense they are. See
    :func:`neighbors_kept` for what is kept.

    Parameters
    ----------
    vectors : (n, d) float32.
    metric : what near means: "cosine", "ip" or "l2".
    k : neighbours each row is drawn to. 15 is good for groups that can be told apart; 5 shows finer ones, 50 coarser.
    neighbors : (n, k) the nearest other rows of each row, -1 where there are fewer, such as an index finds. None looks
        them up by a scan, which takes n * n * d multiplications: a second at 10,000 x 384, two minutes at 100,000.
    rounds : of gradient descent. 600 is settled for most; 300 gives a draft.
    exaggeration : 1 is t-SNE; 2 to 4 draws groups together and apart from each other, as UMAP does, which reads better
        above 50,000 rows.
    random_state : of the tiny offsets by which equal rows begin apart.
    report : called with the rounds done and ``rounds`` after each; what it raises ends the work.

    Returns
    -------
    float32 (n, 2)
        Centred at zero; the units mean nothing. The first axis is the one along which the map is widest.
        The same input gives the same bytes on one machine, whatever the number of threads.

    Raises
    ------
    ValueError, TypeError : NaN, a zero vector under cosine, shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> two = np.vstack([rng.normal(0, 1, (40, 5)), rng.normal(9, 1, (40, 5))]).astype(np.float32)
    >>> drawn = layout(two, metric="l2", rounds=300)
    >>> drawn.shape, bool(np.sign(drawn[0, 0]) != np.sign(drawn[79, 0]))
    ((80, 2), True)

    Notes
    -----
    Source: van der Maaten and Hinton (JMLR 2008), with the repulsion of :mod:`nearfield.view.repulsion`; begun from
    principal components and with a learning rate of n / 12 (Kobak and Berens, Nature Communications 2019; Belkina et
    al., 2019). Departures: each row is drawn to its ``k`` nearest alike, where t-SNE weighs them by a perplexity (Böhm
    et al., JMLR 2022, found the maps the same); the first third of the rounds is exaggerated.
    """
    check_choice(metric, "metric", METRICS)
    check_int(k, "k", 1)
    check_int(rounds, "rounds", 1)
    check_real(exaggeration, "exaggeration", 1.0, 100.0)
    check_random_state(random_state)
    array, single = check_vectors(vectors, nonzero=metric == "cosine")
    if single:
        raise ValueError(f"vectors: expected shape (n, d), got {np.shape(vectors)}")
    rows = len(array)
    if neighbors is not None:
        neighbors = check_neighbors(neighbors, rows)
    if rows < 3:
        return np.array([[rank - (rows - 1) / 2, 0] for rank in range(rows)], np.float32).reshape(rows, 2)
    if neighbors is None:
        neighbors = nearest_rows(array, min(k, rows - 1), metric)
    start = _principal(array, metric, random_state)
    return _turned(_descend(start, Links.of(neighbors[:, :k]), rounds, float(exaggeration), report))


def _principal(array: np.ndarray, metric: str, random_state: int) -> np.ndarray:
    """The first two principal components, tiny, float32 (2, n); rounded, so that the last bits of sums, which hang on
    the number of threads, do not show; and each row a little offset, so that equal rows can part."""
    seen: np.ndarray = array.astype(np.float64)
    if metric == "cosine":
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    seen -= seen.mean(axis=0)
    _, directions = np.linalg.eigh(seen.T @ seen)
    chosen = directions[:, ::-1][:, :2]
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])])
    made: np.ndarray = np.zeros((2, len(array)))
    made[: chosen.shape[1]] = (seen @ chosen).T
    made /= max(float(made[0].std()), 1e-30)
    made = np.round(np.clip(made, -100, 100), 3)
    made += np.random.default_rng(random_state).normal(0, 0.01, made.shape)
    return np.asarray(made * _START, np.float32)


def _descend(
    at: np.ndarray, links: Links, rounds: int, exaggeration: float, report: Callable[[int, int], None] | None
) -> np.ndarray:
    """Gradient descent with momentum and a gain for each coordinate, as in the original t-SNE; float32 (2, n)."""
    rows = at.shape[1]
    early = math.ceil(rounds * _EARLY_SHARE)
    rate = np.float32(max(rows / _EARLY_EXAGGERATION / 4, 50.0))
    speed = np.zeros_like(at)
    gains = np.ones_like(at)
    repulsion = Repulsion()
    for turn in range(rounds):
        factor = np.float32(_EARLY_EXAGGERATION if turn < early else exaggeration)
        momentum = np.float32(0.5 if turn < early else 0.8)
        pull = links.pull(at[0], at[1])
        push_x, push_y, total = repulsion.push(at[0], at[1])
        slope = np.stack([4 * (factor * pull[0] - push_x / total), 4 * (factor * pull[1] - push_y / total)])
        slope = slope.astype(np.float32)
        against = np.sign(slope) != np.sign(speed)
        gains = np.maximum(np.where(against, gains + np.float32(0.2), gains * np.float32(0.8)), np.float32(0.01))
        speed = momentum * speed - rate * gains * slope
        at = at + speed
        at -= at.mean(axis=1, keepdims=True)
        if report is not None:
            report(turn + 1, rounds)
    return at


def _turned(at: np.ndarray) -> np.ndarray:
    """Turned so that the map is widest along the first axis, and reads the same way every time; float32 (n, 2)."""
    points = at.astype(np.float64).T
    points -= points.mean(axis=0)
    _, axes = np.linalg.eigh(points.T @ points)
    points = points @ axes[:, ::-1]
    heavy = (points**3).sum(axis=0)
    return np.ascontiguousarray(points * np.where(heavy < 0, -1.0, 1.0), np.float32)
