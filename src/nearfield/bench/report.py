"""The figures for people: Markdown tables and a plot of recall against speed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.checks import require
from .runner import TARGETS
from .summary import BASELINE, Curve, curves, groups, load_results, ratios, to_json


def rate_text(value: float | None) -> str:
    """A rate as it stands in a table."""
    return "not reached" if value is None else f"{value:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> list[str]:
    """A Markdown table whose first ``texts`` columns are text and the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def _heading(workload: str, threads: int) -> str:
    return f"{workload}, {threads} thread{'s' if threads > 1 else ''}"


def _rates_table(members: Sequence[Curve]) -> list[str]:
    head = ["index", *(f"q/s at {t:.2f}" for t in TARGETS), "highest recall", "MB resident", "MB by its own account"]
    head += ["build s", "spread"]
    ordered = sorted(members, key=lambda c: -(c.rates[0.95] or 0.0))
    rows = [
        [
            f"**{c.peer}**" if c.ours else c.peer,
            *(rate_text(c.rates[target]) for target in TARGETS),
            f"{c.points[-1].recall:.4f}",
            f"{c.resident_bytes / 1e6:.0f}",
            "-" if c.reported_bytes is None else f"{c.reported_bytes / 1e6:.0f}",
            f"{c.build_seconds:.1f}",
            "-" if c.spread is None else f"{100 * c.spread:.0f}%",
        ]
        for c in ordered
    ]
    return table(head, rows)


def _ratios_table(members: Sequence[Curve]) -> list[str]:
    made = ratios(members)
    head = ["ours", "against", *(f"at {t:.2f}" for t in TARGETS)]
    rows = []
    for peer in dict.fromkeys(ratio.peer for ratio in made):
        for label in ("best:", "best of no more memory:", BASELINE):
            cells = []
            for target in TARGETS:
                match = [r for r in made if (r.peer, r.recall) == (peer, target) and r.against.startswith(label)]
                if not match:
                    cells.append("-")
                    continue
                name = match[0].against.removeprefix(label).strip()
                cells.append(
                    f"{match[0].rate:.2f}x rate, {match[0].memory:.2f}x memory" + (f" ({name})" if name else "")
                )
            rows.append([f"**{peer}**", label.rstrip(":"), *cells])
    return table(head, rows, texts=len(head))


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The whole report as Markdown."""
    lines = ["# Our index beside its peers", ""]
    if not results:
        return "\n".join([*lines, "No results yet.", ""])
    machine = results[0]["machine"]
    runs = sorted({result["run"] for result in results})
    lines += [
        f"Machine: {machine['cpu']['model']} ({', '.join(machine['cpu']['wide']) or 'no wide instructions'}), "
        f"{machine['cores']} cores, {machine['system']}; Python {machine['python']}, NumPy {machine['numpy']}; "
        f"{machine['date']}, load {machine['load'][0]} at the start.",
        "",
        f"Recall@{results[0]['k']} is tie-aware against an exact search in NumPy. A rate is read off the curve of the "
        f"median of {results[0]['rounds']} interleaved rounds; *spread* is how far the rounds lay apart. Memory is the "
        "growth of the process (its own pages, the input not counted); the second figure is what the library says. "
        "Builds used two threads.",
        "",
    ]
    if len(runs) > 1:
        lines += [
            f"The results come from {len(runs)} runs ({', '.join(runs)}): only those of one run were timed in turn.",
            "",
        ]
    found = curves(results)
    for (workload, threads), members in groups(found).items():
        lines += [f"## {_heading(workload, threads)}", "", *_rates_table(members), ""]
        if any(member.ours for member in members):
            lines += [*_ratios_table(members), ""]
    lines += ["## What was compared", ""]
    lines += table(
        ["index", "package", "parameters", "state"],
        [
            [
                f"{result['data']}: {result['peer']}",
                f"{result['package']} {result['version'] or ''}".strip(),
                ", ".join(f"{key}={value}" for key, value in result["parameters"].items()) or "defaults",
                result["status"] + (f": {result['error']}" if result["error"] else ""),
            ]
            for result in results
        ],
        texts=4,
    )
    return "\n".join([*lines, ""])


def plot(found: Sequence[Curve], path: Path) -> None:
    """One panel per workload and number of threads: queries per second (log) over recall; ours in heavy lines."""
    require("matplotlib", "bench")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = groups(found)
    columns = max(1, len({threads for _, threads in panels}))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(7 * columns, 4.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    names = sorted({curve.peer for curve in found}, key=lambda name: (not name.startswith("nearfield"), name))
    shades = {name: f"C{i % 10}" for i, name in enumerate(names)}
    marks = {name: "os^Dvp*Xh"[(i // 10 + i) % 9] for i, name in enumerate(names)}
    for axis, ((workload, threads), members) in zip(axes, panels.items(), strict=False):
        for curve in sorted(members, key=lambda c: names.index(c.peer)):
            axis.plot(
                [point.recall for point in curve.points],
                [point.rate for point in curve.points],
                label=curve.peer,
                color=shades[curve.peer],
                marker=marks[curve.peer],
                markersize=4,
                linewidth=2.4 if curve.ours else 1.0,
                linestyle="-" if curve.ours else "--",
            )
        axis.set(title=_heading(workload, threads), xlabel="recall@10", ylabel="queries per second", yscale="log")
        axis.set_xlim(0.8, 1.0)
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=7)
    for axis in axes[len(panels) :]:
        axis.remove()
    figure.savefig(path, dpi=110)


def write_report(out: Path) -> Path:
    """Write ``peers.md``, ``peers.json`` and ``peers.png`` from the results under ``out``; returns the first."""
    results = load_results(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.md").write_text(markdown(results))
    (out / "peers.json").write_text(json.dumps(to_json(results), indent=1) + "\n")
    found = curves(results)
    if found:
        plot(found, out / "peers.png")
    return out / "peers.md"
