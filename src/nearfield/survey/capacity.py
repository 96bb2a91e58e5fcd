"""Manifold capacity: how many classes a linear read-out can tell apart, for each dimension it is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..common.interval import t_quantile
from .collection import METRICS, Collection
from .labels import Labels
from .measure import Measure, undefined

# With more, at 20 rows each, one projection below takes more than a quarter of a second.
_CLASSES = 30
_FEWEST_CLASSES = 3
_FEWEST_ROWS = 2
# One draw in so many is repeated with the classes shuffled.
_SHUFFLED = 4
# Of the longest direction: what float32 leaves where there is nothing.
_ROUNDING = 1e-5
_SOURCE = (
    "Chung, Lee & Sompolinsky (2018), Classification and geometry of general perceptual manifolds, Phys. Rev. X 8; "
    "Cohen, Chung, Lee & Sompolinsky (2020), Nature Communications 11; the estimator that keeps correlations between "
    "classes is that of Chou et al. (2024), Geometry linked to untangling efficiency"
)


def manifold_capacity(
    vectors: Any,
    labels: Any,
    *,
    metric: str = "cosine",
    rows: int = 20,
    draws: int = 40,
    random_state: int = 0,
) -> Measure:
    """Manifold capacity: classes over the dimensions needed to split them in any two camps by a plane.

    Project the space onto fewer and fewer random directions; down to how many can the classes still be dealt into two
    camps at random and the camps be separated by a hyperplane? Choose it to compare encoders, or layers, by how much
    room their classes take up; :func:`class_separability` says how well the distance itself tells them apart.

    Parameters
    ----------
    vectors : (n, d).
    labels : n hashable values, one a row; None and NaN mean no label. Three classes of two rows are needed; with fewer
        than five the value is up to a tenth too large.
    metric : "cosine" takes the rows at length one, "l2" and "ip" as they are.
    rows : rows of each class that stand for it. More rows are harder to keep on one side, so the value falls with
        them: compare spaces with the same number. 20 costs a second or two.
    draws : how often rows, camps and directions are drawn; four times as many halve the interval.
    random_state : the seed of the draws.

    Returns
    -------
    Measure
        At most 2 (each class is as good as one point: Cover's limit). ``parts``: ``dimensions`` (how many the
        ``classes`` used need) and ``shuffled`` (how many with the labels of those rows dealt out at random); the ratio
        of the two decides the verdict. When no number of the space's dimensions suffices the value is an upper bound,
        and the meaning says so. The interval is Student's, over draws, each of which takes rows and camps anew and,
        beyond 30 classes, classes. ``arrays``: ``dimensions``, one number a draw.

    Notes
    -----
    The number of random directions at which half of the dichotomies of a set of points are separable is the statistical
    dimension of the cone that the points, each times the sign of its camp, generate: the expected squared length of a
    Gaussian vector's projection onto it (Amelunxen et al., 2014). Averaged over random camps that is the mean-field
    capacity without its assumption that classes lie at random to each other. Departures: classes are centred on the
    mean of their means, so the plane need not pass through the origin of the space; the projection is one non-negative
    least-squares problem a draw.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.eye(20, dtype=np.float32).repeat(3, axis=0)  # classes without extent
    >>> round(manifold_capacity(points, np.arange(60) // 3, draws=300).value)
    2
    """
    title, name = "Manifold capacity", "manifold_capacity"
    check_choice(metric, "metric", METRICS)
    check_int(rows, "rows", 1, 1000)
    check_int(draws, "draws", 4, 100_000)
    seed = check_random_state(random_state)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    known = Labels.of(labels, len(space))
    why = known.too_few(_FEWEST_ROWS, _FEWEST_CLASSES)
    if why is not None:
        return undefined(name, title, why, source=_SOURCE)
    members = known.members(known.large(_FEWEST_ROWS))
    needed, shuffled = np.empty(draws), []
    saturated = 0
    for draw in range(draws):
        rng = np.random.default_rng([seed, 75, draw])
        chosen = rng.permutation(len(members))[:_CLASSES]
        points, sizes = _cloud(space, [rng.permutation(members[c])[:rows] for c in chosen])
        if not points.size:
            return undefined(name, title, "Unknown: all classes lie at one place.", source=_SOURCE)
        needed[draw], whole = _cone_dimension(points, sizes, rng)
        saturated += whole
        if draw % _SHUFFLED == 0:
            shuffled.append(_cone_dimension(rng.permutation(points), sizes, rng)[0])
    used = min(len(members), _CLASSES)
    dimensions, at_random = float(needed.mean()), float(np.mean(shuffled))
    around = t_quantile(draws - 1) * float(needed.std(ddof=1)) / math.sqrt(draws)
    share = dimensions / at_random
    verdict = "good" if share <= 0.45 else "fair" if share <= 0.85 else "poor"
    tail = {
        "good": "classes are compact, and a linear classifier has room to spare",
        "fair": "classes take up room, and a linear classifier needs a good part of the dimensions",
        "poor": "to a linear classifier the classes are hardly more than labels dealt out at random",
    }[verdict]
    bound = "at least " if saturated > draws / 2 else ""
    shown = np.mean([min(len(own), rows) for own in members])
    return Measure(
        name,
        used / dimensions,
        used / (dimensions + around),
        used / max(dimensions - around, 1e-9),
        f"{used:,} classes of {shown:.0f} rows need {bound}{dimensions:.0f} dimensions to be split by a plane into any "
        f"two camps, and would need {at_random:.0f} with labels dealt out at random: {tail}.",
        title=title,
        unit="classes per dimension",
        verdict=verdict,
        detail=f"From {draws} draws of {f'{used} of ' if len(members) > used else ''}{len(members):,} classes, up to "
        f"{rows} rows of each. The interval is over draws; it speaks of rows like these.{known.left_out(_FEWEST_ROWS)}",
        source=_SOURCE,
        parts={"classes": used, "rows": rows, "dimensions": dimensions, "shuffled": at_random},
        arrays={"dimensions": needed},
    )


def _cloud(space: Collection, own: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """The rows of the classes, one class after another, about the mean of the class means; and how many each has.

    In as few coordinates as hold them; in none when all lie at one place.
    """
    points = space.take(np.concatenate(own)).astype(np.float64)
    sizes = [len(rows) for rows in own]
    largest = float(np.abs(points).max())
    points -= np.mean([cloud.mean(axis=0) for cloud in np.split(points, np.cumsum(sizes)[:-1])], axis=0)
    extent = float(np.abs(points).max())
    if extent <= 1e-6 * largest:
        return np.empty((len(points), 0)), sizes
    points /= extent
    # Directions that hold nothing but rounding must go: a cone that rounding opens there would count as dimensions.
    left, lengths, _ = np.linalg.svd(points, full_matrices=False)
    kept = lengths > _ROUNDING * lengths[0]
    points = left[:, kept] * lengths[kept]
    return points, sizes


def _cone_dimension(points: np.ndarray, sizes: list[int], rng: np.random.Generator) -> tuple[float, bool]:
    """Squared length of a Gaussian vector's projection onto the cone of the classes' rows in random camps.

    Also whether the cone holds all of the vector: then these camps could not be separated even in the whole space.
    """
    from scipy.optimize import nnls

    camps = rng.choice([-1.0, 1.0], len(sizes)).repeat(sizes)
    cone = (camps[:, None] * points).T
    vector = rng.standard_normal(len(cone))
    weights, distance = nnls(cone, vector, maxiter=50 * cone.shape[1])
    projected = cone @ weights
    return float(projected @ projected), distance**2 <= 1e-9 * float(vector @ vector)
