"""The plots of the report, as SVG text whose colours are names that the page's style sheet fills in."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..common.checks import require
from .measure import Measure

# Stand-ins: matplotlib wants a colour, the page wants a name, so that one figure serves light and dark.
INK, MUTED, FIRST, SECOND, CARD = "#010101", "#020202", "#030303", "#040404", "#050505"
_NAMES = {
    CARD: "var(--card)",
    INK: "var(--ink)",
    MUTED: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
}
_SIZE = (4.7, 2.7)
BINS = 48


def figures(measures: Mapping[str, Measure], metric: str) -> dict[str, str]:
    """SVG by the name of the measure it belongs to; measures without a value have none."""
    from . import plots_graphs, plots_labels, plots_space, plots_tables

    makers: dict[str, Callable[[Any, Measure], str]] = {
        "local_intrinsic_dimension": _local_dimension,
        "contrast": _contrast_of(metric),
        "hubness": _occurrences,
        "cluster_tendency": _tendency,
        "order_sensitivity": _orders,
        "quantization_survival": _survival,
        "effective_rank": _spectrum,
        "real_directions": _floor,
        "feature_redundancy": _merging,
        "alignment": _pairs,
        "uniformity": _pair_distances,
        "dominant_directions": _dominance,
        "norm_spread": _norms,
        "association": _association,
        "analogy": _analogies,
        **plots_space.MAKERS,
        **plots_labels.MAKERS,
        **plots_graphs.MAKERS,
        **plots_tables.MAKERS,
    }
    return drawn(makers, measures)


def drawn(makers: Mapping[str, Callable[[Any, Measure], str]], measures: Mapping[str, Measure]) -> dict[str, str]:
    """SVG of every measure that has a value and a maker; a maker draws on axes and says what is to be seen."""
    require("matplotlib", "view")
    return {
        name: _draw(name, make, measures[name])
        for name, make in makers.items()
        if name in measures and measures[name].known
    }


def _draw(name: str, make: Callable[[Any, Measure], str], measure: Measure) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.edgecolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": MUTED,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "axes.formatter.useoffset": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        label = make(axes, measure)
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return _for_page(name, text.getvalue(), label)


def _for_page(name: str, svg: str, label: str) -> str:
    """The bare element: scalable, its ids its own, its colours names, and described for those who cannot see it."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for stand_in, colour in _NAMES.items():
        svg = svg.replace(stand_in, colour)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label, quote=True)}"', 1)


def histogram(axes: Any, values: np.ndarray, edges: np.ndarray, colour: str, label: str | None = None) -> None:
    """The share of the values in each bin, in percent."""
    heights, _ = np.histogram(values, edges)
    share = 100 * heights / max(len(values), 1)
    axes.bar(edges[:-1], share, np.diff(edges), align="edge", color=colour, alpha=0.75, linewidth=0, label=label)
    axes.set_ylabel("% of rows")


