"""A plan as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common import html

if TYPE_CHECKING:
    from .plan import Plan, Trial


def plan_html(plan: Plan) -> str:
    """Whether the demands are met and by what, and a table of what was tried."""
    verdict = html.badge("met", "good") if plan.met else html.badge("not met", "poor")
    tried = html.table(_head(plan), [_row(plan, trial) for trial in plan.trials], numbers=range(1, 6))
    parts: list[object] = [
        html.Markup(f"{html.strong(plan.recipe)} {verdict}"),
        html.paragraph(plan.message),
        html.paragraph(html.soft(plan.title)),
        html.details(f"{len(plan.trials)} recipes tried", tried),
    ]
    if len(plan.pareto) > 1:
        front = html.table(_head(plan), [_row(plan, trial) for trial in plan.pareto], numbers=range(1, 6))
        parts.append(html.details("Not beaten in recall, speed and memory at once", front))
    if plan.dropped:
        parts.append(html.details(f"{len(plan.dropped)} not built", html.listing(plan.dropped)))
    return html.box(*parts)


def _head(plan: Plan) -> list[str]:
    return ["recipe", f"recall@{plan.k}", "queries/s", "p95 ms", "memory", "mapped", "misses"]


def _row(plan: Plan, trial: Trial) -> list[object]:
    from .plan import format_bytes

    interval = "exact" if trial.recall_low == 1 else f"{trial.recall_low:.3f} – {trial.recall_high:.3f}"
    name = html.strong(f"▸ {trial.recipe}") if trial.recipe == plan.recipe else trial.recipe
    return [
        name,
        html.Markup(f"{trial.recall:.4f}<br>{html.soft(interval)}"),
        "" if trial.queries_per_second is None else f"{trial.queries_per_second:,.0f}",
        "" if trial.latency is None else f"{trial.latency:.3f}",
        format_bytes(trial.memory),
        format_bytes(trial.mapped) if trial.mapped else "",
        ", ".join(plan.missed(trial)),
    ]
