"""Association of words with two attributes (WEAT): do two groups of things lean to different sides of a contrast?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .collection import Collection
from .measure import Measure, undefined

_SOURCE = (
    "Caliskan, Bryson & Narayanan (2017), Semantics derived automatically from language corpora contain human-like "
    "biases, Science"
)
_BLOCK = 16_384
_TITLE = "Association"
# Beyond so many targets the sum over a random split is normal for all purposes, and drawing splits takes long.
_MANY = 1000


def association(
    targets: Any,
    other_targets: Any,
    attributes: Any,
    other_attributes: Any,
    *,
    names: tuple[str, str, str, str] = ("the first targets", "the others", "the first attributes", "the others"),
    permutations: int = 20_000,
    random_state: int = 0,
) -> Measure:
    """Word embedding association test (WEAT): do two groups of rows lean to different attributes?

    Each target row leans to one side by its mean cosine to ``attributes`` less its mean cosine to
    ``other_attributes``. The value is the difference of the two groups' means over the standard deviation of all
    leanings: an effect size between -2 and 2, where 0.2 is usually called small and 0.8 large. Choose it to see
    whether a space carries a stereotype into its rankings, and measure it again after
    :class:`nearfield.transform.HardDebias`. It sees what cosines show and no more: an association that is spread over
    many directions can remain for a classifier to find when this measure no longer sees it (Gonen and Goldberg, 2019).

    Parameters
    ----------
    targets, other_targets : (n, d) and (m, d), two groups of things, such as scientific and artistic words; at least
        two rows each, and eight or more for an interval that says something.
    attributes, other_attributes : (a, d) and (b, d), the two ends of the contrast, such as male and female words.
    names : what the four groups are called in the sentence of meaning.
    permutations : ways to split the targets that the p-value is counted over. Where there are no more than that, all
        are gone through; else so many are drawn, and with more than 1,000 targets their normal limit is taken.
    random_state : chooses the splits.

    Returns
    -------
    Measure
        The interval is that of Cohen's d from the noncentral t distribution, which is exact for normal leanings of
        equal spread, brought to the scale of the effect size. ``parts``: ``p_value``, one-sided, the share of equal
        splits of the targets that lean as far; ``statistic``, the difference of the means that is not divided by
        the spread, on the scale of cosines: what is left after a removal is seen here; ``targets``,
        ``other_targets``, the mean leanings. ``arrays``: the leaning of each row.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> he, she = np.eye(20, dtype=np.float32)[:1], np.eye(20, dtype=np.float32)[1:2]
    >>> noise = 0.3 * rng.standard_normal((16, 20), dtype=np.float32)
    >>> measure = association(he + noise[:8], she + noise[8:], he, she)
    >>> measure.verdict, measure.value > 1.5, measure.parts["p_value"] < 0.001
    ('poor', True, True)
    """
    limit = check_int(permutations, "permutations", 100)
    check_random_state(random_state)
    given = {
        "targets": targets,
        "other_targets": other_targets,
        "attributes": attributes,
        "other_attributes": other_attributes,
    }
    spaces = {name: _checked(name, rows) for name, rows in given.items()}
    dims = {space.dim for space in spaces.values()}
    if len(dims) > 1:
        raise ValueError(f"other_targets, attributes: expected the dimensions of targets, got {sorted(dims)}")
    if len(names) != 4 or not all(isinstance(name, str) for name in names):
        raise ValueError(f"names: expected four texts, got {names!r}")
    contrast = _mean(spaces["attributes"]) - _mean(spaces["other_attributes"])
    first, second = (_leanings(spaces[name], contrast) for name in ("targets", "other_targets"))
    if min(len(first), len(second)) < 2:
        few = f"{len(first)} and {len(second)}"
        return undefined(
            "association", _TITLE, f"Unknown: needs two rows in each group of targets, and has {few}.", source=_SOURCE
        )
    every = np.concatenate([first, second])
    difference = float(first.mean() - second.mean())
    spread = float(every.std())
    if spread <= 1e-7:
        return undefined("association", _TITLE, "Unknown: all targets lean alike.", source=_SOURCE)
    value = difference / spread
    low, high = _interval(value, len(first), len(second))
    p_value, splits = _p_value(every, len(first), limit, random_state)
    verdict, meaning = _meaning(value, p_value, names)
    return Measure(
        "association",
        value,
        low,
        high,
        meaning,
        title=_TITLE,
        unit="standard deviations",
        verdict=verdict,
        detail=f"From {len(first):,} and {len(second):,} targets, {len(spaces['attributes']):,} and "
        f"{len(spaces['other_attributes']):,} attributes. p = {p_value:.2g} over {splits}. The interval takes leanings "
        "to be normal and the rows to be a sample of their kind.",
        source=_SOURCE,
        parts={
            "p_value": p_value,
            "statistic": difference,
            "targets": float(first.mean()),
            "other_targets": float(second.mean()),
        },
        arrays={"targets": first, "other_targets": second},
    )


def _checked(name: str, rows: Any) -> Collection:
    try:
        return Collection.of(rows, "cosine")
    except (ValueError, TypeError) as error:
        raise type(error)(str(error).replace("vectors:", f"{name}:", 1)) from None


def _mean(space: Collection) -> np.ndarray:
    """Mean of the rows at length one; the mean cosine to them is a product with it."""
    total = np.zeros(space.dim)
    for start in range(0, len(space), _BLOCK):
        total += space.take(slice(start, start + _BLOCK)).sum(axis=0, dtype=np.float64)
    return total / len(space)


def _leanings(space: Collection, contrast: np.ndarray) -> np.ndarray:
    parts = [space.take(slice(start, start + _BLOCK)) @ contrast for start in range(0, len(space), _BLOCK)]
    return np.concatenate(parts).astype(np.float64)


def _interval(value: float, first: int, second: int) -> tuple[float, float]:
    """The 95% interval: of the noncentrality of t, which the effect size is a function of."""
    from scipy import special

    count = first + second
    share = first * second / count**2
    most = 1 / math.sqrt(share)
    # From a spread around the common mean to one around each group's own: Cohen's d, and its t.
    within = value / math.sqrt(max(1 - share * value**2, 1e-12))
    scale = math.sqrt(share * count)
    t = within * scale * math.sqrt((count - 2) / count)
    ends = [float(special.nctdtrinc(count - 2, p, t)) / scale for p in (0.975, 0.025)]
    low, high = (delta / math.sqrt(1 + share * delta**2) if math.isfinite(delta) else math.nan for delta in ends)
    low = -most if math.isnan(low) else low
    high = most if math.isnan(high) else high
    return min(low, value), max(high, value)


def _p_value(leanings: np.ndarray, first: int, limit: int, seed: int) -> tuple[float, str]:
    """The share of splits into groups of these sizes whose first group leans at least as far as the one given."""
    from itertools import combinations

    from scipy import special

    seen = leanings[:first].sum()
    slack = 1e-9 * np.abs(leanings).sum()
    count = len(leanings)
    ways = special.comb(count, first, exact=True)
    if ways <= limit:
        chosen = np.array(list(combinations(range(count), first)))
        return float((leanings[chosen].sum(axis=1) >= seen - slack).mean()), f"all {ways:,} splits"
    if count > _MANY:
        deviation = math.sqrt(first * (count - first) / (count - 1) * float(leanings.var()))
        return float(special.ndtr((first * leanings.mean() - seen) / deviation)), "all splits, by their normal limit"
    rng = np.random.default_rng([seed, 90])
    above, step = 0, max(1, (1 << 22) // count)
    for start in range(0, limit, step):
        order = rng.permuted(np.tile(leanings, (min(step, limit - start), 1)), axis=1)
        above += int((order[:, :first].sum(axis=1) >= seen - slack).sum())
    return (above + 1) / (limit + 1), f"{limit:,} random splits"


def _meaning(value: float, p_value: float, names: tuple[str, str, str, str]) -> tuple[str, str]:
    first, second, side, other = names
    toward = (side, other) if value > 0 else (other, side)
    size = abs(value)
    chance = p_value if value > 0 else 1 - p_value
    if size < 0.2 or chance > 0.025:
        return "good", (
            f"Whether a query is about {side} or {other} does not decide which of {first} and {second} it finds, "
            f"beyond "
            "chance."
        )
    strength = "somewhat " if size < 0.8 else ""
    return "fair" if size < 0.8 else "poor", (
        f"{first[:1].upper()}{first[1:]} lie {strength}nearer to {toward[0]}, {second} to {toward[1]}: a search for "
        f"one "
        "side brings up its own group first, whether or not that is meant."
    )