def mark(axes: Any, x: float, text: str) -> None:
    """A dashed line at ``x`` with a word beside it."""
    axes.axvline(x, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.annotate(text, (x, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top")


def _local_dimension(axes: Any, measure: Measure) -> str:
    values = measure.arrays["per_row"]
    values = values[np.isfinite(values)]
    top = float(np.quantile(values, 0.99))
    histogram(axes, values, np.linspace(0, top, BINS), FIRST)
    axes.set_xlabel("local intrinsic dimension")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    mark(axes, measure.value, f"median {measure.value:.0f}")
    return f"Histogram of local intrinsic dimension, median {measure.value:.1f}"


def _contrast_of(metric: str) -> Callable[[Any, Measure], str]:
    def make(axes: Any, measure: Measure) -> str:
        nearest, far = measure.arrays["nearest"], measure.arrays["random"]
        name = "Euclidean distance"
        if metric == "cosine":
            nearest, far, name = nearest**2 / 2, far**2 / 2, "cosine distance (1 - cosine)"
        edges = np.linspace(0, float(max(np.quantile(far, 0.999), nearest.max())), BINS)
        _two_humps(axes, nearest, far, ("nearest neighbour", "random row"), edges)
        axes.set_xlabel(name)
        return f"Histograms of distance to the nearest neighbour and to a random row; ratio {measure.value:.2f}"

    return make


def _occurrences(axes: Any, measure: Measure) -> str:
    counts, k = measure.arrays["occurrences"], int(measure.parts["k"])
    width = max(1, int(np.ceil((counts.max() + 1) / 60)))
    edges = np.arange(0, counts.max() + width + 1, width) - 0.5
    heights, _ = np.histogram(counts, edges)
    axes.bar(edges[:-1], np.where(heights, heights, np.nan), width * 0.9, align="edge", color=FIRST, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7, top=heights.max() * 3)
    axes.set_xlabel(f"in how many top-{k} results a row appears")
    axes.set_ylabel("rows (log scale)")
    mark(axes, k, f"if all were equal: {k}")
    return f"Histogram of how many top-{k} lists each row appears in, at most {int(counts.max())}"


def _spectrum(axes: Any, measure: Measure) -> str:
    variances = measure.arrays["variances"]
    if variances.sum() <= 0:
        variances = measure.arrays["singular_values"] ** 2
    share = 100 * variances.cumsum() / variances.sum()
    count = len(share)
    axes.plot(np.arange(count + 1), np.r_[0, share], color=FIRST, linewidth=2)
    axes.plot([0, count], [0, 100], color=SECOND, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.annotate("if all were equal", (count * 0.6, 60), (8, -10), textcoords="offset points")
    kept = int(measure.parts["dimensions_95"])
    if 0 < kept < count:
        axes.plot([kept], [share[kept - 1]], "o", color=FIRST, markersize=5)
        under = {"facecolor": CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1}
        late = kept > 0.5 * count
        offset, align = ((-2, -16), "right") if late else ((8, -12), "left")
        axes.annotate(
            f"95% in {kept}", (kept, share[kept - 1]), offset, textcoords="offset points", ha=align, bbox=under
        )
    axes.set_xlim(0, count)
    axes.set_ylim(0, 104)
    axes.set_xlabel("principal dimensions kept")
    axes.set_ylabel("% of variance held")
    return f"Share of variance held by the first principal dimensions; {kept} of {count} hold 95%"


def _two_humps(
    axes: Any, near: np.ndarray, far: np.ndarray, labels: tuple[str, str], edges: np.ndarray | None = None
) -> None:
    if edges is None:
        low = min(float(near.min()), float(far.min()))
        top = max(float(np.quantile(near, 0.999)), float(np.quantile(far, 0.999)))
        edges = np.linspace(low, top if top > low else low + 1, BINS)
    histogram(axes, near, edges, FIRST, labels[0])
    histogram(axes, far, edges, SECOND, labels[1])
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)


def _tendency(axes: Any, measure: Measure) -> str:
    near, made = measure.arrays["nearest"], measure.arrays["reference"]
    _two_humps(axes, near, made, ("real row", "made-up row"))
    axes.set_xlabel("distance to the nearest row")
    return f"Histograms of the nearest distance of real and of made-up rows; {measure.value:.0%} of pairs in this order"


def _pairs(axes: Any, measure: Measure) -> str:
    near, far = 1 - measure.arrays["squared"] / 2, 1 - measure.arrays["squared_random"] / 2
    _two_humps(axes, near, far, ("pair", "unrelated"))
    axes.set_xlabel("cosine")
    return (
        f"Histograms of the cosine of pairs and of unrelated rows; pairs at {near.mean():.2f}, others {far.mean():.2f}"
    )


def _pair_distances(axes: Any, measure: Measure) -> str:
    even, value = measure.parts["even"], measure.value
    axes.barh([1, 0], [value, even], color=[FIRST, SECOND], height=0.6)
    axes.set_yticks([1, 0], ["these rows", "spread evenly"])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("uniformity (0: all rows equal; further left is more even)")
    return f"Uniformity {value:.2f}; rows spread evenly would have {even:.2f}"


def _orders(axes: Any, measure: Measure) -> str:
    names = ("as stored", "rising\ndimension", "falling\ndimension", "random")
    recall = 100 * measure.arrays["recall"]
    axes.bar(names, recall, color=[FIRST, FIRST, FIRST, SECOND], width=0.6)
    low = max(0.0, min(recall.min() - 10, 90.0))
    axes.set_ylim(low, min(recall.max() + 0.1 * (recall.max() - low), 100))
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("% of the nearest found")
    return "Recall by order of insertion: " + ", ".join(
        f"{name.replace(chr(10), ' ')} {value:.0f}%" for name, value in zip(names, recall, strict=True)
    )


def _survival(axes: Any, measure: Measure) -> str:
    kinds = [kind for kind in ("bits", "dimensions") if kind in measure.arrays]
    labels, place = [], 0
    for kind, colour in zip(kinds, (FIRST, SECOND), strict=False):
        amounts, recall = measure.arrays[kind], 100 * measure.arrays[f"{kind}_recall"]
        low, high = 100 * measure.arrays[f"{kind}_low"], 100 * measure.arrays[f"{kind}_high"]
        x = np.arange(place, place + len(amounts))
        axes.bar(x, recall, color=colour, width=0.65, alpha=0.75)
        axes.errorbar(
            x, recall, [recall - low, high - recall], fmt="none", color=INK, ecolor=INK, elinewidth=1.2, capsize=3
        )
        labels += [f"{amount:.0f}" for amount in amounts]
        axes.text(x.mean(), 113, "bits a number" if kind == "bits" else "dimensions kept", ha="center", va="center")
        place += len(amounts) + 1
        labels.append("")
    axes.set_xticks(np.arange(len(labels) - 1), labels[:-1])
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 120)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylabel("% of the nearest found")
    return f"Recall with fewer bits and fewer dimensions; {measure.value:.0%} with 4 bits"


def _floor(axes: Any, measure: Measure) -> str:
    variances = measure.arrays["variances"]
    count = np.arange(1, len(variances) + 1)
    seen = variances > variances[0] * 1e-9
    axes.plot(count[seen], variances[seen], color=FIRST, linewidth=2)
    axes.set_yscale("log")
    if len(variances) > 1:
        axes.set_xlim(1, len(variances))
    edge = measure.parts["edge"]
    if np.isfinite(edge):
        axes.axhline(edge, color=SECOND, linewidth=1.2, linestyle=(0, (3, 2)))
        under = {"facecolor": CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axes.annotate(
            "most that noise reaches",
            (0.98, edge),
            (0, 4),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            bbox=under,
        )
    axes.set_xlabel("direction, strongest first")
    axes.set_ylabel("variance (log scale)")
    return f"Variance by direction; {measure.value:.0f} stand above the noise"


def _merging(axes: Any, measure: Measure) -> str:
    likeness = measure.arrays["likeness"]
    left = np.arange(len(likeness), 0, -1)
    axes.plot(left, np.minimum.accumulate(likeness), color=FIRST, linewidth=2)
    axes.axhline(0.9, color=SECOND, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.set_xlim(len(likeness) + 1.5, 0.5)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("numbers left after merging")
    axes.set_ylabel("correlation of the two merged")
    return f"Correlation of the coordinates merged at each step; {measure.value:.0f} are left above the threshold"


def _dominance(axes: Any, measure: Measure) -> str:
    shares = 100 * measure.arrays["shares"][:20]
    dominant = int(measure.parts["directions"])
    axes.bar(
        np.arange(1, len(shares) + 1), shares, color=[SECOND if i < dominant else FIRST for i in range(len(shares))]
    )
    axes.grid(visible=False, axis="x")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("direction, strongest first" + (" (dominant ones marked)" if dominant else ""))
    axes.set_ylabel("% of similarity")
    return f"Share of similarity by direction; {dominant} dominate with {measure.value:.0%}"


def _norms(axes: Any, measure: Measure) -> str:
    norms, mean = measure.arrays["norms"], measure.parts["mean"]
    # Lengths equal but for rounding should look equal, so the axis never shows less than a tenth of the mean.
    low = min(float(np.quantile(norms, 0.001)), 0.95 * mean)
    high = max(float(np.quantile(norms, 0.999)), 1.05 * mean)
    histogram(axes, norms, np.linspace(low, high, BINS), FIRST)
    axes.set_xlabel("length of a vector")
    return f"Histogram of vector lengths around {mean:.3g}"


def _association(axes: Any, measure: Measure) -> str:
    groups = measure.arrays["targets"], measure.arrays["other_targets"]
    reach = 1.05 * max(float(np.abs(group).max()) for group in groups)
    edges = np.linspace(-reach, reach, 1 + min(BINS, 4 + 2 * int(min(map(len, groups)) ** 0.5)))
    for group, colour, label in zip(groups, (FIRST, SECOND), ("first group", "other group"), strict=True):
        histogram(axes, group, edges, colour, label)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_xlabel("nearer to the other attributes  -  nearer to the first")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    return f"Histograms of how two groups lean between two attributes; {measure.value:.2f} standard deviations apart"


def _analogies(axes: Any, measure: Measure) -> str:
    order = np.argsort(measure.arrays["answers"], kind="stable")
    parts = [part for part in np.array_split(measure.arrays["solved"][order], 10) if len(part)]
    axes.bar(np.arange(1, len(parts) + 1), [100 * part.mean() for part in parts], 0.9, color=FIRST, linewidth=0)
    axes.set_xlabel("tenth of the questions, by the row number of the answer")
    axes.set_ylabel("% solved")
    axes.set_ylim(0, 105)
    return f"Share of analogies solved by the row number of the answer; {measure.value:.0%} of all"
