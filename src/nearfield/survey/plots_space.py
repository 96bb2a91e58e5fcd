"""Plots of single numbers about one space; drawn by :mod:`nearfield.survey.plots`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .measure import Measure
from .plots import BINS, FIRST, INK, SECOND, histogram, mark

_DASHED = (0, (3, 2))
_DOTS = 400
_TENTHS = 10


def slope(axes: Any, measure: Measure) -> str:
    """How rarely the second neighbour is so much farther than the first, and the line whose slope is the dimension."""
    ratio = np.sort(measure.arrays["log_ratio"])
    rarity = -np.log1p(-np.arange(1, len(ratio) + 1) / (len(ratio) + 1))
    kept = max(2, int(len(ratio) * (1 - measure.parts["discard"])))
    shown = np.unique(np.linspace(0, kept - 1, _DOTS).astype(np.int64))
    axes.scatter(ratio[shown], rarity[shown], s=7, color=FIRST, linewidths=0)
    end = min(ratio[kept - 1], rarity[kept - 1] / measure.parts["uncorrected"])
    axes.plot([0, end], [0, end * measure.parts["uncorrected"]], color=SECOND, linewidth=1.5, linestyle=_DASHED)
    axes.set_xlabel("log of second distance over first")
    axes.set_ylabel("rarity (log)")
    return f"How rare each ratio of the two nearest distances is; slope {measure.parts['uncorrected']:.1f}"


def scales(axes: Any, measure: Measure) -> str:
    """The dimension seen from few and from many neighbours."""
    counts, seen = measure.arrays["neighbours"], measure.arrays["dimension"]
    axes.plot(counts, seen, color=FIRST, linewidth=2, marker="o", label="as seen")
    axes.axhline(measure.value, color=SECOND, linewidth=1.5, linestyle=_DASHED, label="corrected, from all")
    axes.set_ylim(0, 1.35 * max(float(seen.max()), measure.value))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("neighbours of a row used")
    axes.set_ylabel("dimensions")
    axes.legend(loc="upper left", ncols=2, handlelength=1.4, columnspacing=1.2, borderaxespad=0)
    return f"Dimension by how many neighbours are used, {seen[0]:.1f} to {seen[-1]:.1f}; corrected {measure.value:.1f}"


def equal_directions(axes: Any, measure: Measure) -> str:
    """The variance by direction, and the same variance shared by equal directions."""
    variances = measure.arrays["variances"]
    share = 100 * variances / variances.sum()
    axes.step(np.arange(len(share) + 1), np.r_[share, share[-1]], where="post", color=FIRST, linewidth=2)
    height = 100 / measure.value
    axes.plot([0, measure.value, measure.value], [height, height, 0], color=SECOND, linewidth=1.5, linestyle=_DASHED)
    axes.set_xlim(0, len(share))
    axes.set_ylim(0, 1.15 * max(float(share[0]), height))
    axes.annotate(f"{measure.value:.0f} equal ones", (measure.value, height), (4, 3), textcoords="offset points")
    axes.set_xlabel("direction, strongest first")
    axes.set_ylabel("% of variance")
    return f"Variance by direction, beside {measure.value:.1f} directions that share it equally"


def tenths(axes: Any, measure: Measure) -> str:
    """Which part of the variance each tenth of the directions holds."""
    variances = measure.arrays["variances"]
    groups = np.array_split(variances, min(_TENTHS, len(variances)))
    held = np.array([100 * part.sum() / variances.sum() for part in groups])
    axes.bar(np.arange(1, len(held) + 1), held, color=FIRST, width=0.8, linewidth=0)
    axes.axhline(100 / len(held), color=SECOND, linewidth=1.5, linestyle=_DASHED)
    axes.annotate("if used equally", (len(held) + 0.4, 100 / len(held)), (0, 3), textcoords="offset points", ha="right")
    axes.grid(visible=False, axis="x")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("part of the directions, strongest first")
    axes.set_ylabel("% of variance")
    return f"Variance held by each of {len(held)} parts of the directions; the strongest part holds {held[0]:.0f}%"


def cosines(axes: Any, measure: Measure) -> str:
    """Cosines of rows drawn at random."""
    values = measure.arrays["cosines"]
    reach = max(float(np.abs(values).max()), 0.05)
    histogram(axes, values, np.linspace(-reach if values.min() < 0 else 0, reach, BINS), FIRST)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.set_ylabel("% of pairs")
    axes.set_xlabel("cosine of two random rows")
    mark(axes, measure.value, f"mean {measure.value:.2f}")
    return f"Histogram of the cosine of random pairs, mean {measure.value:.2f}"


def twins(axes: Any, measure: Measure) -> str:
    """How far the nearest other row is, in usual distances; 0 is an exact copy."""
    nearest, near = measure.arrays.get("nearest", np.zeros(1)), measure.parts.get("near_share", 0.0)
    top = max(float(np.quantile(nearest, 0.999)), 1.5 * near, 0.1)
    histogram(axes, nearest.clip(max=top), np.linspace(0, top, BINS), FIRST)
    axes.axvspan(0, near, color=SECOND, alpha=0.25, linewidth=0)
    axes.annotate(
        "twins", (near, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top", color=INK
    )
    axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    axes.set_xlabel("distance to the nearest other row (1: between any two)")
    return f"Histogram of the distance to the nearest other row; {measure.value:.1%} of the rows have a twin"


MAKERS = {
    "intrinsic_dimension_twonn": slope,
    "intrinsic_dimension_mle": scales,
    "participation_ratio": equal_directions,
    "isotropy": tenths,
    "mean_cosine": cosines,
    "duplicates": twins,
}
