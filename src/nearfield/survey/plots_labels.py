"""The plots of the measures that need labels; drawn by :mod:`nearfield.survey.plots`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .measure import Measure
from .plots import BINS, FIRST, MUTED, SECOND, histogram, mark


def purity(axes: Any, measure: Measure) -> str:
    """The purity of each class."""
    values = measure.arrays["per_class"]
    histogram(axes, values, np.linspace(0, 1 + 1e-9, 21), FIRST)
    axes.set_xlabel("share of neighbours with the same label")
    axes.set_ylabel("% of classes")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    mark(axes, measure.parts["chance"], f"by chance {measure.parts['chance']:.0%}")
    return f"Histogram over {len(values)} classes of the share of neighbours with the same label"


def separability(axes: Any, measure: Measure) -> str:
    """Distances within and across classes."""
    same, different = measure.arrays["same"], measure.arrays["different"]
    edges = np.linspace(0, float(max(np.quantile(different, 0.999), np.quantile(same, 0.999))) + 1e-12, BINS)
    histogram(axes, same, edges, FIRST, "same label")
    histogram(axes, different, edges, SECOND, "different labels")
    axes.set_xlabel("distance of two rows")
    axes.set_ylabel("% of pairs")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    share = measure.parts["same_nearer"]
    return f"Histograms of distances within and across classes; within is nearer in {share:.0%} of cases"


def sharpness(axes: Any, measure: Measure) -> str:
    """Distances to rows of other labels."""
    values = measure.arrays["different"]
    histogram(axes, values, np.linspace(0, float(np.quantile(values, 0.999)) + 1e-12, BINS), FIRST)
    axes.set_xlabel("distance to a row of another label, over the usual one")
    axes.set_ylabel("% of pairs")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    mark(axes, 1 / measure.value, f"nearest of {measure.parts['pairs']:,}")
    return f"Histogram of distances between rows of different labels; the nearest is at {1 / measure.value:.2f}"


def capacity(axes: Any, measure: Measure) -> str:
    """Dimensions the classes need, draw by draw."""
    values, shuffled = measure.arrays["dimensions"], measure.parts["shuffled"]
    top = 1.15 * max(float(values.max()), shuffled)
    histogram(axes, values, np.linspace(0, top, 31), FIRST)
    axes.set_xlabel(f"dimensions that {measure.parts['classes']} classes need")
    axes.set_ylabel("% of draws")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    mark(axes, shuffled, f"shuffled {shuffled:.0f}")
    return f"Histogram of the dimensions needed, {measure.parts['dimensions']:.0f} on average; shuffled {shuffled:.0f}"


def thresholds(axes: Any, measure: Measure) -> str:
    """What each threshold is worth to the classes."""
    at, worth = measure.arrays["thresholds"], measure.arrays["utility"]
    low, middle, high = np.quantile(worth, (0.1, 0.5, 0.9), axis=0)
    axes.fill_between(at, low, high, color=MUTED, alpha=0.75, linewidth=0, label="middle 80% of classes")
    axes.plot(at, middle, color=FIRST, linewidth=2, label="median class")
    axes.plot(at, worth.min(axis=0), color=SECOND, linewidth=1.2, label="worst class")
    axes.set_ylim(0, 1.32)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel("distance threshold")
    axes.set_ylabel("worth of the threshold")
    axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    return f"What each threshold is worth to the classes: the median class, the middle 80%, the worst of {len(worth)}"


MAKERS = {
    "neighbor_purity": purity,
    "class_separability": separability,
    "label_sharpness": sharpness,
    "manifold_capacity": capacity,
    "threshold_inconsistency": thresholds,
}
