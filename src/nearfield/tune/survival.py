"""Whether a recipe's codes can reach the target on all rows, told from scans of samples before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, log1p, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ..common.interval import mean_interval, t_quantile
from .recipe import Recipe

if TYPE_CHECKING:
    from .task import Task
    from .truth import Truth

# As many candidates as the widest search the tuner tries.
_DEPTH = 2048
_SHALLOW = 64
# A sample must be larger than what is scored again, or it says nothing.
_OVER_DEPTH = 2
_FEWEST = 1000
_MOST = 16_000
_SAMPLES = 4
# The largest sample is at least so many times the smallest; less tells no trend.
_SPAN = 3.0
_Z = 1.96
# Where the largest sample shows fewer misses than this share of those allowed, the smaller ones are not scanned:
# nothing makes up for that over the rows that are left.
_SAFE = 0.25
_COPIES = 0.05


@dataclass(frozen=True)
class Forecast:
    """What a recipe's codes are expected to find on all rows: an upper end for any search over them.

    A graph finds no more than a scan of its codes, and a scan of a sample is cheap. Recall is measured on nested
    samples with the same queries, and its logit is carried on along the logarithm of the number of rows. :func:`tune`
    leaves out only what misses the target even at the upper end, which supposes that recall falls no further beyond
    the largest sample.

    Attributes
    ----------
    recipe : that was not built.
    rows : for which recall is forecast.
    samples : numbers of rows that were scanned, rising.
    recalls : mean recall on each.
    expected, low, high : recall forecast, and an interval of about 95%.

    Notes
    -----
    The interval reaches from the line to the level of the largest sample, widened at both ends by the error of so few
    queries (Wilson, as in :class:`Trial`, carried to ``rows``) and that of the fit (Student's t of its residuals);
    ``expected`` lies halfway. The line alone is too low: on WordNet glosses, codes of 64 components find 0.66 to 0.57
    on 1,000 to 16,000 rows, which it carries on to 0.50 on 117,659, where they find 0.56. It is no promise: rows of
    another kind beyond the samples would bend the line.

    Examples
    --------
    >>> forecast = Forecast(Recipe(bits=4), 100_000, [2000, 4000, 8000], [0.9, 0.88, 0.86], 0.78, 0.72, 0.83)
    >>> forecast.misses(0.85), forecast.misses(0.8)
    (True, False)
    """

    recipe: Recipe
    rows: int
    samples: list[int]
    recalls: list[float]
    expected: float
    low: float
    high: float

    def misses(self, target: float) -> bool:
        """Whether the upper end lies below ``target``, and recall falls as the samples grow; else nothing is known."""
        return self.high < target and self.recalls[-1] <= self.recalls[-2]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Forecast:
        """The forecast that :meth:`to_dict` described."""
        return cls(**{**description, "recipe": Recipe.from_dict(description["recipe"])})

    def __str__(self) -> str:
        recalls, samples = (
            ", ".join(texts) for texts in (map("{:.3f}".format, self.recalls), map("{:,}".format, self.samples))
        )
        return (
            f"Not built: {self.recipe}, whose codes are forecast to find {self.expected:.3f} "
            f"({self.low:.3f} - {self.high:.3f}) of the neighbours among {self.rows:,} rows, "
            f"from {recalls} among {samples}."
        )


def sift(task: Task, recipes: Sequence[Recipe]) -> tuple[list[Recipe], list[Forecast]]:
    """``(those worth building, the forecasts of the others)``; where none is, the one that is forecast to find most."""
    forecasts = forecast(task, recipes, safe=1 - _SAFE * (1 - task.recall))
    lost = {recipe: found for recipe, found in forecasts.items() if found.misses(task.recall)}
    if len(lost) == len(recipes):
        del lost[max(lost, key=lambda recipe: lost[recipe].expected)]
    return [recipe for recipe in recipes if recipe not in lost], list(lost.values())


def forecast(task: Task, recipes: Sequence[Recipe], safe: float = 2.0) -> dict[Recipe, Forecast]:
    """A forecast for each recipe of which the rows are enough to make one; exact recipes need none, nor do those that
    find a share ``safe`` on the largest sample.

    Where rows repeat there is none: copies, which answer for each other, are missing on samples.
    """
    base = task.truth.base
    if not any(samples(len(base), task.k, recipe) for recipe in recipes) or _copies(base) > _COPIES:
        return {}
    found: dict[Recipe, Forecast] = {}
    scanned: dict[tuple[Any, ...], list[np.ndarray]] = {}
    truths: dict[int, Truth] = {}
    for recipe in recipes:
        sizes = samples(len(base), task.k, recipe)
        if recipe.exact or not sizes:
            continue
        codes = (recipe.codes, recipe.rescore)
        if codes not in scanned:
            scanned[codes] = []
            for size in sizes:
                if size not in truths:
                    truths[size] = task.sample(size)
            # What a few candidates find, many find too, and few are scored again sooner.
            if safe > 1 or _scan(task, recipe, truths[sizes[-1]], _SHALLOW).mean() < safe:
                scanned[codes] = [_scan(task, recipe, truths[size]) for size in sizes]
        shares = scanned[codes]
        if not shares:
            continue
        line = extrapolate(sizes, [mean_interval(share) for share in shares], task.rows, len(shares[0]) * task.k)
        found[recipe] = Forecast(recipe, task.rows, sizes, [float(share.mean()) for share in shares], *line)
    return found


def samples(rows: int, k: int, recipe: Recipe) -> list[int]:
    """Sizes of the samples for one recipe, four in even ratios up to a quarter of the rows; none where those are few.

    Examples
    --------
    >>> samples(115_659, 10, Recipe(bits=4)), samples(9_000, 10, Recipe())
    ([1000, 2519, 6349, 16000], [])
    """
    most = min(rows // 4, _MOST)
    fewest = max(_FEWEST, 8 * k, most // 16, _OVER_DEPTH * _DEPTH if recipe.rescore is not None else 0)
    if most < _SPAN * fewest:
        return []
    ratio = (most / fewest) ** (1 / (_SAMPLES - 1))
    return [*(int(fewest * ratio**step) for step in range(_SAMPLES - 1)), most]


def _copies(base: np.ndarray) -> float:
    """The share of rows that are copies of others, byte for byte."""
    return 1 - len({xxhash.xxh3_64_intdigest(row.tobytes()) for row in base}) / len(base)


def _scan(task: Task, recipe: Recipe, truth: Truth, depth: int = _DEPTH) -> np.ndarray:
    """The share of the true neighbours that each query's scan of the recipe's codes finds."""
    scan = replace(recipe, kind="flat", candidates=max(depth, task.k), beam=None, slack=None)
    index = scan.make(task.metric, task.random_state).build(truth.base, queries=task.sample_for(recipe))
    return truth.shares(index.search(truth.queries, task.k, **scan.search_settings()).rows)


def extrapolate(
    sizes: Sequence[int], intervals: Sequence[tuple[float, float, float]], rows: int, answers: int
) -> tuple[float, float, float]:
    """``(expected, low, high)`` recall at ``rows`` from ``(mean, low, high)`` at ``sizes``, three or more.

    ``answers`` is how many neighbours were looked for in all: half a miss among them is the least that can be told
    from none, and a forecast that near 1 counts as 1.
    """
    least = 0.5 / answers
    means, lows, highs = (np.array([_logit(p, least) for p in column]) for column in zip(*intervals, strict=True))
    errors = np.maximum((highs - lows) / (2 * _Z), 1e-9)
    x = np.log(np.asarray(sizes, np.float64) / rows)  # so that the intercept is the forecast
    design = np.stack([np.ones_like(x), x], axis=1) / errors[:, None]
    inverse = np.linalg.inv(design.T @ design)
    line = inverse @ design.T @ (means / errors)
    freedom = len(sizes) - 2
    residual = means - line[0] - line[1] * x
    spread = sqrt(float(np.square(residual).sum()) / freedom)
    centred = x - x.mean()
    reach = sqrt(1 + 1 / len(x) + float(x.mean() ** 2 / np.square(centred).sum()))
    half = _Z * sqrt(float(inverse[0, 0])) + t_quantile(freedom) * spread * reach
    # Between the line and no decline beyond the largest sample: on dense sets recall levels off, and rises again where
    # duplicates appear.
    level = max(float(means[-1]), float(line[0]))
    ends = ((float(line[0]) + level) / 2, float(line[0]) - half, level + half)
    expected, low, high = (1.0 if end >= _logit(1.0, least) else 1 / (1 + exp(-max(end, -700.0))) for end in ends)
    return expected, low, high


def _logit(share: float, least: float) -> float:
    p = min(max(share, least), 1 - least)
    return log(p) - log1p(-p)
