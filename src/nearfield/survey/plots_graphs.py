"""The plots of the measures that need a graph, relations or given similarities."""

from __future__ import annotations

from typing import Any

import numpy as np

from .measure import Measure
from .plots import FIRST, INK, MUTED, SECOND


def reconstruction(axes: Any, measure: Measure) -> str:
    """The mean average precision of each hop, beside chance."""
    value, low, high = (measure.arrays[name] for name in ("map", "low", "high"))
    known = np.flatnonzero(np.isfinite(value))
    at, value, low, high = known + 1, value[known], low[known], high[known]
    axes.bar(at - 0.2, value, 0.4, color=FIRST, alpha=0.75, linewidth=0, label="these vectors")
    axes.bar(at + 0.2, measure.arrays["chance"][known], 0.4, color=MUTED, linewidth=0, label="by chance")
    errors = np.maximum([value - low, high - value], 0)
    axes.errorbar(at - 0.2, value, errors, fmt="none", ecolor=INK, elinewidth=1)
    axes.set_xticks(at)
    axes.set_ylim(0, 1.25)
    axes.set_xlabel("edges between the nodes")
    axes.set_ylabel("mean average precision")
    axes.legend(loc="upper right", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    return "Mean average precision by hops: " + ", ".join(f"{m:.2f}" for m in value)


def relations(axes: Any, measure: Measure) -> str:
    """Questions answered for each relation, with the step and without."""
    hits, without = measure.arrays["hits"], measure.arrays["without"]
    order = np.argsort(-hits, kind="stable")[:20]
    at = np.arange(len(order))
    axes.bar(at - 0.2, hits[order], 0.4, color=FIRST, alpha=0.75, linewidth=0, label="with the step")
    axes.bar(at + 0.2, without[order], 0.4, color=SECOND, alpha=0.75, linewidth=0, label="without")
    axes.set_xticks(at, [str(number) for number in measure.arrays["relations"][order]])
    axes.set_ylim(0, 1.25)
    axes.set_xlabel("number of the relation")
    axes.set_ylabel("share answered")
    axes.legend(loc="upper right", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    return f"Share of questions answered for {len(order)} relations, with the step of another pair and without"


def similarities(axes: Any, measure: Measure) -> str:
    """Cosines against given similarities, averaged over slices of pairs."""
    given, cosines = measure.arrays["given"], measure.arrays["cosines"]
    order = np.argsort(given, kind="stable")
    slices = np.array_split(order, min(12, len(order)))
    at = np.array([given[part].mean() for part in slices])
    low, middle, high = np.array([np.quantile(cosines[part], (0.1, 0.5, 0.9)) for part in slices]).T
    axes.fill_between(at, low, high, color=MUTED, alpha=0.75, linewidth=0, label="middle 80% of pairs")
    axes.plot(at, middle, color=FIRST, linewidth=2, label="median cosine")
    axes.plot([at.min(), at.max()], [at.min(), at.max()], color=SECOND, linewidth=1.2, label="right")
    axes.set_xlabel("given similarity")
    axes.set_ylabel("cosine")
    axes.legend(loc="upper left", handlelength=1, borderaxespad=0)
    return f"Cosine against given similarity over {len(given)} pairs; off by {measure.value:.2f} on average"


MAKERS = {
    "graph_reconstruction": reconstruction,
    "relation_offsets": relations,
    "similarity_error": similarities,
}
