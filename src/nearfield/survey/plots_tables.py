"""The plots of the measures of tables; drawn by :mod:`nearfield.survey.plots`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .measure import Measure
from .plots import BINS, FIRST, SECOND, histogram


def same(axes: Any, measure: Measure) -> str:
    """Cosines of vectors that should be the same."""
    values = measure.arrays["cosines"]
    low = min(float(values.min()), 0.9)
    histogram(axes, values, np.linspace(low - 1e-9, 1 + 1e-9, BINS), FIRST)
    axes.set_xlabel("cosine; 1 is the same vector")
    axes.set_ylabel("% of vectors")
    return f"Histogram of {len(values)} cosines, {measure.value:.3f} on average"


def fidelity(axes: Any, measure: Measure) -> str:
    """The cosine with the vector of all rows, by the share read."""
    shares, curve = measure.arrays["shares"], measure.arrays["curve"]
    axes.plot(100 * shares, curve, color=FIRST, linewidth=2, marker="o")
    axes.set_xlabel("% of the rows read")
    axes.set_ylabel("cosine with all rows")
    return f"Cosine by share of rows read: from {curve[0]:.2f} to {curve[-1]:.2f}"


def joins(axes: Any, measure: Measure) -> str:
    """Cosines of pairs of columns against the values they share."""
    axes.scatter(measure.arrays["overlap"], measure.arrays["cosines"], s=6, color=FIRST, alpha=0.4, linewidths=0)
    axes.set_xlabel("share of values in common")
    axes.set_ylabel("cosine of two columns")
    return f"Cosine against overlap for {len(measure.arrays['overlap'])} pairs of columns"


def steps(axes: Any, measure: Measure) -> str:
    """How far steps are from the mean step of their determinant, and from the mean of all."""
    inside, around = measure.arrays["inside"], measure.arrays["around"]
    edges = np.linspace(0, float(max(inside.max(), around.max())) + 1e-12, BINS)
    histogram(axes, around, edges, SECOND, "from the mean of all")
    histogram(axes, inside, edges, FIRST, "from that of the same value")
    axes.set_xlabel("distance of a step")
    axes.legend(loc="upper right", handlelength=1, borderaxespad=0)
    return "Distances of steps from the mean step of their determinant and from that of all rows"


def shared(axes: Any, measure: Measure) -> str:
    """The share of neighbours in common, thing by thing."""
    histogram(axes, measure.arrays["shares"], np.linspace(0, 1 + 1e-9, 12), FIRST)
    axes.set_xlabel("share of neighbours in common")
    axes.set_ylabel("% of things")
    return f"Histogram of the share of neighbours in common, {measure.value:.0%} on average"


MAKERS = {
    "row_order_invariance": same,
    "column_order_invariance": same,
    "schema_robustness": same,
    "context_stability": same,
    "sample_fidelity": fidelity,
    "join_correlation": joins,
    "dependency_consistency": steps,
    "entity_stability": shared,
}
