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
_INK, _MUTED, _FIRST, _SECOND, _CARD = "#010101", "#020202", "#030303", "#040404", "#050505"
_NAMES = {
    _CARD: "var(--card)",
    _INK: "var(--ink)",
    _MUTED: "var(--line)",
    _FIRST: "var(--first)",
    _SECOND: "var(--second)",
}
_SIZE = (4.7, 2.7)
_BINS = 48


def figures(measures: Mapping[str, Measure], metric: str) -> dict[str, str]:
    """SVG by the name of the measure it belongs to; measures without a value have none."""
    require("matplotlib", "view")
    makers: dict[str, Callable[[Any, Measure], str]] = {
        "local_intrinsic_dimension": _local_dimension,
        "contrast": _contrast_of(metric),
        "hubness": _occurrences,
        "effective_rank": _spectrum,
        "norm_spread": _norms,
        "association": _association,
        "analogy": _analogies,
    }
    drawn = [name for name in makers if name in measures and measures[name].known]
    return {name: _draw(name, makers[name], measures[name]) for name in drawn}


def _draw(name: str, make: Callable[[Any, Measure], str], measure: Measure) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 9,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.edgecolor": _MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": _MUTED,
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


def _histogram(axes: Any, values: np.ndarray, edges: np.ndarray, colour: str, label: str | None = None) -> None:
    heights, _ = np.histogram(values, edges)
    share = 100 * heights / max(len(values), 1)
    axes.bar(edges[:-1], share, np.diff(edges), align="edge", color=colour, alpha=0.75, linewidth=0, label=label)
    axes.set_ylabel("% of rows")


def _mark(axes: Any, x: float, text: str) -> None:
    axes.axvline(x, color=_INK, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.annotate(text, (x, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top")


def _local_dimension(axes: Any, measure: Measure) -> str:
    values = measure.arrays["per_row"]
    values = values[np.isfinite(values)]
    top = float(np.quantile(values, 0.99))
    _histogram(axes, values, np.linspace(0, top, _BINS), _FIRST)
    axes.set_xlabel("local intrinsic dimension")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.12)
    _mark(axes, measure.value, f"median {measure.value:.0f}")
    return f"Histogram of local intrinsic dimension, median {measure.value:.1f}"


def _contrast_of(metric: str) -> Callable[[Any, Measure], str]:
    def make(axes: Any, measure: Measure) -> str:
        nearest, far = measure.arrays["nearest"], measure.arrays["random"]
        name = "Euclidean distance"
        if metric == "cosine":
            nearest, far, name = nearest**2 / 2, far**2 / 2, "cosine distance (1 - cosine)"
        edges = np.linspace(0, float(max(np.quantile(far, 0.999), nearest.max())), _BINS)
        _histogram(axes, nearest, edges, _FIRST, "nearest neighbour")
        _histogram(axes, far, edges, _SECOND, "random row")
        axes.set_xlabel(name)
        axes.set_ylim(top=axes.get_ylim()[1] * 1.3)
        axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
        return f"Histograms of distance to the nearest neighbour and to a random row; ratio {measure.value:.2f}"

    return make


def _occurrences(axes: Any, measure: Measure) -> str:
    counts, k = measure.arrays["occurrences"], int(measure.parts["k"])
    width = max(1, int(np.ceil((counts.max() + 1) / 60)))
    edges = np.arange(0, counts.max() + width + 1, width) - 0.5
    heights, _ = np.histogram(counts, edges)
    axes.bar(edges[:-1], np.where(heights, heights, np.nan), width * 0.9, align="edge", color=_FIRST, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7, top=heights.max() * 3)
    axes.set_xlabel(f"in how many top-{k} results a row appears")
    axes.set_ylabel("rows (log scale)")
    _mark(axes, k, f"if all were equal: {k}")
    return f"Histogram of how many top-{k} lists each row appears in, at most {int(counts.max())}"


def _spectrum(axes: Any, measure: Measure) -> str:
    variances = measure.arrays["variances"]
    if variances.sum() <= 0:
        variances = measure.arrays["singular_values"] ** 2
    share = 100 * variances.cumsum() / variances.sum()
    count = len(share)
    axes.plot(np.arange(count + 1), np.r_[0, share], color=_FIRST, linewidth=2)
    axes.plot([0, count], [0, 100], color=_SECOND, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.annotate("if all were equal", (count * 0.6, 60), (8, -10), textcoords="offset points")
    kept = int(measure.parts["dimensions_95"])
    if 0 < kept < count:
        axes.plot([kept], [share[kept - 1]], "o", color=_FIRST, markersize=5)
        under = {"facecolor": _CARD, "edgecolor": "none", "alpha": 0.8, "pad": 1}
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


def _norms(axes: Any, measure: Measure) -> str:
    norms, mean = measure.arrays["norms"], measure.parts["mean"]
    # Lengths equal but for rounding should look equal, so the axis never shows less than a tenth of the mean.
    low = min(float(np.quantile(norms, 0.001)), 0.95 * mean)
    high = max(float(np.quantile(norms, 0.999)), 1.05 * mean)
    _histogram(axes, norms, np.linspace(low, high, _BINS), _FIRST)
    axes.set_xlabel("length of a vector")
    return f"Histogram of vector lengths around {mean:.3g}"


def _association(axes: Any, measure: Measure) -> str:
    groups = measure.arrays["targets"], measure.arrays["other_targets"]
    reach = 1.05 * max(float(np.abs(group).max()) for group in groups)
    edges = np.linspace(-reach, reach, 1 + min(_BINS, 4 + 2 * int(min(map(len, groups)) ** 0.5)))
    for group, colour, label in zip(groups, (_FIRST, _SECOND), ("first group", "other group"), strict=True):
        _histogram(axes, group, edges, colour, label)
    axes.axvline(0, color=_MUTED, linewidth=1)
    axes.set_xlabel("nearer to the other attributes  -  nearer to the first")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.3)
    axes.legend(loc="upper left", ncols=2, handlelength=1, columnspacing=1.2, borderaxespad=0)
    return f"Histograms of how two groups lean between two attributes; {measure.value:.2f} standard deviations apart"


def _analogies(axes: Any, measure: Measure) -> str:
    order = np.argsort(measure.arrays["answers"], kind="stable")
    parts = [part for part in np.array_split(measure.arrays["solved"][order], 10) if len(part)]
    axes.bar(np.arange(1, len(parts) + 1), [100 * part.mean() for part in parts], 0.9, color=_FIRST, linewidth=0)
    axes.set_xlabel("tenth of the questions, by the row number of the answer")
    axes.set_ylabel("% solved")
    axes.set_ylim(0, 105)
    return f"Share of analogies solved by the row number of the answer; {measure.value:.0%} of all"
