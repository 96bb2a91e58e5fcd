"""The plots of the report on two spaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .measure import Measure
from .plots import BINS, CARD, FIRST, INK, SECOND, drawn, histogram, mark

_DASHED = (0, (3, 2))


def comparison_figures(measures: Mapping[str, Measure]) -> dict[str, str]:
    """SVG by the name of the measure it belongs to."""
    makers: dict[str, Callable[[Any, Measure], str]] = {
        "mutual_neighbors": _in_common,
        "rank_biased_overlap": _by_depth,
        "cka": _similarities,
        "canonical_correlation": _correlations("direction", "correlation"),
        "functional_equivalence": _replaced,
        "head_equivalence": _accuracies,
        "compatibility": _versions,
        "procrustes_residual": _residuals,
        "modality_gap": _gap,
        "matched_features": _correlations("matched pair of coordinates", "correlation"),
        "predicted_features": _terms,
        "feature_groups": _groups,
    }
    return drawn(makers, measures)


def _counts(axes: Any, counts: np.ndarray, top: int, colour: str, shift: float, label: str | None) -> None:
    heights = 100 * np.bincount(counts.astype(int), minlength=top + 1) / len(counts)
    width = 0.8 if label is None else 0.4
    axes.bar(np.arange(top + 1) + shift, heights, width, color=colour, linewidth=0, label=label)
    axes.set_ylabel("% of what was asked")


def _in_common(axes: Any, measure: Measure) -> str:
    k = int(measure.parts["k"])
    _counts(axes, measure.arrays["per_row"], k, FIRST, 0, None)
    axes.set_xlabel(f"results in common among the first {k}")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    mark(axes, k * measure.value, f"mean {k * measure.value:.1f}")
    return f"Histogram of results in common among the first {k}, mean {k * measure.value:.1f}"


def _by_depth(axes: Any, measure: Measure) -> str:
    agreement = 100 * measure.arrays["agreement"]
    places = np.arange(1, len(agreement) + 1)
    axes.plot(places, agreement, color=FIRST, linewidth=2, label="these two")
    axes.plot(places, 100 * measure.arrays["by_chance"], color=SECOND, linewidth=1.2, linestyle=_DASHED, label="chance")
    axes.set_ylim(0, 104)
    axes.set_xlabel("how far both lists are read")
    axes.set_ylabel("% in common so far")
    axes.legend(loc="best", handlelength=1.5)
    return f"Share of results in common by depth, from {agreement[0]:.0f}% to {agreement[-1]:.0f}%"


def _similarities(axes: Any, measure: Measure) -> str:
    axes.plot(measure.arrays["first"], measure.arrays["second"], ".", color=FIRST, markersize=3, alpha=0.6)
    axes.set_xlabel("similarity of two random rows in the first space")
    axes.set_ylabel("in the second")
    return f"Similarity of random pairs of rows in the two spaces; alignment {measure.value:.2f}"


def _correlations(what: str, height: str) -> Callable[[Any, Measure], str]:
    def make(axes: Any, measure: Measure) -> str:
        found, chance = measure.arrays["correlations"], measure.arrays["by_chance"]
        axes.plot(np.arange(1, len(found) + 1), found, color=FIRST, linewidth=2, label="these two")
        axes.plot(
            np.arange(1, len(chance) + 1), chance, color=SECOND, linewidth=1.2, linestyle=_DASHED, label="shuffled"
        )
        axes.set_ylim(min(0, float(chance.min()), float(found.min())), 1.04)
        axes.set_xlabel(f"{what}, best first")
        axes.set_ylabel(height)
        axes.legend(loc="best", handlelength=1.5)
        return f"Correlations of {len(found)} {what}s, from {found[0]:.2f} down to {found[-1]:.2f}"

    return make


def _replaced(axes: Any, measure: Measure) -> str:
    k = int(measure.parts["k"])
    _counts(axes, measure.arrays["per_row"], k, FIRST, -0.2, "old vectors mapped")
    _counts(axes, measure.arrays["stored"], k, SECOND, 0.2, "new queries mapped")
    axes.set_xlabel(f"of the {k} results that the second space gives")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    axes.legend(loc="upper center", ncols=2, handlelength=1, columnspacing=1.2)
    return f"Histogram of the second space's results found after a linear map, mean {k * measure.value:.1f} of {k}"


def _bars(axes: Any, names: list[str], values: list[float], label: str) -> None:
    places = np.arange(len(names))[::-1]
    colours = [SECOND, FIRST, SECOND, SECOND][: len(names)]
    axes.barh(places, [100 * value for value in values], 0.6, color=colours, linewidth=0)
    for place, value in zip(places, values, strict=True):
        axes.annotate(f"{value:.0%}", (100 * value, place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(places, names)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 112)
    axes.set_xlabel(label)


def _accuracies(axes: Any, measure: Measure) -> str:
    names = ["second itself", "first, mapped", "commonest class"]
    values = [measure.parts[name] for name in ("own", "mapped", "commonest")]
    _bars(axes, names, values, "% of rows classified right")
    return f"Accuracy {values[0]:.0%} on the second space, {values[1]:.0%} on the first mapped into it"


def _versions(axes: Any, measure: Measure) -> str:
    names = ["old query, old vectors", "new query, old vectors", "new query, new vectors"]
    values = [measure.parts[name] for name in ("old_old", "new_old", "new_new")]
    _bars(axes, names, values, "% of right rows found")
    return f"Right rows found: old on old {values[0]:.0%}, new on old {values[1]:.0%}, new on new {values[2]:.0%}"


def _residuals(axes: Any, measure: Measure) -> str:
    found, chance = measure.arrays["per_row"], measure.arrays["by_chance"]
    top = float(max(np.quantile(found, 0.995), np.quantile(chance, 0.995), 1e-6))
    edges = np.linspace(0, top, BINS)
    histogram(axes, np.minimum(found, top), edges, FIRST, "these two")
    histogram(axes, np.minimum(chance, top), edges, SECOND, "shuffled")
    axes.set_xlabel("unexplained share of a row (1: as much as an average row)")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    axes.legend(loc="upper right", ncols=2, handlelength=1, columnspacing=1.2)
    return f"Histogram of what is left of each row after turning, mean {measure.value:.2f}"


def _gap(axes: Any, measure: Measure) -> str:
    first, second = measure.arrays["first"], measure.arrays["second"]
    low = min(float(np.quantile(part, 0.001)) for part in (first, second))
    high = max(float(np.quantile(part, 0.999)) for part in (first, second))
    edges = np.linspace(low, high if high > low else low + 1e-6, BINS)
    histogram(axes, first, edges, FIRST, "first")
    histogram(axes, second, edges, SECOND, "second")
    axes.set_xlabel("place along the line between the two means")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    axes.legend(loc="upper right", ncols=2, handlelength=1, columnspacing=1.2)
    return f"Histograms of both spaces along the line between their means, {measure.value:.3g} apart"


def _terms(axes: Any, measure: Measure) -> str:
    terms, told = measure.arrays["terms"], 100 * measure.arrays["explained"]
    axes.plot(terms, told, "o-", color=FIRST, linewidth=2, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_xticks(terms, [f"{int(term)}" for term in terms])
    axes.minorticks_off()
    axes.set_ylim(min(0, float(told.min())), 104)
    axes.set_xlabel("coordinates of the first that may be used")
    axes.set_ylabel("% of a coordinate rebuilt")
    return f"Share of a coordinate rebuilt: {told[0]:.0f}% with one, {told[-1]:.0f}% with all {int(terms[-1])}"


def _groups(axes: Any, measure: Measure) -> str:
    told = 100 * np.sort(measure.arrays["explained"][measure.arrays["sizes_second"] > 0])[::-1]
    axes.bar(np.arange(1, len(told) + 1), told, 0.8, color=FIRST, linewidth=0)
    dealt = 100 * measure.parts["random_groups"]
    axes.axhline(dealt, color=SECOND, linewidth=1.2, linestyle=_DASHED)
    axes.annotate(
        "random groups",
        (len(told) + 0.4, dealt),
        (0, 3),
        textcoords="offset points",
        ha="right",
        color=INK,
        bbox={"facecolor": CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    axes.set_ylim(min(0, float(told.min())), 104)
    axes.set_xlabel("group, best first")
    axes.set_ylabel("% of the partner group told")
    return f"Share of the partner group told by each of {len(told)} groups; random groups tell {dealt:.0f}%"
